"""The table of a board as data: means with intervals, cost, effort, and the distance to the best."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from scipy import stats

from ricercar.comparison.board import Board, System
from ricercar.comparison.notes import looks, num_trials, shared_works, works_unknown
from ricercar.comparison.pooled import pooled_draws
from ricercar.errors import InputError
from ricercar.harness.results import Cost
from ricercar.significance.bootstrap import Draws, resample
from ricercar.significance.paired import Comparisons, compare
from ricercar.significance.ranks import expected_best


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % interval; NaN is not known."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """One system of a board.

    rank            by the primary metric, from 1
    metrics         {name: mean over seeds and tracks}, the primary one first
    num_tracks      with a primary score
    cost            mean over the runs
    num_trials      of a run's search on the validation split, at most
    expected_best   of 1, 2 ... trials, on the validation split: of the first run with a search. What diverged
                    counts as the worst score that there can be
    looks           how often a run was scored on this split, at most
    training        works of this split that were trained on: "no", "3 works", "unknown", "-"
    difference      to the best system, paired; None for the best
    p_holm          of that difference, corrected for all pairs of the board
    """

    rank: int
    system: System
    metrics: dict[str, Estimate]
    num_seeds: int
    num_tracks: int
    cost: Cost
    num_trials: int | None
    expected_best: list[float]
    looks: int | None
    training: str
    difference: Estimate | None
    p_holm: float | None


@dataclass(frozen=True)
class Table:
    """rows: best first, or by the metric `sort`. comparisons: of the primary metric, systems in the order of the board;
    None for one system.
    """

    board: Board
    metrics: list[str]
    rows: list[Row]
    comparisons: Comparisons | None
    sort: str | None = None


def num_resamples(num_systems: int) -> int:
    """10,000, and fewer for hundreds of systems: bounds time and memory; 1,000 give an interval's ends within 2 %."""
    return int(np.clip(5_000_000 // num_systems, 1_000, 10_000))


def rows(board: Board, metrics: Sequence[str] | None = None) -> list[Row]:
    return table(board, metrics).rows


def table(board: Board, metrics: Sequence[str] | None = None) -> Table:
    """metrics: beside the primary one; those that the task shows if None. InputError for one that nobody has."""
    shown = chosen_metrics(board, metrics)
    group = board.scores(board.track_metric).group
    pooled = pooled_draws(board, group) if set(shown) & set(board.pooled) else {}
    estimates: dict[str, list[Estimate]] = {}
    comparisons = None
    for name in shown:
        scores = None if name in board.pooled else board.scores(name)
        draws = pooled.get(name) if scores is None else resample(scores, num_resamples(len(board.systems)))
        estimates[name] = _estimates(board, name, draws)
        if name == board.primary and draws is not None and len(board.systems) > 1:
            comparisons = compare(scores, draws)
    return Table(board, shown, _rows(board, estimates, comparisons), comparisons)


def sorted_by(content: Table, metric: str) -> Table:
    """Rows by another metric than the primary one, the best first; the largest, where none is. Ranks stay."""
    sign = content.board.scale(metric).sign

    def order(row: Row) -> tuple[bool, float, int]:
        mean = sign * row.metrics[metric].mean
        return bool(np.isnan(mean)), 0.0 if np.isnan(mean) else -mean, row.rank

    return replace(content, rows=sorted(content.rows, key=order), sort=metric)


def chosen_metrics(board: Board, metrics: Sequence[str] | None) -> list[str]:
    if metrics is None:
        return [board.primary, *(name for name in board.shown if name != board.primary)]
    unknown = [name for name in metrics if name not in board.metrics]
    if unknown:
        raise InputError(f"metric {unknown[0]} is not known for {board.title}: choose from {', '.join(board.metrics)}.")
    return list(dict.fromkeys([board.primary, *metrics]))


def _estimates(board: Board, metric: str, draws: Draws | None) -> list[Estimate]:
    nothing = float("nan")
    if draws is None:
        return [Estimate(board.mean(system, metric), nothing, nothing) for system in board.systems]
    columns = zip(board.systems, draws.low.tolist(), draws.high.tolist(), strict=True)
    return [Estimate(board.mean(system, metric), low, high) for system, low, high in columns]


def _rows(board: Board, estimates: dict[str, list[Estimate]], comparisons: Comparisons | None) -> list[Row]:
    scored = _num_tracks(board)
    means = board.scale(board.primary).sign * np.array([estimate.mean for estimate in estimates[board.primary]])
    ranks = stats.rankdata(np.where(np.isnan(means), np.inf, -means), method="min")
    scale, found = board.scale(board.primary), []
    worst = None if scale.worst is None else scale.sign * scale.worst
    for i, system in enumerate(board.systems):
        search = next((run.result.tuning for run in system.runs if run.result.tuning), None)
        difference, p_holm = _to_the_best(comparisons, i)
        row = Row(
            rank=int(ranks[i]),
            system=system,
            metrics={name: values[i] for name, values in estimates.items()},
            num_seeds=len(system.seeds),
            num_tracks=scored[i],
            cost=_cost(system),
            num_trials=num_trials(system),
            expected_best=expected_best([trial.score for trial in search.trials], worst) if search else [],
            looks=looks(system),
            training=_training(system),
            difference=difference,
            p_holm=p_holm,
        )
        found.append(row)
    return found


def _num_tracks(board: Board) -> list[int]:
    values = board.scores(board.track_metric).values
    return [int(number) for number in (~np.isnan(values)).any(axis=1).sum(axis=1)]


def _to_the_best(comparisons: Comparisons | None, i: int) -> tuple[Estimate | None, float | None]:
    if comparisons is None or i == 0 or np.isnan(comparisons.difference[i, 0]):
        return None, None
    columns = (comparisons.difference, comparisons.low, comparisons.high, comparisons.p_holm)
    mean, low, high, p_holm = (float(column[i, 0]) for column in columns)
    return Estimate(mean, low, high), None if np.isnan(p_holm) else p_holm


def _cost(system: System) -> Cost:
    """The mean of what is known; where runs differ in what they ran on, all of it."""
    values: dict[str, float | int | str | None] = {}
    for each in fields(Cost):
        known = [value for run in system.runs if (value := getattr(run.result.cost, each.name)) is not None]
        if not known:
            values[each.name] = None
        elif each.name == "device":
            values[each.name] = ", ".join(sorted(set(known)))
        else:
            mean = float(np.mean(known))
            values[each.name] = round(mean) if "int" in str(each.type) else mean
    return Cost(**values)  # type: ignore[arg-type]  # the types of its own fields


def _training(system: System) -> str:
    if works := shared_works(system):
        return f"{len(works)} work" if len(works) == 1 else f"{len(works)} works"
    if works_unknown(system):
        return "unknown"
    return "no" if any(run.result.training for run in system.runs) else "-"
