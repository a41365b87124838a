"""Standardisation of each clip by itself."""

import torch
from torch import Tensor, nn

from ricercar.checks import check_positive


class Instance(nn.Module):
    """(B, C, F, T) -> (B, C, F, T): each channel of each clip to zero mean and unit deviation over its bins and frames.

    epsilon   added to the variance (squared): the deviation below which a clip counts as constant
    A clip's loudness relative to the others is lost; prediction depends on the window.
    """

    def __init__(self, *, num_channels: int, num_bins: int, epsilon: float) -> None:
        super().__init__()
        check_positive(epsilon=epsilon)
        self.epsilon = epsilon

    def forward(self, spectrogram: Tensor) -> Tensor:
        variance, mean = torch.var_mean(spectrogram, dim=(2, 3), correction=0, keepdim=True)
        return (spectrogram - mean) / torch.sqrt(variance + self.epsilon**2)
