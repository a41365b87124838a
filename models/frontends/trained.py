"""nnAudio's layers, whose kernels are to be trained. Only what trains them imports this, which takes seconds."""

from collections.abc import Callable

import torch
from nnAudio.features.cqt import CQT1992v2
from nnAudio.features.stft import STFT as Layer  # noqa: N811
from torch import Tensor, nn

from ricercar.models.frontends.constant_q import CosineKernels
from ricercar.models.frontends.frontend import CONVOLUTIONS, full_precision, magnitude


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


class TrainedCQT(nn.Module):
    """(B, N) audio -> (B, F, T) constant-Q magnitudes. Starts as FixedCQT, but slower: one long convolution per bin."""

    def __init__(self, *, kernels: CosineKernels, hop_length: int) -> None:
        super().__init__()
        self.layer = CQT1992v2(
            sr=kernels.sample_rate,
            hop_length=hop_length,
            fmin=kernels.freq_min_hz,
            n_bins=kernels.num_bins,
            bins_per_octave=kernels.bins_per_octave,
            filter_scale=kernels.filter_scale,
            norm=1,
            window=kernels.window,
            pad_mode="constant",
            trainable=True,
            verbose=False,
        )
        # Follows from the options: not for a checkpoint.
        self.layer.register_buffer("lenghts", self.layer.lenghts, persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        # "wrap": a sinusoid of amplitude 1 gives 1. nnAudio's own magnitude would have a floor of 1e-4.
        with full_precision(*CONVOLUTIONS):
            parts = self.layer(audio, output_format="Complex", normalization_type="wrap")
        return magnitude(torch.view_as_complex(parts).transpose(1, 2))
