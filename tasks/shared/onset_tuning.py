"""The choice of thresholds and of a constant shift for onsets, on validation tracks."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ricercar.metrics.util import match_events
from ricercar.tasks.shared.onset_scoring import count
from ricercar.tasks.shared.pooling import EMPTY, Counts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Reference times of each class, and (times, heights) of each class's peaks.
Example = tuple[Sequence[Floats], Sequence[tuple[Floats, Floats]]]

THRESHOLDS = tuple(np.round(np.arange(0.05, 0.96, 0.05), 2).tolist())
_MOST_ROUNDS = 3


def tune(
    examples: Sequence[Example], start: Sequence[float], shift_s: float, window_s: float, empty: str
) -> tuple[list[float], float]:
    """-> (threshold of each class, shift) with the best mean F of the tracks, where all classes count together.

    First one threshold for all classes, then each class's own in turn while that helps; of equally good ones the
    nearest to `start`. Then the shift that takes the median lateness from all onsets, unless that costs F.
    Where nothing is found, everything stays.
    """
    grids = [np.array([first, *THRESHOLDS]) for first in start]
    counted = [[_counts(each, k, grid, shift_s, window_s) for k, grid in enumerate(grids)] for each in examples]
    # (tracks, classes, thresholds, 3); the matched, the reference's and the estimate's number
    numbers = np.array(counted, dtype=np.int64).reshape(len(examples), len(start), len(grids[0]), 3)
    columns = np.arange(len(start))

    def mean_f(choice: Ints) -> float:
        return _mean_f(numbers[:, columns, choice].sum(axis=1), empty)

    def rank(choice: Ints) -> tuple[float, float]:
        far = sum(abs(grid[k] - first) for grid, k, first in zip(grids, choice, start, strict=True))
        return round(mean_f(choice), 9), -far

    together = [np.zeros(len(start), dtype=np.int64)]
    together += [np.full(len(start), number, dtype=np.int64) for number in range(1, len(grids[0]))]
    best = max(together, key=rank)
    if not mean_f(best) > 0:  # 0, or NaN: no track has a score
        return list(start), shift_s
    for _ in range(_MOST_ROUNDS if len(start) > 1 else 0):
        before = best
        for k in range(len(start)):
            best = max((_with(best, k, number) for number in range(len(grids[k]))), key=rank)
        if (best == before).all():
            break
    thresholds = [float(grid[k]) for grid, k in zip(grids, best, strict=True)]

    on_time_s = shift_s - _lateness_s(examples, thresholds, shift_s, window_s)
    moved = [_together(each, thresholds, on_time_s, window_s) for each in examples]
    after = _mean_f(np.array([[each.matched, each.reference, each.estimate] for each in moved]), empty)
    return thresholds, on_time_s if after >= mean_f(best) else shift_s


def _with(choice: Ints, k: int, number: int) -> Ints:
    changed = choice.copy()
    changed[k] = number
    return changed


def _mean_f(numbers: Ints, empty: str) -> float:
    """(tracks, 3) -> mean F; 0 where no track has one."""
    matched, both = numbers[:, 0], numbers[:, 1] + numbers[:, 2]
    f_measure = np.where(both > 0, 2 * matched / np.maximum(both, 1), EMPTY[empty])
    scored = f_measure[~np.isnan(f_measure)]
    return float(scored.mean()) if len(scored) else 0.0


def _estimate(example: Example, k: int, threshold: float, shift_s: float) -> Floats:
    peak_s, height = example[1][k]
    return np.maximum(peak_s[height >= threshold] + shift_s, 0.0)


def _counts(example: Example, k: int, thresholds: Floats, shift_s: float, window_s: float) -> list[list[int]]:
    """-> for each threshold, the numbers of one class of one track."""
    found = [count(example[0][k], _estimate(example, k, each, shift_s), window_s) for each in thresholds]
    return [[each.matched, each.reference, each.estimate] for each in found]


def _together(example: Example, thresholds: Sequence[float], shift_s: float, window_s: float) -> Counts:
    estimates = [_estimate(example, k, threshold, shift_s) for k, threshold in enumerate(thresholds)]
    counts = [count(a, b, window_s) for a, b in zip(example[0], estimates, strict=True)]
    return sum(counts, Counts(0, 0, 0))


def _lateness_s(examples: Sequence[Example], thresholds: Sequence[float], shift_s: float, window_s: float) -> float:
    """The median by which estimated onsets come after those that they match."""
    late = [np.zeros(0)]
    for example in examples:
        for k, threshold in enumerate(thresholds):
            estimate_s = _estimate(example, k, threshold, shift_s)
            pairs = match_events(example[0][k], estimate_s, window_s)
            i, j = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
            late.append(estimate_s[j] - example[0][k][i])
    together = np.concatenate(late)
    return round(float(np.median(together)), 6) if len(together) else 0.0
