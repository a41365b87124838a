"""Mel spectrogram."""

import math
from functools import partial

import torch
from torch import Tensor, nn

from ricercar.checks import check_choice, check_flag, check_whole
from ricercar.errors import InputError
from ricercar.models.frontends.frontend import (
    FLOOR,
    Frontend,
    check_band,
    check_frames,
    cosine_window,
    energy,
    in_float32,
    magnitude,
)
from ricercar.models.frontends.stft import FFTSTFT

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


class Mel(Frontend):
    """(B, N) audio -> (B, 1, F, T) magnitudes through triangular filters equally spaced on a mel scale.

    power    1: the filters sum magnitudes.   2: they sum energies, and the root is taken
    formula, norm   see MelFilters; norm=slaney is scaled so that its highest peak is 1
    The sum is divided by the window's main lobe, so that a sinusoid of amplitude 1 gives about 1 at the filter
    that it is at the centre of, and not more for every Fourier bin that it leaks into.

    trainable   false: fixed sinusoids and filters, by FFT.
                true: both are nnAudio's MelSpectrogram's, which starts equal and is much slower
    Raises InputError for options that make no transform, and for filters that hold no Fourier bin.
    """

    num_channels = 1

    def __init__(
        self,
        *,
        sample_rate: int,
        hop_length: int,
        n_fft: int,
        win_length: int,
        window: str,
        num_bins: int,
        freq_min_hz: float,
        freq_max_hz: float,
        formula: str,
        norm: str,
        power: int,
        trainable: bool,
    ) -> None:
        super().__init__()
        check_frames(sample_rate=sample_rate, hop_length=hop_length, n_fft=n_fft, win_length=win_length, window=window)
        check_whole(num_bins=num_bins)
        check_band(freq_min_hz=freq_min_hz, freq_max_hz=freq_max_hz, sample_rate=sample_rate)
        check_choice(FORMULAS, formula=formula)
        check_choice(NORMS, norm=norm)
        check_choice((1, 2), power=power)
        check_flag(trainable=trainable)
        filters = MelFilters(
            sample_rate=sample_rate,
            n_fft=n_fft,
            num_bins=num_bins,
            freq_min_hz=freq_min_hz,
            freq_max_hz=freq_max_hz,
            formula=formula,
            norm=norm,
        )
        self.num_bins = num_bins
        self.reach = n_fft // 2
        self.power = power
        self.gain = 1 / (filters.highest_peak * _lobe(cosine_window(window, win_length), n_fft, power))
        self.transform: nn.Module
        self.filters: Tensor
        if trainable:
            # Costs a second or two to import, and only this needs it.
            from nnAudio.features.mel import MelSpectrogram

            from ricercar.models.frontends.trained import TrainedSTFT

            layer = MelSpectrogram(
                sr=sample_rate,
                n_fft=n_fft,
                win_length=win_length,
                n_mels=num_bins,
                hop_length=hop_length,
                window=window,
                pad_mode="constant",
                htk=formula == "htk",
                fmin=freq_min_hz,
                fmax=freq_max_hz,
                norm=1 if norm == "slaney" else None,
                trainable_mel=True,
                trainable_STFT=True,
                verbose=False,
            )
            self.transform = TrainedSTFT(layer.stft)
            self.filters = layer.mel_basis
            self.bands = [(slice(None), slice(None))]
        else:
            num_freqs = filters.bands[-1][1].stop
            self.transform = FFTSTFT(
                n_fft=n_fft, win_length=win_length, hop_length=hop_length, window=window, num_freqs=num_freqs
            )
            self.register_buffer("filters", filters.weights[:, :num_freqs].float(), persistent=False)
            self.bands = filters.bands

    @in_float32
    def analyse(self, audio: Tensor) -> Tensor:
        # Training may take a weight below 0; a magnitude may not go there.
        weights = self.gain * self.filters.clamp(min=0)
        spectrogram: Tensor = self.transform(audio, partial(self._sums, weights), self.num_bins)
        return spectrogram.unsqueeze(1)

    def _sums(self, weights: Tensor, spectrum: Tensor, out: Tensor | None) -> Tensor:
        """(..., T, F) complex -> (..., num_bins, T)"""
        rows = magnitude(spectrum) if self.power == 1 else energy(spectrum)
        # Launching many products takes a GPU longer than the zeros.
        bands = self.bands if rows.device.type == "cpu" else [(slice(None), slice(None))]
        sums = torch.cat([weights[filters, freqs] @ rows[..., freqs, :] for filters, freqs in bands], dim=-2, out=out)
        return sums if self.power == 1 else sums.add_(FLOOR**2).sqrt_()


def _lobe(window: Tensor, n_fft: int, power: int) -> float:
    """Sum over all Fourier bins of the magnitudes ** power of a sinusoid that gives 1 at its own."""
    response = torch.fft.fft(window, n_fft).abs() / window.sum()
    return float((response**power).sum())
