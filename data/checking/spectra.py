"""Mean spectra of short clips: they find those that may be the same recording."""

from collections.abc import Iterator

import numpy as np
import scipy.fft
from numpy.typing import NDArray

_WINDOW_S = 0.064
_NUM_BANDS = 48
_LOW_HZ, _HIGH_HZ = 45.0, 4000.0
_RANGE_DB = 30.0
_NUM_NEIGHBOURS = 5
_BLOCK = 1000


def spectrum(samples: NDArray[np.int16], sample_rate: int) -> NDArray[np.float32]:
    """(N,) audio -> (48,) levels of its bands, of mean 0 and length 1: the same at any volume. Zeros for silence."""
    length = round(_WINDOW_S * sample_rate)
    audio = np.pad(samples.astype(np.float32), (0, max(length - len(samples), 0)))
    frames = np.lib.stride_tricks.sliding_window_view(audio, length)[:: max(length // 2, 1)]
    power = np.mean(np.abs(scipy.fft.rfft(frames * np.hanning(length).astype(np.float32), axis=1)) ** 2, axis=0)
    edges_hz = np.geomspace(_LOW_HZ, _HIGH_HZ, _NUM_BANDS + 1)
    edges = np.unique(np.rint(edges_hz * length / sample_rate).astype(np.int64).clip(1, len(power) - 1))
    bands = np.zeros(_NUM_BANDS)
    bands[: len(edges) - 1] = (np.add.reduceat(power, edges) / np.diff(edges, append=len(power)))[:-1]
    level_db = 10 * np.log10(np.maximum(bands, bands.max() * 10 ** (-_RANGE_DB / 10) + 1e-12))
    level_db -= level_db.mean()
    unit: NDArray[np.float32] = (level_db / max(float(np.linalg.norm(level_db)), 1e-6)).astype(np.float32)
    return unit


def neighbours(spectra: NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    """(n, 48) -> pairs of rows, the first below the second: each row and those that are most like it."""
    num_neighbours = min(_NUM_NEIGHBOURS, len(spectra) - 1)
    pairs = set()
    for start in range(0, len(spectra), _BLOCK) if num_neighbours > 0 else ():
        likeness = spectra[start : start + _BLOCK] @ spectra.T
        rows = np.arange(len(likeness))
        likeness[rows, rows + start] = -2.0  # not itself
        nearest = np.argpartition(-likeness, num_neighbours - 1, axis=1)[:, :num_neighbours]
        pairs |= {(min(a + start, b), max(a + start, b)) for a in rows.tolist() for b in nearest[a].tolist()}
    yield from sorted(pairs)
