"""The table of a board as data: means with intervals, cost, effort, and the distance to the best."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from scipy import stats

from ricercar.comparison.board import Board
from ricercar.comparison.notes import looks, num_trials, shared_works, works_unknown
from ricercar.comparison.pooled import pooled_of
from ricercar.comparison.systems import System
from ricercar.errors import InputError
from ricercar.harness.provenance import Cost
from ricercar.significance.bootstrap import resample, resample_pooled
from ricercar.significance.draws import MIN_WORKS, Draws
from ricercar.significance.paired import Comparisons, compare
from ricercar.significance.ranks import expected_best


def pooled_draws(board: Board) -> dict[str, Draws]:
    """{metric: draws}; {} where it is not known how the metrics are made of the evidence.

    Of a seed that was repeated the mean counts, and it varies as the first of them does.
    """
    pooled = pooled_of(board.task, board.protocol)
    if pooled is None:
        return {}
    work = board.scores(board.track_metric).work
    bounds = {name: board.bounds(name) for name in board.pooled}
    try:
        draws = resample_pooled(board.evidence(), pooled, work, fixed=board.fixed, bounds=bounds)
    except KeyError:  # the evidence of another version
        return {}
    return {name: replace(draws[name], mean=board.means(name)) for name in board.pooled if name in draws}


# What the range beside a mean is
SEEDS, LENT, WORKS = "works and seeds", "works and borrowed seeds", "works"
TRACKS, NOTHING = "middle half of tracks", ""
# What is said of a system beside the best one
BEST, ALIKE, APART, UNKNOWN = "best", "not told apart", "told apart", "not known"


@dataclass(frozen=True)
class Estimate:
    """A mean; NaN is not known.

    low, high    95 % interval, or the middle half of the tracks' scores where there are too few works for one
    of           what they are of: other works and seeds (the variance of seeds being that of other systems, if
                 borrowed), other works with the same weights, or the tracks as they are; "" where there is neither
    """

    mean: float
    low: float
    high: float
    of: str


@dataclass(frozen=True)
class Difference:
    """To the best system. low, high: simultaneous 95 % interval; NaN, as is `p`, where there is no verdict.

    p    corrected for all pairs of the board: below 0.05 exactly where the interval leaves out 0
    """

    mean: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Row:
    """One system of a board.

    rank            by the primary metric, from 1; None where it has scores of too few tracks to be ranked
    metrics         {name: mean over seeds and tracks}, the primary one first
    num_seeds       None for what has no seeds, such as a baseline
    num_tracks      with a primary score
    cost            mean over the runs
    num_trials      of a run's search on the validation split, at most
    expected_best   of 1, 2 ... trials, on the validation split: of the first run with a search. What diverged
                    counts as the worst score that there can be
    looks           how often a run was scored on this split, at most
    training        works of this split that were trained on: "no", "3 works", "unknown", "-"
    difference      to the best system, paired; None for the best, and for what is not ranked
    verdict         "best", "not told apart" or "told apart" from it; "not known" where nothing can be said
    """

    rank: int | None
    system: System
    metrics: dict[str, Estimate]
    num_seeds: int | None
    num_tracks: int
    cost: Cost
    num_trials: int | None
    expected_best: list[float]
    looks: int | None
    training: str
    difference: Difference | None
    verdict: str


@dataclass(frozen=True)
class Table:
    """rows: best first, or by the metric `sort`. Of the primary metric, systems in the order of the board:

    draws          None where it cannot be drawn anew
    comparisons    None for one system too
    """

    board: Board
    metrics: list[str]
    rows: list[Row]
    draws: Draws | None
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
    pooled = pooled_draws(board) if set(shown) & set(board.pooled) else {}
    drawn = {name: pooled.get(name) if name in board.pooled else _drawn(board, name) for name in shown}
    draws = drawn[board.primary]
    comparisons = compare(draws) if draws is not None and len(board.systems) > 1 else None
    estimates = {name: _estimates(board, name, each) for name, each in drawn.items()}
    return Table(board, shown, _rows(board, estimates, comparisons), draws, comparisons)


def sorted_by(content: Table, metric: str) -> Table:
    """Rows by another metric than the primary one, the best first; the largest, where none is. Ranks stay."""
    sign = content.board.scale(metric).sign

    def order(row: Row) -> tuple[bool, float]:
        mean = sign * row.metrics[metric].mean
        return bool(np.isnan(mean)), 0.0 if np.isnan(mean) else -mean

    return replace(content, rows=sorted(content.rows, key=order), sort=metric)


def chosen_metrics(board: Board, metrics: Sequence[str] | None) -> list[str]:
    if metrics is None:
        return [board.primary, *(name for name in board.shown if name != board.primary)]
    unknown = [name for name in metrics if name not in board.metrics]
    if unknown:
        raise InputError(f"metric {unknown[0]} is not known for {board.title}: choose from {', '.join(board.metrics)}.")
    return list(dict.fromkeys([board.primary, *metrics]))


def _drawn(board: Board, metric: str) -> Draws:
    scores = board.ranked(metric).scores
    return resample(scores, num_resamples(len(board.systems)), fixed=board.fixed, bounds=board.bounds(metric))


def _estimates(board: Board, metric: str, draws: Draws | None) -> list[Estimate]:
    """Of a system that is not ranked the mean over its own tracks, by the primary metric alone."""
    means = board.means(metric).tolist()
    ranges = [(float("nan"), float("nan"), NOTHING)] * len(means)
    if draws is not None and draws.num_works.max() >= MIN_WORKS:
        ranges = list(zip(draws.low.tolist(), draws.high.tolist(), _kinds(draws), strict=True))
    elif metric not in board.pooled:
        ranges = [(low, high, TRACKS) for low, high in board.ranked(metric).scores.middle_half().tolist()]
    found = [Estimate(mean, low, high, "" if np.isnan(low) else of)
             for mean, (low, high, of) in zip(means, ranges, strict=True)]  # fmt: skip
    if metric != board.primary:
        return found
    own = [system.mean(metric) for system in board.systems]
    return [replace(each, mean=mean) if np.isnan(each.mean) else each for each, mean in zip(found, own, strict=True)]


def _kinds(draws: Draws) -> list[str]:
    columns = zip(draws.lent, draws.num_seeds > 1, strict=True)
    return [LENT if lent else SEEDS if several else WORKS for lent, several in columns]


def _rows(board: Board, estimates: dict[str, list[Estimate]], comparisons: Comparisons | None) -> list[Row]:
    scored = _num_tracks(board)
    scale, found = board.scale(board.primary), []
    means = scale.sign * board.means(board.primary)
    ranks = stats.rankdata(np.where(np.isnan(means), np.inf, -means), method="min")
    told = _verdicts(board, comparisons)
    worst = None if scale.worst is None else scale.sign * scale.worst
    for i, system in enumerate(board.systems):
        search = next((run.result.tuning for run in system.runs if run.result.tuning), None)
        row = Row(
            rank=None if np.isnan(means[i]) else int(ranks[i]),
            system=system,
            metrics={name: values[i] for name, values in estimates.items()},
            num_seeds=None if system.is_fixed else len(system.seeds),
            num_tracks=scored[i],
            cost=_cost(system),
            num_trials=num_trials(system),
            expected_best=expected_best([trial.score for trial in search.trials], worst) if search else [],
            looks=looks(system),
            training=_training(system),
            difference=_to_the_best(comparisons, i),
            verdict=told[i],
        )
        found.append(row)
    return found


def _num_tracks(board: Board) -> list[int]:
    values = board.scores(board.track_metric).values
    return [int(number) for number in (~np.isnan(values)).any(axis=1).sum(axis=1)]


def _to_the_best(comparisons: Comparisons | None, i: int) -> Difference | None:
    if comparisons is None or i == 0 or np.isnan(comparisons.difference[i, 0]):
        return None
    columns = (comparisons.difference, comparisons.low, comparisons.high, comparisons.p)
    return Difference(*(float(column[i, 0]) for column in columns))


def _verdicts(board: Board, comparisons: Comparisons | None) -> list[str]:
    """Of each system beside the first, which is not called the best where nothing can be compared with it."""
    if comparisons is None or not comparisons.known[0].any():
        return [UNKNOWN] * len(board.systems)
    pairs = list(zip(comparisons.known[0], comparisons.told_apart[0], strict=True))[1:]
    return [BEST, *((APART if apart else ALIKE) if known else UNKNOWN for known, apart in pairs)]


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
