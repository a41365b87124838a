"""The convolutions that cnn and crnn begin with."""

from torch import Tensor, nn

from ricercar.models.backbones.conv_block import ConvBlock
from ricercar.models.picture import Picture


class ConvStack(nn.Module):
    """(B, C, F, T) picture -> (B, T, size): 3x3 convolutions, pooled to an eighth of the bins, flattened per frame.

    Most of a convolution's cost is at full resolution: there are few channels there and more after each pooling,
    about width / 32 and width / 16, in multiples of 8, which compute fastest, and then width / 8.
    Each frame sees 4 frames on either side.
    """

    size: int

    def __init__(self, picture: Picture, width: int) -> None:
        super().__init__()
        first, second = (max(8, round(width / share / 8) * 8) for share in (32, 16))
        third = max(8, width // 8)
        self.convs = nn.Sequential(
            ConvBlock(picture.num_channels, first, (3, 3)),
            ConvBlock(first, first, (3, 3)),
            _halved(),
            ConvBlock(first, second, (3, 3)),
            _halved(),
            ConvBlock(second, third, (3, 3)),
            _halved(),
        )
        self.size = third * -(-picture.num_bins // 8)

    def forward(self, picture: Tensor) -> Tensor:
        features: Tensor = self.convs(picture)
        return features.permute(0, 3, 2, 1).flatten(2)


def _halved() -> nn.Module:
    """(B, C, F, T) -> (B, C, ceil(F / 2), T)"""
    return nn.MaxPool2d((2, 1), ceil_mode=True)
