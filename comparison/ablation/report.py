"""The report on an ablation: one section for each board, with tables of effects and figures."""

from collections.abc import Iterator, Sequence

import numpy as np

from ricercar.comparison.ablation.document import Document, Figure, Heading, Paragraph, Part, Points, Table
from ricercar.comparison.ablation.effects import Effects, Estimates, shares
from ricercar.comparison.ablation.expectations import Expectation, verdict
from ricercar.comparison.ablation.figures import LABELS, OF_THE_MACHINE, costs, frontier, heat_map, intervals, scatter
from ricercar.comparison.ablation.grid import Cell, Grid
from ricercar.comparison.ablation.sample import Sample
from ricercar.comparison.numerals import amount, difference, interval, p_value, score
from ricercar.errors import InputError
from ricercar.significance.draws import MIN_WORKS
from ricercar.significance.scores import Scores
from ricercar.tasks.scale import HIGHER, LOWER

_INTERVAL = "95 % interval"
_P = "p"


def expectations(expected: Sequence[Expectation], sample: Sample, effects: Effects) -> Iterator[Part]:
    if sample.scale.better is None:
        raise InputError(f"--expect needs a metric that has a best: of {sample.metric} neither lower nor higher is.")
    side = "above" if sample.scale.better == HIGHER else "below"
    rows = []
    for each in expected:
        found = verdict(each, effects, sample.scale)
        what = f"{each.factor}: {each.better} {side} {each.worse}"
        rows.append([what, difference(found.difference), interval(found.low, found.high), found.answer])
    yield Heading("Expectations", 3)
    yield Paragraph(["Confirmed or contradicted where the interval of the difference leaves out 0."])
    yield Table(["expected", "difference of means", _INTERVAL, "answer"], rows)


def combinations(sample: Sample, effects: Effects, cost: str, prefix: str) -> Iterator[Part]:
    """Every cell: its mean, and its difference to the baseline."""
    grid, draws = sample.grid, sample.draws
    low, high = draws.low.tolist(), draws.high.tolist()
    compared = effects.differences(grid.baseline)
    rows = []
    for i, (cell, known) in enumerate(zip(grid.cells, costs(grid, cost), strict=True)):
        own = [score(float(draws.mean[i])), interval(low[i], high[i]), str(draws.num_seeds[i])]
        against = ["baseline", "-", "-"] if cell == grid.baseline else _row(compared, i)
        rows.append([*cell, *own, *against, amount(known)])
    names = [factor.name for factor in grid.factors]
    baseline = ", ".join(f"{name} {level}" for name, level in zip(names, grid.baseline, strict=True))
    yield Heading("Combinations" if len(names) > 1 else "Choices", 3)
    yield Paragraph([f"Baseline: {baseline}.", "Differences are paired: both are of the same tracks."])
    yield Table([*names, "mean", _INTERVAL, "seeds", "to the baseline", _INTERVAL, _P, cost], rows, len(names))
    if len(names) > 1:
        yield _heat_map(sample, prefix)
    else:
        text = f"Difference to {grid.baseline[0]}, {_INTERVAL}"
        yield Figure(f"{prefix}differences", intervals(compared, f"{sample.metric}, {text.lower()}"), text)


def levels(effects: Effects, baseline: Cell) -> Iterator[Part]:
    """What each level of each factor changes, on average over the others."""
    of_all, of_pairs = [], []
    for factor, base in zip(effects.factors, baseline, strict=True):
        means, main, pairs = effects.means(factor), effects.main(factor), effects.between(factor, base)
        for i, level in enumerate(main.names):
            of_all.append([factor.name, level, score(float(means.values.estimate[i])), *_row(main, i)])
        for i, level in enumerate(pairs.names):
            of_pairs.append([factor.name, f"{level} minus {base}", *_row(pairs, i)])
    yield Heading("Factors", 3)
    yield Paragraph(["The effect of a level: its mean minus that of all levels.", "Each combination weighs the same."])
    yield Table(["factor", "level", "mean", "effect", _INTERVAL, _P], of_all, 2)
    yield Table(["factor", "levels", "difference", _INTERVAL, _P], of_pairs, 2)


