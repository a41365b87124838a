"""The short-time Fourier transform with fixed windows."""

import torch
from torch import Tensor, nn

from ricercar.models.frontends.windows import cosine_window


class FFTSTFT(nn.Module):
    """(B, N) audio -> (B, n_fft // 2 + 1, T) real and imaginary parts.

    A sinusoid of amplitude 1 at a bin's centre has magnitude 1.
    """

    def __init__(self, *, n_fft: int, win_length: int, hop_length: int, window: str) -> None:
        super().__init__()
        self.n_fft, self.win_length, self.hop_length = n_fft, win_length, hop_length
        samples = cosine_window(window, win_length)
        # The 2: a real sinusoid has half its amplitude at its positive frequency.
        self.window: Tensor
        self.register_buffer("window", (samples * 2 / samples.sum()).float(), persistent=False)

    def forward(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        spectrum = torch.stft(
            audio, self.n_fft, self.hop_length, self.win_length, self.window, pad_mode="constant", return_complex=True
        )
        return spectrum.real, spectrum.imag
