"""Dense layers on a few frames at a time."""

from torch import Tensor, nn

from ricercar.checks import check_whole
from ricercar.models.backbones.backbone import Backbone, InputNorm, fitted_width
from ricercar.models.spectrogram import Spectrogram


class Dense(Backbone):
    """(B, C, F, T) spectrogram -> (B, T, 1, D): each frame with `context` frames on either side, through dense layers.

    D = width. Beyond the ends of the window the context is zero.
    """

    def __init__(
        self,
        *,
        spectrogram: Spectrogram,
        num_params: int,
        width: int | None,
        context: int,
        num_layers: int,
        dropout: float,
        input_norm: str,
    ) -> None:
        super().__init__()
        check_whole(num_layers=num_layers)
        check_whole(0, context=context)
        if width is None:
            width = fitted_width(Dense, locals(), step=8)
        check_whole(width=width)
        self.dim = width
        self.input_norm = InputNorm(spectrogram, input_norm)
        # A dense layer on 2 * context + 1 frames is a convolution along time.
        frames = 2 * context + 1
        self.first = nn.Conv1d(spectrogram.num_channels * spectrogram.num_bins, width, frames, padding=context)
        layers: list[nn.Module] = [nn.LayerNorm(width), nn.GELU(), nn.Dropout(dropout)]
        for _ in range(num_layers - 1):
            layers += [nn.Linear(width, width), nn.LayerNorm(width), nn.GELU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers)

    def forward(self, spectrogram: Tensor) -> Tensor:
        first = self.first(self.input_norm(spectrogram).flatten(1, 2)).transpose(1, 2)
        features: Tensor = self.layers(first)
        return features.unsqueeze(2)
