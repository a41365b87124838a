"""Self-attention over the frames."""

import math

import torch
from torch import Tensor, nn

from ricercar.checks import check_positive, check_whole
from ricercar.errors import InputError
from ricercar.models.backbones.backbone import Backbone, InputNorm, fitted_width
from ricercar.models.backbones.timm_parts import LayerNorm, transformer_blocks
from ricercar.models.spectrogram import Spectrogram


class Transformer(Backbone):
    """(B, C, F, T) spectrogram -> (B, T, 1, D): timm's ViT blocks, with frames as tokens. D = width.

    T may be less than the window's, not more.
    """

    def __init__(
        self,
        *,
        spectrogram: Spectrogram,
        num_params: int,
        width: int | None,
        depth: int,
        num_heads: int,
        mlp_ratio: float,
        positions: str,
        dropout: float,
        drop_path: float,
        input_norm: str,
    ) -> None:
        super().__init__()
        check_whole(depth=depth, num_heads=num_heads)
        check_positive(mlp_ratio=mlp_ratio)
        if positions not in ("learned", "sinusoidal"):
            raise InputError(f"positions={positions!r}: choose one of learned, sinusoidal")
        if width is None:
            width = fitted_width(Transformer, locals(), step=math.lcm(8, 2 * num_heads))
        check_whole(width=width)
        if width % (2 * num_heads):
            raise InputError(f"width={width}: must be a multiple of 2 * num_heads, {2 * num_heads}")
        self.dim = width
        self.input_norm = InputNorm(spectrogram, input_norm)
        self.project = nn.Linear(spectrogram.num_channels * spectrogram.num_bins, width)
        if positions == "learned":
            self.positions: Tensor = nn.Parameter(0.02 * torch.randn(spectrogram.num_frames, width))
        else:
            self.register_buffer("positions", _sinusoids(spectrogram.num_frames, width), persistent=False)
        self.dropout = nn.Dropout(dropout)
        self.blocks = transformer_blocks(width, depth, num_heads, mlp_ratio, dropout, drop_path)
        self.norm = LayerNorm(width)

    def forward(self, spectrogram: Tensor) -> Tensor:
        num_frames = spectrogram.shape[-1]
        if num_frames > len(self.positions):
            raise InputError(
                f"transformer was built for windows of {len(self.positions)} frames; this one has {num_frames}: "
                "predict with the window that it was trained on"
            )
        frames = self.input_norm(spectrogram).flatten(1, 2).transpose(1, 2)
        tokens = self.dropout(self.project(frames) + self.positions[:num_frames])
        features: Tensor = self.norm(self.blocks(tokens))
        return features.unsqueeze(2)


def _sinusoids(num_frames: int, width: int) -> Tensor:
    """(T, D): the positions of Vaswani et al. 2017, wavelengths from 2 pi to 20,000 pi frames."""
    frequency = 10_000.0 ** (-torch.arange(0, width, 2) / width)
    phase = torch.arange(num_frames)[:, None] * frequency
    return torch.cat([phase.sin(), phase.cos()], dim=1)
