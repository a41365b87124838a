"""Chords frame by frame, in clips: how MARBLE counts them (Yuan et al. 2023)."""

from collections.abc import Mapping
from typing import Any, Self

import mir_eval
import numpy as np

from ricercar.data.annotations.chords import Chords
from ricercar.errors import InputError
from ricercar.tasks.shared.clips import Clips

_NONE, _OTHER = 24, -1  # N, and what has neither a major nor a minor triad
_TRIADS = [np.array(mir_eval.chord.QUALITIES[quality]) == 1 for quality in ("maj", "min")]


class ChordClips(Clips):
    """Clips until the reference ends, each with all of its frames. A frame has the chord that sounds at its beginning.

    Classes are 24 major and minor chords, by the triad that a chord contains, and N, as which X counts. Frames whose
    reference is neither do not count. Within a clip, a reference of N that does not begin it is taken for the chord
    before it, and the last chord lasts until the end of the clip: so does the published code.
    """

    @classmethod
    def of(cls, protocol: Mapping[str, Any]) -> Self | None:
        """InputError where there are no frames."""
        found = super().of(protocol)
        if found is not None and not found.fps:
            raise InputError(
                f"task.protocol.clip_s={found.length_s:g} of chords needs clip_fps, frames per second such as 75."
            )
        return found

    def count(self, reference: Chords, estimate: Chords) -> tuple[int, int]:
        """-> frames that are right, frames that count."""
        frame_s = np.arange(int(self.length_s * self.fps)) / self.fps
        sides = [(each.start_s, np.array([_NONE, *map(_class, each.label)])) for each in (reference, estimate)]
        until_s = estimate.end_s.max(initial=0.0)
        right = compared = 0
        for number in range(self.number_of(float(reference.end_s.max(initial=0.0)))):
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
