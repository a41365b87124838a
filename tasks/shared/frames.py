"""The grid of frames: classes and instants inside a frame, and stretches of frames."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import log_softmax

from ricercar.data.annotations.intervals import Intervals
from ricercar.tasks.shared.triangle import in_frames

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
INSTANTS = 8  # in a frame: a target is the mean over them, so that a share says when a pitch begins or ends


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


def instants(start_s: float, num_frames: int, fps: float) -> Floats:
    """-> (T * INSTANTS,) seconds, evenly over each frame's width of 1 / fps around its time; none is before 0 s."""
    offsets = (np.arange(INSTANTS) + 0.5) / INSTANTS - 0.5
    frames = np.arange(num_frames)[:, None]
    return np.maximum(np.round(start_s + (frames + offsets) / fps, 9), 0.0).ravel()


def row_frames(num_frames: int, rows_per_frame: int) -> Floats:
    """Where the rows of an estimate are, in frames: from 0 to half a frame, at most, after the last one."""
    return np.arange((num_frames - 1) * rows_per_frame + rows_per_frame // 2 + 1) / rows_per_frame


def rows_near(time_s: Floats, at_s: Floats, margin_s: float) -> slice:
    """The rows that matter to the sorted times `at_s`: those up to margin_s away, and one more on each side."""
    if len(at_s) == 0:
        return slice(0, 0)
    first, last = np.searchsorted(time_s, [at_s[0] - margin_s, at_s[-1] + margin_s])
    return slice(max(int(first) - 1, 0), int(last) + 1)


def nearest_rows(time_s: Floats, at_s: Floats, within_s: float) -> Ints:
    """-> the index of the row nearest to each time `at_s`; -1 where none is within_s of it.

    time_s: (n,) strictly increasing. A file that only lists what sounds leaves gaps: nothing sounds there.
    """
    if len(time_s) == 0:
        return np.full(at_s.shape, -1, dtype=np.int64)
    halfway = np.round((time_s[:-1] + time_s[1:]) / 2, 9)
    row = np.searchsorted(halfway, at_s, side="right")
    return np.where(np.abs(time_s[row] - at_s) <= within_s + 1e-9, row, -1)


def span_cells(first: Ints, end: Ints, column: Ints, num_columns: int) -> Ints:
    """-> the places of the cells (first <= row < end, column) of all stretches, in a table written row by row.

    first, end, column: (n,), first <= end. A cell that several stretches share is there several times.
    """
    length = end - first
    before = length.cumsum() - length
    of_first_row = (first - before) * num_columns + column
    cells: Ints = of_first_row.repeat(length) + np.arange(length.sum()) * num_columns
    return cells
