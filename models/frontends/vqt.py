"""Variable-Q transform, and its harmonic copies."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from ricercar.checks import check_between, check_choice, check_positive, check_whole
from ricercar.errors import InputError
from ricercar.models.frontends.constant_q import CosineKernels, FixedCQT
from ricercar.models.frontends.frontend import BAND_LIMITED, Frontend, in_float32


class VQT(Frontend):
    """(B, N) audio -> (B, C, F, T) magnitudes of bins equally spaced in pitch, one channel for each harmonic.

    Bin f is at freq_min_hz * 2 ** (f / bins_per_octave). Its bandwidth is alpha times its frequency, as in the CQT,
    plus gamma_hz, which shortens the kernels of the bass (Schörkhuber et al. 2014): see CosineKernels. filter_scale
    below 1 shortens all kernels: sharper onsets, neighbouring bins less distinct.

    Channel c at bin f holds bin f + round(bins_per_octave * log2(harmonics[c])), and zeros where that is not among
    the num_bins that are computed: the harmonics of one pitch meet in one place (Bittner et al. 2017, Deep Salience).
    [1] is the plain transform.

    Raises InputError for options that make no transform.
    """

    def __init__(
        self,
        *,
        sample_rate: int,
        hop_length: int,
        freq_min_hz: float,
        bins_per_octave: int,
        num_bins: int,
        gamma_hz: float,
        filter_scale: float,
        window: str,
        harmonics: list[float],
    ) -> None:
        super().__init__()
        check_whole(sample_rate=sample_rate, hop_length=hop_length, bins_per_octave=bins_per_octave, num_bins=num_bins)
        check_positive(freq_min_hz=freq_min_hz, filter_scale=filter_scale)
        check_choice(BAND_LIMITED, window=window)
        check_between(0, math.inf, gamma_hz=gamma_hz)
        _check_highest(freq_min_hz, bins_per_octave, num_bins, sample_rate)
        self.kernels = CosineKernels(
            sample_rate=sample_rate,
            freq_min_hz=freq_min_hz,
            bins_per_octave=bins_per_octave,
            num_bins=num_bins,
            gamma_hz=gamma_hz,
            filter_scale=filter_scale,
            window=window,
        )
        self.transform: nn.Module = FixedCQT(kernels=self.kernels, hop_length=hop_length)
        self.num_channels = len(harmonics)
        self.num_bins = num_bins
        self.reach = math.ceil(float(self.kernels.length.max()) / 2)
        self.bins_per_semitone, self.lowest_pitch = _semitones(freq_min_hz, bins_per_octave)
        self.shifts = _shifts(harmonics, bins_per_octave, num_bins)

    @in_float32
    def analyse(self, audio: Tensor) -> Tensor:
        bins: Tensor = self.transform(audio)
        return bins.unsqueeze(1)

    def arrange(self, analysis: Tensor) -> Tensor:
        if self.shifts == [0]:
            return analysis
        below, above = max(0, -min(self.shifts)), max(0, *self.shifts)
        padded = pad(analysis, (0, 0, below, above))
        return torch.cat([padded[:, :, below + shift :][:, :, : self.num_bins] for shift in self.shifts], dim=1)


def _check_highest(freq_min_hz: float, bins_per_octave: int, num_bins: int, sample_rate: int) -> None:
    room = bins_per_octave * math.log2(sample_rate / 2 / freq_min_hz)
    if num_bins - 1 >= room:
        highest_hz = freq_min_hz * 2 ** ((num_bins - 1) / bins_per_octave)
        raise InputError(
            f"num_bins={num_bins}: from freq_min_hz={freq_min_hz} at bins_per_octave={bins_per_octave} the highest bin "
            f"is at {highest_hz:.1f} Hz, and must lie below half of sample_rate={sample_rate}; "
            f"choose at most {max(0, math.ceil(room))} bins"
        )


def _semitones(freq_min_hz: float, bins_per_octave: int) -> tuple[int | None, int | None]:
    """bins_per_semitone and lowest_pitch, where each pitch of the tempered scale (A4 = 440 Hz) has a bin of its own."""
    pitch = 69 + 12 * math.log2(freq_min_hz / 440)
    if bins_per_octave % 12 or abs(pitch - round(pitch)) > 0.01:
        return None, None
    return bins_per_octave // 12, round(pitch)


def _shifts(harmonics: list[float], bins_per_octave: int, num_bins: int) -> list[int]:
    """The bins by which each harmonic lies above the fundamental."""
    if not harmonics:
        raise InputError("harmonics=[]: name at least one, such as [1]")
    check_positive(**{f"harmonics[{place}]": harmonic for place, harmonic in enumerate(harmonics)})
    shifts = [round(bins_per_octave * math.log2(harmonic)) for harmonic in harmonics]
    for harmonic, shift in zip(harmonics, shifts, strict=True):
        if abs(shift) >= num_bins:
            raise InputError(f"harmonics: {harmonic} lies {abs(shift)} bins away, and there are num_bins={num_bins}")
    return shifts
