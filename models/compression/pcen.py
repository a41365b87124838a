"""Per-channel energy normalisation."""

import math

import torch
from torch import Tensor, nn

from ricercar.checks import check_flag, check_positive

# Frames smoothed in one matrix product.
BLOCK = 256


class PCEN(nn.Module):
    """(B, C, F, T) magnitudes E -> (E / (epsilon + M) ** gain + bias) ** power - bias ** power, each bin by itself.

    M is E smoothed in time: M[t] = (1 - s) M[t - 1] + s E[t], starting from M[-1] = E[0] (Wang et al. 2017). gain
    takes out the loudness, bias and power compress what is left.
    time_constant_s   of M; s follows from it as in librosa, (sqrt(1 + 4 n^2) - 1) / (2 n^2) at n frames (Lostanlen
                      et al. 2019)
    trainable         true: gain, bias and power are parameters of each bin, kept above 0 by training their logarithms
    """

    of_magnitudes = True

    def __init__(
        self,
        *,
        num_bins: int,
        sample_rate: int,
        hop_length: int,
        time_constant_s: float,
        gain: float,
        bias: float,
        power: float,
        epsilon: float,
        trainable: bool,
    ) -> None:
        super().__init__()
        check_positive(time_constant_s=time_constant_s, gain=gain, bias=bias, power=power, epsilon=epsilon)
        check_flag(trainable=trainable)
        frames = time_constant_s * sample_rate / hop_length
        # The same as librosa's, without its difference of nearly equal numbers.
        self.smoothing = 2 / (math.sqrt(1 + 4 * frames**2) + 1)
        self.epsilon = epsilon
        logarithms = torch.tensor([gain, bias, power]).log()[:, None, None].repeat(1, num_bins, 1)
        self.logarithms: Tensor
        if trainable:
            self.logarithms = nn.Parameter(logarithms)
        else:
            self.register_buffer("logarithms", logarithms, persistent=False)

    def forward(self, spectrogram: Tensor) -> Tensor:
        gain, bias, power = self.logarithms.exp()
        ratio = spectrogram / (self.epsilon + self._smooth(spectrogram)) ** gain
        # (ratio + bias) ** power - bias ** power, which cancels where the ratio is small.
        compressed: Tensor = bias**power * torch.expm1(power * torch.log1p(ratio / bias))
        return compressed

    def _smooth(self, spectrogram: Tensor) -> Tensor:
        """The recursion, a block of frames at a time: within a block it is a triangular matrix."""
        keep = 1 - self.smoothing
        steps = torch.arange(min(BLOCK, spectrogram.shape[-1]), device=spectrogram.device, dtype=spectrogram.dtype)
        weights = (self.smoothing * keep ** (steps - steps[:, None]).clamp(min=0)).triu()
        decay = keep ** (steps + 1)
        last = spectrogram[..., :1]
        blocks = []
        for block in torch.split(spectrogram, BLOCK, dim=-1):
            frames = block.shape[-1]
            smooth = block @ weights[:frames, :frames] + last * decay[:frames]
            last = smooth[..., -1:]
            blocks.append(smooth)
        return torch.cat(blocks, dim=-1)
