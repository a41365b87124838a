"""The label audit of one board: every track, the systems that judge it, and scores without the tracks in doubt."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ricercar.comparison.audit.events import OF_EVENTS, Events, events_of
from ricercar.comparison.audit.track import Rules, TrackAudit, beyond, track_audit
from ricercar.comparison.board import Board
from ricercar.comparison.options import listed
from ricercar.comparison.sources import Sources
from ricercar.comparison.systems import System
from ricercar.errors import InputError
from ricercar.harness.results import Result

_USUAL_OF = 4  # tracks: of fewer, nothing is usual
_SPREADS = 3.0  # how many times the tracks' usual distance from their median one is out of the ordinary
_NORMAL = 1.4826  # the standard deviation of a normal distribution by its median absolute deviation
LATE, EARLY, DRIFT, LACKS, UNHEARD = "late", "early", "drift", "lacks events", "events that none finds"


@dataclass(frozen=True)
class Without:
    """The primary score of a system: of all tracks, and of those that are not in doubt; NaN where there is none."""

    system: System
    everything: float
    rest: float


@dataclass(frozen=True)
class Audit:
    """voices: the systems that judge. doubts: {track id: why its labels are to be looked at}, the most doubtful first.

    usual_s    {key: how late labels are by the system, the median of the tracks that it hears}. With four judged tracks
               or more, what a track is late by is beyond it
    scores     of all systems of the board
    """

    board: Board
    rules: Rules
    voices: list[System]
    tracks: list[TrackAudit]
    doubts: dict[str, list[str]]
    usual_s: dict[str, float]
    scores: list[Without]
    notes: list[str]

    @property
    def judged(self) -> list[TrackAudit]:
        return [each for each in self.tracks if each.is_judged]

    def track(self, track_id: str) -> TrackAudit:
        return next(each for each in self.tracks if each.id == track_id)


def audit(board: Board, sources: Sources, rules: Rules, *, baselines: bool) -> Audit:
    """InputError where the task is not one of events, or fewer than two systems have predictions beside their results.

    baselines: whether trivial baselines judge, too.
    """
    scoring = sources.scoring
    if not issubclass(scoring.annotation, OF_EVENTS):
        raise InputError(
            f"{board.title}: labels of events are audited ({', '.join(each.name for each in OF_EVENTS)}), not "
            f"{scoring.annotation.name}."
        )
    asked = [system for system in board.systems if baselines or not system.is_baseline]
    found: dict[str, dict[str, Events]] = {track.id: {} for track in board.tracks}
    voices, notes = [], []
    for system in asked:
        lacking = []
        for info in board.tracks:
            estimate = sources.estimate(system, sources.tracks[info.id])
            if estimate is None:
                lacking.append(info.id)
            else:
                found[info.id][system.key] = events_of(scoring, estimate)
        if len(lacking) < len(board.tracks):
            voices.append(system)
        if lacking:
            notes.append(f"{system.name} has no predictions beside its result of {_tracks(lacking, board)}.")
    if len(voices) < 2:
        have = f"only {voices[0].name} has" if voices else "no system has"
        more = "" if baselines else " Trivial baselines count with --baselines."
        raise InputError(
            f"{board.title}: {have} predictions beside its result; it takes two systems, whose folders hold "
            f"result.json and predictions/.{more}"
        )
    tracks = []
    for info in board.tracks:
        track = sources.tracks[info.id]
        reference = scoring.of_recording(sources.reference(track), info.seconds)
        own = replace(rules, reach_s=_reach(scoring.annotation.name, events_of(scoring, reference), rules.reach_s))
        tracks.append(track_audit(info.id, events_of(scoring, reference), found[info.id], own))
    usual = _usual(voices, tracks)
    if sum(each.is_judged for each in tracks) >= _USUAL_OF:
        tracks = [replace(each, late=beyond(each, usual, rules.agree_s)) for each in tracks]
    doubts = _doubts(tracks, rules)
    unheard = [each.id for each in tracks if not each.is_judged]
    if unheard:
        notes.append(
            f"Not judged, because fewer than two systems find enough of the labels, or these too little of what they "
            f"find: {_tracks(unheard, board)}."
        )
    notes += _related(voices)
    return Audit(board, rules, voices, tracks, doubts, usual, _scores(board, sources, doubts), notes)


def _reach(name: str, reference: Events, reach_s: float) -> float:
    """Of beats at most a quarter of the time between them: farther off, it is another beat that is meant."""
    if name != "beats" or len(reference) < 2:
        return reach_s
    apart = np.concatenate([np.diff(reference.time_s[reference.label == label]) for label in set(reference.label)])
    apart = apart[apart > 0]
    return min(reach_s, float(np.median(apart)) / 4) if len(apart) else reach_s


def _doubts(tracks: Sequence[TrackAudit], rules: Rules) -> dict[str, list[str]]:
    judged = [each for each in tracks if each.is_judged]
    lacking = _out_of_the_ordinary([each.share(each.lacking) for each in judged], rules.share)
    unfound = _out_of_the_ordinary([each.share(each.unfound) for each in judged], rules.share)
    found: dict[str, tuple[float, list[str]]] = {}
    for track, lacks, unheard in zip(judged, lacking, unfound, strict=True):
        reasons, weight = [], 0.0
        if track.drift is not None and abs(track.drift.value) >= rules.least_s:
            reasons.append(DRIFT)
            weight += max(map(abs, track.ends_s)) / rules.least_s
        elif track.late is not None and abs(track.late.value) >= rules.least_s:
            reasons.append(LATE if track.late.value > 0 else EARLY)
            weight += abs(track.late.value) / rules.least_s
        if lacks:
            reasons.append(LACKS)
            weight += track.share(track.lacking) / rules.share
        if unheard:
            reasons.append(UNHEARD)
            weight += track.share(track.unfound) / rules.share
        if reasons:
            found[track.id] = weight, reasons
    order = sorted(found, key=lambda name: (-found[name][0], name))
    return {name: found[name][1] for name in order}


def _out_of_the_ordinary(shares: Sequence[float], least: float) -> list[bool]:
    """Of each track: `least` or more above the median of all, and several times their usual distance from it."""
    values = np.array(shares)
    if len(values) < _USUAL_OF:
        return [bool(each >= least) for each in values]
    usual = float(np.median(values))
    spread = _NORMAL * float(np.median(np.abs(values - usual)))
    return [bool(each - usual >= max(least, _SPREADS * spread)) for each in values]


def _usual(voices: Sequence[System], tracks: Sequence[TrackAudit]) -> dict[str, float]:
    found = {}
    for system in voices:
        own = [each.timings[system.key].late.value for each in tracks if system.key in each.timings]
        found[system.key] = float(np.median(own)) if own else float("nan")
    return found


def _related(voices: Sequence[System]) -> Iterator[str]:
    """Systems that learnt from the same labels."""
    learnt: dict[str, list[str]] = {}
    for system in voices:
        training = system.first.training
        if training is not None and training.fingerprint is not None:
            learnt.setdefault(training.fingerprint, []).append(system.name)
    for names in learnt.values():
        if len(names) > 1:
            yield (
                f"{listed(names)} learnt from the same labels: what they agree in may be a habit of these labels, as "
                "well as an error of those that are audited."
            )


def _scores(board: Board, sources: Sources, doubts: dict[str, list[str]]) -> list[Without]:
    from ricercar.harness.benchmark import metrics_of

    def mean(system: System, left_out: Sequence[str]) -> float:
        """Over seeds, of repeats of a seed their mean."""
        return _mean([_mean([_of(result, left_out) for result in results]) for results in system.seeds])

    def _of(result: Result, left_out: Sequence[str]) -> float:
        kept = [track for track in result.tracks if track.id not in left_out]
        return metrics_of(kept, sources.scoring)[board.primary] if kept else float("nan")

    return [Without(system, mean(system, ()), mean(system, list(doubts))) for system in board.systems]


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _tracks(ids: Sequence[str], board: Board) -> str:
    if len(ids) == len(board.tracks):
        return "any track"
    return f"{len(ids)} of {len(board.tracks)} tracks: {listed(ids)}"
