"""Spectral flux of sound, and its peaks: a classic onset detector that learns nothing.

Boeck, Krebs and Schedl 2012, Evaluating the online capabilities of onset detection methods: logarithmic magnitudes in
quarter tones, the sum of what increases, peaks above a local mean. Dixon 2006, Onset detection revisited.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len, rfft
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.sparse import csr_matrix

from ricercar.tasks.scoring import Clip

Floats = NDArray[np.float64]

HOP_S = 0.01
WINDOW_S = 0.046
LAG_FRAMES = 2  # a frame is compared with the one this long before it, for frames overlap
BANDS_PER_OCTAVE = 24
LOWEST_HZ = 30.0
COMPRESSION = 1000.0  # log10(1 + COMPRESSION * magnitude); a sine at the clip's peak has magnitude 1
_CHUNK = 2000  # frames at a time: bounds the memory


class Flux:
    """The increase of a clip's logarithmic spectrum, frame by frame, relative to the clip's peak.

    times     (T,) in s
    bands     (F,) centre frequencies in Hz
    rise      (T, F) float32, 0 where the band does not get louder
    """

    def __init__(self, clip: Clip) -> None:
        size = next_fast_len(max(2, round(WINDOW_S * clip.sample_rate)))
        hop = max(1, round(HOP_S * clip.sample_rate))
        num_frames = 1 + len(clip.audio) // hop
        self.times = np.arange(num_frames) * hop / clip.sample_rate
        filters, self.bands = _filters(size, clip.sample_rate)
        peak = float(np.abs(clip.audio).max(initial=0.0))
        window = np.hanning(size).astype(np.float32)
        window /= max(peak, 1e-6) * window.sum() / 2
        padded = np.pad(clip.audio, (size // 2, size))
        frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][:num_frames]
        level = np.empty((num_frames, len(self.bands)), dtype=np.float32)
        for begin in range(0, num_frames, _CHUNK):
            magnitude = np.abs(rfft(frames[begin : begin + _CHUNK] * window, axis=1))
            level[begin : begin + _CHUNK] = (filters @ magnitude.T).T
        level = np.log10(1.0 + COMPRESSION * level)
        self.rise = np.zeros_like(level)
        self.rise[LAG_FRAMES:] = np.maximum(level[LAG_FRAMES:] - level[:-LAG_FRAMES], 0.0)

    def between(self, low_hz: float, high_hz: float) -> Floats:
        """(T,) mean rise of the bands from low_hz to below high_hz; 0 where there are none."""
        chosen = (self.bands >= low_hz) & (self.bands < high_hz)
        if not chosen.any():
            return np.zeros(len(self.times))
        mean: Floats = self.rise[:, chosen].mean(axis=1, dtype=np.float64)
        return mean

    def onsets(self, flux: Floats, threshold: float) -> Floats:
        """(T,) flux -> times of its local maxima (30 ms) that exceed its mean from 100 ms before to 70 ms after."""
        before, after = round(0.1 / HOP_S), round(0.07 / HOP_S)
        near = round(0.03 / HOP_S)
        highest = maximum_filter1d(flux, 2 * near + 1, mode="constant")
        # uniform_filter1d has its middle at (size // 2): moved to reach further back than ahead.
        size = before + after + 1
        mean = uniform_filter1d(flux, size, mode="constant", origin=before - size // 2)
        peaks = np.flatnonzero((flux >= highest) & (flux >= mean + threshold))
        kept = np.diff(peaks, prepend=-near - 1) > near
        times: Floats = self.times[peaks[kept]]
        return times


def _filters(size: int, sample_rate: int) -> tuple[csr_matrix, Floats]:
    """-> (F, bins) triangles of unit height between neighbouring quarter tones, without those that no bin is in."""
    freq_hz = np.arange(size // 2 + 1) * sample_rate / size
    octaves = np.log2(max(sample_rate / 2, 2 * LOWEST_HZ) / LOWEST_HZ)
    edges = LOWEST_HZ * 2.0 ** (np.arange(int(octaves * BANDS_PER_OCTAVE) + 1) / BANDS_PER_OCTAVE)
    bins = np.unique(np.rint(edges * size / sample_rate).astype(np.int64))
    bins = bins[bins <= size // 2]
    rows, columns, values = [], [], []
    for row, (left, centre, right) in enumerate(zip(bins[:-2], bins[1:-1], bins[2:], strict=True)):
        for column in range(left + 1, right):
            rows.append(row)
            columns.append(column)
            values.append(
                (column - left) / (centre - left) if column <= centre else (right - column) / (right - centre)
            )
    shape = (max(len(bins) - 2, 0), size // 2 + 1)
    filters = csr_matrix((np.array(values, dtype=np.float32), (rows, columns)), shape=shape)
    return filters, freq_hz[bins[1:-1]]
