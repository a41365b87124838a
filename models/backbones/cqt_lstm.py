"""One LSTM layer with recurrent dropout, and one dense layer."""

from torch import Tensor, nn

from ricercar.checks import check_between, check_whole
from ricercar.models.backbones.backbone import Backbone
from ricercar.models.backbones.input_norm import InputNorm
from ricercar.models.backbones.recurrent_dropout_lstm import RecurrentDropoutLSTM
from ricercar.models.spectrogram import Spectrogram


class CQTLSTM(Backbone):
    """(B, C, F, T) spectrogram -> (B, T, 1, D): the network of a published piano transcriber, less its output layer.

    D = dense_units. The LSTM runs forward in time and starts from zero in every window.
    """

    def __init__(
        self,
        *,
        spectrogram: Spectrogram,
        lstm_units: int,
        dense_units: int,
        dropout: float,
        recurrent_dropout: float,
        input_norm: str,
    ) -> None:
        super().__init__()
        check_whole(lstm_units=lstm_units, dense_units=dense_units)
        check_between(0, 1, dropout=dropout, recurrent_dropout=recurrent_dropout)
        self.dim = dense_units
        self.input_norm = InputNorm(spectrogram, input_norm)
        self.lstm = RecurrentDropoutLSTM(
            spectrogram.num_channels * spectrogram.num_bins, lstm_units, dropout, recurrent_dropout
        )
        self.dense = nn.Sequential(nn.Linear(lstm_units, dense_units), nn.ReLU(inplace=True))

    def forward(self, spectrogram: Tensor) -> Tensor:
        frames = self.input_norm(spectrogram).flatten(1, 2).transpose(1, 2)
        features: Tensor = self.dense(self.lstm(frames))
        return features.unsqueeze(2)
