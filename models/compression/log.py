"""Logarithm of a spectrogram."""

import torch
from torch import Tensor, nn

from ricercar.checks import check_positive


class Log(nn.Module):
    """(B, C, F, T) magnitudes -> log(x + offset), natural: from log(offset) in silence to about 0 at full scale.

    offset   what is much quieter counts as silence; 1e-3 is -60 dB of a full-scale sinusoid
    """

    of_magnitudes = True

    def __init__(self, *, num_bins: int, offset: float) -> None:
        super().__init__()
        check_positive(offset=offset)
        self.offset = offset

    def forward(self, spectrogram: Tensor) -> Tensor:
        return torch.log(spectrogram + self.offset)
