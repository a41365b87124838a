"""Backbones."""

from torch import Tensor, nn

from ricercar.models.backbones.backbone import Backbone
from ricercar.models.spectrogram import Spectrogram


class GRU(Backbone):
    """(B, C, F, T) spectrogram -> (B, T, 1, D): a recurrent network over frames."""

    def __init__(self, *, spectrogram: Spectrogram, width: int, num_layers: int, bidirectional: bool) -> None:
        super().__init__()
        num_inputs = spectrogram.num_channels * spectrogram.num_bins
        self.norm = nn.BatchNorm1d(num_inputs)
        self.rnn = nn.GRU(num_inputs, width, num_layers, batch_first=True, bidirectional=bidirectional)
        self.dim = width * (1 + bidirectional)

    def forward(self, spectrogram: Tensor) -> Tensor:
        features, _ = self.rnn(self.norm(spectrogram.flatten(1, 2)).transpose(1, 2))
        return features.unsqueeze(2)
