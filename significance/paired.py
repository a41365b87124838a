"""Every system against every other, on the same tracks."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from ricercar.significance.bootstrap import Contrast, Draws, resample
from ricercar.significance.scores import Floats, Ints, Scores

_LEVEL, _POWER = 0.05, 0.8
_RESAMPLES = 1000  # of pairs that need their own: a standard error within 2 %


@dataclass(frozen=True)
class Comparisons:
    """(S, S) each, of the row minus the column; NaN on the diagonal and where a pair cannot be compared.

    low, high    95 % interval of the difference
    p            two-sided; p_holm: corrected for the number of pairs
    detectable   the smallest true difference that a test of one pair would find with 80 % probability; NaN if unknown
    """

    difference: Floats
    low: Floats
    high: Floats
    p: Floats
    p_holm: Floats
    detectable: float


def compare(scores: Scores | None, draws: Draws) -> Comparisons:
    """draws: of the scores; a pair of which one lacks tracks is compared on the tracks that both have.

    scores is None for metrics of all tracks together, which have no scores of tracks.
    """
    num_systems = len(draws.mean)
    rows, columns = np.triu_indices(num_systems, 1)
    table = {name: np.full((num_systems, num_systems), np.nan) for name in Contrast.__dataclass_fields__}
    _enter(table, rows, columns, draws.differences(rows, columns))
    if scores is not None:
        known = scores.known
        for i in range(num_systems):
            others = i + 1 + np.flatnonzero((known[i] != known[i + 1 :]).any(axis=1))
            if len(others):
                _enter(table, np.full(len(others), i), others, _on_common(scores, i, others))
    upper = (rows, columns)
    p_holm = np.full(table["p"].shape, np.nan)
    p_holm[upper] = p_holm[upper[::-1]] = holm(table["p"][upper])
    detectable = _detectable(table["standard_error"][upper], table["df"][upper])
    return Comparisons(table["estimate"], table["low"], table["high"], table["p"], p_holm, detectable)


def holm(p: Floats) -> Floats:
    """p-values corrected for their number (Holm 1979); NaN are left out and stay.

    As statsmodels' multipletests, which collects garbage at every call: seconds where torch is loaded.
    """
    corrected = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    ranked = known[np.argsort(p[known], kind="stable")]
    steps = p[ranked] * np.arange(len(ranked), 0, -1)
    corrected[ranked] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def _on_common(scores: Scores, i: int, others: Ints) -> Contrast:
    """System i minus each of the others, each pair on the tracks that both have, and so with draws of its own."""
    common = (scores.known[i] & scores.known[others])[:, None]
    one, two = (np.where(common, scores.values[which], np.nan) for which in (i, others))
    both = Scores(np.concatenate([one, two]), scores.group, scores.averaging)
    place = np.arange(len(others))
    return resample(both, _RESAMPLES).differences(place, place + len(others))


def _enter(table: dict[str, Floats], rows: Ints, columns: Ints, differences: Contrast) -> None:
    for name, values in table.items():
        values[rows, columns] = values[columns, rows] = getattr(differences, name)
    table["estimate"][columns, rows] = -differences.estimate
    table["low"][columns, rows] = -differences.high
    table["high"][columns, rows] = -differences.low


def _detectable(standard_error: Floats, df: Floats) -> float:
    """The median over pairs."""
    needed = standard_error * (stats.t.isf(_LEVEL / 2, df) + stats.t.ppf(_POWER, df))
    needed = needed[~np.isnan(needed)]
    return float(np.median(needed)) if len(needed) else float("nan")
