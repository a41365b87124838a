"""The parts of a composed section: melody, bass, accompaniment and drums, in beats."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ricercar.data.sources.synth.harmony import Chord

MELODY, BASS, ACCOMPANIMENT, DRUMS = "melody", "bass", "accompaniment", "drums"


class Event(NamedTuple):
    """A note in beats. `ring` is where the sound ends where that is later than the release of the key (pedal)."""

    part: str
    start: float
    end: float
    ring: float
    pitch: int
    velocity: float


class ChordSpan(NamedTuple):
    """A chord from beat `start` to beat `end`."""

    start: float
    end: float
    chord: Chord


@dataclass(frozen=True)
class Metre:
    """`beats` per bar, each divided into `division` (2: simple, 3: compound)."""

    name: str
    beats: int
    division: int


METRES = {"4/4": Metre("4/4", 4, 2), "3/4": Metre("3/4", 3, 2), "6/8": Metre("6/8", 2, 3)}

# Rhythms of a melody's beats: (how often, durations in beats, the fastest tempo at which they are played)
_SIMPLE_CELLS: tuple[tuple[float, tuple[float, ...], float], ...] = (
    (3.0, (1.0,), 999.0),
    (4.0, (0.5, 0.5), 999.0),
    (1.0, (0.75, 0.25), 110.0),
    (1.0, (0.25, 0.25, 0.5), 90.0),
    (1.0, (0.5, 0.25, 0.25), 90.0),
    (1.5, (2.0,), 999.0),
    (1.5, (1.5, 0.5), 999.0),
    (0.7, (0.5, 1.0, 0.5), 999.0),
)
_COMPOUND_CELLS: tuple[tuple[float, tuple[float, ...], float], ...] = (
    (2.0, (1.0,), 999.0),
    (3.0, (2 / 3, 1 / 3), 999.0),
    (3.0, (1 / 3, 1 / 3, 1 / 3), 999.0),
    (0.7, (2.0,), 999.0),
)


def melody(
    random: np.random.Generator,
    *,
    spans: Sequence[ChordSpan],
    metre: Metre,
    num_bars: int,
    tempo_bpm: float,
    tonic: int,
    mode: str,
    centre: int,
) -> list[Event]:
    """One voice around `centre`: chord tones on strong beats, steps between, a long note and a breath at the end."""
    motif = _bar_rhythm(random, metre, tempo_bpm)
    answer = _bar_rhythm(random, metre, tempo_bpm)
    last = [float(metre.beats - 1)] if metre.beats > 2 else [1.5]
    bars = [*(answer if bar % 2 else motif for bar in range(num_bars - 1)), last]
    events: list[Event] = []
    pitch = centre + int(random.integers(-3, 4))
    length = num_bars * metre.beats
    for bar, rhythm in enumerate(bars):
        start = float(bar * metre.beats)
        for index, duration in enumerate(rhythm):
            span = _span_at(spans, start)
            # The phrase rises to its middle and falls again.
            target = centre + 5.0 * np.sin(np.pi * start / length) - 1.0 + 0.3 * (pitch - centre)
            strong = index == 0 or duration >= 1.0 or abs(start - span.start) < 0.01
            classes = span.chord.pitch_classes if strong else span.chord.scale(tonic, mode)
            pitch = _next_pitch(random, pitch, target, classes, repeats=0.12 if strong else 0.2)
            resting = 0 < index < len(rhythm) - 1 and random.random() < 0.08
            if not resting:
                end = start + duration * (0.96 if random.random() < 0.7 else 0.6)
                arch = 10.0 * np.sin(np.pi * start / length)
                accent = 5.0 if index == 0 else 0.0
                events.append(Event(MELODY, start, end, end, pitch, 82.0 + arch + accent))
            start += duration
    return events


def bass(random: np.random.Generator, *, spans: Sequence[ChordSpan], metre: Metre, style: str) -> list[Event]:
    """Roots (or what an inversion has in the bass) between E1 and E3: held, with the fifth, pulsing, or walking."""
    events: list[Event] = []
    pitch = 41
    for number, span in enumerate(spans):
        pitch = _nearest(pitch, (span.chord.bass,), low=31, high=48)
        beats = round(span.end - span.start)
        if style == "held" or beats < 1:
            steps = [(0.0, span.end - span.start, pitch)]
        elif style == "fifth":
            fifth = _nearest(pitch + 4, (span.chord.pitch_classes[2],), low=33, high=52)
            half = (beats + 1) // 2
            steps = [(0.0, float(half), pitch)] + ([(float(half), float(beats - half), fifth)] if beats > half else [])
        elif style == "pulse":
            steps = [(beat / metre.division, 1.0 / metre.division, pitch) for beat in range(metre.division * beats)]
        else:
            following = spans[(number + 1) % len(spans)].chord.bass
            steps = [(0.0, 1.0, pitch)]
            walked = pitch
            for beat in range(1, beats):
                near = (following,) if beat == beats - 1 and random.random() < 0.3 else span.chord.pitch_classes
                walked = _next_pitch(random, walked, pitch + 4.0, near, repeats=0.05)
                walked = _nearest(walked, near, low=28, high=55)
                steps.append((float(beat), 1.0, walked))
        for offset, duration, note in steps:
            start = span.start + offset
            accent = 6.0 if start % metre.beats < 0.01 else 0.0
            events.append(Event(BASS, start, start + 0.92 * duration, start + 0.92 * duration, note, 74.0 + accent))
    return events


def accompaniment(
    random: np.random.Generator, *, spans: Sequence[ChordSpan], metre: Metre, style: str, rings: bool
) -> list[Event]:
    """Chords around middle C with little movement between them: block, beats, offbeat, arpeggio or broken."""
    events: list[Event] = []
    centre = 60.0
    upward = bool(random.random() < 0.5)
    for span in spans:
        voicing = _voicing(span.chord, centre)
        centre = 0.6 * float(np.mean(voicing)) + 0.4 * 60.0
        step = 1.0 / metre.division
        count = round((span.end - span.start) / step)
        hits: list[tuple[float, float, Sequence[int]]] = []
        if style == "block":
            hits = [(0.0, 0.95 * (span.end - span.start), voicing)]
        elif style == "beats":
            hits = [(float(beat), 0.7, voicing) for beat in range(round(span.end - span.start))]
        elif style == "offbeat":
            on_bar = [(beat, (span.start + beat) % metre.beats) for beat in range(round(span.end - span.start))]
            hits = [
                (float(beat), 0.6, voicing) for beat, place in on_bar if place >= 1 and (metre.beats != 4 or place % 2)
            ]
            hits = hits or [(0.5, 0.4, voicing)]
        else:
            order = (
                [*voicing, *voicing[-2:0:-1]]
                if style == "arpeggio"
                else [voicing[0], voicing[-1], voicing[1], voicing[-1]]
            )
            order = order if upward or style == "broken" else order[::-1]
            hits = [(index * step, 0.95 * step, (order[index % len(order)],)) for index in range(count)]
        for offset, duration, pitches in hits:
            start = span.start + offset
            accent = 5.0 if start % metre.beats < 0.01 else 0.0
            for pitch in pitches:
                ring = span.end - 0.03 if rings else start + duration
                events.append(Event(ACCOMPANIMENT, start, start + duration, ring, pitch, 62.0 + accent))
    return events


def drums(random: np.random.Generator, *, metre: Metre, num_bars: int) -> list[Event]:
    """Kick, snare, hi-hat (or ride), toms at the end of the section and a crash at its beginning."""
    events: list[Event] = []
    cymbal = int(random.choice([42, 42, 51]))
    syncopated = bool(random.random() < 0.5)
    fill = bool(random.random() < 0.5)
    step = 1.0 / metre.division

    def hit(beat: float, pitch: int, velocity: float) -> None:
        events.append(Event(DRUMS, beat, beat + 0.2, beat + 0.2, pitch, velocity))

    for bar in range(num_bars):
        first = float(bar * metre.beats)
        hit(first, 36, 100.0)
        if metre.beats == 4:
            hit(first + 2.0, 36, 90.0)
            if syncopated:
                hit(first + 2.5, 36, 80.0)
        for beat in [1, 3] if metre.beats == 4 else [1, 2] if metre.beats == 3 else [1]:
            hit(first + beat, 38, 92.0)
        filled = fill and bar == num_bars - 1
        for index in range(metre.beats * metre.division):
            if filled and index >= (metre.beats - 1) * metre.division:
                hit(first + index * step, 50 if index % 2 == 0 else 45, 85.0)
            elif bar == 0 and index == 0:
                hit(first, 49, 84.0)
            else:
                hit(first + index * step, cymbal, 76.0 if index % metre.division == 0 else 62.0)
    return events


def closing(
    *, start: float, metre: Metre, chord: Chord, melody_centre: int, with_bass: bool, with_drums: bool
) -> list[Event]:
    """The last bar: the tonic in every part, held to its end."""
    end = start + metre.beats - 0.25
    held = [(MELODY, _nearest(melody_centre, (chord.root,), low=21, high=108), 84.0)]
    held += [(ACCOMPANIMENT, pitch, 62.0) for pitch in _voicing(chord, 60.0)]
    if with_bass:
        held.append((BASS, _nearest(40, (chord.bass,), low=31, high=48), 78.0))
    events = [Event(part, start, end, end, pitch, velocity) for part, pitch, velocity in held]
    if with_drums:
        events += [Event(DRUMS, start, start + 0.2, start + 0.2, pitch, 96.0) for pitch in (36, 49)]
    return events


def _bar_rhythm(random: np.random.Generator, metre: Metre, tempo_bpm: float) -> list[float]:
    """Durations that fill one bar."""
    rhythm: list[float] = []
    while (left := metre.beats - sum(rhythm)) > 0.01:
        cells = _SIMPLE_CELLS if metre.division == 2 else _COMPOUND_CELLS
        fitting = [(share, cell) for share, cell, fastest in cells if tempo_bpm <= fastest and sum(cell) <= left + 0.01]
        shares = np.array([share for share, _ in fitting])
        rhythm += fitting[int(random.choice(len(fitting), p=shares / shares.sum()))][1]
    return rhythm


def _span_at(spans: Sequence[ChordSpan], beat: float) -> ChordSpan:
    return next((span for span in reversed(spans) if span.start <= beat + 0.01), spans[0])


def _next_pitch(
    random: np.random.Generator, pitch: int, target: float, classes: Sequence[int], *, repeats: float
) -> int:
    """A pitch of `classes` within a sixth of `pitch`: small steps are likelier, and those towards `target`."""
    candidates = np.array([near for near in range(pitch - 8, pitch + 9) if near % 12 in classes])
    weights = np.exp(-np.abs(candidates - pitch) / 2.5 - 0.015 * (candidates - target) ** 2)
    others = candidates != pitch
    if not others.all() and others.any():
        weights[~others] = weights[others].sum() * repeats / (1.0 - repeats)
    return int(random.choice(candidates, p=weights / weights.sum()))


def _nearest(pitch: int, classes: Sequence[int], *, low: int, high: int) -> int:
    return min((near for near in range(low, high + 1) if near % 12 in classes), key=lambda near: abs(near - pitch))


def _voicing(chord: Chord, centre: float) -> list[int]:
    """The chord's notes in close position, in the inversion whose mean is nearest to `centre`."""
    best: list[int] = []
    for lowest in range(48, 67):
        if lowest % 12 in chord.pitch_classes:
            notes = sorted(lowest + (pitch - lowest) % 12 for pitch in chord.pitch_classes)
            if not best or abs(np.mean(notes) - centre) < abs(np.mean(best) - centre):
                best = notes
    return best
