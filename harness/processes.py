"""The processes that train one network, and how they share out other work."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """Process `rank` of `size`. Item i of a list is that of process i modulo size."""

    rank: int
    size: int

    @classmethod
    def of(cls, fabric: Fabric) -> "Processes":
        return cls(fabric.global_rank, fabric.world_size)

    def own(self, items: Sequence[T]) -> Sequence[T]:
        """This process's share."""
        return items[self.rank :: self.size]

    def together(self, own: Iterable[T], total: int) -> Iterator[T]:
        """What each process made of its share of `total` items -> what was made of all, in their order, for each."""
        if self.size == 1:
            yield from own
            return
        made = iter(own)
        for first in range(0, total, self.size):
            everyone: list[Any] = [None] * self.size
            torch.distributed.all_gather_object(everyone, next(made) if first + self.rank < total else None)
            yield from everyone[: total - first]


ALONE = Processes(0, 1)
