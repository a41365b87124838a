"""From tokens to notes, one segment after the other, whatever the tokens are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.models.tokens.vocabulary import (
    DRUM,
    DURATION,
    OFF,
    PITCH,
    PROGRAM,
    SHIFT,
    TIE,
    TIME,
    VELOCITY,
    Vocabulary,
)
from ricercar.tasks.shared.tokens.programs import Programs

# Why an event is invalid: it is left out, and counted. All that MT3 raises for, and what only durations bring.
INVALID = {
    "unknown": "no event: pad, unk, or an id that means nothing",
    "misplaced": "not a pitch, where there are onsets only",
    "backwards": "earlier than an event before it",
    "tie_silent": "continues a note that does not sound",
    "tie_twice": "continues a note for the second time",
    "late_tie": "ends the tie section where none is",
    "off_silent": "ends a note that does not sound",
    "drum_off": "a drum of velocity 0",
    "no_duration": "a note that no duration follows; it is kept, as short as can be",
    "stray_duration": "a duration that follows no note",
}


@dataclass(frozen=True)
class Decoded:
    """notes     of a track
    invalid   {kind of INVALID: number of events}, all kinds
    dropped   tokens from where a segment reaches past the start of the next one
    """

    notes: Notes
    invalid: dict[str, int]
    dropped: int

    @property
    def num_invalid(self) -> int:
        return sum(self.invalid.values())


@dataclass(frozen=True)
class Rules:
    """What a codec's tokens mean.

    on_grid            segments begin at whole steps, at or before their start
    shortest_s         of a note; of every drum
    unknown_velocity   of notes before any velocity
    until_track_ends   notes without an end last so long, or else until the last event
    """

    vocabulary: Vocabulary
    programs: Programs
    program_values: tuple[int, ...]  # of program tokens -> group
    velocities: tuple[int, ...]  # of velocity tokens -> velocity; 0 ends notes
    drums: tuple[int, ...]  # of drum tokens -> General MIDI number
    steps_per_s: float
    on_grid: bool
    ties: bool
    onsets_only: bool
    shortest_s: float
    unknown_velocity: int
    until_track_ends: bool


Key = tuple[int, int]  # group, pitch


@dataclass
class _Sounding:
    onset_s: float
    velocity: int
    offset_s: float = math.inf  # where it is known before it has come


class Decoding:
    """Takes segments in order of time, then finishes."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.invalid = dict.fromkeys(INVALID, 0)
        self.dropped = 0
        self._rows: list[tuple[float, float, int, int, int]] = []  # onset, offset, pitch, velocity, group; -1: drums
        self._time_s = 0.0
        self._velocity = rules.unknown_velocity
        self._group = 0
        self._sounding: dict[Key, _Sounding] = {}
        self._tied: set[Key] = set()
        self._in_ties = False
        self._waiting: _Sounding | None = None  # for its duration

    def segment(self, tokens: NDArray[np.int64], start_s: float, next_start_s: float | None) -> None:
        """tokens (S,): what follows EOS does not count. next_start_s: of the next segment, None where there is none."""
        rules = self.rules
        until_s = math.inf if next_start_s is None else self._at(next_start_s, 0)
        slack_s = 0.0 if rules.on_grid else 0.5 / rules.steps_per_s + 1e-9  # what was rounded up is not late
        self._tied = set()
        self._in_ties = rules.ties
        now_s, shifted = self._at(start_s, 0), 0
        events = list(map(rules.vocabulary.event, np.asarray(tokens).tolist()))
        ends = [place for place, event in enumerate(events) if event.kind == "eos"]
        events = events[: ends[0]] if ends else events
        for place, (kind, value) in enumerate(events):
            if kind != DURATION:
                self._no_duration()
            if kind in (SHIFT, TIME):
                shifted = shifted + value if kind == SHIFT else value
                now_s = self._at(start_s, shifted)
                if now_s > until_s + slack_s:
                    self.dropped += len(events) - place
                    break
                now_s = min(now_s, until_s)
            elif kind in ("pad", "unk"):
                self.invalid["unknown"] += 1
            else:
                shifted = 0
                problem = self._event(kind, value, now_s)
                if problem is not None:
                    self.invalid[problem] += 1
        self._no_duration()

    def finish(self, duration_s: float) -> Decoded:
        """duration_s: of the track."""
        shortest_s = self.rules.shortest_s
        end_s = duration_s
        if not self.rules.until_track_ends:
            end_s = max([self._time_s, *(each.onset_s + shortest_s for each in self._sounding.values())])
        for key in list(self._sounding):
            self._close(key, end_s)
        first = [*self.rules.programs.first.tolist(), DRUMS]  # -1 is the last
        rows = np.array(self._rows, dtype=np.float64).reshape(-1, 5)
        notes = Notes.make(
            onset_s=rows[:, 0],
            offset_s=rows[:, 1],
            pitch=rows[:, 2],
            velocity=rows[:, 3].astype(np.int64),
            program=np.array(first)[rows[:, 4].astype(np.int64)],
        )
        return Decoded(notes, self.invalid, self.dropped)

    def _at(self, start_s: float, steps: int) -> float:
        """To 1e-9 s."""
        per_s = self.rules.steps_per_s
        if self.rules.on_grid:
            return round((math.floor(start_s * per_s + 1e-6) + steps) / per_s, 9)
        return round(start_s + steps / per_s, 9)

    def _event(self, kind: str, value: int, now_s: float) -> str | None:
        """-> why it is invalid."""
        rules = self.rules
        if rules.onsets_only:
            if kind != PITCH:
                return "misplaced"
            self._add(now_s, now_s, value, rules.unknown_velocity, 0)
            return None
        if now_s < self._time_s:
            return "backwards"
        self._time_s = now_s
        key = (self._group, value)
        if kind == VELOCITY:
            self._velocity = rules.velocities[value]
        elif kind == PROGRAM:
            self._group = rules.program_values[value]
        elif kind == DRUM:
            if self._velocity == 0:
                return "drum_off"
            self._add(now_s, now_s, rules.drums[value], self._velocity, -1)
        elif kind == DURATION:
            if self._waiting is None:
                return "stray_duration"
            self._waiting.offset_s = round(now_s + value / rules.steps_per_s, 9) if value else math.inf
            self._waiting = None
        elif kind == TIE:
            if not self._in_ties:
                return "late_tie"
            self._in_ties = False
            for each in [each for each in self._sounding if each not in self._tied]:
                self._close(each, now_s)
        elif self._in_ties and kind != OFF:
            return self._tie(key)
        elif kind == OFF or (kind == PITCH and self._velocity == 0):
            if key not in self._sounding:
                return "off_silent"
            self._close(key, now_s)
        else:
            if key in self._sounding:
                self._close(key, now_s)
            self._sounding[key] = _Sounding(now_s, self._velocity)
            self._wait_for_duration(key)
        return None

    def _tie(self, key: Key) -> str | None:
        if key not in self._sounding or self._sounding[key].offset_s < math.inf:
            return "tie_silent"
        if key in self._tied:
            return "tie_twice"
        self._tied.add(key)
        self._wait_for_duration(key)
        return None

    def _wait_for_duration(self, key: Key) -> None:
        if DURATION in self.rules.vocabulary:
            self._waiting = self._sounding[key]
            self._waiting.offset_s = self._time_s  # unless a duration follows

    def _no_duration(self) -> None:
        if self._waiting is not None:
            self._waiting = None
            self.invalid["no_duration"] += 1

    def _close(self, key: Key, now_s: float) -> None:
        """At its own end, if it has one before."""
        note = self._sounding.pop(key)
        self._add(note.onset_s, min(note.offset_s, now_s), key[1], note.velocity, key[0])

    def _add(self, onset_s: float, offset_s: float, pitch: int, velocity: int, group: int) -> None:
        offset_s = max(offset_s, round(onset_s + self.rules.shortest_s, 9))
        self._rows.append((onset_s, offset_s, pitch, velocity, group))


def decoded(rules: Rules, sequences: Sequence[tuple[NDArray[np.int64], float]], duration_s: float) -> Decoded:
    """(tokens (S,), start_s) of a track's segments, in any order -> its notes."""
    ordered = sorted(sequences, key=lambda each: each[1])
    decoding = Decoding(rules)
    for place, (tokens, start_s) in enumerate(ordered):
        decoding.segment(tokens, start_s, ordered[place + 1][1] if place + 1 < len(ordered) else None)
    return decoding.finish(duration_s)
