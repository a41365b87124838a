"""One class per frame: targets of labelled intervals at their exact times, and the loss of a softmax."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import log_softmax

from ricercar.data.annotations.intervals import Intervals
from ricercar.tasks.shared.triangle import in_frames


def class_shares(
    intervals: Intervals, classes: NDArray[np.int64], num_classes: int, start_s: float, num_frames: int, fps: float
) -> NDArray[np.float32]:
    """-> (T, num_classes): the share of each frame that each class fills; classes (n,), -1 for an interval of none.

    Frame t reaches half a frame before and after its time. Where no interval with a class is, all shares are 0.
    """
    kept = classes >= 0
    begin, end = (in_frames(time_s[kept], start_s, fps) for time_s in (intervals.start_s, intervals.end_s))
    steps = np.zeros((num_frames + 2, num_classes))
    for time, sign in ((begin, 1.0), (end, -1.0)):
        # From `time` on, a frame is filled: the first in part, later ones wholly. `steps` are the differences.
        time = np.clip(time, -0.5, num_frames - 0.5)
        frame = np.floor(time + 0.5).astype(np.int64)
        part = frame + 0.5 - time
        np.add.at(steps, (frame, classes[kept]), sign * part)
        np.add.at(steps, (frame + 1, classes[kept]), sign * (1.0 - part))
    shares = np.round(np.cumsum(steps[:num_frames], axis=0), 6)
    return np.clip(shares, 0.0, 1.0).astype(np.float32)


def share_cross_entropy(logits: Tensor, target: Tensor, valid: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """(B, T, K) twice, (B, T) bool -> () mean over valid frames, each weighted by the sum of its shares."""
    target = target.float()
    mass = torch.where(valid, target.sum(-1), 0.0)
    each = -(target * log_softmax(logits.float(), dim=-1)).sum(-1)
    if label_smoothing > 0:
        spread = -log_softmax(logits.float(), dim=-1).mean(-1) * target.sum(-1)
        each = (1.0 - label_smoothing) * each + label_smoothing * spread
    return torch.where(valid, each, 0.0).sum() / mass.sum().clamp(min=1.0)
