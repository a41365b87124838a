"""Self-attention over patches of the spectrogram."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from ricercar.checks import check_positive, check_whole
from ricercar.errors import InputError
from ricercar.models.backbones.backbone import Backbone, InputNorm, fitted_width
from ricercar.models.backbones.timm_parts import LayerNorm, resample_abs_pos_embed, transformer_blocks
from ricercar.models.spectrogram import Spectrogram


class ViT(Backbone):
    """(B, C, F, T) spectrogram -> (B, T, 1, D): timm's ViT blocks over patches of frequency and time.

    As an Audio Spectrogram Transformer (Gong et al. 2021), whose patches do not overlap; but that each patch says
    `features` numbers for each of its frames, so that D = features * number of bands, lowest first.

    num_bands     of patches along frequency, each of ceil(F / num_bands) bins; what is missing to the last is zeros
    patch_frames  of a patch along time; what is missing to the last one is zeros
    Positions are learned for the window's patches, and interpolated for other lengths (Dosovitskiy et al. 2021).
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
        num_bands: int,
        patch_frames: int,
        features: int,
        dropout: float,
        drop_path: float,
        input_norm: str,
    ) -> None:
        super().__init__()
        check_whole(depth=depth, num_heads=num_heads, num_bands=num_bands, patch_frames=patch_frames, features=features)
        check_positive(mlp_ratio=mlp_ratio)
        if width is None:
            width = fitted_width(ViT, locals(), step=math.lcm(8, num_heads))
        check_whole(width=width)
        if width % num_heads:
            raise InputError(f"width={width}: must be a multiple of num_heads, {num_heads}")
        self.width = width
        self.patch = (-(-spectrogram.num_bins // num_bands), patch_frames)
        self.num_bands = -(-spectrogram.num_bins // self.patch[0])
        self.features, self.dim = features, features * self.num_bands
        self.input_norm = InputNorm(spectrogram, input_norm)
        self.embed = nn.Conv2d(spectrogram.num_channels, width, self.patch, stride=self.patch)
        self.columns = -(-spectrogram.num_frames // patch_frames)
        self.positions = nn.Parameter(0.02 * torch.randn(1, self.num_bands * self.columns, width))
        self.dropout = nn.Dropout(dropout)
        self.blocks = transformer_blocks(width, depth, num_heads, mlp_ratio, dropout, drop_path)
        self.norm = LayerNorm(width)
        self.frames = nn.Linear(width, patch_frames * features)

    def forward(self, spectrogram: Tensor) -> Tensor:
        num_bins, num_frames = spectrogram.shape[2:]
        missing = (0, -num_frames % self.patch[1], 0, self.num_bands * self.patch[0] - num_bins)
        grid = self.embed(pad(self.input_norm(spectrogram), missing))
        rows, columns = grid.shape[2:]
        positions = self.positions
        if columns != self.columns:
            old = [rows, self.columns]
            positions = resample_abs_pos_embed(positions, [rows, columns], old_size=old, num_prefix_tokens=0)
        patches = self.dropout(grid.flatten(2).transpose(1, 2) + positions)
        said = self.frames(self.norm(self.blocks(patches)))
        said = said.view(len(said), rows, columns * self.patch[1], self.features)[:, :, :num_frames]
        features: Tensor = said.transpose(1, 2).flatten(2).unsqueeze(2)
        return features
