"""The constant-Q and the variable-Q transform by products with the frames: for short kernels."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from ricercar.models.frontends.cosine_kernels import CosineKernels
from ricercar.models.frontends.magnitude import magnitude


class FrameCQT(nn.Module):
    """(B, N) audio -> (B, F, T) magnitudes of the correlations with the kernels at the multiples of hop_length."""

    def __init__(self, *, kernels: CosineKernels, hop_length: int) -> None:
        super().__init__()
        self.hop_length = hop_length
        self.left = int(torch.ceil(kernels.length / 2).max())  # samples before the one that a frame is centred on
        weights = kernels.samples(torch.arange(-self.left, int(kernels.length.max()) - self.left + 1))
        self.weights: Tensor  # (W, F, 2)
        self.register_buffer("weights", torch.view_as_real(weights.T.contiguous()).float(), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        width = len(self.weights)
        frames = pad(audio, (self.left, width - self.left)).unfold(1, width, self.hop_length)
        parts = frames @ self.weights.flatten(1)
        return magnitude(torch.view_as_complex(parts.reshape(*parts.shape[:2], -1, 2)))
