"""Short-time Fourier transform."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from ricercar.checks import check_flag
from ricercar.errors import InputError
from ricercar.models.frontends.frontend import Frontend, check_band, check_frames, cosine_window, in_float32, magnitude

# Frames at a time on a CPU: what is made of them on the way, some megabytes, stays in its cache.
BLOCK_FRAMES = 512


class FFTSTFT(nn.Module):
    """(B, N) audio -> (B, num_bins, T): what `rows` makes of the first num_freqs Fourier bins.

    rows   (..., T, num_freqs) complex, out -> (..., num_bins, T) real, each frame by itself; written into `out` unless
           that is None. A sinusoid of amplitude 1 at a bin's centre has magnitude 1.
    """

    def __init__(self, *, n_fft: int, win_length: int, hop_length: int, window: str, num_freqs: int) -> None:
        super().__init__()
        self.n_fft, self.hop_length, self.num_freqs = n_fft, hop_length, num_freqs
        samples = cosine_window(window, win_length)
        left = (n_fft - win_length) // 2
        # The 2: a real sinusoid has half its amplitude at its positive frequency.
        centred = pad(samples * 2 / samples.sum(), (left, n_fft - win_length - left))
        self.window: Tensor
        self.register_buffer("window", centred.float(), persistent=False)

    def forward(self, audio: Tensor, rows: Callable[[Tensor, Tensor | None], Tensor], num_bins: int) -> Tensor:
        frames = pad(audio, (self.n_fft // 2, self.n_fft // 2)).unfold(1, self.n_fft, self.hop_length)
        if audio.is_cuda or audio.requires_grad:
            return rows(self._spectrum(frames), None).contiguous()
        spectrogram = audio.new_empty(len(audio), num_bins, frames.shape[1])
        for track, filled in zip(frames, spectrogram, strict=True):
            for block, out in zip(track.split(BLOCK_FRAMES), filled.split(BLOCK_FRAMES, dim=1), strict=True):
                rows(self._spectrum(block), out)
        return spectrogram

    def _spectrum(self, frames: Tensor) -> Tensor:
        spectrum: Tensor = torch.fft.rfft(frames * self.window)
        return spectrum[..., : self.num_freqs]


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

            from ricercar.models.frontends.trained import TrainedSTFT

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
