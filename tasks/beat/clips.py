"""Recordings in clips: MARBLE scores beats of clips of ten seconds, at the rate of its frames (Yuan et al. 2023)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ricercar.checks import check_between
from ricercar.tasks.protocol import LATER
from ricercar.tasks.shared.onset_scoring import count
from ricercar.tasks.shared.pooling import Counts

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Clips:
    """Clips from the beginning on, one after the other.

    length_s   of each
    least_s    of what is left at the end, to be a clip, too
    fps        times are rounded to so many frames per second, and are one where they are the same; a beat that is
               rounded to the end of its clip is left out. 0: times as they are
    """

    length_s: float
    least_s: float
    fps: float

    @classmethod
    def of(cls, protocol: Mapping[str, Any]) -> Self | None:
        """None where recordings are scored as they are."""
        length_s, least_s, fps = (protocol.get(name, LATER[name]) for name in ("clip_s", "clip_least_s", "clip_fps"))
        check_between(0, length_s, **{"task.protocol.clip_least_s": least_s})
        return cls(float(length_s), float(least_s), float(fps)) if length_s else None

    def count(self, reference_s: Floats, estimate_s: Floats, duration_s: float | None, tolerance_s: float) -> Counts:
        """Sorted times -> the numbers of all clips. duration_s: of the recording; None: until the last beat."""
        total = Counts(0, 0, 0)
        for number in range(self._number(reference_s, estimate_s, duration_s)):
            total += count(self._within(reference_s, number), self._within(estimate_s, number), tolerance_s)
        return total

    def _number(self, reference_s: Floats, estimate_s: Floats, duration_s: float | None) -> int:
        if duration_s is None:
            last_s = max([-1.0, *reference_s[-1:], *estimate_s[-1:]])
            return int(last_s // self.length_s) + 1
        whole = int(duration_s // self.length_s)
        left_s = duration_s - whole * self.length_s
        return whole + (left_s > 0 and left_s >= self.least_s)

    def _within(self, time_s: Floats, number: int) -> Floats:
        """The times of a clip, from its beginning on."""
        begin_s = number * self.length_s
        inside: Floats = time_s[(time_s >= begin_s) & (time_s < begin_s + self.length_s)] - begin_s
        if not self.fps:
            return inside
        frame = np.unique(np.round(inside * self.fps))
        rounded: Floats = frame[frame < int(self.length_s * self.fps)] / self.fps
        return rounded
