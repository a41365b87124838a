"""Mel spectrogram."""

from functools import partial

import torch
from torch import Tensor, nn

from ricercar.checks import check_choice, check_flag, check_whole
from ricercar.models.frontends.checks import check_band, check_frames
from ricercar.models.frontends.fft_stft import FFTSTFT
from ricercar.models.frontends.float32 import in_float32
from ricercar.models.frontends.frontend import Frontend
from ricercar.models.frontends.magnitude import FLOOR, energy, magnitude
from ricercar.models.frontends.mel_filters import FORMULAS, NORMS, MelFilters
from ricercar.models.frontends.windows import cosine_window


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

            from ricercar.models.frontends.trained_stft import TrainedSTFT

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
