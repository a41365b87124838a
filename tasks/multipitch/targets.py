"""What a network should say about the pitches of a window, and the pitches that notes make."""

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.frequencies import hz_to_midi, midi_to_hz
from ricercar.data.annotations.multipitch import Multipitch
from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.tasks.shared.frames import INSTANTS, instants, nearest_rows, rows_near, span_cells

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


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
    column = notes.semitone - lowest_pitch
    kept = (column >= 0) & (column < num_pitches) & (notes.program != DRUMS)
    return _shares(roll(notes.onset_s[kept], offset_s[kept], column[kept], at_s, num_pitches), num_frames)


def from_notes(notes: Notes, offset_s: Floats, hop_s: float) -> Multipitch:
    """The frequencies of the notes, without drums, every hop_s seconds from 0 s until the last one ends."""
    kept = notes.program != DRUMS
    num_rows = int(offset_s[kept].max(initial=0.0) / hop_s) + 1
    at_s = hop_s * np.arange(num_rows, dtype=np.float64)
    row, pitch = sounding(notes.onset_s[kept], offset_s[kept], notes.pitch[kept], at_s)
    return Multipitch(time_s=at_s, count=np.bincount(row, minlength=len(at_s)), frequency_hz=midi_to_hz(pitch))


def sounding(onset_s: Floats, offset_s: Floats, pitch: Floats, at_s: Floats) -> tuple[Ints, Floats]:
    """-> rows of at_s, which is sorted, and the pitches for which onset <= t < offset there, in order; each once."""
    distinct, column = np.unique(pitch, return_inverse=True)
    cells = span_cells(*_rows(onset_s, offset_s, at_s), column, len(distinct))
    row, column = np.divmod(np.unique(cells), max(len(distinct), 1))
    return row, distinct[column]


def roll(onset_s: Floats, offset_s: Floats, column: Ints, at_s: Floats, num_columns: int) -> NDArray[np.bool_]:
    """-> (len(at_s), num_columns): whether onset <= t < offset for a note of the column. at_s is sorted."""
    sounds = np.zeros((len(at_s), num_columns), dtype=bool)
    sounds.reshape(-1)[span_cells(*_rows(onset_s, offset_s, at_s), column, num_columns)] = True
    return sounds


def _rows(onset_s: Floats, offset_s: Floats, at_s: Floats) -> tuple[Ints, Ints]:
    """The first row of each note, and the one after its last."""
    return np.searchsorted(at_s, onset_s, side="left"), np.searchsorted(at_s, offset_s, side="left")


def _shares(sounds: NDArray[np.bool_], num_frames: int) -> NDArray[np.float32]:
    """(T * INSTANTS, P) -> (T, P)"""
    counts = sounds.reshape(num_frames, INSTANTS, -1).view(np.uint8).sum(axis=1, dtype=np.uint8)
    shares: NDArray[np.float32] = counts * np.float32(1 / INSTANTS)
    return shares
