"""Standardisation of each bin over the training set."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ricercar.checks import check_positive, check_whole


class Whitening(nn.Module):
    """(B, C, F, T) -> (B, C, F, T): each bin of each channel to zero mean and unit deviation over the training set.

    `fit` measures mean and deviation, once, before training; they are kept in the checkpoint.
    num_windows   of training that `fit` is given
    epsilon       smallest deviation that is divided by: a bin that is always silent stays near 0
    """

    def __init__(self, *, num_channels: int, num_bins: int, num_windows: int, epsilon: float) -> None:
        super().__init__()
        check_whole(num_windows=num_windows)
        check_positive(epsilon=epsilon)
        self.num_windows = num_windows
        self.epsilon = epsilon
        self.mean: Tensor
        self.deviation: Tensor
        self.fitted: Tensor
        self.register_buffer("mean", torch.zeros(num_channels, num_bins, 1))
        self.register_buffer("deviation", torch.ones(num_channels, num_bins, 1))
        self.register_buffer("fitted", torch.tensor(False))
        self._known_fitted = False  # spares reading `fitted` from the device at every step

    @torch.no_grad()
    def fit(self, spectrograms: Iterable[Tensor]) -> None:
        """spectrograms: (B, C, F, T) compressed spectrograms of the training set, of any B and T."""
        count = 0
        total = torch.zeros_like(self.mean, dtype=torch.float64)
        squares = torch.zeros_like(total)
        for spectrogram in spectrograms:
            values = spectrogram.to(total)
            count += spectrogram.shape[0] * spectrogram.shape[3]
            total += values.sum(dim=(0, 3)).unsqueeze(-1)
            squares += values.square().sum(dim=(0, 3)).unsqueeze(-1)
        assert count > 1, f"whitening needs spectrograms of the training set; it was given {count} frames"
        mean = total / count
        self.mean.copy_(mean)
        self.deviation.copy_((squares / count - mean.square()).clamp(min=0).sqrt())
        self.fitted.fill_(True)

    def forward(self, spectrogram: Tensor) -> Tensor:
        if not self._known_fitted:
            assert bool(self.fitted), "whitening is used before it was fitted on the training set"
            self._known_fitted = True
        return (spectrogram - self.mean) / self.deviation.clamp(min=self.epsilon)
