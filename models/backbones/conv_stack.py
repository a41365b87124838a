"""The convolutions that cnn and crnn begin with."""

from torch import Tensor, nn

from ricercar.models.backbones.conv_block import ConvBlock
from ricercar.models.spectrogram import Spectrogram

_CHANNELS = (16, 32)


class ConvStack(nn.Module):
    """(B, C, F, T) spectrogram -> (B, T, size): 3x3 convolutions, pooled to a quarter of the bins, flattened per frame.

    Each frame sees 3 frames on either side. Pooling to an eighth lost which semitone a partial belongs to.

    The features end in a batch normalisation: after ReLU and pooling all of them are positive, and a dense layer on
    hundreds of such inputs sees their common part, which tells nothing, far louder than what changes. Without it the
    frame loss of piano transcription stood still for the first 100 steps.
    """

    size: int

    def __init__(self, spectrogram: Spectrogram) -> None:
        super().__init__()
        first, second = _CHANNELS
        self.convs = nn.Sequential(
            ConvBlock(spectrogram.num_channels, first, (3, 3)),
            ConvBlock(first, first, (3, 3)),
            _halved(),
            ConvBlock(first, second, (3, 3)),
            _halved(),
        )
        self.size = second * -(-spectrogram.num_bins // 4)
        self.norm = nn.BatchNorm1d(self.size)

    def forward(self, spectrogram: Tensor) -> Tensor:
        features: Tensor = self.convs(spectrogram)
        flat: Tensor = self.norm(features.permute(0, 2, 1, 3).flatten(1, 2))
        return flat.transpose(1, 2)


def _halved() -> nn.Module:
    """(B, C, F, T) -> (B, C, ceil(F / 2), T)"""
    return nn.MaxPool2d((2, 1), ceil_mode=True)
