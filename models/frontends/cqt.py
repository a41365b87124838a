"""Constant-Q transform, and its harmonic copies."""

import math

from torch import Tensor, nn

from ricercar.checks import check_choice, check_flag, check_positive, check_whole
from ricercar.errors import InputError
from ricercar.models.frontends.cosine_kernels import CosineKernels
from ricercar.models.frontends.fft_cqt import FFTCQT
from ricercar.models.frontends.float32 import in_float32
from ricercar.models.frontends.frontend import Frontend
from ricercar.models.frontends.windows import BAND_LIMITED


class CQT(Frontend):
    """(B, N) audio -> (B, C, F, T) constant-Q magnitudes, one channel for each harmonic.

    Bin f is at freq_min_hz * 2 ** (f / bins_per_octave), and its kernel is Q periods long,
    Q = filter_scale / (2 ** (1 / bins_per_octave) - 1): see CosineKernels for the convention. filter_scale below 1
    gives shorter kernels: sharper onsets, neighbouring bins less distinct.

    Channel c at bin f holds bin f + round(bins_per_octave * log2(harmonics[c])), and zeros where that is not among
    the num_bins that are computed: the harmonics of one pitch meet in one place (Bittner et al. 2017, Deep Salience).
    [1] is the plain CQT.

    trainable   false: fixed kernels, by FFT.   true: nnAudio's CQT1992v2, which starts equal and is much slower.
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
        filter_scale: float,
        window: str,
        harmonics: list[float],
        trainable: bool,
    ) -> None:
        super().__init__()
        check_whole(sample_rate=sample_rate, hop_length=hop_length, bins_per_octave=bins_per_octave, num_bins=num_bins)
        check_positive(freq_min_hz=freq_min_hz, filter_scale=filter_scale)
        check_choice(BAND_LIMITED, window=window)
        check_flag(trainable=trainable)
        _check_highest(freq_min_hz, bins_per_octave, num_bins, sample_rate)
        kernels = CosineKernels(
            sample_rate=sample_rate,
            freq_min_hz=freq_min_hz,
            bins_per_octave=bins_per_octave,
            num_bins=num_bins,
            filter_scale=filter_scale,
            window=window,
        )
        self.transform: nn.Module
        if trainable:
            # Costs a second or two to import, and only this needs it.
            from ricercar.models.frontends.trained_cqt import TrainedCQT

            self.transform = TrainedCQT(kernels=kernels, hop_length=hop_length)
        else:
            self.transform = FFTCQT(kernels=kernels, hop_length=hop_length)
        self.num_channels = len(harmonics)
        self.num_bins = num_bins
        self.bins_per_semitone, self.lowest_pitch = _semitones(freq_min_hz, bins_per_octave)
        self.shifts = _shifts(harmonics, bins_per_octave, num_bins)

    @in_float32
    def forward(self, audio: Tensor) -> Tensor:
        bins: Tensor = self.transform(audio)
        picture = bins.new_zeros(bins.shape[0], self.num_channels, self.num_bins, bins.shape[2])
        for channel, shift in enumerate(self.shifts):
            bottom, top = max(0, -shift), min(self.num_bins, self.num_bins - shift)
            picture[:, channel, bottom:top] = bins[:, bottom + shift : top + shift]
        return picture


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
