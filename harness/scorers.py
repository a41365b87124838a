"""Processes beside this one, for decoding and scoring."""

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from typing import TypeVar

import torch

from ricercar.errors import InputError

T = TypeVar("T")
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
    return ProcessPoolExecutor(num_processes, mp_context=multiprocessing.get_context("spawn"), initializer=_quiet)


def _quiet() -> None:
    """One thread for each process: they share the cores."""
    torch.set_num_threads(1)