def interactions(effects: Effects) -> Iterator[Part]:
    found = effects.interactions()
    yield Heading("Interactions", 3)
    if not found:
        yield Paragraph(["Too few combinations have a result to tell."])
        return
    yield Paragraph(
        [
            "Whether the effect of one factor depends on the other.",
            "Departure: the mean of a combination minus what the effects of its levels add up to.",
            "F: ANOVA-type statistic of no departure at all (Brunner, Dette and Munk 1997).",
        ]
    )
    tests = []
    for each in found:
        df = "-" if np.isnan(each.df) else f"{each.df:.1f}, {each.df_error:.1f}"
        tests.append([" with ".join(each.factors), "-" if np.isnan(each.f) else f"{each.f:.2f}", df, p_value(each.p)])
    yield Table(["factors", "F", "degrees of freedom", "p"], tests)
    for each in found:
        rows = [[*cell, *_row(each.departures, i)] for i, cell in enumerate(each.cells)]
        yield Table([*each.factors, "departure", _INTERVAL, _P], rows, 2)


def variance(scores: Scores, grid: Grid) -> Iterator[Part]:
    found = shares(scores, grid.factors, grid.cells)
    if found:
        yield Heading("Where scores differ", 3)
        yield Paragraph(["Shares of the variance of the scores of all combinations, seeds and tracks, as measured."])
        rows = [[each.source, _percent(each.share), _percent(each.among_cells)] for each in found]
        yield Table(["source", "of all scores", "of the combinations' means"], rows)


def pareto_front(sample: Sample, cost: str, prefix: str) -> Iterator[Part]:
    """The Pareto front."""
    grid = sample.grid
    points = frontier(costs(grid, cost), sample.draws.mean.tolist(), sample.scale)
    if not points or sample.scale.better is None:
        return
    label = LABELS[cost]
    how = ["The combinations whose mean no other one reaches for the same cost or less."]
    if cost in OF_THE_MACHINE:
        how.append("This cost depends on the machine and on what else ran on it; macs and params do not.")
    best = [[*grid.cells[point.cell], amount(point.cost), score(point.score)] for point in points if point.best]
    yield Heading("Score and cost", 3)
    yield Paragraph(how)
    yield Table([*(factor.name for factor in grid.factors), label, sample.metric], best, len(grid.factors))
    figure = scatter(points, [", ".join(cell) for cell in grid.cells], label, sample.metric)
    yield Figure(f"{prefix}costs", figure, f"{sample.metric} against {label}; the line joins those of the table")


def _heat_map(sample: Sample, prefix: str) -> Figure:
    """The first two factors; a mean over the others, of the combinations that have a result."""
    grid = sample.grid
    rows, columns, *others = grid.factors
    pairs = [(one, other) for one in rows.levels for other in columns.levels]
    members = np.array([[cell[:2] == pair for pair in pairs] for cell in grid.cells], dtype=np.float64)
    values = sample.draws.contrast(members / np.maximum(members.sum(axis=0), 1))
    shape = (len(rows.levels), len(columns.levels))
    means = np.where(members.any(axis=0), values.estimate, np.nan).reshape(shape)
    half = ((values.high - values.low) / 2).reshape(shape)
    over = f"; mean over {' and '.join(factor.name for factor in others)}" if others else ""
    text = f"{sample.metric}: mean and half the {_INTERVAL}{over}"
    return Figure(f"{prefix}combinations", heat_map(rows, columns, means, half, sample.metric, sample.scale), text)


def _row(estimates: Estimates, i: int) -> list[str]:
    values = estimates.values
    estimate, low, high = (float(each[i]) for each in (values.estimate, values.low, values.high))
    return [difference(estimate), interval(low, high), p_value(float(values.p[i]))]


def _percent(share: float) -> str:
    return "-" if np.isnan(share) else f"{100 * share:.1f} %"


_DIRECTIONS = {HIGHER: "", LOWER: "; lower is better", None: "; neither higher nor lower is better"}


def report(samples: Sequence[Sample], expected: Sequence[Expectation], cost: str) -> Document:
    """samples: of each board, one metric."""
    document = Document(f"Ablation of {', '.join(factor.name for factor in samples[0].grid.factors)}")
    document.parts.append(Heading(document.title, 1))
    for number, sample in enumerate(samples, 1):
        document.parts += _section(sample, expected, cost, f"{number}-" if len(samples) > 1 else "")
    return document


