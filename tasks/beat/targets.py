"""What a network should say about the beats of a window, and how far it is from it."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, max_pool1d

from ricercar.checks import check_between, check_choice, check_whole
from ricercar.tasks.shared.frames import check_wide, in_frames, painted, triangles

KINDS = ("triangle", "binary")
LOSSES = ("cross_entropy", "shift_tolerant")
_FAR = -1e4  # a logit that no maximum takes


class BeatTargets:
    """Times -> (T, 1) float32 in [0, 1].

    kind triangle   max(0, 1 - |dt| / half_width_frames), dt in frames from the exact time
    kind binary     1 where a frame is at most half_width_frames from the one nearest to the time, else 0
    """

    def __init__(self, *, kind: str, half_width_frames: float) -> None:
        check_choice(KINDS, **{"task.targets": kind})
        check_between(0, 1000, **{"task.half_width_frames": half_width_frames})
        if kind == "triangle":
            check_wide(half_width_frames)
        self.kind = kind
        self.half_width = half_width_frames
        # The target of the frame nearest to a beat is at least this.
        self.least_at_beat = 1.0 - 0.5 / half_width_frames if kind == "triangle" else 1.0

    def __call__(self, time_s: NDArray[np.float64], start_s: float, num_frames: int, fps: float) -> NDArray[np.float32]:
        time = in_frames(time_s, start_s, fps)
        if self.kind == "triangle":
            frame, height = triangles(time, self.half_width)
        else:
            reach = int(self.half_width)
            frame = np.floor(time + 0.5)[:, None] + np.arange(-reach, reach + 1.0)
            height = np.ones(frame.shape)
        return painted(frame, height, num_frames)[:, None]


class BeatLoss:
    """(logits, targets, valid) -> (). Frames whose target is NaN do not count.

    kind cross_entropy    mean binary cross entropy of the frames
    kind shift_tolerant   of Beat This (Foscarin, Schlueter, Widmer 2024): the highest logit within tolerance_frames
                          answers for a frame, and frames within twice as many of a beat, other than the beat's, do
                          not count: so the network need not know a beat better than its annotator
    """

    def __init__(self, *, kind: str, tolerance_frames: int, least_at_beat: float) -> None:
        check_choice(LOSSES, **{"task.loss": kind})
        check_whole(0, **{"task.tolerance_frames": tolerance_frames})
        self.kind = kind
        self.tolerance = tolerance_frames
        self.least_at_beat = least_at_beat - 1e-4  # targets are float32

    def __call__(self, logits: Tensor, targets: Tensor, valid: Tensor, positive_weight: float) -> Tensor:
        """(B, T, 1) twice, (B, T) bool; positive_weight: of a target of 1 over one of 0."""
        logits, targets = logits.float().squeeze(-1), targets.float().squeeze(-1)
        counted = valid & ~targets.isnan()
        targets = targets.nan_to_num(0.0)
        if self.kind == "shift_tolerant":
            beats = targets >= self.least_at_beat
            logits = _spread(logits.masked_fill(~valid, _FAR), self.tolerance)
            counted = counted & (beats | ~(_spread(beats.float(), 2 * self.tolerance) > 0))
            targets = beats.float()
        each = binary_cross_entropy_with_logits(
            logits, targets, pos_weight=logits.new_tensor(positive_weight), reduction="none"
        )
        return torch.where(counted, each, 0.0).sum() / counted.sum().clamp(min=1)


def _spread(values: Tensor, frames: int) -> Tensor:
    """(B, T) -> the maximum within `frames` of each frame."""
    return max_pool1d(values[:, None], 2 * frames + 1, stride=1, padding=frames).squeeze(1)
