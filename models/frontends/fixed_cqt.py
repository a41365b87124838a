"""The constant-Q and the variable-Q transform with fixed kernels."""

import torch
from torch import Tensor, nn

from ricercar.models.frontends.cosine_kernels import CosineKernels
from ricercar.models.frontends.fft_cqt import FFTCQT, TOLERANCE
from ricercar.models.frontends.frame_cqt import FrameCQT


class FixedCQT(nn.Module):
    """(B, N) audio -> (B, F, T) magnitudes of the correlations with the kernels at the multiples of hop_length.

    A kernel takes a product with the frame its length in multiplications, and the Fourier transform of the whole
    signal its bandwidth in folds: each takes the way that is shorter for it.
    """

    def __init__(self, *, kernels: CosineKernels, hop_length: int) -> None:
        super().__init__()
        # 8: where both took as long, for bins and hops of all sizes.
        long = kernels.length > 8 * hop_length * kernels.bandwidth(TOLERANCE)
        num_long, num_bins = int(long.sum()), len(kernels.length)
        self.parts = nn.ModuleList()
        if num_long:
            self.parts.append(FFTCQT(kernels=kernels.part(slice(0, num_long)), hop_length=hop_length))
        first = num_long
        while first < num_bins:
            # Of about one length: all of a product's kernels are filled up to the longest.
            after = int((kernels.length > kernels.length[first] / 2).sum())
            self.parts.append(FrameCQT(kernels=kernels.part(slice(first, after)), hop_length=hop_length))
            first = after

    def forward(self, audio: Tensor) -> Tensor:
        return torch.cat([part(audio) for part in self.parts], dim=1)
