"""What is said of a table, in every format alike: what its ranges are, and which systems are told apart."""

from collections.abc import Iterator

import numpy as np

from ricercar.comparison.numerals import score
from ricercar.comparison.options import listed
from ricercar.comparison.rows import ALIKE, APART, BEST, LENT, NOTHING, SEEDS, TRACKS, UNKNOWN, WORKS, Table
from ricercar.significance.bootstrap import MIN_LENDERS
from ricercar.significance.draws import MIN_GROUPS

_MANY = 10  # names in a sentence


def statement(table: Table) -> str:
    """Which systems are not told apart from the best, or why nothing is said."""
    if len(table.rows) < 2:
        return ""
    if BEST not in {row.verdict for row in table.rows}:
        return f"No system is called the best: {_why_not(table)}."
    named = {
        verdict: [row.system.name for row in table.rows if row.verdict == verdict and row.rank is not None]
        for verdict in (ALIKE, APART, UNKNOWN)
    }
    said = []
    if named[ALIKE]:
        said.append(f"Not told apart from the best: {listed(named[ALIKE], _MANY)}.")
    elif not named[UNKNOWN]:
        said.append("All others are told apart from the best.")
    if named[UNKNOWN]:
        said.append(
            f"Not compared with the best: {listed(named[UNKNOWN], _MANY)} (one seed each, and fewer than {MIN_LENDERS} "
            "systems with several to borrow the variance of seeds from)."
        )
    return " ".join(said)


def how(table: Table) -> list[str]:
    """What the numbers are."""
    mean = "Mean of the groups' means" if table.board.averaging == "groups" else "Mean over tracks"
    return [f"{mean} and seeds.", *_ranges(table), *_differences(table)]


def range_name(table: Table) -> str:
    """The heading of the ranges beside the primary metric."""
    kinds = {row.metrics[table.board.primary].of for row in table.rows} - {NOTHING}
    return "middle half of tracks" if kinds == {TRACKS} else "95 % interval"


def _why_not(table: Table) -> str:
    if table.draws is None:
        return f"{table.board.primary} cannot be drawn anew"
    known = table.draws.num_groups[~np.isnan(table.draws.mean)]
    num_groups = int(known.max()) if len(known) else 0
    if num_groups < MIN_GROUPS:
        return f"what is so on other works cannot be known from {num_groups} (it takes {MIN_GROUPS})"
    if len(known) < 2:
        return "there are no two systems with scores of the same tracks"
    return (
        f"there is one seed, so that another one may turn the order round (it takes {MIN_LENDERS} systems with several "
        "seeds to borrow the variance of seeds from)"
    )


def _ranges(table: Table) -> Iterator[str]:
    primary = table.board.primary
    named: dict[str, list[str]] = {}
    for row in table.rows:
        named.setdefault(row.metrics[primary].of, []).append(row.system.name)
    if TRACKS in named:
        yield (
            "Ranges hold the middle half of the tracks' scores, and say how tracks differ: there are too few works for "
            "an interval."
        )
    kinds = [kind for kind in (SEEDS, LENT, WORKS) if kind in named]
    if not kinds:
        return
    yield f"95 % intervals, over {'works and seeds' if kinds != [WORKS] else 'works alone'}."
    assert table.draws is not None
    if LENT in named:
        yield (
            f"One seed, with seed variance borrowed from {table.draws.num_lenders} systems, as if seeds mattered as "
            f"much to all: {listed(named[LENT])}."
        )
    fixed = [row.system.name for row in table.rows if row.metrics[primary].of == WORKS and row.system.is_fixed]
    trained = [name for name in named.get(WORKS, []) if name not in fixed]
    if trained:
        yield f"One seed, so that the interval is of these trained weights, over works alone: {listed(trained)}."
    if fixed and kinds != [WORKS]:
        yield f"No seed variance, being one fixed system: {listed(fixed)}."


def _differences(table: Table) -> Iterator[str]:
    comparisons = table.comparisons
    if comparisons is None or not comparisons.num_pairs:
        return
    together = ""
    if comparisons.num_pairs > 1:
        together = (
            f"; p and intervals are corrected for all {comparisons.num_pairs} pairs (Bonferroni), so that an interval "
            "leaves out 0 where p is below 0.05"
        )
    yield f"Differences are of the same tracks{together}."
    if not np.isnan(comparisons.detectable):
        yield f"A true difference of {score(comparisons.detectable)} is told apart with a probability of 80 %."
