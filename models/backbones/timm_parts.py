"""Blocks of timm, imported in the one place that knows how. It takes seconds: only what needs timm imports this."""

import importlib
import sys

import torch
from torch import nn

# The schemas of torchvision's compiled operators, kept alive here; see _import_timm.
_torchvision: torch.library.Library | None = None


def _import_timm() -> None:
    """timm imports torchvision, whose wheel for CUDA cannot load its operators beside a torch built for the CPU
    and dies on the first missing one. Nothing here calls them: declared without an implementation, they do.

    Declaring them first would clash with a torchvision in good health.
    """
    global _torchvision
    try:
        importlib.import_module("timm")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] in ("torchvision", "timm")]:
            del sys.modules[name]
        _torchvision = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for operator in ("nms", "qnms"):
            _torchvision.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
        importlib.import_module("timm")


_import_timm()

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
