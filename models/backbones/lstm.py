"""Recurrent layers over the frames."""

from torch import Tensor, nn

from ricercar.checks import check_whole
from ricercar.models.backbones.backbone import Backbone, InputNorm, fitted_width
from ricercar.models.spectrogram import Spectrogram


class LSTM(Backbone):
    """(B, C, F, T) spectrogram -> (B, T, 1, D): a linear map of each frame's channels and bins, then LSTM layers.

    D = width, half of it from each direction where bidirectional. The state is zero at the window's ends.
    """

    def __init__(
        self,
        *,
        spectrogram: Spectrogram,
        num_params: int,
        width: int | None,
        num_layers: int,
        bidirectional: bool,
        dropout: float,
        input_norm: str,
    ) -> None:
        super().__init__()
        check_whole(num_layers=num_layers)
        if width is None:
            width = fitted_width(LSTM, locals(), step=8)
        check_whole(width=width)
        self.dim = width
        self.input_norm = InputNorm(spectrogram, input_norm)
        self.project = nn.Linear(spectrogram.num_channels * spectrogram.num_bins, width)
        self.lstm = nn.LSTM(
            width,
            width // 2 if bidirectional else width,
            num_layers,
            batch_first=True,
            dropout=dropout if num_layers > 1 else 0.0,
            bidirectional=bidirectional,
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, spectrogram: Tensor) -> Tensor:
        frames = self.input_norm(spectrogram).flatten(1, 2).transpose(1, 2)
        states, _ = self.lstm(self.dropout(self.project(frames)))
        features: Tensor = self.dropout(states)
        return features.unsqueeze(2)
