"""A frontend runs in float32, whatever surrounds it: what lies 60 dB down is lost in anything less."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor

Owner = TypeVar("Owner")
# What torch.set_float32_matmul_precision lowers, on a GPU and on a CPU.
PRODUCTS = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)  # type: ignore[attr-defined]
# Lowered on a GPU unless the user forbids it.
CONVOLUTIONS = (torch.backends.cudnn.conv, torch.backends.mkldnn.conv)  # type: ignore[attr-defined]


def in_float32(analyse: Callable[[Owner, Tensor], Tensor]) -> Callable[[Owner, Tensor], Tensor]:
    """Makes a method widen half-precision audio, and switches autocast and lowered matrix products off.

    It is left out of compiled graphs: these gain nothing on Fourier transforms, and would not keep what is switched.
    """

    @wraps(analyse)
    def wide(self: Owner, audio: Tensor) -> Tensor:
        if torch.compiler.is_compiling():
            eager: Callable[[Owner, Tensor], Tensor] = torch.compiler.disable(wide)  # type: ignore[no-untyped-call]
            return eager(self, audio)
        with torch.autocast(audio.device.type, enabled=False), full_precision(*PRODUCTS):
            return analyse(self, audio.float() if audio.dtype in (torch.float16, torch.bfloat16) else audio)

    return wide


@contextmanager
def full_precision(*operations: Any) -> Iterator[None]:
    """No TF32 and no bfloat16 inside these operations; afterwards as before."""
    lowered = {operation: operation.fp32_precision for operation in operations}
    lowered = {operation: precision for operation, precision in lowered.items() if precision not in ("none", "ieee")}
    for operation in lowered:
        operation.fp32_precision = "ieee"
    try:
        yield
    finally:
        for operation, precision in lowered.items():
            operation.fp32_precision = precision
