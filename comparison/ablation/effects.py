"""What each level of a factor changes, whether factors work together, and where differences come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ricercar.comparison.ablation.grid import Cell, Factor
from ricercar.significance.draws import MIN_WORKS, Contrast, Draws
from ricercar.significance.scores import Floats, Scores

_ZERO = 1e-10  # weights below it are rounding


@dataclass(frozen=True)
class Estimates:
    """One for each of `names`: p and intervals are corrected for how many there are to judge."""

    names: list[str]
    values: Contrast


@dataclass(frozen=True)
class Interaction:
    """Two factors: by how much the cells of both depart from the sum of their effects.

    departures      of the cells, which are pairs of levels
    f, df, df_error, p    of no departure at all: ANOVA-type statistic (Brunner, Dette & Munk 1997)
    """

    factors: tuple[str, str]
    cells: list[tuple[str, str]]
    departures: Estimates
    f: float
    df: float
    df_error: float
    p: float


class Effects:
    """Of the cells' means `draws`.

    separable   False where factors never vary apart, so that there is no telling which of them makes a difference;
                only `differences` are of use then
    """

    def __init__(self, factors: Sequence[Factor], cells: Sequence[Cell], draws: Draws) -> None:
        self.factors = list(factors)
        self.cells = list(cells)
        self.draws = draws
        terms = design(factors, cells)
        self.separable = bool(np.linalg.matrix_rank(terms) == terms.shape[1])
        self._fit = np.linalg.pinv(terms)
        self._rest = np.eye(len(self.cells)) - terms @ self._fit

    def differences(self, baseline: Cell) -> Estimates:
        """Each cell minus the baseline, judged with all pairs of cells; NaN for the baseline itself."""
        weights = np.eye(len(self.cells))
        weights[self.cells.index(baseline)] -= 1
        return self._estimates([", ".join(cell) for cell in self.cells], weights, comb(len(self.cells), 2))

    def main(self, factor: Factor) -> Estimates:
        """Each level's mean minus the mean of all levels."""
        return self._estimates(list(factor.levels), self._of_levels(factor))

    def means(self, factor: Factor) -> Estimates:
        """Each level's mean, every cell the same weight."""
        return self._estimates(list(factor.levels), self._of_levels(factor) + self._fit[0][:, None], 1)

    def between(self, factor: Factor, baseline: str) -> Estimates:
        """Each other level's mean minus that of the baseline, judged with all pairs of levels."""
        others = [level for level in factor.levels if level != baseline]
        levels = self._of_levels(factor)
        weights = np.stack([levels[:, factor.levels.index(level)] for level in others], axis=1)
        weights = weights - levels[:, [factor.levels.index(baseline)]]
        return self._estimates(others, weights, comb(len(factor.levels), 2))

    def interactions(self) -> list[Interaction]:
        """Of each pair of factors; without those that too few cells leave undefined."""
        found = (self._interaction(i, j) for i, j in combinations(range(len(self.factors)), 2))
        return [each for each in found if each is not None]

    def _interaction(self, i: int, j: int) -> Interaction | None:
        pairs = list(dict.fromkeys((cell[i], cell[j]) for cell in self.cells))
        members = np.array([[(cell[i], cell[j]) == pair for pair in pairs] for cell in self.cells], dtype=np.float64)
        weights = self._rest @ (members / members.sum(axis=0))
        known = np.abs(weights).max(axis=0) > _ZERO  # a cell that is alone in its level is fitted as it is
        if not known.any():
            return None
        pairs, weights = [pair for pair, is_known in zip(pairs, known, strict=True) if is_known], weights[:, known]
        departures = self._estimates([", ".join(pair) for pair in pairs], weights)
        f, df, df_error, p = _anova_type(departures.values.estimate, weights, self.draws)
        names = (self.factors[i].name, self.factors[j].name)
        return Interaction(names, pairs, departures, f, df, df_error, p)

    def _of_levels(self, factor: Factor) -> Floats:
        """(S, levels) weights of the cells in each level's effect."""
        at = self.factors.index(factor)
        first = 1 + sum(len(each.levels) - 1 for each in self.factors[:at])
        coded = self._fit[first : first + len(factor.levels) - 1]
        return np.concatenate([coded, -coded.sum(axis=0, keepdims=True)]).T

    def _estimates(self, names: list[str], weights: Floats, number: int | None = None) -> Estimates:
        """weights (S, E). number: of what is judged together, if more than these."""
        values = self.draws.contrast(np.where(np.abs(weights) < _ZERO, 0.0, weights))
        return Estimates(names, values.together(number))


def design(factors: Sequence[Factor], cells: Sequence[Cell]) -> Floats:
    """(S, terms): 1 for the mean, and for each factor levels - 1 effects; the last level's is minus their sum."""
    return np.array([_row(factors, cell) for cell in cells])


def _row(factors: Sequence[Factor], cell: Cell) -> list[float]:
    row = [1.0]
    for factor, level in zip(factors, cell, strict=True):
        at = factor.levels.index(level)
        row += [float(i == at) - float(at == len(factor.levels) - 1) for i in range(len(factor.levels) - 1)]
    return row


