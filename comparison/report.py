"""A board as tables of texts, with what is said of them: what all readable formats are made from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ricercar.comparison.board import Board
from ricercar.comparison.fields import fields
from ricercar.comparison.numerals import amount, difference, duration, interval, memory, p_value, score
from ricercar.comparison.options import clean, listed
from ricercar.comparison.rows import ALIKE, APART, BEST, LENT, NOTHING, SEEDS, TRACKS, UNKNOWN, WORKS, Row, Table
from ricercar.significance.bootstrap import MIN_LENDERS
from ricercar.significance.draws import MIN_WORKS
from ricercar.tasks.scale import LOWER

PUBLISHED = "published"
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
    mean = "Mean of the works' means" if table.board.averaging == "works" else "Mean over tracks"
    return [f"{mean} and seeds.", *_ranges(table), *_differences(table)]


def range_name(table: Table) -> str:
    """The heading of the ranges beside the primary metric."""
    kinds = {row.metrics[table.board.primary].of for row in table.rows} - {NOTHING}
    return "middle half of tracks" if kinds == {TRACKS} else "95 % interval"


def _why_not(table: Table) -> str:
    if table.draws is None:
        return f"{table.board.primary} cannot be drawn anew"
    known = table.draws.num_works[~np.isnan(table.draws.mean)]
    num_works = int(known.max()) if len(known) else 0
    if num_works < MIN_WORKS:
        return f"what is so on other works cannot be known from {num_works} (it takes {MIN_WORKS})"
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


# What a column of the costs is not shown for
_OF_COURSE = {"scored": {"-", "1 x"}, "trials": {"-", "1"}, "trained on test works": {"-", "no"}}


@dataclass(frozen=True)
class Sheet:
    """Columns of texts, the first ones name the row.

    bold    cells: names and primary scores of the best system, and of those that are not told apart from it
    """

    headers: list[str]
    numeric: list[bool]
    sections: list[tuple[str, list[list[str]]]]
    bold: list[list[bool]]
    num_names: int


@dataclass(frozen=True)
class Report:
    """One board. apart: why it stands apart; under: what the numbers are; notes: what to be careful about."""

    title: str
    apart: str
    sheets: list[Sheet]
    under: list[str]
    notes: list[str]


def report(table: Table, group_by: Sequence[str] = ()) -> Report:
    """group_by: fields of the systems that split the table into sections."""
    sections: dict[str, list[Row]] = {}
    for row in table.rows:
        sections.setdefault(_section(row, group_by), []).append(row)
    return Report(
        title=_title(table),
        apart=table.board.apart,
        sheets=[sheet for sheet in (_scores(table, sections), _costs(sections)) if sheet is not None],
        under=_under(table),
        notes=table.board.notes,
    )


def _section(row: Row, group_by: Sequence[str]) -> str:
    own = fields(row.system.first) if group_by else {}
    return listed((f"{key} {clean(own.get(key, '-'), 40)}" for key in group_by), len(group_by)) if group_by else ""


def _title(table: Table) -> str:
    board = table.board
    num_works = len({track.work for track in board.tracks})
    minutes = sum(track.seconds for track in board.tracks) / 60
    length = f"{minutes / 60:.1f} hours" if minutes >= 60 else f"{minutes:.1f} minutes"
    return f"{board.title}: {len(board.tracks)} tracks of {num_works} works, {length}"


def _scores(table: Table, sections: dict[str, list[Row]]) -> Sheet:
    primary, *others = table.metrics
    compared = any(row.difference for row in table.rows)
    varying = len({row.num_tracks for row in table.rows}) > 1
    headers = ["rank", "system", primary, range_name(table)]
    headers += ["difference to best", "95 % interval", "p"] * compared
    headers += ["seeds", *(["tracks"] * varying), *others]

    def cells(row: Row) -> list[str]:
        mean = row.metrics[primary]
        found = [_rank(row), row.system.name]
        found += [score(mean.mean), interval(mean.low, mean.high), *(_difference(row) if compared else [])]
        found += ["-" if row.num_seeds is None else str(row.num_seeds), *([str(row.num_tracks)] * varying)]
        return found + [score(row.metrics[name].mean) for name in others]

    def bold(row: Row) -> list[bool]:
        return [header in ("system", primary) and row.verdict in (BEST, ALIKE) for header in headers]

    contents = {name: [cells(row) for row in rows] for name, rows in sections.items()}
    bolds = [bold(row) for rows in sections.values() for row in rows]
    for each in table.board.published:
        values = {
            "system": f"{each.system}, {PUBLISHED}",
            **{name: score(value) for name, value in each.metrics.items()},
        }
        contents[list(contents)[-1]].append([values.get(header, "-") for header in headers])
        bolds.append([False] * len(headers))
    return Sheet(headers, [header != "system" for header in headers], list(contents.items()), bolds, 2)


def _rank(row: Row) -> str:
    return "-" if row.rank is None else str(row.rank)


def _difference(row: Row) -> list[str]:
    if row.difference is None:
        return ["-"] * 3
    return [
        difference(row.difference.mean),
        interval(row.difference.low, row.difference.high),
        p_value(row.difference.p),
    ]


def _costs(sections: dict[str, list[Row]]) -> Sheet | None:
    """What is known of some system, and no matter of course for all; None where nothing is."""
    every = [row for rows in sections.values() for row in rows]
    columns = {
        "parameters": [amount(row.cost.params) for row in every],
        "MAC per second of audio": [amount(row.cost.macs_per_second_of_audio) for row in every],
        "training": [duration(row.cost.train_s) for row in every],
        "steps": ["-" if row.cost.steps is None else str(row.cost.steps) for row in every],
        "real-time factor": ["-" if (rtf := row.cost.real_time_factor) is None else f"{rtf:.3g}" for row in every],
        "memory": [memory(row.cost.peak_memory_bytes) for row in every],
        "device": [clean(row.cost.device or "-", 20) for row in every],
        "trials": ["-" if row.num_trials is None else str(row.num_trials) for row in every],
        "best on valid, expected": [_expected(row) for row in every],
        "scored": ["-" if row.looks is None else f"{row.looks} x" for row in every],
        "trained on test works": [row.training for row in every],
    }
    columns = {name: cells for name, cells in columns.items() if not set(cells) <= _OF_COURSE.get(name, {"-"})}
    if not columns:
        return None
    lines = iter(zip(*columns.values(), strict=True))
    return Sheet(
        ["rank", "system", *columns],
        [True, False, *(name not in ("device", "trained on test works") for name in columns)],
        [(name, [[_rank(row), row.system.name, *next(lines)] for row in rows]) for name, rows in sections.items()],
        [[False] * (2 + len(columns)) for _ in every],
        2,
    )


def _expected(row: Row) -> str:
    """Of one trial, and of all."""
    if not row.expected_best:
        return "-"
    first, last = row.expected_best[0], row.expected_best[-1]
    return (
        score(last) if len(row.expected_best) == 1 else f"{score(first)} (1), {score(last)} ({len(row.expected_best)})"
    )


def _under(table: Table) -> list[str]:
    board = table.board
    lines = [*how(table), *_directions(table)]
    if said := statement(table):
        lines.append(said)
    if {row.training for row in table.rows} - {"-"} == {"no"}:
        lines.append("No training data that is known has works of this split.")
    if set(table.metrics) & set(board.pooled):
        lines.append(f"Of all tracks together: {listed([name for name in table.metrics if name in board.pooled])}.")
    fewer = [_on_fewer(board, name) for name in table.metrics[1:] if name not in board.pooled]
    if any(fewer):
        lines.append(f"Over the tracks that all systems have a score of: {listed(filter(None, fewer))}.")
    for each in board.published:
        lines.append(
            f"{PUBLISHED.capitalize()}, without an interval and not ranked: {each.system}. Read in {each.source}."
        )
    named = f"{board.protocol_name} ({board.protocol_id})" if board.protocol_name else board.protocol_id
    lines.append(f"Protocol {named}, data {board.fingerprint}.")
    return lines


def _directions(table: Table) -> Iterator[str]:
    """Which way to read metrics, where higher is not better, and the order of the rows."""
    scales = {name: table.board.scale(name) for name in table.metrics}
    if lower := [name for name, scale in scales.items() if scale.better == LOWER]:
        yield f"Lower is better: {listed(lower, 10)}."
    if neither := [name for name, scale in scales.items() if scale.better is None]:
        yield f"Neither lower nor higher is better, so that none is the best: {listed(neither, 10)}."
    if table.sort is not None:
        yield f"Sorted by {table.sort}, the {'lowest' if scales[table.sort].better == LOWER else 'highest'} first."


def _on_fewer(board: Board, metric: str) -> str:
    ranked = board.ranked(metric)
    scored = board.scores(metric).num_seeds > 0
    without = [each.name for each, left in zip(board.systems, scored & ~ranked.systems, strict=True) if left]
    if ranked.num_tracks == ranked.num_scored and not without:
        return ""
    but = f" (not of {' and '.join(without)}: scores of too few)" if without else ""
    return f"{metric} {ranked.num_tracks} of {ranked.num_scored}{but}"
