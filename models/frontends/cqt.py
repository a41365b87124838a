"""Constant-Q transform, and its harmonic copies."""

from ricercar.checks import check_flag
from ricercar.models.frontends.vqt import VQT


class CQT(VQT):
    """(B, N) audio -> (B, C, F, T) constant-Q magnitudes, one channel for each harmonic.

    The VQT, which see, without the gamma_hz: each kernel is Q periods long,
    Q = filter_scale / (2 ** (1 / bins_per_octave) - 1).

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
        check_flag(trainable=trainable)
        super().__init__(
            sample_rate=sample_rate,
            hop_length=hop_length,
            freq_min_hz=freq_min_hz,
            bins_per_octave=bins_per_octave,
            num_bins=num_bins,
            gamma_hz=0,
            filter_scale=filter_scale,
            window=window,
            harmonics=harmonics,
        )
        if trainable:
            # Costs a second or two to import, and only this needs it.
            from ricercar.models.frontends.trained import TrainedCQT

            self.transform = TrainedCQT(kernels=self.kernels, hop_length=hop_length)
