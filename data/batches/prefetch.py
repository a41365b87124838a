"""Batches made ahead of their use."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ricercar.errors import InputError

Batch = dict[str, Any]  # tensors, and dictionaries of tensors


class Prefetched:
    """make(first), make(first + 1) ...: the next `depth` are made by a thread; 0: each when it is asked for.

    An error is raised where its batch would have come. The thread ends with the iteration; it takes its share of
    Python's lock and of the cores. pin: into memory that a GPU copies from by itself.
    """

    def __init__(self, make: Callable[[int], Batch], first: int, depth: int, pin: bool) -> None:
        self.make = make
        self.first = first
        self.depth = depth
        self.pin = pin

    def __iter__(self) -> Iterator[Batch]:
        if self.depth == 0:
            yield from map(self._made, count(self.first))
        thread = ThreadPoolExecutor(1, "batches")
        try:
            steps = count(self.first)
            ahead = deque(thread.submit(self._made, next(steps)) for _ in range(self.depth))
            while True:
                batch = ahead.popleft().result()
                ahead.append(thread.submit(self._made, next(steps)))
                yield batch
        finally:
            thread.shutdown(cancel_futures=True)

    def _made(self, step: int) -> Batch:
        batch = self.make(step)
        return _pinned(batch) if self.pin else batch


def from_workers(make: Callable[[int], Batch], first: int, num_workers: int, pin: bool) -> Iterator[Batch]:
    """The same by `num_workers` processes, which `make` is sent to: for batches that take longer to make than to use.

    They take seconds to start: spawned, because a fork copies the locks of running threads (torch's, for example).
    """
    steps = _Steps(first)
    for batch in DataLoader(
        _Batches(make), None, sampler=steps, num_workers=num_workers, pin_memory=pin, multiprocessing_context="spawn"
    ):
        if "error" in batch:
            raise InputError(batch["error"])
        yield batch


class _Batches(Dataset[Batch]):
    def __init__(self, make: Callable[[int], Batch]) -> None:
        self.make = make

    def __getitem__(self, step: int) -> Batch:
        try:
            return self.make(step)
        except InputError as error:  # DataLoader would put the worker's traceback into the message
            return {"error": str(error)}


class _Steps:
    def __init__(self, first: int) -> None:
        self.first = first

    def __iter__(self) -> Iterator[int]:
        return count(self.first)


def _pinned(batch: Batch) -> Batch:
    return {name: value.pin_memory() if isinstance(value, Tensor) else _pinned(value) for name, value in batch.items()}
