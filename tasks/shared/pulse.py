"""How strongly a sound, or a network's output, pulses at a tempo."""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.ndimage import convolve1d

from ricercar.tasks.scoring import Clip

Floats = NDArray[np.float64]

_FPS = 50.0
_WINDOW_S = 0.064
_ROWS = 2000  # frames at a time: bounds the memory
_BANDS = 24
_SMOOTHING = np.array([0.1, 0.2, 0.4, 0.2, 0.1])  # so that a period between two whole frames is seen
_PREFERRED_BPM = 120.0  # Ellis 2007, Beat Tracking by Dynamic Programming: a log-Gaussian around 120 bpm,
_PREFERRED_OCTAVES = 1.4  # and its standard deviation


def onset_strength(clip: Clip) -> tuple[Floats, float]:
    """-> spectral flux (T,), the rise of the log magnitude summed over bands, and its frames per second."""
    hop = max(1, round(clip.sample_rate / _FPS))
    size = next_fast_len(max(hop, round(_WINDOW_S * clip.sample_rate)), real=True)
    audio = np.pad(clip.audio, (size // 2, size // 2 + hop))
    frames = np.lib.stride_tricks.sliding_window_view(audio, size)[::hop][: 1 + len(clip.audio) // hop]
    edges = np.unique(np.geomspace(1, size // 2, _BANDS + 1).astype(np.int64))[:-1]
    window = np.hanning(size).astype(np.float32)
    bands = np.concatenate(
        [
            np.add.reduceat(np.abs(rfft(frames[first : first + _ROWS] * window, axis=1)), edges, axis=1)
            for first in range(0, len(frames), _ROWS)
        ]
    )
    loud = np.log1p(10.0 * bands)
    rise = np.maximum(np.diff(loud, axis=0, prepend=loud[:1]), 0.0).sum(axis=1)
    return convolve1d(rise.astype(np.float64), _SMOOTHING, mode="constant"), clip.sample_rate / hop


def autocorrelation(values: Floats) -> Floats:
    """(T,) -> (T,) autocorrelation of the deviations from the mean, 1 at lag 0; zeros where nothing deviates."""
    centred = values - values.mean()
    power = float(centred @ centred)
    if power <= 1e-12 * len(values):
        return np.zeros(len(values))
    size = next_fast_len(2 * len(values), real=True)
    return np.asarray(irfft(np.abs(rfft(centred, size)) ** 2, size)[: len(values)] / power)


def salience(correlation: Floats, bpm: Floats, fps: float) -> Floats:
    """Of tempi, from the autocorrelation at the beat's lag, weighted by how readily people tap a tempo; at least 0."""
    lag = 60.0 * fps / bpm
    periodic = np.interp(lag, np.arange(len(correlation)), correlation, right=0.0)
    preferred = np.exp(-0.5 * (np.log2(bpm / _PREFERRED_BPM) / _PREFERRED_OCTAVES) ** 2)
    return np.maximum(periodic, 0.0) * preferred


def strongest_tempo(correlation: Floats, fps: float, min_bpm: float, max_bpm: float) -> float:
    """The most salient tempo of a range; 120 bpm, or what is nearest to it, where nothing is periodic."""
    bpm = np.geomspace(min_bpm, max_bpm, 1 + round(200 * np.log2(max_bpm / min_bpm)))
    strength = salience(correlation, bpm, fps)
    if strength.max() <= 0.0:
        return float(np.clip(_PREFERRED_BPM, min_bpm, max_bpm))
    return float(bpm[strength.argmax()])
