"""Threads of PyTorch on the CPU."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def threads(number: int | None) -> Iterator[None]:
    """PyTorch computes in `number` threads; None: in as many as it has chosen. Afterwards it is as it was before."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
