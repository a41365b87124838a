"""The report on an ablation: one section for each board."""

from collections.abc import Iterator, Sequence

import numpy as np

from ricercar.comparison.ablation.document import Document, Heading, Paragraph, Part, Points
from ricercar.comparison.ablation.effects import Effects
from ricercar.comparison.ablation.expectations import Expectation
from ricercar.comparison.ablation.sample import Sample
from ricercar.comparison.ablation.sections import combinations, costs, expectations, interactions, levels, variance
from ricercar.comparison.numerals import score
from ricercar.significance.draws import MIN_GROUPS
from ricercar.tasks.scale import HIGHER, LOWER

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
    yield from costs(sample, cost, prefix)


def _what(sample: Sample) -> Iterator[str]:
    grid = sample.grid
    least, most = int(sample.draws.num_seeds.min()), int(sample.draws.num_seeds.max())
    seeds = _count(most, "seed") if least == most else f"{least} to {most} seeds"
    groups = _count(int(sample.draws.num_groups.max()), "group")
    cells = _count(len(grid.cells), "combination" if len(grid.factors) > 1 else "choice")
    factors = " and ".join(factor.name for factor in grid.factors)
    yield f"{cells} of {factors}, {seeds} each, on {_count(sample.num_tracks, 'track')} of {groups}."
    others = f", but {', '.join(sample.ignored)} may differ" if sample.ignored else ""
    yield f"Everything else in the configuration is equal{others}."


def _how(sample: Sample) -> Iterator[str]:
    """What intervals cover: never more than was varied."""
    draws = sample.draws
    yield f"Means are over {sample.grid.board.averaging} and seeds{_DIRECTIONS[sample.scale.better]}."
    num_groups = int(draws.num_groups.max())
    if num_groups < MIN_GROUPS:
        groups = _count(num_groups, "group")
        yield f"There are no intervals: what other tracks would give cannot be known from {groups}."
        return
    unknown = np.isnan(draws.seed_variance)
    if unknown.all():
        yield "Intervals of means are of these trained weights on other tracks, whole groups drawn."
        yield "Nothing is said of differences: with one seed each, another seed may turn them round."
        return
    yield "Intervals are for other tracks, whole groups drawn, and other seeds of training."
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
