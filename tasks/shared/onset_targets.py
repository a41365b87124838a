"""What a network should say about the onsets of a window."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ricercar.tasks.shared.triangle import check_targets, in_frames, painted, triangles


class OnsetTargets:
    """Times of K classes -> (T, K) float32 in [0, 1].

    kind regression   max(0, 1 - |dt| / J) around the exact time, dt in frames, J = half_width_frames (Kong et al. 2021,
                      High-resolution piano transcription, equation 1); of two onsets the higher value
    kind binary       1 in `label_frames` frames from the one nearest to the onset
    """

    def __init__(self, *, kind: str, half_width_frames: float, label_frames: int) -> None:
        check_targets(kind, half_width_frames, label_frames)
        self.kind = kind
        self.half_width = half_width_frames
        self.label_frames = label_frames

    def __call__(
        self, times_s: Sequence[NDArray[np.float64]], start_s: float, num_frames: int, fps: float
    ) -> NDArray[np.float32]:
        """times_s: one sorted array for each class."""
        target = np.zeros((num_frames, len(times_s)), dtype=np.float32)
        for column, time_s in enumerate(times_s):
            time = in_frames(time_s, start_s, fps)
            if self.kind == "regression":
                frame, height = triangles(time, self.half_width)
            else:
                frame = np.floor(time + 0.5)[:, None] + np.arange(self.label_frames)
                height = np.ones(frame.shape)
            target[:, column] = painted(frame, height, num_frames)
        return target
