"""Convolutions on the spectrogram, then dense layers per frame."""

from torch import Tensor, nn

from ricercar.checks import check_whole
from ricercar.models.backbones.backbone import Backbone, InputNorm, fitted_width
from ricercar.models.backbones.blocks import ConvStack
from ricercar.models.spectrogram import Spectrogram


class CNN(Backbone):
    """(B, C, F, T) spectrogram -> (B, T, 1, D), in the spirit of the ConvNet of Kelz et al. 2016. D = width."""

    def __init__(
        self, *, spectrogram: Spectrogram, num_params: int, width: int | None, dropout: float, input_norm: str
    ) -> None:
        super().__init__()
        if width is None:
            width = fitted_width(CNN, locals(), step=8)
        check_whole(width=width)
        self.dim = width
        self.input_norm = InputNorm(spectrogram, input_norm)
        self.convs = ConvStack(spectrogram)
        self.dense = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(self.convs.size, width),
            nn.LayerNorm(width),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            nn.LayerNorm(width),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
        )

    def forward(self, spectrogram: Tensor) -> Tensor:
        features: Tensor = self.dense(self.convs(self.input_norm(spectrogram)))
        return features.unsqueeze(2)
