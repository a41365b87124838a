"""mir_eval.onset's matching of times, as counts that can be summed."""

import numpy as np
from numpy.typing import NDArray

from ricercar.metrics.util import event_hits, match_events, num_matched
from ricercar.tasks.marks import MISSED, RIGHT, SPURIOUS, Mark, instants
from ricercar.tasks.shared.pooling import Counts

Floats = NDArray[np.float64]


def count(reference_s: Floats, estimate_s: Floats, window_s: float) -> Counts:
    """Sorted times -> counts of a largest matching of times that differ by at most window_s."""
    number = num_matched(event_hits(reference_s, estimate_s, window_s))
    return Counts(number, len(reference_s), len(estimate_s))


def marks(reference_s: Floats, estimate_s: Floats, window_s: float, label: str = "") -> list[Mark]:
    """Sorted times -> right or spurious for each of the estimate, missed for those of the reference without a pair."""
    pairs = _pairs(reference_s, estimate_s, window_s)
    found = instants(estimate_s[pairs[:, 1]], RIGHT, label)
    found += instants(np.delete(reference_s, pairs[:, 0]), MISSED, label)
    found += instants(np.delete(estimate_s, pairs[:, 1]), SPURIOUS, label)
    return sorted(found, key=lambda mark: (mark.start_s, mark.kind))


def matched(reference_s: Floats, estimate_s: Floats, window_s: float) -> tuple[Floats, Floats]:
    """Sorted times -> (n,) those of the reference in a largest matching, and those of the estimate that they match."""
    i, j = _pairs(reference_s, estimate_s, window_s).T
    return reference_s[i], estimate_s[j]


def merged(time_s: Floats, merge_s: float) -> Floats:
    """Sorted times without those at most merge_s after the last one that stays (merge_s 0: without repetitions)."""
    kept, row = [], 0
    while row < len(time_s):
        kept.append(row)
        # The slack is for sums of decimal fractions: 0.5 and 0.53 are one at 0.03.
        row = int(np.searchsorted(time_s, time_s[row] + merge_s + 1e-9, side="right"))
    return time_s[np.array(kept, dtype=np.int64)]


def _pairs(reference_s: Floats, estimate_s: Floats, window_s: float) -> NDArray[np.int64]:
    """-> (n, 2)"""
    return np.array(match_events(reference_s, estimate_s, window_s), dtype=np.int64).reshape(-1, 2)
