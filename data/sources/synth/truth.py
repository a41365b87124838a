"""The annotations of a composed piece, from the notes that sound."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.chords import Chords
from ricercar.data.annotations.melody import Melody
from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.data.annotations.onsets import Onsets, drum_label
from ricercar.data.sources.synth import parts
from ricercar.data.sources.synth.parts import ChordSpan
from ricercar.data.sources.synth.performance import Sounding

# General MIDI's families of eight programs
FAMILIES = (
    "piano", "chromatic percussion", "organ", "guitar", "bass", "strings", "ensemble", "brass", "reed", "pipe",
    "synth lead", "synth pad", "synth effects", "ethnic", "percussive", "sound effects",
)  # fmt: skip

_ONE_ONSET_S = 0.03  # notes that start within this time are one onset: a chord
_MELODY_STEP_S = 0.01


def family(program: int) -> str:
    """The instrument family of a General MIDI program; 128 is "drums"."""
    return "drums" if program == DRUMS else FAMILIES[program // 8]


def notes_of(soundings: Sequence[Sounding], programs: Mapping[str, int]) -> Notes:
    return Notes(
        onset_s=np.round([note.onset_s for note in soundings], 6),
        offset_s=np.round([note.offset_s for note in soundings], 6),
        pedalled_offset_s=np.round([note.ring_s for note in soundings], 6),
        pitch=np.array([note.pitch for note in soundings]),
        velocity=np.array([note.velocity for note in soundings]),
        program=np.array([programs[note.part] for note in soundings]),
    )


def onsets_of(soundings: Sequence[Sounding]) -> Onsets:
    """Drums by their class, everything else as "note"; the notes of a chord are one onset."""
    times_s: list[float] = []
    labels: list[str] = []
    last_s: dict[str, float] = {}
    for note in soundings:
        label = drum_label(note.pitch) if note.part == parts.DRUMS else "note"
        if note.onset_s - last_s.get(label, -1.0) > _ONE_ONSET_S:
            last_s[label] = note.onset_s
            times_s.append(note.onset_s)
            labels.append(label)
    return Onsets(time_s=np.round(times_s, 6), label=tuple(labels))


def chords_of(spans: Sequence[ChordSpan], beat_s: NDArray[np.float64], duration_s: float) -> Chords:
    """The chords, N before and after; equal neighbours are one."""
    beats = np.arange(len(beat_s))
    borders_s = [0.0, *np.interp([span.start for span in spans], beats, beat_s).tolist(), float(beat_s[-1]), duration_s]
    labels = ["N", *(span.chord.label for span in spans), "N"]
    first = [index for index, label in enumerate(labels) if index == 0 or label != labels[index - 1]]
    starts = [borders_s[index] for index in first]
    return Chords(
        start_s=np.round(starts, 6),
        end_s=np.round([*starts[1:], duration_s], 6),
        label=tuple(labels[index] for index in first),
    )


def melody_of(voice: Sequence[Sounding], duration_s: float) -> Melody:
    time_s = np.arange(round(duration_s / _MELODY_STEP_S)) * _MELODY_STEP_S
    frequency_hz = np.zeros_like(time_s)
    for note in voice:
        voiced = (time_s >= note.onset_s) & (time_s < note.ring_s)
        frequency_hz[voiced] = 440.0 * 2.0 ** ((note.pitch - 69) / 12.0)
    return Melody(time_s=np.round(time_s, 6), frequency_hz=frequency_hz)
