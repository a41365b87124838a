"""Every system against every other, on the same tracks: one verdict for each pair."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ricercar.significance.draws import Contrast, Draws
from ricercar.significance.scores import Bools, Floats

LEVEL = 0.05
_POWER = 0.8


@dataclass(frozen=True)
class Comparisons:
    """(S, S) each, of the row minus the column; NaN on the diagonal and where nothing can be said of a pair.

    low, high    simultaneous 95 % intervals: with a probability of 95 % all of them hold the truth
    p            two-sided, corrected for the number of pairs: below 0.05 exactly where the interval leaves out 0
    num_pairs    that are judged
    detectable   the smallest true difference that is told apart with 80 % probability; NaN if unknown
    """

    difference: Floats
    low: Floats
    high: Floats
    p: Floats
    num_pairs: int
    detectable: float

    @property
    def known(self) -> Bools:
        """(S, S) whether there is a verdict."""
        return np.logical_not(np.isnan(self.p))

    @property
    def told_apart(self) -> Bools:
        """(S, S) the verdict."""
        apart: Bools = np.nan_to_num(self.p, nan=1.0) < LEVEL
        return apart


def compare(draws: Draws) -> Comparisons:
    """draws: of scores on the same tracks. Bonferroni's correction, which intervals can share."""
    num_systems = len(draws.mean)
    rows, columns = np.triu_indices(num_systems, 1)
    found = draws.differences(rows, columns).together()
    upper, lower = (rows, columns), (columns, rows)
    difference, low, high, p = np.full((4, num_systems, num_systems), np.nan)
    difference[upper], difference[lower] = found.estimate, -found.estimate
    least, greatest = draws.bounds
    most = np.inf if least is None or greatest is None else greatest - least  # that bounded scores can differ
    low[upper], high[upper] = np.maximum(found.low, -most), np.minimum(found.high, most)
    low[lower], high[lower] = -high[upper], -low[upper]
    p[upper] = p[lower] = found.p
    num_known = int((~np.isnan(found.p)).sum())
    return Comparisons(difference, low, high, p, num_known, _detectable(found))


def _detectable(found: Contrast) -> float:
    """The median over pairs."""
    critical = stats.t.isf(LEVEL / 2 / found.number, found.df)
    needed = found.standard_error * (critical + stats.t.ppf(_POWER, found.df))
    needed = needed[~np.isnan(needed)]
    return float(np.median(needed)) if len(needed) else float("nan")
