"""What a network should say about the melody of a window."""

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.frequencies import hz_to_midi
from ricercar.data.annotations.melody import Melody
from ricercar.tasks.shared.frames import INSTANTS, instants, nearest_rows, rows_near

Floats = NDArray[np.float64]

_GLIDE = 1.0  # semitones: from row to row, a smaller step is a glide, a greater one a new note


def melody_targets(
    melody: Melody, start_s: float, num_frames: int, fps: float, lowest_pitch: int, num_pitches: int
) -> dict[str, NDArray[np.float32]]:
    """-> {pitch, deviation: (T, P)}

    pitch       the share of the frame in which the melody is at each semitone. Between two semitones it is at both, in
                proportion to its nearness: 60.3 is 0.7 of 60 and 0.3 of 61. What is missing to a sum of 1 is silence.
                A frame in which the melody leaves the P semitones is NaN: it does not count
    deviation   how far the melody is from each semitone where `pitch` is above 0: 0 a semitone below, 0.5 at it,
                1 a semitone above; 0.5 elsewhere
    """
    at_s = instants(start_s, num_frames, fps)
    midi = pitch_at(melody, at_s)
    frame = np.repeat(np.arange(num_frames), INSTANTS)
    inside = (midi >= lowest_pitch - 0.5) & (midi < lowest_pitch + num_pitches - 0.5)  # false for NaN, silence
    outside = np.unique(frame[~inside & ~np.isnan(midi)])
    frame, midi = frame[inside], midi[inside]

    lower = np.floor(midi)
    nearness = midi - lower
    both = np.concatenate([lower, lower + 1])
    weight = np.concatenate([1 - nearness, nearness])
    both = np.clip(both, lowest_pitch, lowest_pitch + num_pitches - 1)
    cell = np.tile(frame, 2) * num_pitches + (both - lowest_pitch).astype(np.int64)
    num_cells = num_frames * num_pitches
    share = np.bincount(cell, weight, num_cells)
    moved = np.bincount(cell, weight * (np.tile(midi, 2) - both), num_cells)
    deviation = 0.5 + 0.5 * np.divide(moved, share, out=np.zeros(num_cells), where=share > 0)
    pitch = (share / INSTANTS).reshape(num_frames, num_pitches)
    pitch[outside] = np.nan
    return {
        "pitch": pitch.astype(np.float32),
        "deviation": deviation.reshape(num_frames, num_pitches).clip(0.0, 1.0).astype(np.float32),
    }


def pitch_at(melody: Melody, at_s: Floats) -> Floats:
    """-> MIDI numbers with fractions at the sorted times `at_s`, NaN where no melody sounds.

    Between two rows a glide is a straight line; a new note, and silence, begin halfway.
    """
    usual_s = melody.usual_step_s
    near = rows_near(melody.time_s, at_s, usual_s)
    time_s, frequency_hz = melody.time_s[near], melody.frequency_hz[near]
    if len(time_s) == 0:
        return np.full(len(at_s), np.nan)
    midi = np.full(len(time_s), np.nan)
    sounding = frequency_hz > 0
    midi[sounding] = hz_to_midi(frequency_hz[sounding])
    row = nearest_rows(time_s, at_s, usual_s)
    before = np.clip(np.searchsorted(time_s, at_s, side="right") - 1, 0, max(len(time_s) - 2, 0))
    after = np.minimum(before + 1, len(time_s) - 1)
    step = midi[after] - midi[before]
    glide = (np.abs(step) < _GLIDE) & (at_s >= time_s[before]) & (at_s <= time_s[after])  # false for NaN
    share = (at_s - time_s[before]) / np.maximum(time_s[after] - time_s[before], 1e-9)
    found = np.where(glide, midi[before] + share * step, midi[row])
    return np.where(row >= 0, found, np.nan)
