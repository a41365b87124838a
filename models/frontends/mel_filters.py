"""Triangular filters equally spaced on a mel scale."""

import math

import torch
from torch import Tensor

from ricercar.errors import InputError

FORMULAS = ("htk", "slaney")
NORMS = ("none", "slaney")
BAND_FILTERS = 32  # few zeros, and few and not too small products: the quickest of 8 to 60


class MelFilters:
    """`weights` (num_bins, n_fft // 2 + 1) float64, as librosa.filters.mel, of filters that overlap by half.

    formula   htk: 2595 log10(1 + f / 700).   slaney: linear up to 1 kHz, logarithmic above (Auditory Toolbox, 1998)
    norm      none: every peak is 1.   slaney: every area is 1 / Hz, so the peaks are 2 / width
    highest_peak   of all filters
    bands     [(neighbouring filters, the Fourier bins they cover)]: all of `weights` but for most of its zeros
    Raises InputError where a filter is so narrow that no Fourier bin falls into it.
    """

    def __init__(
        self,
        *,
        sample_rate: int,
        n_fft: int,
        num_bins: int,
        freq_min_hz: float,
        freq_max_hz: float,
        formula: str,
        norm: str,
    ) -> None:
        low, high = _mel(freq_min_hz, formula), _mel(freq_max_hz, formula)
        edges_hz = _hz(torch.linspace(low, high, num_bins + 2, dtype=torch.float64), formula)
        fourier_hz = torch.arange(n_fft // 2 + 1, dtype=torch.float64) * sample_rate / n_fft
        rising = (fourier_hz - edges_hz[:-2, None]) / edges_hz.diff()[:-1, None]
        falling = (edges_hz[2:, None] - fourier_hz) / edges_hz.diff()[1:, None]
        triangles = torch.minimum(rising, falling).clamp(min=0)
        self.centre_hz = edges_hz[1:-1]
        _check_filled(triangles, edges_hz, sample_rate=sample_rate, n_fft=n_fft)
        peaks = 2 / (edges_hz[2:] - edges_hz[:-2]) if norm == "slaney" else torch.ones(num_bins, dtype=torch.float64)
        self.weights = triangles * peaks[:, None]
        self.highest_peak = float(peaks.max())
        self.bands = [_band(self.weights, first) for first in range(0, num_bins, BAND_FILTERS)]


def _band(weights: Tensor, first: int) -> tuple[slice, slice]:
    filters = slice(first, min(first + BAND_FILTERS, len(weights)))
    freqs = weights[filters].any(dim=0).nonzero()
    return filters, slice(int(freqs.min()), int(freqs.max()) + 1)


# Auditory Toolbox: 200/3 Hz per mel up to 1 kHz, then 27 mels for a factor of 6.4.
_LINEAR_HZ = 200 / 3
_BREAK_HZ = 1000.0
_BREAK = _BREAK_HZ / _LINEAR_HZ
_STEP = math.log(6.4) / 27


def _mel(freq_hz: float, formula: str) -> float:
    if formula == "htk":
        return 2595 * math.log10(1 + freq_hz / 700)
    return freq_hz / _LINEAR_HZ if freq_hz < _BREAK_HZ else _BREAK + math.log(freq_hz / _BREAK_HZ) / _STEP


def _hz(mel: Tensor, formula: str) -> Tensor:
    if formula == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    return torch.where(mel < _BREAK, mel * _LINEAR_HZ, _BREAK_HZ * torch.exp(_STEP * (mel - _BREAK)))


def _check_filled(triangles: Tensor, edges_hz: Tensor, *, sample_rate: int, n_fft: int) -> None:
    empty = (triangles.amax(dim=1) <= 0).nonzero().flatten().tolist()
    if empty:
        names = ", ".join(f"{k} ({edges_hz[k + 1]:.0f} Hz)" for k in empty[:5]) + (", ..." if len(empty) > 5 else "")
        narrowest_hz = float((edges_hz[2:] - edges_hz[:-2]).min())
        enough = 2 ** math.ceil(math.log2(sample_rate / narrowest_hz))
        raise InputError(
            f"num_bins={len(triangles)}: {len(empty)} mel filters hold no Fourier bin at n_fft={n_fft} and "
            f"sample_rate={sample_rate}: {names}; choose n_fft={enough}, fewer num_bins, or a higher freq_min_hz"
        )
