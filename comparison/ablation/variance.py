"""Where the differences between scores come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ricercar.comparison.ablation.effects import design
from ricercar.comparison.ablation.factors import Cell, Factor
from ricercar.significance.scores import Floats, Scores


@dataclass(frozen=True)
class Share:
    """share: of the variance of all scores; among_cells: of that of the cells' means, NaN for what is no part of it."""

    source: str
    share: float
    among_cells: float


def shares(scores: Scores, factors: Sequence[Factor], cells: Sequence[Cell]) -> list[Share]:
    """The parts of the variance of the scores of each cell, seed and track. They sum to 1; empty without variance.

    Cells weigh the same, and so do the seeds of a cell, and tracks (or groups, where scores are averaged so). Where
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
    group = scores.group[known]
    weight = np.ones(len(group))
    if scores.averaging == "groups":
        _, member, sizes = np.unique(group, return_inverse=True, return_counts=True)
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
