"""Normalisation of the spectrogram at the entrance of a backbone."""

from torch import Tensor, nn

from ricercar.errors import InputError
from ricercar.models.spectrogram import Spectrogram


class InputNorm(nn.Module):
    """(B, C, F, T) -> (B, C, F, T), about zero mean and unit variance over the training data.

    over   bins:     each bin of each channel has its own running mean and variance (whitens the spectral tilt)
           channels: all bins of a channel share them (leaves a shift along frequency a shift)
           none:     the spectrogram as it is
    A learned scale and offset follow, as in every batch normalisation.
    """

    def __init__(
        self, spectrogram: Spectrogram, over: str, choices: tuple[str, ...] = ("bins", "channels", "none")
    ) -> None:
        super().__init__()
        if over not in choices:
            raise InputError(f"input_norm={over!r}: choose one of {', '.join(choices)}")
        self.over = over
        size = {
            "bins": spectrogram.num_channels * spectrogram.num_bins,
            "channels": spectrogram.num_channels,
            "none": 0,
        }[over]
        self.norm = nn.BatchNorm1d(size) if size else nn.Identity()

    def forward(self, spectrogram: Tensor) -> Tensor:
        if self.over == "none":
            return spectrogram
        rows = spectrogram.flatten(1, 2) if self.over == "bins" else spectrogram.flatten(2)
        normed: Tensor = self.norm(rows)
        return normed.view_as(spectrogram)
