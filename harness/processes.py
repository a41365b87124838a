"""Processes and threads: those that train one network, and those that decode and score beside this one."""

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing.util import Finalize
from threading import Thread, current_thread, main_thread
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

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
_LAST_S = 10.0  # for a process that has been told to end


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
        os.kill(os.getpid(), signal.SIGTERM)  # before which a training writes its checkpoint
        time.sleep(_LAST_S)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


class Notice:
    """Around a training: a signal that ends this process waits, while it is held, until a checkpoint is written.

    Signals are SIGTERM, and SIGUSR2 where something heeds it, as submitit does, which puts its job back into the queue.
    With several processes the first one decides, and the others, which it takes with it, wait for that.

    came    whether one waits
    """

    came = False

    def __init__(self, first: bool) -> None:
        self.first, self._held = first, False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGUSR2) if current_thread() is main_thread() else ():
            before = signal.getsignal(number)
            if callable(before) or (number == signal.SIGTERM and before == signal.SIG_DFL):
                self._before[number] = before
                signal.signal(number, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self.release()

    def hold(self) -> None:
        self._held = True

    def release(self) -> None:
        """From here on nothing waits, and what has waited goes on its way."""
        self._held = False
        if self.came:
            self.came = False
            self._pass_on(self._number)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.first and self._held:
            self.came, self._number = True, number
        elif self.first:
            self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        before = self._before[number]
        if callable(before):
            before(number, None)
        else:
            signal.signal(number, before)
            os.kill(os.getpid(), number)


@contextmanager
def threads(number: int | None) -> Iterator[None]:
    """PyTorch computes in `number` threads; None: in as many as it has chosen. Afterwards it is as it was before."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
