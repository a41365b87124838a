"""What a run shows at its end: the table, and for the tracker an image and the sound of the worst track."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ricercar.data.annotations.notes import Notes
from ricercar.harness.baselines import baseline_results
from ricercar.harness.benchmark import Benchmark, prediction_file
from ricercar.harness.piano_roll import piano_roll, write_png
from ricercar.harness.provenance import Cost
from ricercar.harness.published import Published, named
from ricercar.harness.results import Result, scores_of, works_of
from ricercar.harness.text import amount, broken, duration, number, shortened, table
from ricercar.harness.trackers.tracker import Tracker
from ricercar.significance.bootstrap import resample, resample_pooled
from ricercar.significance.draws import MIN_WORKS, Bounds, Draws
from ricercar.significance.paired import compare
from ricercar.significance.scores import Bools
from ricercar.tasks.scale import LOWER
from ricercar.tasks.scoring import Scoring

EXCERPT_S = 15.0


def finish(
    result: Result, benchmark: Benchmark, folder: Path, tracker: Tracker, reproduces: Sequence[str] = ()
) -> None:
    """Writes result.json into `folder`, trivial baselines beside it, and reports. The predictions are there already.

    reproduces: ids of published figures of this task
    """
    result.write(folder / "result.json")
    baselines = baseline_results(benchmark, result.choices["data"], folder)
    report(result, baselines, benchmark, folder, tracker)
    for each in named(reproduces):
        if each.protocol.partition("/")[0] == result.choices["task"]:
            print(held_against(result, each, benchmark.scoring))


def held_against(result: Result, figures: Published, scoring: Scoring) -> str:
    """Whether published figures lie within the intervals of a result, or why they cannot be compared."""
    apart = figures.apart(result.dataset, result.choices.get("protocol"))
    if apart:
        text = f"{figures.system} cannot be compared: {'; '.join(apart)}."
        return "\n".join(textwrap.wrap(text, _WIDTH)) + "\n"
    rows = []
    for own in means(result, [name for name in figures.metrics if name in result.metrics], scoring):
        value = figures.metrics[own.metric]
        said = "inside" if own.low <= value <= own.high else "outside"
        if _too_few_works(result) or math.isnan(own.low):
            said = "not known"
        rows.append([own.metric, number(value), number(own.value), own.interval, said])
    headers = [figures.system, "published", "here", range_name(result), "published is"]
    return table(rows, headers, ("left", "right", "right", "right", "left")) + "\n"


def report(result: Result, baselines: Sequence[Result], benchmark: Benchmark, folder: Path, tracker: Tracker) -> None:
    """Prints the table; writes `folder`/worst_track.png where the task has notes; hands all of it to the tracker."""
    print(format_tracks(result, benchmark.scoring, baselines))
    prefix = f"{result.choices['task']}/" if "tasks" in result.choices else ""
    tracker.summary({f"test/{prefix}{name}": value for name, value in result.metrics.items()})
    if result.tuning is not None:
        tracker.summary({"score": result.tuning.trials[result.tuning.chosen].score})
    tracker.summary({f"cost/{name}": value for name, value in vars(result.cost).items() if value is not None})
    tracker.summary({f"{prefix}protocol_id": result.protocol_id, f"{prefix}fingerprint": result.dataset.fingerprint})
    tracker.summary({f"baseline/{prefix}{each.choices['system']}": each.metrics[each.primary] for each in baselines})
    rows = [{"id": each.id, "work": each.work, **each.metrics} for each in result.tracks]
    tracker.log_tracks(f"test/{prefix}tracks", rows)
    name, worst = result.primary_of_tracks, result.worst_first[0]
    if math.isnan(worst.metrics[name]):  # no track has a score
        return
    track = next(track for track in benchmark.tracks if track.id == worst.id)
    caption = f"{track.id}: {name} {worst.metrics[name]:.3f}"
    store = benchmark.store
    length = min(int(EXCERPT_S * store.sample_rate), store.num_samples(track))
    tracker.log_audio(f"{prefix}worst track", store.read(track, 0, length) / 32768.0, store.sample_rate, caption)
    reference = benchmark.scoring.reference(track.annotations)
    path = prediction_file(benchmark.scoring, folder / "predictions", track.id)
    if isinstance(reference, Notes) and path is not None:
        image = piano_roll(reference, Notes.read(path), 0.0, length / store.sample_rate, caption)
        write_png(folder / "worst_track.png", image)
        tracker.log_image(f"{prefix}worst track", image)


_WIDTH = 110
_NUM_ROWS = 20
_NUM_METRICS = 5
_ID_WIDTH, _WORK_WIDTH = 32, 16
_BAR_WIDTH = 30
_TITLE = ("task", "data", "frontend", "backbone", "system", "protocol")


def format_tracks(result: Result, scoring: Scoring, baselines: Sequence[Result]) -> str:
    """The primary metric and those of `shown`: means with intervals, trivial baselines, the worst tracks, the cost."""
    names = [name for name in dict.fromkeys([result.primary, *scoring.shown]) if name in result.metrics]
    each = list(dict.fromkeys([result.primary_of_tracks, *(name for name in names if name not in result.pooled)]))
    parts = [
        _title(result),
        _means(result, names, scoring),
        _baselines(result, baselines, scoring),
        "\n".join(textwrap.wrap(about_ranges(result), _WIDTH)),
        _tracks(result, each[:_NUM_METRICS]),
        _layers(result),
        "\n".join(textwrap.wrap(cost_in_words(result.cost), _WIDTH)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def difference(result: Result, other: Result, scoring: Scoring) -> tuple[float, float, float]:
    """-> the primary metric of `result` minus that of `other`, and the 95 % interval of that.

    Both are of the same tracks, and works are drawn for both at once: the bootstrap is paired. A track that
    either protocol or system leaves without a score counts in neither. Both are taken as they are: another seed is not
    in the interval, which is NaN where there are too few works.
    """
    name = result.primary
    if name in result.pooled:
        draws = _pooled_draws([result, other], scoring)[name]
    else:
        scores = scores_of([[result], [other]], name)
        draws = resample(scores.on(scores.shared), fixed=_fixed(2), bounds=_bounds(result, name))
    pair = compare(draws)
    return float(pair.difference[0, 1]), float(pair.low[0, 1]), float(pair.high[0, 1])


def _fixed(number: int) -> Bools:
    return np.ones(number, dtype=bool)


def _pooled_draws(results: Sequence[Result], scoring: Scoring) -> dict[str, Draws]:
    """Of the metrics of all tracks together, on the tracks of the first result."""
    evidence = []
    for result in results:
        own = {track.id: track.evidence for track in result.tracks}
        evidence.append([[own[track.id] for track in results[0].tracks]])
    fixed, bounds = _fixed(len(results)), {name: _bounds(results[0], name) for name in results[0].pooled}
    return resample_pooled(evidence, scoring.pooled, works_of(results[0]), fixed=fixed, bounds=bounds)


def _bounds(result: Result, metric: str) -> Bounds:
    return result.scales[metric].low, result.scales[metric].high


def _title(result: Result) -> str:
    num_works = len({track.work for track in result.tracks})
    hours = sum(track.seconds for track in result.tracks) / 3600
    length = f"{hours:.1f} hours" if hours >= 1 else f"{hours * 60:.1f} minutes"
    choices = [f"{group} {result.choices[group]}" for group in _TITLE if group in result.choices]
    what = ", ".join(choices if result.seed is None else [*choices, f"seed {result.seed}"])
    scored = f"{result.dataset.split} split: {len(result.tracks)} tracks of {num_works} works, {length}"
    return "\n".join([*textwrap.wrap(what, _WIDTH), scored])


@dataclass(frozen=True)
class Mean:
    """A metric of a result with its range, NaN where there is none. num_scored: tracks that have it."""

    metric: str
    value: float
    low: float
    high: float
    num_scored: int

    @property
    def interval(self) -> str:
        return _interval(self.low, self.high)


def means(result: Result, names: Sequence[str], scoring: Scoring) -> list[Mean]:
    """The metrics with what `range_name` names."""
    pooled = _pooled_draws([result], scoring) if set(names) & set(result.pooled) else {}
    found = []
    for name in names:
        ends = np.full(2, np.nan)
        if name in pooled:
            ends = np.array([pooled[name].low[0], pooled[name].high[0]])
        elif _too_few_works(result):
            ends = scores_of([[result]], name).middle_half()[0]
        else:
            draws = resample(scores_of([[result]], name), fixed=_fixed(1), bounds=_bounds(result, name))
            ends = np.array([draws.low[0], draws.high[0]])
        num_scored = sum(name in pooled or not np.isnan(track.metrics[name]) for track in result.tracks)
        found.append(Mean(name, result.metrics[name], float(ends[0]), float(ends[1]), num_scored))
    return found


def range_name(result: Result) -> str:
    return "middle half of tracks" if _too_few_works(result) else "95 % interval"


def _means(result: Result, names: Sequence[str], scoring: Scoring) -> str:
    rows = [
        [each.metric, number(each.value), each.interval, str(each.num_scored)] for each in means(result, names, scoring)
    ]
    mean = "mean of works" if result.protocol["averaging"] == "works" else "mean"
    headers = ["metric", mean, range_name(result), "tracks"]
    return table(rows, headers, ("left", "right", "right", "right"))


def about_ranges(result: Result) -> str:
    """What the ranges are: no claim that another training would come out so."""
    weights = "these trained weights" if result.training is not None else "these predictions"
    if _too_few_works(result):
        number = len({track.work for track in result.tracks})
        return (
            "Ranges hold the middle half of the tracks' scores: what other works would give cannot be known from "
            f"{number} (it takes {MIN_WORKS})."
        )
    return f"95 % intervals are of {weights} on other works. Another seed is not in them, and nothing is tested here."


def _too_few_works(result: Result) -> bool:
    return len({track.work for track in result.tracks}) < MIN_WORKS


def _baselines(result: Result, baselines: Sequence[Result], scoring: Scoring) -> str:
    """The primary metric of trivial baselines, and how far from them the system is."""
    if not baselines:
        return ""
    rows = []
    for each in baselines:
        apart, low, high = difference(result, each, scoring)
        name = each.choices["system"].removeprefix("baseline ")
        rows.append([name, number(each.metrics[result.primary]), number(apart), _interval(low, high)])
    lower = ", lower is better" if result.scales[result.primary].better == LOWER else ""
    headers = ["trivial baseline", f"{result.primary}{lower}", "difference to it", "95 % interval, paired"]
    return table(rows, headers, ("left", "right", "right", "right"))


def _interval(low: float, high: float) -> str:
    return "-" if np.isnan(low) else f"{number(low)} to {number(high)}"


def _tracks(result: Result, names: Sequence[str]) -> str:
    """As many metrics as the width allows, the primary one first."""
    ranked = result.worst_first
    rows = [
        [shortened(each.id, _ID_WIDTH), shortened(each.work, _WORK_WIDTH), f"{each.seconds:.0f}"]
        + [number(each.metrics[name]) for name in names]
        for each in ranked[:_NUM_ROWS]
    ]
    headers = ["track, worst first", "work", "seconds", *(broken(name) for name in names)]
    text = table(rows, headers, ("left", "left", *("right",) * (1 + len(names))))
    if len(names) > 1 and max(len(line) for line in text.splitlines()) > _WIDTH:
        return _tracks(result, names[:-1])
    rest = len(ranked) - len(rows)
    return f"{text}\n... and {rest} better tracks, in result.json" if rest else text


def _layers(result: Result) -> str:
    """Of an encoder whose layers are mixed: how much of each, as bars."""
    if result.encoder is None or result.encoder.mix is None:
        return ""
    mix = result.encoder.mix
    rows = [
        [str(layer), f"{share:.3f}", "\u2588" * round(_BAR_WIDTH * share / max(mix))]
        for layer, share in zip(result.encoder.layers, mix, strict=True)
    ]
    return table(rows, ["layer", "weight", ""], ("right", "right", "left"))


def cost_in_words(cost: Cost) -> str:
    """What is known of the cost, as one sentence."""
    parts = []
    if cost.params is not None:
        parts.append(f"{cost.params:,} parameters")
    if cost.macs_per_second_of_audio is not None:
        parts.append(f"{amount(cost.macs_per_second_of_audio)} multiplications per second of audio")
    if cost.train_s is not None:
        steps = f" ({cost.steps:,} steps)" if cost.steps is not None else ""
        device = f" on {cost.device}" if cost.device is not None else ""
        parts.append(f"trained {duration(cost.train_s)}{steps}{device}")
    if cost.real_time_factor:
        parts.append(f"predicts {1 / cost.real_time_factor:.3g} times as fast as real time")
    if cost.peak_memory_bytes is not None:
        parts.append(f"{cost.peak_memory_bytes / 2**30:.1f} GiB of memory at most")
    return ", ".join(parts)
