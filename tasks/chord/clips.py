"""Chords frame by frame, in clips: how MARBLE counts them (Yuan et al. 2023)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import mir_eval
import numpy as np
from numpy.typing import NDArray

from ricercar.checks import check_between
from ricercar.data.annotations.chords import Chords
from ricercar.errors import InputError
from ricercar.tasks.protocol import LATER

Ints = NDArray[np.int64]

_NONE, _OTHER = 24, -1  # N, and what has neither a major nor a minor triad
_TRIADS = [np.array(mir_eval.chord.QUALITIES[quality]) == 1 for quality in ("maj", "min")]


@dataclass(frozen=True)
class Clips:
    """Clips from the beginning on, one after the other, until the reference ends. Each has all of its frames.

    length_s   of each
    least_s    of what is left at the end, to be a clip, too
    fps        frames per second; a frame has the chord that sounds at its beginning

    Classes are 24 major and minor chords, by the triad that a chord contains, and N, as which X counts. Frames whose
    reference is neither do not count. Within a clip, a reference of N that does not begin it is taken for the chord
    before it, and the last chord lasts until the end of the clip: so does the published code.
    """

    length_s: float
    least_s: float
    fps: float

    @classmethod
    def of(cls, protocol: Mapping[str, Any]) -> Self | None:
        """None where no frames are counted."""
        length_s, least_s, fps = (protocol.get(name, LATER[name]) for name in ("clip_s", "clip_least_s", "clip_fps"))
        check_between(0, length_s, **{"task.protocol.clip_least_s": least_s})
        if length_s and not fps:
            raise InputError(f"task.protocol.clip_s={length_s} of chords needs clip_fps, frames per second such as 75.")
        return cls(float(length_s), float(least_s), float(fps)) if length_s else None

    def count(self, reference: Chords, estimate: Chords) -> tuple[int, int]:
        """-> frames that are right, frames that count."""
        end_s = float(reference.end_s.max(initial=0.0))
        whole = int(end_s // self.length_s)
        left_s = end_s - whole * self.length_s
        frame_s = np.arange(int(self.length_s * self.fps)) / self.fps
        sides = [(each.start_s, np.array([_NONE, *map(_class, each.label)])) for each in (reference, estimate)]
        until_s = estimate.end_s.max(initial=0.0)
        right = compared = 0
        for number in range(whole + (left_s > 0 and self.least_s <= left_s)):
            time_s = number * self.length_s + frame_s
            # 0 is before the first chord.
            (said, classes), (heard, own) = ((np.searchsorted(start_s, time_s, "right"), of) for start_s, of in sides)
            inherits = (classes[said] == _NONE) & (said > said[0])
            true = np.where(inherits, classes[np.maximum(said - 1, 0)], classes[said])
            found = np.where(time_s < until_s, own[heard], _NONE)
            right += int(((found == true) & (true != _OTHER)).sum())
            compared += int((true != _OTHER).sum())
        return right, compared


def _class(label: str) -> int:
    """Root of a chord that contains a major triad, 12 more of a minor one."""
    root, notes, _ = mir_eval.chord.encode(label)
    if root < 0:
        return _NONE
    held = [bool(notes[triad].all()) for triad in _TRIADS]
    return int(root) + 12 * held[1] if held[0] != held[1] else _OTHER
