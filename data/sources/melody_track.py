"""The melody of a MIDI file in which one track plays it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.formats import midi as midi_file
from ricercar.data.annotations.melody import Melody
from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.errors import InputError

_HOP_S = 0.01  # as is usual for melodies: MIREX, MedleyDB (5.8 ms)


def melody_of_track(path: Path, name: str, until_s: float) -> Melody:
    """The frequency of the notes of one track, every 10 ms from 0 to `until_s`; 0 where none is held.

    A note lasts until its key is released: what a pedal keeps sounding is no longer the melody. Where notes overlap,
    the one that began last counts, the highest of those.
    """
    notes = Notes(**midi_file.read_track(path, name))
    if (notes.program == DRUMS).any():
        raise InputError(f"{path}: track {name!r} plays drums, which have no frequency.")
    frequency_hz = np.zeros(int(_first_frame(np.array([until_s]))[0]))
    first, last = _first_frame(notes.onset_s), _first_frame(notes.offset_s)
    for start, end, hz in zip(first, last, 440.0 * 2.0 ** ((notes.pitch - 69) / 12.0), strict=True):
        frequency_hz[start:end] = hz  # notes are sorted by (onset, pitch)
    return Melody(time_s=np.round(np.arange(len(frequency_hz)) * _HOP_S, 6), frequency_hz=frequency_hz)


def _first_frame(time_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """The first frame that is not before a time (to the microsecond, as times are written)."""
    frames: NDArray[np.int64] = np.ceil(np.round(time_s, 6) / _HOP_S - 1e-6).astype(np.int64)
    return frames
