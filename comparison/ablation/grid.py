"""The results of a sweep as a table with one axis for each factor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from ricercar.comparison.ablation.factors import Cell, Factor, Setting, differing, make_factor
from ricercar.comparison.ablation.unfinished import Unfinished, belonging
from ricercar.comparison.board import Board, System
from ricercar.comparison.collect import Found
from ricercar.comparison.options import listed
from ricercar.errors import InputError
from ricercar.significance.scores import Scores

_NUM_NAMED = 3  # options that an error names


@dataclass(frozen=True)
class Grid:
    """
    board       with one system for each cell
    cells       combinations of levels that have a result, in the order of the factors' levels
    baseline    the cell that others are compared with
    missing     combinations of levels that have no result
    trivial     baselines in the sense of the board, which are on the same tracks
    """

    board: Board
    factors: tuple[Factor, ...]
    cells: list[Cell]
    baseline: Cell
    missing: list[Cell]
    unfinished: list[Unfinished]
    trivial: list[System]
    notes: list[str]

    def scores(self, metric: str) -> Scores:
        """Of the cells, on the tracks that have a score in all of them."""
        scores = self.board.scores(metric)
        return scores.on(scores.shared)


def make_grid(
    board: Board,
    vary: Sequence[str],
    ignored: Sequence[str],
    baseline: Mapping[str, str],
    unfinished: Sequence[tuple[Path, Setting, int | None]],
) -> Grid | None:
    """None where the board has fewer than two cells. InputError where more differs than the factors and the seed."""
    settings = {i: setting_of(system.runs[0]) for i, system in enumerate(board.systems) if trained(system.runs[0])}
    lacking = [i for i, setting in settings.items() if setting.cell(vary) is None]
    if lacking:
        name = next(name for name in vary if settings[lacking[0]].level(name) is None)
        raise InputError(
            f"{board.systems[lacking[0]].runs[0].path} has no {name}, which other results have: leave it out "
            "with --where, or with a path that has the sweep alone."
        )
    members: dict[Cell, list[System]] = {}
    for i, setting in settings.items():
        cell = setting.cell(vary)
        assert cell is not None
        members.setdefault(cell, []).append(board.systems[i])
    if len(members) < 2:
        return None
    _check_equal(differing(settings.values(), vary, ignored))
    factors = tuple(make_factor(name, (cell[axis] for cell in members)) for axis, name in enumerate(vary))
    every = list(product(*(factor.levels for factor in factors)))
    cells = [cell for cell in every if cell in members]
    done = {(cell, run.result.seed) for cell in cells for system in members[cell] for run in system.runs}
    return Grid(
        board=replace(board, systems=[_together(cell, members[cell]) for cell in cells]),
        factors=factors,
        cells=cells,
        baseline=_baseline(factors, cells, baseline),
        missing=[cell for cell in every if cell not in members],
        unfinished=belonging(unfinished, next(iter(settings.values())), [*vary, *ignored], vary, done),
        trivial=[system for system in board.systems if system.is_baseline],
        notes=[
            f"{', '.join(cell)}: {len(members[cell])} configurations, whose mean counts for each seed."
            for cell in cells
            if len(members[cell]) > 1
        ],
    )


def trained(run: Found) -> bool:
    """Whether the run is one of train.py, rather than a baseline or predictions from elsewhere."""
    return run.result.config is not None and "system" not in run.result.choices


def setting_of(run: Found) -> Setting:
    return Setting.of(run.result.choices, run.result.config or {})


def _together(cell: Cell, systems: Sequence[System]) -> System:
    runs = sorted((run for system in systems for run in system.runs), key=lambda run: run.result.seed or 0)
    return System(systems[0].key, ", ".join(cell), tuple(runs))


def _check_equal(found: Mapping[str, Sequence[str]]) -> None:
    if not found:
        return
    first = next(iter(found))
    what = "; ".join(f"{name} is {listed(found[name])}" for name in list(found)[:_NUM_NAMED])
    more = f"; and {len(found) - _NUM_NAMED} more options" if len(found) > _NUM_NAMED else ""
    raise InputError(
        f"The results differ in more than what is varied: {what}{more}. Add {first} to --vary, choose one value "
        f"with --where {first}={found[first][0]}, or accept the difference with --ignore {first}."
    )


def _baseline(factors: Sequence[Factor], cells: Sequence[Cell], given: Mapping[str, str]) -> Cell:
    names = [factor.name for factor in factors]
    for name, level in given.items():
        if name not in names:
            raise InputError(f"--baseline {name}={level}: choose among what is varied: {', '.join(names)}.")
        levels = factors[names.index(name)].levels
        if level not in levels:
            raise InputError(f"--baseline {name}={level}: the results have {name} {listed(levels, 20)}.")
    matching = [cell for cell in cells if all(cell[names.index(name)] == level for name, level in given.items())]
    if not matching:
        wanted = ",".join(f"{name}={level}" for name, level in given.items())
        raise InputError(f"--baseline {wanted}: there is no result of this combination.")
    return matching[0]
