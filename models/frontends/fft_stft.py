"""The short-time Fourier transform with fixed windows."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from ricercar.models.frontends.windows import cosine_window

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
