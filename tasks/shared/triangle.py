"""Events at exact times, between frames: a triangle around each as a target, and its tip read from three frames.

Kong et al. 2021, High-resolution piano transcription with pedals by regressing onset and offset times.
"""

import numpy as np
from numpy.typing import NDArray

from ricercar.checks import check_choice, check_whole
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
