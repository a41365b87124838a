"""Beats in clips of ten seconds, at the rate of frames: how MARBLE counts them (Yuan et al. 2023)."""

import numpy as np
from numpy.typing import NDArray

from ricercar.tasks.shared.clips import Clips
from ricercar.tasks.shared.onset_scoring import count
from ricercar.tasks.shared.pooling import Counts

Floats = NDArray[np.float64]


class BeatClips(Clips):
    """Times are rounded to frames, and are one where they are the same; a beat that is rounded to the end of its clip
    is left out. fps=0: times as they are.
    """

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
        return self.number_of(duration_s)

    def _within(self, time_s: Floats, number: int) -> Floats:
        """The times of a clip, from its beginning on."""
        begin_s = number * self.length_s
        inside: Floats = time_s[(time_s >= begin_s) & (time_s < begin_s + self.length_s)] - begin_s
        if not self.fps:
            return inside
        frame = np.unique(np.round(inside * self.fps))
        rounded: Floats = frame[frame < int(self.length_s * self.fps)] / self.fps
        return rounded
