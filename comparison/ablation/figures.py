"""Figures of an ablation, as SVG whose lines and letters take the colour of the text around them."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from ricercar.comparison.ablation.effects import Estimates
from ricercar.comparison.ablation.grid import Factor, Grid
from ricercar.comparison.numerals import amount
from ricercar.comparison.options import clean
from ricercar.significance.scores import Floats
from ricercar.tasks.scale import Scale

COSTS = {
    "macs": "macs_per_second_of_audio",
    "params": "params",
    "train_s": "train_s",
    "real_time_factor": "real_time_factor",
}
LABELS = {
    "macs": "multiplications per second of audio",
    "params": "parameters",
    "train_s": "seconds of training",
    "real_time_factor": "seconds of prediction per second of audio",
}
OF_THE_MACHINE = ("train_s", "real_time_factor")


def costs(grid: Grid, cost: str) -> list[float | None]:
    """Of each cell: the mean of its runs; None where no run says."""
    found: list[float | None] = []
    for system in grid.board.systems:
        each = [getattr(run.result.cost, COSTS[cost]) for run in system.runs]
        known = [float(value) for value in each if value is not None]
        found.append(sum(known) / len(known) if known else None)
    return found


@dataclass(frozen=True)
class Point:
    """best: no other cell scores as well for less."""

    cell: int
    cost: float
    score: float
    best: bool


def frontier(costs: Sequence[float | None], scores: Sequence[float], scale: Scale) -> list[Point]:
    """The cells of known cost and score, the cheapest first: the best of them are the Pareto front. There is none by a
    metric of which neither lower nor higher is better.
    """
    known = [
        (cost, score, cell)
        for cell, (cost, score) in enumerate(zip(costs, scores, strict=True))
        if cost is not None and score == score  # NaN is not
    ]
    points, highest = [], float("-inf")
    for cost, score, cell in sorted(known, key=lambda each: (each[0], -scale.sign * each[1], each[2])):
        points.append(Point(cell, cost, score, scale.better is not None and scale.sign * score > highest))
        highest = max(highest, scale.sign * score)
    return points


_INK = "#010203"  # stands for the colour of the text around the figure
_MARK, _QUIET = "#d9741f", "#8a8f98"  # read on white and on black
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ricercar",
    "text.parse_math": False,
    "font.size": 9,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK),
}
_NUM_NAMES = 8  # points in a scatter that have their name beside them; of more, only the best do


def heat_map(rows: Factor, columns: Factor, means: Floats, half_widths: Floats, metric: str, scale: Scale) -> str:
    """means, half_widths (rows, columns): NaN where there is no result. Light is better."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(2.2 + 1.05 * len(columns.levels), 1.2 + 0.5 * len(rows.levels)))
        axes = figure.add_subplot()
        light = scale.sign * means
        low, high = np.nanmin(light), np.nanmax(light)
        axes.pcolormesh(light, cmap="cividis", vmin=low, vmax=high if high > low else low + 1)
        axes.invert_yaxis()
        axes.set_xticks(np.arange(len(columns.levels)) + 0.5, [clean(name) for name in columns.levels])
        axes.set_yticks(np.arange(len(rows.levels)) + 0.5, [clean(name) for name in rows.levels])
        axes.set_xlabel(clean(columns.name))
        axes.set_ylabel(clean(rows.name))
        axes.set_title(clean(metric), fontsize=9)
        for (i, j), mean in np.ndenumerate(means):
            if np.isnan(mean):
                axes.text(j + 0.5, i + 0.5, "-", ha="center", va="center")
                continue
            dark = (light[i, j] - low) < 0.55 * (high - low)
            width = half_widths[i, j]
            text = f"{mean:.3f}" if np.isnan(width) else f"{mean:.3f}\n±{width:.3f}"
            axes.text(j + 0.5, i + 0.5, text, ha="center", va="center", color="white" if dark else "black", fontsize=8)
        return _svg(figure, f"{metric} for each {rows.name} and {columns.name}")


def intervals(estimates: Estimates, title: str) -> str:
    """Differences with their 95 % intervals, and a line at zero."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 0.9 + 0.3 * len(estimates.names)))
        axes = figure.add_subplot()
        values = estimates.values
        places = np.arange(len(estimates.names))
        axes.axvline(0, color=_QUIET, linewidth=1)
        axes.hlines(places, values.low, values.high, color=_MARK, linewidth=2)
        axes.plot(values.estimate, places, "o", color=_MARK, markersize=5)
        axes.set_yticks(places, [clean(name) for name in estimates.names])
        axes.invert_yaxis()
        axes.set_xlabel(clean(title))
        axes.spines[["top", "right"]].set_visible(False)
        return _svg(figure, title)


def scatter(points: Sequence[Point], names: Sequence[str], cost: str, metric: str) -> str:
    """Score against cost; the Pareto front is a line of steps through full points."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 4.2))
        axes = figure.add_subplot()
        best = [point for point in points if point.best]
        others = [point for point in points if not point.best]
        style: Any = {"color": _MARK, "linewidth": 1, "drawstyle": "steps-post"}
        axes.plot([p.cost for p in best], [p.score for p in best], "-o", **style)
        axes.plot([p.cost for p in others], [p.score for p in others], "o", color=_QUIET, fillstyle="none")
        for point in points if len(points) <= _NUM_NAMES else best:
            name = clean(names[point.cell])
            axes.annotate(name, (point.cost, point.score), (5, 4), textcoords="offset points", fontsize=8)
        if min(point.cost for point in points) > 0:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda value, _: amount(value))
        axes.set_xlabel(clean(cost))
        axes.set_ylabel(clean(metric))
        axes.spines[["top", "right"]].set_visible(False)
        return _svg(figure, f"{metric} against {cost}")


def standing_alone(svg: str) -> str:
    """For a file of its own: dark letters, and light ones where the reader's system is dark."""
    style = "<style>svg{color:#1a1a1a}@media (prefers-color-scheme:dark){svg{color:#e6e6e6}}</style>"
    return svg.replace(">", f">{style}", 1) + "\n"


def _svg(figure: Figure, label: str) -> str:
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, bbox_inches="tight", metadata=_NO_METADATA)
    svg = file.getvalue()
    # What would reach beyond this figure in a page: ids of groups, style for all elements
    svg = re.sub(r'(?<=<g) id="[^"]*"|<style.*?</style>', "", svg[svg.index("<svg") :], flags=re.DOTALL)
    label = clean(label).translate({ord("&"): "&amp;", ord("<"): "&lt;", ord('"'): "&quot;"})
    return svg.replace(_INK, "currentColor").replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1).strip()
