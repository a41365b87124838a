"""The choice of thresholds and of a constant shift for onsets, on validation tracks."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ricercar.tasks.protocol import EMPTY
from ricercar.tasks.shared.onset_scoring import count, matched
from ricercar.tasks.shared.pooling import Counts
from ricercar.tasks.shared.search import Decoding, on_time

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Reference times of each class, and (times, heights) of each class's peaks.
Example = tuple[Sequence[Floats], Sequence[tuple[Floats, Floats]]]

_MOST_ROUNDS = 3


def tune(
    examples: Sequence[Example], grid: Sequence[float], num_classes: int, shift_s: float, window_s: float, empty: str
) -> tuple[list[float], float]:
    """-> (threshold of each class, shift) with the best mean F of the tracks, where all classes count together.

    First one threshold of `grid` for all classes, then each class's own in turn while that helps; of equally good ones
    the first. Then the shift that takes the median lateness from all onsets, unless that costs F. Where nothing is
    found, the thresholds are the first of `grid`, and the shift stays.
    """
    counted = [[_counts(each, k, grid, shift_s, window_s) for k in range(num_classes)] for each in examples]
    # (tracks, classes, thresholds, 3); the matched, the reference's and the estimate's number
    numbers = np.array(counted, dtype=np.int64).reshape(len(examples), num_classes, len(grid), 3)

    def mean_f(choice: Ints) -> float:
        return round(_mean_f(numbers[:, np.arange(num_classes), choice].sum(axis=1), empty), 9)

    best = max((np.full(num_classes, number) for number in range(len(grid))), key=mean_f)
    if not mean_f(best) > 0:  # 0, or NaN: no track has a score
        return [grid[0]] * num_classes, shift_s
    for _ in range(_MOST_ROUNDS if num_classes > 1 else 0):
        before = best
        for k in range(num_classes):
            best = max((np.where(np.arange(num_classes) == k, number, best) for number in range(len(grid))), key=mean_f)
        if (best == before).all():
            break
    thresholds = [grid[number] for number in best]

    def moved_f(decoding: Decoding) -> float:
        moved = [_together(each, thresholds, decoding["shift_s"], window_s) for each in examples]
        return _mean_f(np.array([[each.matched, each.reference, each.estimate] for each in moved]), empty)

    pairs = [
        matched(example[0][k], _estimate(example, k, threshold, shift_s), window_s)
        for example in examples
        for k, threshold in enumerate(thresholds)
    ]
    return thresholds, on_time({"shift_s": shift_s}, "shift_s", pairs, moved_f)["shift_s"]


def _mean_f(numbers: Ints, empty: str) -> float:
    """(tracks, 3) -> mean F; 0 where no track has one."""
    matched, both = numbers[:, 0], numbers[:, 1] + numbers[:, 2]
    f_measure = np.where(both > 0, 2 * matched / np.maximum(both, 1), EMPTY[empty])
    scored = f_measure[~np.isnan(f_measure)]
    return float(scored.mean()) if len(scored) else 0.0


def _estimate(example: Example, k: int, threshold: float, shift_s: float) -> Floats:
    peak_s, height = example[1][k]
    return np.maximum(peak_s[height >= threshold] + shift_s, 0.0)


def _counts(example: Example, k: int, thresholds: Sequence[float], shift_s: float, window_s: float) -> list[list[int]]:
    """-> for each threshold, the numbers of one class of one track."""
    found = [count(example[0][k], _estimate(example, k, each, shift_s), window_s) for each in thresholds]
    return [[each.matched, each.reference, each.estimate] for each in found]


def _together(example: Example, thresholds: Sequence[float], shift_s: float, window_s: float) -> Counts:
    estimates = [_estimate(example, k, threshold, shift_s) for k, threshold in enumerate(thresholds)]
    counts = [count(a, b, window_s) for a, b in zip(example[0], estimates, strict=True)]
    return sum(counts, Counts(0, 0, 0))
