"""The results of a sweep as a table with one axis for each factor: a group (frontend) or an option (optimizer.lr)."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from ricercar.comparison.board import Board
from ricercar.comparison.found import Found
from ricercar.comparison.options import listed, options
from ricercar.comparison.systems import System
from ricercar.errors import InputError
from ricercar.harness.identity import essence
from ricercar.significance.scores import Scores

Cell = tuple[str, ...]


@dataclass(frozen=True)
class Factor:
    """levels: in their order, the first of which is the one that others are compared with."""

    name: str
    levels: tuple[str, ...]


@dataclass(frozen=True)
class Setting:
    """How a run was configured.

    choices   of each group
    options   {dotted name: value as text} of what determines a result, without the seed
    """

    choices: Mapping[str, str]
    options: Mapping[str, str]

    @classmethod
    def of(cls, choices: Mapping[str, str], config: Mapping[str, Any]) -> "Setting":
        return cls(choices, {name: value for name, value in options(essence(config)).items() if name != "seed"})

    def level(self, factor: str) -> str | None:
        """None where the configuration has no such group or option."""
        return self.choices.get(factor, self.options.get(factor))

    def cell(self, factors: Iterable[str]) -> Cell | None:
        """None where it lacks one of the factors."""
        levels = [self.level(factor) for factor in factors]
        return tuple(level for level in levels if level is not None) if None not in levels else None


def make_factor(name: str, levels: Iterable[str]) -> Factor:
    """Numbers by size, then words by the alphabet; null and none first, as what is compared with."""
    return Factor(name, tuple(sorted(set(levels), key=_order)))


def differing(settings: Iterable[Setting], factors: Iterable[str], ignored: Iterable[str]) -> dict[str, list[str]]:
    """-> {option: values} of what else differs between the settings, so that a comparison would not be of factors only.

    What stands below a varied group belongs to its choice: it may differ between choices, not within one.
    """
    settings, factors, ignored = list(settings), list(factors), list(ignored)
    found = {}
    for option in dict.fromkeys(name for each in settings for name in each.options):
        if option in factors or any(option == name or option.startswith(f"{name}.") for name in ignored):
            continue
        above = [name for name in factors if option.startswith(f"{name}.")]
        by_choice: dict[Cell | None, set[str | None]] = {}
        for each in settings:
            by_choice.setdefault(each.cell(above), set()).add(each.options.get(option))
        values = next((values for values in by_choice.values() if len(values) > 1), None)
        if values is not None:
            found[option] = sorted(("(not there)" if value is None else value for value in values), key=_order)
    return found


def _order(level: str) -> tuple[int, float, str]:
    if level in ("null", "none", "(not there)"):
        return 0, 0.0, level
    try:
        return 1, float(level), level
    except ValueError:
        return 2, 0.0, level


_NUM_NAMED = 3  # options that an error names


@dataclass(frozen=True)
class Unfinished:
    """A run that failed, or still goes on."""

    path: Path
    cell: Cell
    seed: int | None


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


_RESULT = "result.json"


def find_unfinished(paths: Sequence[Path]) -> list[tuple[Path, Setting, int | None]]:
    """-> folder, setting and seed of each run of train.py below the paths without a result.json."""
    found = {}
    for folder in (each for path in paths for each in _run_folders(path)):
        if not (folder / _RESULT).exists() and not any(folder.glob(f"*/{_RESULT}")):
            read = _read(folder)
            if read is not None:
                found[folder.resolve()] = (folder, *read)
    return list(found.values())


def belonging(
    unfinished: Sequence[tuple[Path, Setting, int | None]],
    finished: Setting,
    free: Sequence[str],
    vary: Sequence[str],
    done: set[tuple[Cell, int | None]],
) -> list[Unfinished]:
    """Those that differ from a finished run in nothing but what is free and the seed, and that no run made up for."""
    fixed = {
        name: value
        for name, value in finished.options.items()
        if not any(name == each or name.startswith(f"{each}.") for each in free)
    }
    found = []
    for path, setting, seed in unfinished:
        cell = setting.cell(vary)
        same = all(setting.options.get(name) == value for name, value in fixed.items())
        if cell is not None and same and (cell, seed) not in done:
            found.append(Unfinished(path, cell, seed))
    return found


def _run_folders(path: Path) -> Iterator[Path]:
    for folder, names, _ in os.walk(path):
        if ".hydra" in names:
            yield Path(folder)
            names.clear()  # what is inside belongs to the run
        names.sort()


def _read(folder: Path) -> tuple[Setting, int | None] | None:
    """None for what is no training, or where the run had no time to write its configuration."""
    try:
        config = yaml.safe_load((folder / ".hydra" / "config.yaml").read_text(encoding="utf-8"))
        hydra = yaml.safe_load((folder / ".hydra" / "hydra.yaml").read_text(encoding="utf-8"))
        choices = hydra["hydra"]["runtime"]["choices"]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
        return None
    if not isinstance(config, dict) or "trainer" not in config or not isinstance(choices, dict):
        return None
    chosen = {group: choice for group, choice in choices.items() if isinstance(choice, str) and "/" not in group}
    seed = config.get("seed")
    return Setting.of(chosen, config), seed if isinstance(seed, int) else None
