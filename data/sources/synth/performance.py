"""A score in beats -> notes in seconds, played by people: a drifting tempo, notes not quite on the beat."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ricercar.data.sources.synth import parts
from ricercar.data.sources.synth.parts import Event

_GAP_S = 0.015  # between two notes of one pitch
_SHORTEST_S = 0.08  # a note that is cut short by the next of its pitch lasts at least this long
_MOST_S = 0.02  # no note is further than this from the beat
_PRIORITY = {parts.MELODY: 2, parts.BASS: 1, parts.ACCOMPANIMENT: 0, parts.DRUMS: 3}


class Sounding(NamedTuple):
    """A note in seconds. `ring_s` is where the sound ends."""

    part: str
    onset_s: float
    offset_s: float
    ring_s: float
    pitch: int
    velocity: int


def beat_times(random: np.random.Generator, num_beats: int, tempo_bpm: float) -> NDArray[np.float64]:
    """(num_beats,) from 0: the tempo drifts slowly by a few per cent, the mean stays."""
    steps = random.normal(0.0, 0.008, num_beats - 1)
    drift = np.convolve(np.cumsum(steps), np.ones(4) / 4, mode="same")
    duration = np.exp(np.clip(drift - drift.mean(), -0.06, 0.06))
    times = np.concatenate([[0.0], np.cumsum(duration / duration.mean())])
    return times * 60.0 / tempo_bpm


def performed(
    random: np.random.Generator, events: Sequence[Event], beat_s: NDArray[np.float64], timing_s: float
) -> list[Sounding]:
    """The events in seconds and with velocities, as a player would have them: not quite on the beat."""
    beats = np.arange(len(beat_s))
    lag_s = {part: float(random.normal(0.0, 0.5 * timing_s)) for part in _PRIORITY}
    strum_s = float(random.choice([0.0, 0.0, 0.008, 0.02]))
    loudness = {part: float(random.normal(0.0, 4.0)) for part in _PRIORITY}
    notes = []
    struck: dict[float, int] = {}  # how many notes of a chord have been struck
    for event in events:
        start_s, end_s, ring_s = np.interp([event.start, event.end, event.ring], beats, beat_s).tolist()
        late_s = lag_s[event.part] + float(np.clip(random.normal(0.0, timing_s), -_MOST_S, _MOST_S))
        if event.part == parts.ACCOMPANIMENT:
            late_s += strum_s * struck.get(event.start, 0)
            struck[event.start] = struck.get(event.start, 0) + 1
        onset_s = max(start_s + late_s, 0.0)
        offset_s = max(end_s + 0.5 * late_s, onset_s + 0.05)
        velocity = event.velocity + loudness[event.part] + float(random.normal(0.0, 4.0))
        notes.append(
            Sounding(event.part, onset_s, offset_s, max(ring_s, offset_s), event.pitch, int(np.clip(velocity, 20, 120)))
        )
    return _without_overlaps(_monophonic(notes))


def _monophonic(notes: Sequence[Sounding]) -> list[Sounding]:
    """A note of the melody ends where the next begins."""
    voice = sorted((note for note in notes if note.part == parts.MELODY), key=lambda note: note.onset_s)
    others = [note for note in notes if note.part != parts.MELODY]
    for note, following in zip(voice, [*voice[1:], None], strict=True):
        end_s = note.ring_s if following is None else min(note.ring_s, following.onset_s)
        others.append(note._replace(offset_s=min(note.offset_s, end_s), ring_s=end_s))
    return others


def _without_overlaps(notes: Sequence[Sounding]) -> list[Sounding]:
    """At most one note of a pitch at a time, as on a keyboard. Sorted by (onset, pitch).

    A note ends when its pitch is struck again. What would last too short, or would cut a more important note
    (melody before bass before accompaniment), is left out.
    """
    kept: list[Sounding] = []
    for is_drums in (False, True):
        chosen = [note for note in notes if (note.part == parts.DRUMS) == is_drums]
        last: dict[int, Sounding] = {}
        for note in sorted(chosen, key=lambda note: (note.pitch, note.onset_s, -_PRIORITY[note.part])):
            before = last.get(note.pitch)
            if before is not None and note.onset_s < before.ring_s + _GAP_S:
                long_enough = note.onset_s - _GAP_S - before.onset_s >= _SHORTEST_S
                if long_enough and _PRIORITY[note.part] >= _PRIORITY[before.part]:
                    end_s = note.onset_s - _GAP_S
                    kept.append(before._replace(offset_s=min(before.offset_s, end_s), ring_s=min(before.ring_s, end_s)))
                elif _PRIORITY[note.part] <= _PRIORITY[before.part]:
                    continue
            elif before is not None:
                kept.append(before)
            last[note.pitch] = note
        kept += last.values()
    return sorted(kept, key=lambda note: (note.onset_s, note.pitch))
