"""Short-time Fourier transform."""

import math

from torch import Tensor, nn

from ricercar.checks import check_flag
from ricercar.errors import InputError
from ricercar.models.frontends.checks import check_band, check_frames
from ricercar.models.frontends.fft_stft import FFTSTFT
from ricercar.models.frontends.float32 import in_float32
from ricercar.models.frontends.frontend import Frontend
from ricercar.models.frontends.magnitude import magnitude


class STFT(Frontend):
    """(B, N) audio -> (B, 1, F, T) magnitudes of the Fourier bins from freq_min_hz to freq_max_hz.

    The window has win_length samples in the middle of n_fft. A sinusoid of amplitude 1 at a bin's centre gives 1.

    trainable   false: fixed sinusoids, by FFT.   true: nnAudio's STFT, which starts equal and is much slower.
    Raises InputError for options that make no transform.
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
        freq_min_hz: float,
        freq_max_hz: float | None,
        trainable: bool,
    ) -> None:
        super().__init__()
        check_frames(sample_rate=sample_rate, hop_length=hop_length, n_fft=n_fft, win_length=win_length, window=window)
        highest_hz = sample_rate / 2 if freq_max_hz is None else freq_max_hz
        check_band(freq_min_hz=freq_min_hz, freq_max_hz=highest_hz, sample_rate=sample_rate)
        check_flag(trainable=trainable)
        self.first_bin = math.ceil(freq_min_hz * n_fft / sample_rate)
        self.num_bins = math.floor(highest_hz * n_fft / sample_rate) + 1 - self.first_bin
        if self.num_bins < 1:
            raise InputError(
                f"freq_min_hz={freq_min_hz}, freq_max_hz={highest_hz}: no Fourier bin lies between them; "
                f"they are {sample_rate / n_fft:.2f} Hz apart at n_fft={n_fft}"
            )
        num_freqs = self.first_bin + self.num_bins
        self.reach = n_fft // 2
        self.transform: nn.Module
        if trainable:
            # Costs a second or two to import, and only this needs it.
            from nnAudio.features.stft import STFT as Layer  # noqa: N811

            from ricercar.models.frontends.trained_stft import TrainedSTFT

            self.transform = TrainedSTFT(
                Layer(
                    n_fft=n_fft,
                    win_length=win_length,
                    freq_bins=num_freqs,
                    hop_length=hop_length,
                    window=window,
                    pad_mode="constant",
                    sr=sample_rate,
                    trainable=True,
                    verbose=False,
                )
            )
        else:
            self.transform = FFTSTFT(
                n_fft=n_fft, win_length=win_length, hop_length=hop_length, window=window, num_freqs=num_freqs
            )

    @in_float32
    def analyse(self, audio: Tensor) -> Tensor:
        spectrogram: Tensor = self.transform(audio, self._magnitudes, self.num_bins)
        return spectrogram.unsqueeze(1)

    def _magnitudes(self, spectrum: Tensor, out: Tensor | None) -> Tensor:
        return magnitude(spectrum[..., self.first_bin :], out)
