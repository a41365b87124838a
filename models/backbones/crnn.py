"""Convolutions on the spectrogram, then a recurrent layer over the frames."""

from torch import Tensor, nn

from ricercar.checks import check_whole
from ricercar.models.backbones.backbone import Backbone, InputNorm, fitted_width
from ricercar.models.backbones.blocks import ConvStack
from ricercar.models.spectrogram import Spectrogram


class CRNN(Backbone):
    """(B, C, F, T) spectrogram -> (B, T, 1, D): convolutions, a dense layer per frame, a GRU in both directions.

    D = width, half of it from each direction.
    """

    def __init__(
        self,
        *,
        spectrogram: Spectrogram,
        num_params: int,
        width: int | None,
        num_layers: int,
        dropout: float,
        input_norm: str,
    ) -> None:
        super().__init__()
        check_whole(num_layers=num_layers)
        if width is None:
            width = fitted_width(CRNN, locals(), step=8)
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
        )
        between = dropout if num_layers > 1 else 0.0
        self.gru = nn.GRU(width, width // 2, num_layers, batch_first=True, dropout=between, bidirectional=True)
        self.dropout = nn.Dropout(dropout)

    def forward(self, spectrogram: Tensor) -> Tensor:
        states, _ = self.gru(self.dense(self.convs(self.input_norm(spectrogram))))
        features: Tensor = self.dropout(states)
        return features.unsqueeze(2)
