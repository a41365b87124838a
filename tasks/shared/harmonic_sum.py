"""How strongly each pitch is there, by its harmonics alone: what trivial baselines of pitch listen with."""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from ricercar.data.annotations.frequencies import midi_to_hz

HOP_S = 0.02  # seconds between frames

_WINDOW_S = 0.128
_NUM_HARMONICS = 8
_DECAY = 0.84  # of the weight from one harmonic to the next (Salamon and Gomez 2012 use 0.8)
_FRAMES = 1000  # at a time: bounds the memory

Floats = NDArray[np.float32]


def harmonic_sum(audio: Floats, sample_rate: int, pitches: NDArray[np.float64]) -> Floats:
    """(N,) audio, (P,) MIDI numbers -> (T, P): sum of the square roots of the magnitudes at the harmonics.

    Frame t is at t * HOP_S; T = 1 + N // hop. The square root keeps a loud fundamental from being its own harmonics.
    """
    size = 2 ** round(np.log2(_WINDOW_S * sample_rate))
    hop = round(HOP_S * sample_rate)
    padded = np.pad(audio, size // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][: 1 + len(audio) // hop]
    window = np.hanning(size).astype(np.float32) * (2 / size)
    weights = _weights(size, sample_rate, pitches)
    found = [np.zeros((0, len(pitches)), dtype=np.float32)]
    for first in range(0, len(frames), _FRAMES):
        spectrum = np.abs(scipy.fft.rfft(frames[first : first + _FRAMES] * window))
        found.append(np.sqrt(spectrum) @ weights)
    return np.concatenate(found)


def _weights(size: int, sample_rate: int, pitches: NDArray[np.float64]) -> Floats:
    """(F, P): each harmonic's weight, shared by the two bins around it; nothing above half of the sample rate."""
    num_bins = size // 2 + 1
    weights = np.zeros((num_bins, len(pitches)), dtype=np.float32)
    fundamental = midi_to_hz(pitches) * size / sample_rate
    for number in range(_NUM_HARMONICS):
        at = (number + 1) * fundamental
        inside = np.flatnonzero(at < num_bins - 1)
        lower = at[inside].astype(np.int64)
        above = at[inside] - lower
        np.add.at(weights, (lower, inside), (_DECAY**number * (1 - above)).astype(np.float32))
        np.add.at(weights, (lower + 1, inside), (_DECAY**number * above).astype(np.float32))
    return weights
