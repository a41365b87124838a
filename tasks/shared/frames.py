"""The grid of frames: triangles around exact times, and their tips; classes, instants and stretches of frames."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import log_softmax

from ricercar.checks import check_choice, check_whole
from ricercar.data.annotations.intervals import Intervals
from ricercar.errors import InputError

Floats = NDArray[np.float64]

KINDS = ("regression", "binary")


def check_targets(kind: str, half_width_frames: float, label_frames: int) -> None:
    """task.targets: of KINDS; for triangles half_width_frames, for labels of 1 label_frames."""
    check_choice(KINDS, **{"task.targets": kind})
    check_wide(half_width_frames)
    check_whole(**{"task.label_frames": label_frames})


def check_wide(half_width_frames: float) -> None:
    if not 1.5 <= half_width_frames < float("inf"):
        raise InputError(
            f"task.half_width_frames={half_width_frames} is too narrow for a triangle: give 1.5 or more, "
            "so that a peak has a neighbour on both sides to find its exact time from."
        )


def in_frames(time_s: Floats, start_s: float, fps: float) -> Floats:
    """Seconds -> frames from the window's start on.

    To 1e-6 frames, so that a time on the frame grid falls on the same side in every window.
    """
    return np.round((time_s - start_s) * fps, 6)


def triangles(time: Floats, half_width: float) -> tuple[Floats, Floats]:
    """(...) times in frames -> (..., L) the frames around each, and max(0, 1 - |dt| / half_width) there: equation 1."""
    reach = int(np.ceil(half_width))
    frame = np.floor(time)[..., None] + np.arange(1 - reach, reach + 1.0)
    return frame, np.maximum(1.0 - np.abs(frame - time[..., None]) / half_width, 0.0)


def painted(frame: Floats, height: Floats, num_frames: int) -> NDArray[np.float32]:
    """(n, L) twice -> (T,) the greatest height at each frame, 0 where there is none."""
    target = np.zeros(num_frames, dtype=np.float32)
    inside = (frame >= 0) & (frame < num_frames)
    np.maximum.at(target, frame[inside].astype(np.int64), height[inside].astype(np.float32))
    return target


def tip(before: Floats, at: Floats, after: Floats) -> Floats:
    """(n,) heights of three frames, the middle one a peak -> (n,) frames from it to the triangle's tip (equation 4).

    0 where they are equal.
    """
    drop = at - np.minimum(before, after)
    return np.divide(after - before, 2 * drop, out=np.zeros(len(at)), where=drop > 0)


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
