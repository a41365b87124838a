"""Blocks of timm, imported in the one place that knows how. It takes seconds: only what needs timm imports this."""

from torch import nn

from ricercar.models.torchvision import mend_torchvision

mend_torchvision()

from timm.layers.norm import LayerNorm  # noqa: E402
from timm.layers.pos_embed import resample_abs_pos_embed  # noqa: E402
from timm.models.mlp_mixer import MixerBlock  # noqa: E402
from timm.models.vision_transformer import Block as TransformerBlock  # noqa: E402

__all__ = ["LayerNorm", "MixerBlock", "resample_abs_pos_embed", "transformer_blocks"]


def transformer_blocks(
    width: int, depth: int, num_heads: int, mlp_ratio: float, dropout: float, drop_path: float
) -> nn.Sequential:
    """(B, tokens, width) -> the same: the blocks of a Vision Transformer.

    dropout     in attention and MLPs
    drop_path   chance that the last block is skipped, growing linearly up to it
    """
    return nn.Sequential(
        *(
            TransformerBlock(
                width,
                num_heads,
                mlp_ratio,
                qkv_bias=True,
                proj_drop=dropout,
                attn_drop=dropout,
                drop_path=drop_path * index / max(1, depth - 1),
            )
            for index in range(depth)
        )
    )
