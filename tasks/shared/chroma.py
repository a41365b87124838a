"""How loud each pitch class is: a plain chroma for trivial baselines."""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft

Floats = NDArray[np.float64]

_MIN_WINDOW_S = 0.25  # and up to twice as long: a power of two samples
_LOWEST_HZ, _HIGHEST_HZ = 80.0, 2000.0
_SPREAD = 0.3  # semitones: standard deviation of the weight of a frequency around a pitch
_ROWS = 256  # frames at a time: bounds the memory


def chroma(audio: NDArray[np.float32], sample_rate: int, hop_s: float) -> Floats:
    """(N,) -> (T, 12) from C to B, square roots of the FFT's magnitudes added up; T = 1 + floor(duration / hop_s), and
    frame t is centred on t * hop_s. At A4 = 440 Hz; 0 where it is silent.
    """
    size = 2 ** int(np.ceil(np.log2(_MIN_WINDOW_S * sample_rate)))
    freq_hz = np.arange(1 + size // 2) * sample_rate / size
    used = np.flatnonzero((freq_hz >= _LOWEST_HZ) & (freq_hz <= _HIGHEST_HZ))
    semitones = 12 * np.log2(freq_hz[used] / 440.0) + 69.0
    apart = (semitones[:, None] - np.arange(12) + 6.0) % 12.0 - 6.0
    weight = np.exp(-0.5 * (apart / _SPREAD) ** 2).astype(np.float32)
    middle = np.round(np.arange(1 + int(len(audio) / sample_rate / hop_s)) * hop_s * sample_rate).astype(np.int64)
    padded = np.pad(audio.astype(np.float32), (size // 2, size))
    window = np.hanning(size).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)
    parts = []
    for first in range(0, len(middle), _ROWS):
        spectrum = np.abs(rfft(frames[middle[first : first + _ROWS]] * window, axis=1)[:, used])
        parts.append(np.sqrt(spectrum) @ weight)
    return np.concatenate(parts).astype(np.float64)
