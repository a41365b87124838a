"""What a network should say about the pitches of a window, and the pitches that notes make."""

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.frequencies import hz_to_midi, midi_to_hz
from ricercar.data.annotations.multipitch import Multipitch
from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.tasks.frame_instants import INSTANTS, instants, nearest_rows, rows_near
from ricercar.tasks.spans import span_cells

Floats = NDArray[np.float64]


def row_targets(
    annotation: Multipitch, start_s: float, num_frames: int, fps: float, lowest_pitch: int, num_pitches: int
) -> NDArray[np.float32]:
    """-> (T, P): the share of the frame in which each semitone is the nearest one to some frequency."""
    at_s = instants(start_s, num_frames, fps)
    usual_s = annotation.usual_step_s
    near = rows_near(annotation.time_s, at_s, usual_s)
    row = nearest_rows(annotation.time_s[near], at_s, usual_s)
    index = np.flatnonzero((annotation.row >= near.start) & (annotation.row < near.stop))
    sounds = np.zeros((len(annotation.time_s[near]) + 1, num_pitches), dtype=bool)  # the last row is silence
    pitch = np.rint(hz_to_midi(annotation.frequency_hz[index])).astype(np.int64) - lowest_pitch
    inside = (pitch >= 0) & (pitch < num_pitches)
    sounds[annotation.row[index[inside]] - near.start, pitch[inside]] = True
    return _shares(sounds[row], num_frames)


def note_targets(
    notes: Notes,
    offset_s: Floats,
    start_s: float,
    num_frames: int,
    fps: float,
    lowest_pitch: int,
    num_pitches: int,
) -> NDArray[np.float32]:
    """-> (T, P): the share of the frame in which each semitone sounds. offset_s: (len(notes),) offsets to use."""
    at_s = instants(start_s, num_frames, fps)
    kept = (notes.pitch >= lowest_pitch) & (notes.pitch < lowest_pitch + num_pitches) & (notes.program != DRUMS)
    return _shares(
        sounding(notes.onset_s[kept], offset_s[kept], notes.pitch[kept] - lowest_pitch, at_s, num_pitches), num_frames
    )


def from_notes(notes: Notes, offset_s: Floats, hop_s: float) -> Multipitch:
    """The frequencies of the notes, without drums, every hop_s seconds from 0 s until the last one ends."""
    kept = notes.program != DRUMS
    num_rows = int(offset_s[kept].max(initial=0.0) / hop_s) + 1
    at_s = hop_s * np.arange(num_rows, dtype=np.float64)
    row, pitch = np.nonzero(sounding(notes.onset_s[kept], offset_s[kept], notes.pitch[kept], at_s, 128))
    return Multipitch(time_s=at_s, count=np.bincount(row, minlength=len(at_s)), frequency_hz=midi_to_hz(pitch))


def sounding(
    onset_s: Floats, offset_s: Floats, pitch: NDArray[np.int64], at_s: Floats, num_pitches: int
) -> NDArray[np.bool_]:
    """-> (len(at_s), num_pitches): whether onset <= t < offset for a note of the pitch. at_s is sorted."""
    first, end = np.searchsorted(at_s, onset_s, side="left"), np.searchsorted(at_s, offset_s, side="left")
    sounds = np.zeros((len(at_s), num_pitches), dtype=bool)
    sounds.reshape(-1)[span_cells(first, end, pitch, num_pitches)] = True
    return sounds


def _shares(sounds: NDArray[np.bool_], num_frames: int) -> NDArray[np.float32]:
    """(T * INSTANTS, P) -> (T, P)"""
    counts = sounds.reshape(num_frames, INSTANTS, -1).view(np.uint8).sum(axis=1, dtype=np.uint8)
    shares: NDArray[np.float32] = counts * np.float32(1 / INSTANTS)
    return shares
