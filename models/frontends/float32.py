"""A frontend runs in float32, whatever surrounds it."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

import torch
from torch import Tensor

Owner = TypeVar("Owner")


def in_float32(forward: Callable[[Owner, Tensor], Tensor]) -> Callable[[Owner, Tensor], Tensor]:
    """Makes a `forward` switch autocast off and widen half-precision audio: what lies 60 dB down is lost in those."""

    @wraps(forward)
    def wide(self: Owner, audio: Tensor) -> Tensor:
        with torch.autocast(audio.device.type, enabled=False):
            return forward(self, audio.float() if audio.dtype in (torch.float16, torch.bfloat16) else audio)

    return wide
