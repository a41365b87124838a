"""Instants inside a frame, and the rows of an annotation that hold there.

A target is the mean over the instants of a frame: where a pitch begins or ends between two frames, the share of the
frame in which it sounds says when.
"""

import numpy as np
from numpy.typing import NDArray

INSTANTS = 8  # per frame

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


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