def _anova_type(estimate: Floats, weights: Floats, draws: Draws) -> tuple[float, float, float, float]:
    """-> F, its two degrees of freedom, p.

    Unlike a Wald test it needs no inverse of a covariance, which few works and seeds cannot give. It is cautious: it
    finds an interaction that is not there in 4 % of simulated 2 x 2 tables, in 2 % of 4 x 5 tables with 14 works.
    """
    of_tracks = weights.T @ draws.covariance @ weights
    of_seeds = draws.seed_variance * (weights**2).sum(axis=1)
    covariance = of_tracks + weights.T @ (draws.seed_variance[:, None] * weights)
    trace, square = np.trace(covariance), _square(covariance)
    spread = _square(of_tracks) / max(float(draws.effective_works.min()) - 1, 1) + float(
        draws.spread(of_seeds[:, None])[0]
    )
    if not trace > 0 or np.isnan(estimate).any() or draws.num_works.min() < MIN_WORKS:
        return (float("nan"),) * 4
    f = float((estimate**2).sum() / trace)
    df, df_error = float(trace**2 / square), float(trace**2 / spread)
    return f, df, df_error, float(stats.f.sf(f, df, df_error))


def _square(matrix: NDArray[np.float64]) -> float:
    return float((matrix**2).sum())


@dataclass(frozen=True)
class Share:
    """share: of the variance of all scores; among_cells: of that of the cells' means, NaN for what is no part of it."""

    source: str
    share: float
    among_cells: float


def shares(scores: Scores, factors: Sequence[Factor], cells: Sequence[Cell]) -> list[Share]:
    """The parts of the variance of the scores of each cell, seed and track. They sum to 1; empty without variance.

    Cells weigh the same, and so do the seeds of a cell, and tracks (or works, where scores are averaged so). Where
    combinations have no result, factors are not independent of each other, and stand as one part.
    """
    values, weight = _known(scores)
    scored = np.flatnonzero(~np.isnan(values).all(axis=(1, 2))).tolist()  # a cell may have no score at all
    values, cells = values[scored], [cells[i] for i in scored]
    cell_seed = values @ weight
    present = ~np.isnan(cell_seed)
    seeds = present / present.sum(axis=1, keepdims=True)
    cell_track = np.einsum("sk,skt->st", seeds, np.nan_to_num(values))
    mean = cell_track @ weight
    track = cell_track.mean(axis=0)
    grand = float(mean.mean())
    between = float(((mean - grand) ** 2).mean())
    rest_of_track = cell_track - mean[:, None] - track + grand
    of_seeds = np.where(present, cell_seed - mean[:, None], 0.0)
    rest = np.where(present[:, :, None], np.nan_to_num(values) - cell_track[:, None] - of_seeds[:, :, None], 0.0)
    parts = {
        "tracks, alike in all combinations": float((track - grand) ** 2 @ weight),
        "tracks, different in each": float((rest_of_track**2 @ weight).mean()),
        "seeds": float((seeds * of_seeds**2).sum(axis=1).mean()),
        "seeds, different on each track": float((seeds * (rest**2 @ weight)).sum(axis=1).mean()),
    }
    total = between + sum(parts.values())
    if not total > 0:
        return []
    of_cells = _between(mean, factors, cells) if between > 0 else {}
    found = [Share(name, part / total, part / between) for name, part in of_cells.items()]
    return found + [Share(name, part / total, float("nan")) for name, part in parts.items()]


def _known(scores: Scores) -> tuple[Floats, Floats]:
    """(S, K, T) of the tracks that are known, and (T,) what each counts."""
    known = ~np.isnan(scores.values).all(axis=(0, 1))
    work = scores.work[known]
    weight = np.ones(len(work))
    if scores.averaging == "works":
        _, member, sizes = np.unique(work, return_inverse=True, return_counts=True)
        weight = 1 / sizes[member]
    return scores.values[:, :, known], weight / weight.sum()


def _between(mean: Floats, factors: Sequence[Factor], cells: Sequence[Cell]) -> dict[str, float]:
    """The variance of the cells' means: of each factor, of each pair beyond them, and what is left."""
    total = float(mean.var())
    complete = len(cells) == np.prod([len(factor.levels) for factor in factors])
    if not complete:
        terms = design(factors, cells)
        fitted = terms @ np.linalg.lstsq(terms, mean, rcond=None)[0]
        alone = float(((mean - fitted) ** 2).mean())
        return {"factors together": total - alone, "factors in combination": alone}
    parts = {factor.name: float(_averaged(mean, cells, [i]).var()) for i, factor in enumerate(factors)}
    single = dict(parts)
    for i, j in combinations(range(len(factors)), 2):
        name = f"{factors[i].name} with {factors[j].name}"
        both = float(_averaged(mean, cells, [i, j]).var())
        parts[name] = both - single[factors[i].name] - single[factors[j].name]
    if len(factors) > 2:
        parts["combinations of three or more"] = total - sum(parts.values())
    return {name: max(part, 0.0) for name, part in parts.items()}


def _averaged(mean: Floats, cells: Sequence[Cell], axes: Sequence[int]) -> Floats:
    """(S,) mean of the cells that share the levels of `axes`."""
    keys = [tuple(cell[axis] for axis in axes) for cell in cells]
    same = np.array([[one == other for other in keys] for one in keys], dtype=np.float64)
    averaged: Floats = same @ mean / same.sum(axis=1)
    return averaged
