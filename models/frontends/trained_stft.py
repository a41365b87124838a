"""The short-time Fourier transform with windowed sinusoids to be trained."""

from collections.abc import Callable

import torch
from nnAudio.features.stft import STFT as Layer  # noqa: N811
from torch import Tensor, nn

from ricercar.models.frontends.float32 import CONVOLUTIONS, full_precision


class TrainedSTFT(nn.Module):
    """As FFTSTFT, and starts equal, but slower. layer: nnAudio's, trainable, with constant padding."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer
        self.gain = 2 / float(layer.window_mask.sum())
        # Follows from the options, and is only needed for the inverse: not for a checkpoint.
        layer.register_buffer("window_mask", layer.window_mask, persistent=False)

    def forward(self, audio: Tensor, rows: Callable[[Tensor, Tensor | None], Tensor], num_bins: int) -> Tensor:
        with full_precision(*CONVOLUTIONS):
            parts = self.gain * self.layer(audio, output_format="Complex")
        spectrogram = rows(torch.view_as_complex(parts).transpose(1, 2), None).contiguous()
        assert spectrogram.shape[1] == num_bins
        return spectrogram
