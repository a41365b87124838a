"""Ranks of systems: over the works of one board, over several boards, and of the best of several trials."""

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from ricercar.significance.scores import Bools, Floats, Ints, Scores, mean_of

_DIGITS = 12  # scores that differ by rounding alone share a rank
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_TICKS = 13  # on the axis of ranks, at most: of 24 systems every second
_INK = "#010203"  # stands for the colour of the text around the drawing


@dataclass(frozen=True)
class Ranks:
    """average (S,) rank over the works that all systems have scores of, 1 is best; NaN for a system without any score.

    num_blocks     how many works
    """

    average: Floats
    num_blocks: int


def ranks(scores: Scores) -> Ranks:
    """Works are ranked by the mean over seeds of the mean over the work's tracks."""
    scored = np.flatnonzero(scores.num_seeds)
    works = _works(scores)[scored]
    works = np.round(works[:, ~np.isnan(works).any(axis=0)], _DIGITS)
    average = np.full(len(scores.values), np.nan)
    if works.size:
        average[scored] = stats.rankdata(-works, axis=0).mean(axis=1)
    return Ranks(average, works.shape[1])


def critical_difference_svg(ranks: Ranks, told_apart: Bools, names: Sequence[str]) -> str:
    """The systems on a line of average ranks; a bar joins neighbours of which no two are told apart.

    told_apart   (S, S) the verdicts
    Text, in the colour of the text around it, for putting into a page. "" for fewer than two systems with a rank.
    """
    scored = np.flatnonzero(~np.isnan(ranks.average))
    if len(scored) < 2:
        return ""
    import matplotlib  # takes a second
    import pandas as pd
    import scikit_posthocs
    from matplotlib.figure import Figure

    different = pd.DataFrame(_apart(told_apart, scored, ranks.average), index=scored, columns=scored)
    style: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "ricercar",
        "text.parse_math": False,
        "axes.edgecolor": _INK,
        "xtick.color": _INK,
    }
    gap = 0.01 * np.ptp(ranks.average[scored])
    best, worst = math.floor(ranks.average[scored].min()), math.ceil(ranks.average[scored].max())
    whole = range(best, max(worst, best + 1) + 1)
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(7, 1.2 + 0.2 * len(scored)))
        drawn = scikit_posthocs.critical_difference_diagram(
            {i: ranks.average[i] for i in scored},
            1.0 - different,  # as p-values: 0 is different, 1 is not
            ax=figure.add_subplot(),
            label_fmt_left="{label}",
            label_fmt_right="{label}",
            elbow_props={"color": _INK, "linewidth": 1},
            crossbar_props={"color": _INK},
            text_h_margin=3 * gap,
        )
        axes = figure.axes[0]
        axes.set_xticks(whole[:: math.ceil(len(whole) / _TICKS)])
        axes.set_xlim(whole[0] - 0.03 * (len(whole) - 1), whole[-1] + 0.03 * (len(whole) - 1))
        axes.xaxis.set_label_position("top")
        axes.set_xlabel("average rank (left is better)", color=_INK)
        for label in drawn["labels"]:
            i = int(label.get_text())
            label.set_x(label.get_position()[0] + (gap if label.get_ha() == "left" else -gap))
            label.set_text(f"{_printable(names[i])} ({ranks.average[i]:.2f})")
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, bbox_inches="tight", metadata=_NO_METADATA)
    svg = file.getvalue()
    # What would reach beyond this drawing in a page: ids of groups, style for all elements
    svg = re.sub(r'(?<=<g) id="[^"]*"|<style.*?</style>', "", svg[svg.index("<svg") :], flags=re.DOTALL)
    label = f"Average ranks of {len(scored)} systems over {ranks.num_blocks} works"
    return svg.replace(_INK, "currentColor").replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


@dataclass(frozen=True)
class AverageRanks:
    """average   {system: mean rank over all boards, 1 is best}, best first, of the systems that are on all of them.

    missing     {system: the boards that it is not on}
    """

    average: dict[str, float]
    num_boards: int
    missing: dict[str, list[str]]


def average_ranks(tables: Mapping[str, Mapping[str, float]]) -> AverageRanks:
    """{board: {system: score}}, higher is better; a NaN is no score. Systems that lack a board are not ranked."""
    scored = {board: {name for name, score in table.items() if not np.isnan(score)} for board, table in tables.items()}
    systems = list(dict.fromkeys(name for table in tables.values() for name in table))
    lacking = {name: [board for board, names in scored.items() if name not in names] for name in systems}
    complete = [name for name in systems if not lacking[name]]
    if not complete:
        return AverageRanks({}, len(tables), lacking)
    values = np.array([[table[name] for name in complete] for table in tables.values()])
    mean = stats.rankdata(-np.round(values, _DIGITS), axis=1).mean(axis=0)
    average = sorted(zip(complete, map(float, mean), strict=True), key=lambda item: item[1])
    return AverageRanks(dict(average), len(tables), {name: boards for name, boards in lacking.items() if boards})


def expected_best(scores: Sequence[float], worst: float | None) -> list[float]:
    """-> for k = 1 ... n the mean, over draws of k of the n trials, of the best (largest) score.

    worst   what a trial without a score (NaN), which diverged, counts as; None: as the worst of those with a score
    Draws with replacement (Dodge et al. 2019, "Show Your Work", eq. 7). Nothing where no trial has a score.
    """
    known = [score for score in scores if not np.isnan(score)]
    lost = len(scores) - len(known) if known else 0
    values = np.sort([*known, *[min(known, default=0.0) if worst is None else worst] * lost])
    num_trials = len(values)
    below = np.arange(num_trials + 1) / num_trials if num_trials else np.zeros(1)
    return [float(np.diff(below**k) @ values) for k in range(1, num_trials + 1)]


def _works(scores: Scores) -> Floats:
    """(S, G) mean over seeds of the mean over the work's tracks."""
    sums, sizes = scores.by_work()
    means = np.divide(sums, sizes, out=np.full(sums.shape, np.nan), where=sizes > 0)
    return mean_of(means.swapaxes(1, 2), ~np.isnan(means.swapaxes(1, 2)))


def _apart(told_apart: Bools, scored: Ints, average: Floats) -> Bools:
    """(N, N) of the scored systems: false where no two are told apart of all that are ranked between these, and these.

    So that a bar never runs over a system that is told apart from another one below it.
    """
    order = np.argsort(average[scored], kind="stable")
    verdicts = told_apart[np.ix_(scored[order], scored[order])]
    apart = np.ones(verdicts.shape, dtype=bool)
    for i in range(len(order)):
        for j in range(i, len(order)):
            if verdicts[i : j + 1, i : j + 1].any():
                break
            apart[order[i], order[j]] = apart[order[j], order[i]] = False
    return apart


def _printable(name: str) -> str:
    """On one line, without what XML cannot hold."""
    return "".join(each if each.isprintable() else " " for each in name)
