"""The parts of a report: tables of effects, and figures."""

from collections.abc import Iterator, Sequence

import numpy as np

from ricercar.comparison.ablation import frontier
from ricercar.comparison.ablation.document import Figure, Heading, Paragraph, Part, Table
from ricercar.comparison.ablation.effects import Effects, Estimates
from ricercar.comparison.ablation.expectations import Expectation, verdict
from ricercar.comparison.ablation.factors import Cell
from ricercar.comparison.ablation.figures import heat_map, intervals, scatter
from ricercar.comparison.ablation.grid import Grid
from ricercar.comparison.ablation.sample import Sample
from ricercar.comparison.ablation.variance import shares
from ricercar.comparison.numerals import amount, difference, interval, p_value, score
from ricercar.errors import InputError
from ricercar.significance.scores import Scores
from ricercar.tasks.scale import HIGHER

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
    for i, (cell, known) in enumerate(zip(grid.cells, frontier.costs(grid, cost), strict=True)):
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


def costs(sample: Sample, cost: str, prefix: str) -> Iterator[Part]:
    """The Pareto front."""
    grid = sample.grid
    points = frontier.frontier(frontier.costs(grid, cost), sample.draws.mean.tolist(), sample.scale)
    if not points or sample.scale.better is None:
        return
    label = frontier.LABELS[cost]
    how = ["The combinations whose mean no other one reaches for the same cost or less."]
    if cost in frontier.OF_THE_MACHINE:
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
