"""The short-time Fourier transform with windowed sinusoids to be trained."""

from nnAudio.features.stft import STFT as Layer  # noqa: N811
from torch import Tensor, nn


class TrainedSTFT(nn.Module):
    """(B, N) audio -> (B, n_fft // 2 + 1, T) real and imaginary parts. Starts as FFTSTFT, but slower.

    layer   nnAudio's, trainable, with constant padding
    """

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer
        self.gain = 2 / float(layer.window_mask.sum())
        # Follows from the options, and is only needed for the inverse: not for a checkpoint.
        layer.register_buffer("window_mask", layer.window_mask, persistent=False)

    def forward(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        real, imaginary = (self.gain * self.layer(audio, output_format="Complex")).unbind(-1)
        return real, imaginary
