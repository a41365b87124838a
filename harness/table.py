"""The table at the end of a run."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from tabulate import SEPARATING_LINE, tabulate

from ricercar.harness.results import Cost, Result
from ricercar.harness.scored import groups_of, scores_of
from ricercar.significance.bootstrap import Draws, resample, resample_pooled
from ricercar.significance.paired import compare
from ricercar.tasks.scale import LOWER

if TYPE_CHECKING:  # tables need no torch
    from ricercar.tasks.scoring import Scoring

_WIDTH = 110
_NUM_ROWS = 20
_NUM_METRICS = 5
_ID_WIDTH, _GROUP_WIDTH = 32, 16
_TITLE = ("task", "data", "frontend", "backbone", "system")


def format_tracks(result: Result, scoring: "Scoring", baselines: Sequence[Result]) -> str:
    """The primary metric and those of `shown`: means with intervals, trivial baselines, the worst tracks, the cost."""
    names = [name for name in dict.fromkeys([result.primary, *scoring.shown]) if name in result.metrics]
    each = list(dict.fromkeys([result.primary_of_tracks, *(name for name in names if name not in result.pooled)]))
    parts = [
        _title(result),
        _means(result, names, scoring),
        _baselines(result, baselines, scoring),
        _tracks(result, each[:_NUM_METRICS]),
        _cost(result.cost),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def difference(result: Result, other: Result, scoring: "Scoring") -> tuple[float, float, float]:
    """-> the primary metric of `result` minus that of `other`, and the 95 % interval of that.

    Both are of the same tracks, and groups are drawn for both at once: the bootstrap is paired. A track that
    either protocol or system leaves without a score counts in neither.
    """
    name = result.primary
    if name in result.pooled:
        scores, draws = None, _pooled_draws([result, other], scoring)[name]
    else:
        scores = scores_of([[result], [other]], name)
        draws = resample(scores)
    pair = compare(scores, draws)
    return float(pair.difference[0, 1]), float(pair.low[0, 1]), float(pair.high[0, 1])


def _pooled_draws(results: Sequence[Result], scoring: "Scoring") -> dict[str, Draws]:
    """Of the metrics of all tracks together, on the tracks of the first result."""
    evidence = []
    for result in results:
        own = {track.id: track.evidence for track in result.tracks}
        evidence.append([[own[track.id] for track in results[0].tracks]])
    return resample_pooled(evidence, scoring.pooled, groups_of(results[0]))


def _title(result: Result) -> str:
    num_groups = len({track.group for track in result.tracks})
    hours = sum(track.seconds for track in result.tracks) / 3600
    length = f"{hours:.1f} hours" if hours >= 1 else f"{hours * 60:.1f} minutes"
    choices = [f"{group} {result.choices[group]}" for group in _TITLE if group in result.choices]
    what = ", ".join(choices if result.seed is None else [*choices, f"seed {result.seed}"])
    scored = f"{result.dataset.split} split: {len(result.tracks)} tracks of {num_groups} groups, {length}"
    return "\n".join([*textwrap.wrap(what, _WIDTH), scored])


def _means(result: Result, names: Sequence[str], scoring: "Scoring") -> str:
    averaging = str(result.protocol["averaging"])
    pooled = _pooled_draws([result], scoring) if set(names) & set(result.pooled) else {}
    rows = []
    for name in names:
        draws = pooled[name] if name in pooled else resample(scores_of([[result]], name))
        num_scored = sum(name in pooled or not np.isnan(track.metrics[name]) for track in result.tracks)
        interval = _interval(float(draws.low[0]), float(draws.high[0]))
        rows.append([name, _number(result.metrics[name]), interval, str(num_scored)])
    mean = "mean of groups" if averaging == "groups" else "mean"
    headers = ["metric", mean, "95 % interval", "tracks"]
    return _table(rows, headers, ("left", "right", "right", "right"))


def _baselines(result: Result, baselines: Sequence[Result], scoring: "Scoring") -> str:
    """The primary metric of trivial baselines, and how far from them the system is."""
    if not baselines:
        return ""
    rows = []
    for each in baselines:
        apart, low, high = difference(result, each, scoring)
        name = each.choices["system"].removeprefix("baseline ")
        rows.append([name, _number(each.metrics[result.primary]), _number(apart), _interval(low, high)])
    lower = ", lower is better" if result.scales[result.primary].better == LOWER else ""
    headers = ["trivial baseline", f"{result.primary}{lower}", "difference to it", "95 % interval, paired"]
    return _table(rows, headers, ("left", "right", "right", "right"))


def _interval(low: float, high: float) -> str:
    return "-" if np.isnan(low) else f"{_number(low)} to {_number(high)}"


def _tracks(result: Result, names: Sequence[str]) -> str:
    """As many metrics as the width allows, the primary one first."""
    ranked = result.worst_first
    rows = [
        [_short(each.id, _ID_WIDTH), _short(each.group, _GROUP_WIDTH), f"{each.seconds:.0f}"]
        + [_number(each.metrics[name]) for name in names]
        for each in ranked[:_NUM_ROWS]
    ]
    headers = ["track, worst first", "group", "seconds", *(_header(name) for name in names)]
    table = _table(rows, headers, ("left", "left", *("right",) * (1 + len(names))))
    if len(names) > 1 and max(len(line) for line in table.splitlines()) > _WIDTH:
        return _tracks(result, names[:-1])
    rest = len(ranked) - len(rows)
    return f"{table}\n... and {rest} better tracks, in result.json" if rest else table


def _table(rows: Sequence[Sequence[object]], headers: Sequence[str], align: Sequence[str]) -> str:
    """The headers go in as a row: tabulate makes columns wider than their headers otherwise."""
    content = [headers, SEPARATING_LINE, *rows]
    text: str = tabulate(content, tablefmt="simple", colalign=align, disable_numparse=True)
    return "\n".join(line.rstrip() for line in text.splitlines()[1:-1])


def _cost(cost: Cost) -> str:
    """What is known of the cost, as one sentence."""
    parts = []
    if cost.params is not None:
        parts.append(f"{cost.params:,} parameters")
    if cost.macs_per_second_of_audio is not None:
        parts.append(f"{_amount(cost.macs_per_second_of_audio)} multiplications per second of audio")
    if cost.train_s is not None:
        steps = f" ({cost.steps:,} steps)" if cost.steps is not None else ""
        device = f" on {cost.device}" if cost.device is not None else ""
        parts.append(f"trained {_duration(cost.train_s)}{steps}{device}")
    if cost.real_time_factor:
        parts.append(f"predicts {1 / cost.real_time_factor:.3g} times as fast as real time")
    if cost.peak_memory_bytes is not None:
        parts.append(f"{cost.peak_memory_bytes / 2**30:.1f} GiB of memory at most")
    return "\n".join(textwrap.wrap(", ".join(parts), _WIDTH))


def _header(name: str) -> str:
    """A metric's name in lines, broken after its slash and, filled from the end, at its underscores."""
    lines: list[str] = []
    for part in reversed(name.split("/")):
        below = len(lines)
        for word in reversed(part.split("_")):
            if len(lines) > below and len(lines[0]) + len(word) < 9:
                lines[0] = f"{word}_{lines[0]}"
            else:
                lines.insert(0, f"{word}/" if lines and len(lines) == below else word)
    return "\n".join(lines)


def _short(text: str, width: int) -> str:
    """Shortened in the middle: the ends of a track's id tell it from others."""
    if len(text) <= width:
        return text
    tail = (width - 3) // 2
    return f"{text[: width - 3 - tail]}...{text[-tail:]}"


def _number(value: float) -> str:
    if np.isnan(value):
        return "-"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.4g}"


def _amount(value: float) -> str:
    for unit, name in ((1e9, "billion"), (1e6, "million")):
        if value >= unit:
            return f"{value / unit:.3g} {name}"
    return f"{value:,.0f}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
