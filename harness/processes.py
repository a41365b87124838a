"""Processes and threads: those that train one network, and those that decode and score beside this one."""

import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing.util import Finalize
from threading import Thread
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric

from ricercar.errors import InputError

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


R = TypeVar("R")

MOST = 8


class Scorers:
    """Works on items in `num_processes` processes; 0: in this one.

    The processes start when they are first needed, which takes seconds, and stay for the next job of a sweep.
    """

    def __init__(self, num_processes: int) -> None:
        self.num_processes = num_processes

    @classmethod
    def beside(cls, device: torch.device, num_processes: int | None) -> "Scorers":
        """num_processes None: as many as the machine has cores to spare beside a GPU; none where it computes itself."""
        if num_processes is None:
            num_processes = min(MOST, (os.cpu_count() or 1) - 1) if device.type == "cuda" else 0
        return cls(num_processes)

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Results in the order of `items`, which are made while the processes work. An error comes as it was raised."""
        if self.num_processes == 0:
            yield from map(work, items)
            return
        pool = _pool(self.num_processes)
        pending: deque[Future[R]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                while len(pending) > 2 * self.num_processes:  # more would fill the memory with logits
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BrokenProcessPool as error:
            _pool.cache_clear()
            raise InputError(
                f"A process that scores was killed, for want of memory? Set num_scorers below {self.num_processes}; "
                "0 scores in the main process."
            ) from error
        finally:
            for future in pending:
                future.cancel()


@cache
def _pool(num_processes: int) -> ProcessPoolExecutor:
    # Spawned, because a fork copies the locks of running threads (torch's, for example).
    pool = ProcessPoolExecutor(
        num_processes, mp_context=multiprocessing.get_context("spawn"), initializer=_begin, initargs=(os.getpid(),)
    )
    # A worker of joblib's ends by waiting for its processes, which wait for work.
    Finalize(None, pool.shutdown, exitpriority=100)
    return pool


def _begin(parent: int) -> None:
    """One thread for each process: they share the cores."""
    torch.set_num_threads(1)
    end_with(parent)


@cache
def end_with(parent: int) -> None:
    """From now on this process does not outlive the one that started it, not if that one was killed either."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


@contextmanager
def threads(number: int | None) -> Iterator[None]:
    """PyTorch computes in `number` threads; None: in as many as it has chosen. Afterwards it is as it was before."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
