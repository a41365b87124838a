"""Boards: what may stand in one table, because task, tracks, split and protocol are the same, and what may not."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from ricercar.comparison.found import Collection, Found
from ricercar.comparison.notes import few_works, notes_on
from ricercar.comparison.options import clean, listed, options
from ricercar.comparison.systems import System, systems_of
from ricercar.harness.identity import stable_hash
from ricercar.harness.protocols import name_of
from ricercar.harness.published import Published, published_beside
from ricercar.harness.results import DatasetId, Result
from ricercar.significance.draws import Bounds
from ricercar.significance.scores import Bools, Floats, Scores
from ricercar.tasks.scale import Scale

T = TypeVar("T")


@dataclass(frozen=True)
class TrackInfo:
    """One track of a board."""

    id: str
    work: str
    seconds: float


@dataclass(frozen=True)
class Ranked:
    """The scores of one metric that are ranked together.

    scores       of the tracks that all of `systems` have a score of, of every seed; NaN elsewhere
    systems      (S,) those that are ranked: the others have scores of too few of the tracks
    num_tracks   that all have, of `num_scored`, which some system has
    """

    scores: Scores
    systems: Bools
    num_tracks: int
    num_scored: int


@dataclass(frozen=True)
class Board:
    """Systems that were scored alike on the same tracks, the best first, those that are not ranked last.

    primary    the metric that ranks; shown: those that tables show beside it
    notes      what a reader has to know: repeats, systems that are left out, other code ...
    apart      how it differs from the other boards of the task, in words; "" for the only one
    """

    task: str
    data: str
    split: str
    fingerprint: str
    protocol_id: str
    protocol: dict[str, Any]
    primary: str
    shown: list[str]
    systems: list[System]
    tracks: list[TrackInfo]
    notes: list[str]
    apart: str

    @cached_property
    def id(self) -> str:
        """Short, and the same whatever else is compared."""
        return f"board-{stable_hash([self.task, self.fingerprint, self.split, self.protocol_id])[:8]}"

    @cached_property
    def protocol_name(self) -> str | None:
        """Of the preset that says exactly this."""
        return name_of(self.task, self.protocol)

    @cached_property
    def published(self) -> list[Published]:
        """What papers have of the same data, split and protocol, and of the metric that ranks; the best first."""
        dataset = DatasetId(self.data, self.split, self.fingerprint, len(self.tracks))
        found = [each for each in published_beside(dataset, self.protocol_name) if self.primary in each.metrics]
        return sorted(found, key=lambda each: -self.scale(self.primary).sign * each.metrics[self.primary])

    @property
    def title(self) -> str:
        return clean(f"{self.task} on {self.data}, {self.split} split")

    @property
    def averaging(self) -> str:
        return str(self.protocol["averaging"])

    @cached_property
    def metrics(self) -> list[str]:
        """All that some system has, the primary one first."""
        every = (name for system in self.systems for run in system.runs for name in run.result.metrics)
        return list(dict.fromkeys([self.primary, *every]))

    @cached_property
    def pooled(self) -> list[str]:
        """The metrics of all tracks together, which have no scores of tracks."""
        return [name for name in self.metrics if any(name in system.first.pooled for system in self.systems)]

    @property
    def track_metric(self) -> str:
        """The primary metric, or where that is one of all tracks together, the first that tracks have and that has a
        best.
        """
        of_tracks = [name for name in self.metrics if name not in self.pooled]
        return next((name for name in of_tracks if self.scale(name).better is not None), of_tracks[0])

    def scale(self, metric: str) -> Scale:
        """Which way it is better, and its bounds; None in what results do not agree about."""
        every = [run.result.scales for system in self.systems for run in system.runs]
        found = {scales[metric] for scales in every if metric in scales}
        better, low, high = ({getattr(scale, part) for scale in found} for part in ("better", "low", "high"))
        return Scale(*(each.pop() if len(each) == 1 else None for each in (better, low, high)))

    def bounds(self, metric: str) -> Bounds:
        """The least and the greatest value that there can be."""
        scale = self.scale(metric)
        return scale.low, scale.high

    @property
    def fixed(self) -> Bools:
        """(S,) systems that no training with another seed could change."""
        return np.array([system.is_fixed for system in self.systems])

    def scores(self, metric: str) -> Scores:
        """In the order of `systems` and `tracks`; a seed that was repeated is the mean of its repeats."""
        assert metric not in self.pooled, f"{metric} is of all tracks together"
        if metric not in self._scores:
            self._scores[metric] = scores_of(self.systems, metric, self.tracks, self.averaging)
        return self._scores[metric]

    def ranked(self, metric: str) -> Ranked:
        """What is ranked together: scores of the same tracks."""
        scores = self.scores(metric)
        tracks, systems = scores.common()
        scored = np.logical_not(np.isnan(scores.values).all(axis=(0, 1)))
        return Ranked(scores.on(tracks, systems), systems, int(tracks.sum()), int(scored.sum()))

    @cached_property
    def _scores(self) -> dict[str, Scores]:
        return {}

    def evidence(self) -> list[list[list[dict[str, float]]]]:
        """[system][seed][track]: what the pooled metrics are made of. Of repeats of a seed the first."""
        found = []
        for system in self.systems:
            by_id = [{track.id: track.evidence for track in results[0].tracks} for results in system.seeds]
            found.append([[of_seed[track.id] for track in self.tracks] for of_seed in by_id])
        return found

    def means(self, metric: str) -> Floats:
        """(S,) over seeds, and over the tracks that all ranked systems have; NaN for a system that is not ranked."""
        if metric in self.pooled:
            return np.array([system.mean(metric) for system in self.systems])
        return self.ranked(metric).scores.means()

    def mean(self, system: System, metric: str) -> float:
        """Of one of the systems, as `means`."""
        return float(self.means(metric)[self.systems.index(system)])


def boards(collection: Collection) -> list[Board]:
    """By task and data, the one with most systems first."""
    members: dict[tuple[str, str, str, str], list[Found]] = {}
    for found in collection.found:
        members.setdefault(found.result.comparable, []).append(found)
    every = [_board(found) for found in members.values()]
    every.sort(key=lambda board: (board.task, board.data, board.split, -len(board.systems), board.id))
    return [replace(board, apart=text) for board, text in zip(every, apart(every), strict=True)]


def _board(found: Sequence[Found]) -> Board:
    primary = _commonest(each.result.primary for each in found)
    scored = [each for each in found if primary in each.result.metrics]
    scale = _commonest(each.result.scales[primary] for each in scored)
    ids = _commonest(frozenset(track.id for track in each.result.tracks) for each in scored)
    reasons = {each.path: _reason_to_leave_out(each.result, primary, scale, ids) for each in found}
    kept = [each for each in found if not reasons[each.path]]
    notes = [f"Left out: {clean(str(path), 200)} {reason}." for path, reason in reasons.items() if reason]
    systems, repeats = systems_of(kept)
    first = systems[0].first
    names = Counter(each.result.dataset.name for each in kept)
    data = max(names, key=lambda name: (names[name], name))
    if len(names) > 1:
        notes.append(f"The same data under several names: {listed(names)}.")
    board = Board(
        task=first.choices["task"],
        data=data,
        split=first.dataset.split,
        fingerprint=first.dataset.fingerprint,
        protocol_id=first.protocol_id,
        protocol=first.protocol,
        primary=primary,
        shown=list(dict.fromkeys(name for system in systems for name in system.first.shown if name != primary)),
        systems=systems,
        tracks=[TrackInfo(track.id, track.work, track.seconds) for track in first.tracks],
        notes=[],
        apart="",
    )
    means, sign = board.means(primary).tolist(), scale.sign
    places = [_place(sign * mean, sign * system.mean(primary), system.name)
              for mean, system in zip(means, systems, strict=True)]  # fmt: skip
    order = sorted(range(len(systems)), key=places.__getitem__)
    board = replace(board, systems=[systems[i] for i in order])
    about = [*few_works([track.work for track in board.tracks], board.averaging), *_on_other_tracks(board)]
    return replace(
        board,
        notes=notes + repeats + about + notes_on(board.systems, data, list(board.protocol.get("forbidden") or [])),
    )


def _reason_to_leave_out(result: Result, primary: str, scale: Scale, ids: frozenset[str]) -> str:
    """A table never mixes scores of other tracks."""
    if primary not in result.metrics:
        return f"has no {primary}"
    if result.scales[primary].better != scale.better:
        return f"says that {result.scales[primary].better} {primary} is better, others say {scale.better}"
    own = {track.id for track in result.tracks}
    lacks, adds = sorted(ids - own), sorted(own - ids)
    return " and ".join(
        [f"lacks {len(lacks)} tracks: {listed(lacks)}"] * bool(lacks)
        + [f"has {len(adds)} tracks that others lack: {listed(adds)}"] * bool(adds)
    )


def scores_of(systems: Sequence[System], metric: str, tracks: Sequence[TrackInfo], averaging: str) -> Scores:
    """In the order of systems and tracks; a seed that was repeated is the mean of its repeats."""
    place = {track.id: i for i, track in enumerate(tracks)}
    seeds = [system.seeds for system in systems]
    values = np.full((len(seeds), max(map(len, seeds)), len(place)), np.nan)
    for s, of_system in enumerate(seeds):
        for k, results in enumerate(of_system):
            values[s, k] = np.mean([_track_scores(result, metric, place) for result in results], axis=0)
    _, work = np.unique([track.work for track in tracks], return_inverse=True)
    return Scores(values, work.astype(np.int64), averaging)


def _track_scores(result: Result, metric: str, place: Mapping[str, int]) -> Floats:
    values = np.full(len(place), np.nan)
    for track in result.tracks:
        values[place[track.id]] = track.metrics.get(metric, np.nan)
    return values


def _place(mean: float, own_mean: float, name: str) -> tuple[bool, float, bool, float, str]:
    """For sorting: the largest first, then what is not ranked by its own mean, what has none last."""
    means = [(bool(np.isnan(value)), 0.0 if np.isnan(value) else -value) for value in (mean, own_mean)]
    return *means[0], *means[1], name


def _on_other_tracks(board: Board) -> Iterator[str]:
    """Systems that have no score of some tracks, and so are ranked on fewer tracks, or not at all."""
    if board.primary in board.pooled:
        return
    ranked = board.ranked(board.primary)
    if not ranked.num_tracks:
        return
    if ranked.num_tracks < ranked.num_scored:
        yield (
            f"Ranked on the {ranked.num_tracks} tracks that all have a score of; "
            f"{ranked.num_scored - ranked.num_tracks} more have scores of some systems."
        )
    known = board.scores(board.primary).known.sum(axis=1)
    for i in np.flatnonzero(~ranked.systems):
        yield (
            f"Not ranked: {board.systems[i].name} has scores of {known[i]} of {ranked.num_scored} tracks, "
            "so that its mean is not comparable."
        )


def _commonest(values: Iterable[T]) -> T:
    """The first of those that are as common."""
    return Counter(values).most_common(1)[0][0]


def apart(boards: Sequence[Board]) -> list[str]:
    """For each board how it differs from the others of its task; "" for the only one."""
    return [_differences(board, [each for each in boards if each.task == board.task]) for board in boards]


def _differences(board: Board, same_task: Sequence[Board]) -> str:
    if len(same_task) == 1:
        return ""
    parts = []
    if len({each.data for each in same_task}) > 1:
        parts.append(_here_and_there("data", board.data, [each.data for each in same_task]))
    if len({each.split for each in same_task}) > 1:
        parts.append(_here_and_there("split", board.split, [each.split for each in same_task]))
    namesakes = [each for each in same_task if (each.data, each.split) == (board.data, board.split)]
    if len({each.fingerprint for each in namesakes}) > 1:
        parts.append(
            f"data of the same name, but other tracks, audio or annotations: {board.fingerprint[:8]} here, "
            f"{listed(sorted({each.fingerprint[:8] for each in namesakes} - {board.fingerprint[:8]}))} there"
        )
    protocols = [options(each.protocol) for each in same_task]
    own = options(board.protocol)
    for key in dict.fromkeys(key for each in protocols for key in each):
        values = [each.get(key, "not set") for each in protocols]
        if len(set(values)) > 1:
            parts.append(_here_and_there(f"protocol {key}", own.get(key, "not set"), values))
    return "; ".join(parts)


def _here_and_there(what: str, here: str, every: Sequence[str]) -> str:
    return f"{clean(what)}: {clean(here)} here, {listed(sorted(set(every) - {here}))} there"
