"""Where something new begins: peaks of Foote's novelty."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d
from scipy.signal import oaconvolve

from ricercar.tasks.shared.frames import tip

Floats = NDArray[np.float64]


def novelty(features: Floats, half_width: int) -> Floats:
    """(T, D) features, 0 or above -> (T,) from 0 to 1 where what comes and what was have nothing in common.

    Foote 2000, Automatic audio segmentation using a measure of audio novelty: a checkerboard kernel with a Gaussian
    taper (standard deviation half its half width) along the diagonal of the matrix of cosine similarities. The kernel
    is an outer product, so that its sum over the matrix is the squared length of the features' sum, weighted by the
    taper with the sign of the side; the matrix is not needed. Half of it, with a taper of sum 1. The ends are
    continued as they are.
    """
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit = np.divide(features, length, out=np.zeros_like(features), where=length > 0)
    distance = np.arange(1, half_width + 1)
    taper = np.exp(-0.5 * (distance / (0.5 * half_width)) ** 2)
    taper /= taper.sum()
    kernel = np.concatenate([taper[::-1], [0.0], -taper])
    padded = np.pad(unit, ((half_width, half_width), (0, 0)), mode="edge")
    change = oaconvolve(padded, kernel[:, None], mode="valid", axes=0)
    half: Floats = 0.5 * (change**2).sum(axis=1)
    return half


def peaks(curve: Floats, threshold: float, distance: int) -> Floats:
    """(T,) -> times in frames where `curve` is at least `threshold` and the highest of `distance` frames on both
    sides; of equals the first. The exact time is the tip of the triangle through the peak and its neighbours.

    Peaks are inside: at least one frame from either end.
    """
    before = np.full(len(curve), -np.inf)
    before[1:] = maximum_filter1d(curve, distance, mode="nearest", origin=(distance - 1) // 2)[:-1]
    after = maximum_filter1d(curve, distance + 1, mode="nearest", origin=-((distance + 1) // 2))
    frame = np.flatnonzero((curve >= threshold) & (curve > before) & (curve >= after))
    frame = frame[(frame > 0) & (frame < len(curve) - 1)]
    times = frame + tip(curve[frame - 1], curve[frame], curve[frame + 1])
    return times[(times >= 1) & (times <= len(curve) - 1)]