def _section(sample: Sample, expected: Sequence[Expectation], cost: str, prefix: str) -> Iterator[Part]:
    """prefix: of the names of figures."""
    grid = sample.grid
    effects = Effects(grid.factors, grid.cells, sample.draws)
    yield Heading(f"{grid.board.title}: {sample.metric}", 2)
    yield Paragraph([*_what(sample), *_how(sample)])
    if notes := list(_notes(sample, effects)):
        yield Points(notes)
    if expected:
        yield from expectations(expected, sample, effects)
    yield from combinations(sample, effects, cost, prefix)
    if len(grid.factors) > 1 and effects.separable:
        yield from levels(effects, grid.baseline)
        yield from interactions(effects)
    if sample.scores is not None:
        yield from variance(sample.scores, grid)
    yield from pareto_front(sample, cost, prefix)


def _what(sample: Sample) -> Iterator[str]:
    grid = sample.grid
    least, most = int(sample.draws.num_seeds.min()), int(sample.draws.num_seeds.max())
    seeds = _count(most, "seed") if least == most else f"{least} to {most} seeds"
    works = _count(int(sample.draws.num_works.max()), "work")
    cells = _count(len(grid.cells), "combination" if len(grid.factors) > 1 else "choice")
    factors = " and ".join(factor.name for factor in grid.factors)
    yield f"{cells} of {factors}, {seeds} each, on {_count(sample.num_tracks, 'track')} of {works}."
    others = f", but {', '.join(sample.ignored)} may differ" if sample.ignored else ""
    yield f"Everything else in the configuration is equal{others}."


def _how(sample: Sample) -> Iterator[str]:
    """What intervals cover: never more than was varied."""
    draws = sample.draws
    yield f"Means are over {sample.grid.board.averaging} and seeds{_DIRECTIONS[sample.scale.better]}."
    num_works = int(draws.num_works.max())
    if num_works < MIN_WORKS:
        works = _count(num_works, "work")
        yield f"There are no intervals: what other tracks would give cannot be known from {works}."
        return
    unknown = np.isnan(draws.seed_variance)
    if unknown.all():
        yield "Intervals of means are of these trained weights on other tracks, whole works drawn."
        yield "Nothing is said of differences: with one seed each, another seed may turn them round."
        return
    yield "Intervals are for other tracks, whole works drawn, and other seeds of training."
    if draws.lent.any():
        yield (
            f"Where there is one seed, the seed variance is borrowed from the {draws.num_lenders} with several, as if "
            "seeds mattered as much to all."
        )
    if unknown.any():
        yield "Where there is one seed, they are for other tracks only, and nothing is said of differences."
    yield (
        "p and the intervals of differences are corrected for all pairs of combinations or levels, those of effects "
        "and departures for their number (Bonferroni): an interval leaves out 0 where p is below 0.05."
    )
    if sample.detectable == sample.detectable:  # NaN is not
        yield f"A test of two combinations finds a difference of {score(sample.detectable)} with 80 % probability."


def _notes(sample: Sample, effects: Effects) -> Iterator[str]:
    """What to bear in mind."""
    grid, board = sample.grid, sample.grid.board
    if board.apart:
        yield f"Stands apart: {board.apart}."
    yield from board.notes
    yield from grid.notes
    if sample.num_left_out:
        yield f"{_count(sample.num_left_out, 'track')} left out: not every combination has a score there."
    for name, mean in sample.trivial.items():
        yield f"Trivial {name} on the same tracks: {score(mean)}."
    for cell in grid.missing:
        yield f"No result: {', '.join(cell)}."
    for run in grid.unfinished:
        seed = "" if run.seed is None else f", seed {run.seed}"
        yield f"Failed or unfinished: {', '.join(run.cell)}{seed} ({run.path})."
    if not effects.separable:
        yield "There is no telling the factors apart: among these combinations they never vary on their own."
    elif grid.missing:
        yield (
            "Effects are those of a least-squares fit of one effect per factor to the combinations that have a "
            "result, and departures are what it leaves over."
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
