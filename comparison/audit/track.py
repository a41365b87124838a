"""The labels of one track beside what several systems find: where these agree with each other, and not with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ricercar.comparison.audit.events import Events, paired
from ricercar.comparison.audit.timing import Span, Timing, timing
from ricercar.tasks.marks import LACKING, UNFOUND

_SAME_S = 0.05  # how far apart one event is for two sides, once the lateness of the labels is taken out
_MIN_VOICES = 2


@dataclass(frozen=True)
class Rules:
    """When systems agree against labels.

    least_s    what labels have to be late, early or drifting by
    agree_s    how far apart what the systems say of it may be
    reach_s    how late labels are at most: what is farther off is not looked for
    share      of a track's labels: as many events in doubt, beyond what is usual on other tracks
    """

    least_s: float
    agree_s: float
    reach_s: float
    share: float


@dataclass(frozen=True)
class Event:
    """An event in doubt. time_s: of the label, or the median of what systems say. pitch: None where there is none."""

    time_s: float
    pitch: float | None
    label: str


@dataclass(frozen=True)
class TrackAudit:
    """What the systems say of the labels of one track.

    timings     {key of a system: how late labels are by it}, of the systems that hear the track
    late        how late labels are beyond what is usual for each system: the systems' median, from their lowest to
                their highest end; None where they do not agree on it
    drift       the same, along the track
    lacking     events that all of them find and that are not in the labels
    unfound     labels that none of them finds
    own         {(start_s, pitch, label): LACKING or UNFOUND}: the same events as each side has them
    """

    id: str
    num_labels: int
    timings: dict[str, Timing]
    late: Span | None
    drift: Span | None
    lacking: list[Event]
    unfound: list[Event]
    own: dict[tuple[float, float | None, str], str]

    @property
    def is_judged(self) -> bool:
        """Whether two systems or more hear the track."""
        return len(self.timings) >= _MIN_VOICES

    @property
    def ends_s(self) -> tuple[float, float]:
        """How late labels are at the first and the last event, the median of the systems."""
        of_all = self.timings.values()
        return float(np.median([each.first_s for each in of_all])), float(np.median([each.last_s for each in of_all]))

    def share(self, what: Sequence[Event]) -> float:
        return len(what) / max(self.num_labels, 1)


def track_audit(track_id: str, reference: Events, estimates: Mapping[str, Events], rules: Rules) -> TrackAudit:
    """estimates: {key of a system: what it finds}"""
    rng = np.random.default_rng(0)
    found = {key: timing(reference, each, rules.reach_s, rng) for key, each in estimates.items()}
    timings = {key: each for key, each in found.items() if each is not None}
    if len(timings) < _MIN_VOICES:
        return TrackAudit(track_id, len(reference), timings, None, None, [], [], {})
    own: dict[tuple[float, float | None, str], str] = {}
    missed = np.ones(len(reference), dtype=bool)
    rest: dict[str, Events] = {}
    for key, each in timings.items():
        estimate = estimates[key]
        i, j = paired(_moved(reference, each), estimate, _SAME_S)
        missed[i] = False
        rest[key] = estimate.taken(np.setdiff1d(np.arange(len(estimate)), j))
    unfound = _events(reference.taken(missed))
    own |= {(each.time_s, each.pitch, each.label): UNFOUND for each in unfound}
    lacking = _shared(rest, own)
    late = agreed([each.late for each in timings.values()], rules.agree_s)  # until it is known what is usual
    drift = agreed([each.drift for each in timings.values()], rules.agree_s)
    return TrackAudit(track_id, len(reference), timings, late, drift, lacking, unfound, own)


def beyond(track: TrackAudit, usual_s: Mapping[str, float], agree_s: float) -> Span | None:
    """How late labels are, each system's usual lateness being its habit, or that of all labels."""
    found = []
    for key, each in track.timings.items():
        late, usual = each.late, usual_s[key]
        found.append(Span(late.value - usual, late.low - usual, late.high - usual))
    return agreed(found, agree_s) if track.is_judged else None


def agreed(spans: Sequence[Span], agree_s: float) -> Span | None:
    """Of what systems measure: None unless all leave out 0 on one side and lie within `agree_s` of each other."""
    values = [each.value for each in spans]
    one_side = len({np.sign(value) for value in values}) == 1 and all(each.leaves_out_zero for each in spans)
    if not one_side or max(values) - min(values) > agree_s:
        return None
    return Span(float(np.median(values)), min(each.low for each in spans), max(each.high for each in spans))


def _moved(reference: Events, by: Timing) -> Events:
    """The labels where the system hears them."""
    return reference.earlier(by.at(reference.time_s))


def _shared(rest: Mapping[str, Events], own: dict[tuple[float, float | None, str], str]) -> list[Event]:
    """Events that all sides have, one by one; what each has of them goes into `own`. Times are the systems' own: they
    hear the same sound.
    """
    sides = list(rest.values())
    rows = [(i,) for i in range(len(sides[0]))]
    for side in sides[1:]:
        first = sides[0].taken(np.array([row[0] for row in rows], dtype=np.int64))
        pairs = np.stack(paired(first, side, _SAME_S), axis=1)
        rows = [(*rows[i], int(j)) for i, j in pairs.tolist()]
    found = []
    for row in rows:
        same = [_event(side, i) for side, i in zip(sides, row, strict=True)]
        own |= {(each.time_s, each.pitch, each.label): LACKING for each in same}
        found.append(Event(float(np.median([each.time_s for each in same])), same[0].pitch, same[0].label))
    return found


def _events(events: Events) -> list[Event]:
    return [_event(events, i) for i in range(len(events))]


def _event(events: Events, i: int) -> Event:
    pitch = float(events.pitch[i])
    return Event(float(events.time_s[i]), None if np.isnan(pitch) else pitch, str(events.label[i]))
