"""Several processes that train one network: the first runs the command, the others take part in its trainings.

torchrun and srun run the whole command in each process. Where neither did, the first process starts the others itself,
for as long as a training takes.
"""

import contextlib
import logging
import multiprocessing
import os
import pickle
import re
import secrets
import signal
import socket
import stat
import time
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge, wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from threading import RLock, Thread, current_thread, main_thread
from types import TracebackType
from typing import Any, Self

import torch
import torch.distributed
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous
from tqdm import tqdm

from ricercar.errors import InputError

_HERE = "127.0.0.1"
_TOGETHER_S = 600.0  # in which all processes of a command have to be there
_NOTICE_S = 5.0  # in which a process finds out by itself that another one has left


@dataclass(frozen=True)
class Place:
    """Where a process stands among those that torchrun or srun started.

    starter   torchrun or srun; None: nobody, and it may start others
    address   of the first process
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    node: int = 0
    address: str = _HERE
    starter: str | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Place":
        """What torchrun or srun says; of one process they need not be asked."""
        if "TORCHELASTIC_RUN_ID" in environment and int(environment["WORLD_SIZE"]) > 1:
            rank, size, local = (int(environment[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
            alone = environment.get("LOCAL_WORLD_SIZE") == environment["WORLD_SIZE"]
            address = _HERE if alone else environment["MASTER_ADDR"]
            return cls(rank, size, local, int(environment.get("GROUP_RANK", 0)), address, "torchrun")
        # Of this step: a batch script that does not use srun is one process, however many tasks the job has.
        if int(environment.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
            rank, size, local, node = (
                int(environment[f"SLURM_{name}"]) for name in ("PROCID", "STEP_NUM_TASKS", "LOCALID", "NODEID")
            )
            address = environment.get("MASTER_ADDR") or SLURMEnvironment.resolve_root_node_address(
                environment["SLURM_STEP_NODELIST"]
            )
            alone = environment.get("SLURM_STEP_NUM_NODES", "1") == "1"
            return cls(rank, size, local, node, _HERE if alone else address, "srun")
        return cls()


class _Environment(ClusterEnvironment):
    """Tells Fabric where this process stands. Lightning's own would start processes that run the whole command."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self._size = place.size

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return self.place.address

    @property
    def main_port(self) -> int:
        raise AssertionError("the processes are connected before Fabric asks")

    @staticmethod
    def detect() -> bool:
        return True

    def world_size(self) -> int:
        return self._size

    def set_world_size(self, size: int) -> None:
        """As many as the options say."""
        self._size = size

    def global_rank(self) -> int:
        return self.place.rank

    def set_global_rank(self, rank: int) -> None:
        """It is known."""

    def local_rank(self) -> int:
        return self.place.local_rank

    def node_rank(self) -> int:
        return self.place.node


class _Here:
    """What this process is: its place, and, of the first of several, the connections to the others."""

    place = Place()
    others: Sequence[Connection] = ()
    store: Any = None


def environment() -> ClusterEnvironment:
    """What Fabric is to be made with."""
    return _Environment(_Here.place)


def check_size(fabric: Fabric) -> None:
    """InputError where there are not as many processes as devices, or where they cannot be started from here."""
    place, devices, nodes = _Here.place, fabric.world_size, getattr(fabric.strategy, "num_nodes", 1)
    if place.starter is not None and place.size != devices:
        raise InputError(
            f"{place.starter} started {place.size} processes, but hardware.devices and hardware.num_nodes ask for "
            f"{devices}: give the number of devices of each node, and that of nodes, or start as many processes."
        )
    if place.starter is None and nodes > 1:
        raise InputError(
            f"hardware.num_nodes={nodes}: start the command on all nodes, by torchrun or srun, a process for each "
            "device."
        )


def check_alone(what: str) -> None:
    """InputError where torchrun or srun started several processes."""
    place = _Here.place
    if place.starter is not None:
        raise InputError(f"{what} starts processes itself: do without {place.starter}, which started {place.size}.")


@contextmanager
def led() -> Iterator[bool]:
    """Around a command -> whether this process is to run it; another one has followed the first to its end."""
    place = _Here.place = Place.of(os.environ)
    if place.starter is None:
        yield True
    elif place.rank > 0:
        _follow(_connected(place.address, *_meeting_point(place), place.rank))
        yield False
    else:
        server, key = _opened(place)
        with server:
            others = _Here.others = _gathered(server, key, place.size, ())
        try:
            yield True
        finally:
            _dismiss(others)


def launch(fabric: Fabric, make: Callable[[], Fabric], function: Callable[[Fabric], None]) -> None:
    """Calls function(fabric) in each process of a training, and returns when all have ended.

    make   what another process makes its own `fabric` by; it is sent there, as is `function`

    What is raised in another process is raised here. InputError where one was killed.
    """
    if fabric.world_size == 1:
        fabric.launch(function)
    elif _Here.place.starter is not None:
        _lead(_Here.others, fabric, make, function)
    else:
        with _started(fabric.world_size) as others:
            _lead(others, fabric, make, function)


def _opened(place: Place) -> tuple[socket.socket, bytes]:
    """Where the others find the first process, and the word by which they know each other."""
    here = _HERE if place.address == _HERE else ""
    if place.starter == "srun":
        port, key = _meeting_point(place)
        return socket.create_server((here, port), backlog=place.size), key
    server, word = socket.create_server((here, 0), backlog=place.size), secrets.token_hex(16)
    _store(place).set(_MEETING, f"{server.getsockname()[1]} {word}")
    return server, word.encode()


def _meeting_point(place: Place) -> tuple[int, bytes]:
    """Port and word. torchrun has a store for them; of srun both follow from the step's number."""
    if place.starter == "srun":
        key = ".".join(os.environ[f"SLURM_{name}"] for name in ("JOB_ID", "STEP_ID"))
        return int(os.environ.get("MASTER_PORT") or 15000 + zlib.crc32(key.encode()) % 17000), key.encode()
    port, key = _store(place).get(_MEETING).decode().split()
    return int(port), key.encode()


_MEETING = "ricercar"


def _store(place: Place) -> Any:
    store = next(rendezvous("env://", place.rank, place.size))[0]
    _Here.store = store  # it may be this process's own, and others may need it
    return store


@contextmanager
def _started(size: int) -> Iterator[list[Connection]]:
    """All but the first of `size` processes, for one training."""
    key = secrets.token_bytes(16)
    with socket.create_server((_HERE, 0), backlog=size) as server:
        port = server.getsockname()[1]
        processes = [
            multiprocessing.get_context("spawn").Process(target=_started_here, args=(rank, port, key))
            for rank in range(1, size)
        ]
        try:
            with _no_interrupts():  # Ctrl-C is for the first one, which ends the others
                for process in processes:
                    process.start()
            others = _gathered(server, key, size, processes)
            yield others
            _dismiss(others)
            for process in processes:
                process.join(_TOGETHER_S)
        finally:
            for process in processes:
                if process.pid is not None:
                    process.kill()
                    process.join()


def _started_here(rank: int, port: int, key: bytes) -> None:
    _Here.place = Place(rank=rank, local_rank=rank)
    _follow(_connected(_HERE, port, key, rank))


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """A process that is started meanwhile ignores them. Signals are the main thread's."""
    if current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _gathered(server: socket.socket, key: bytes, size: int, processes: Sequence[BaseProcess]) -> list[Connection]:
    """The connections to all others, by their ranks, when all are there. processes: those that were started here."""
    found: dict[int, Connection] = {}
    server.settimeout(1.0)
    deadline_s = time.monotonic() + _TOGETHER_S
    while len(found) < size - 1:
        if time.monotonic() > deadline_s:
            raise InputError(f"of {size} processes only {len(found) + 1} have come within {_TOGETHER_S:.0f} s.")
        if ended := [each for each in processes if each.exitcode is not None]:
            raise InputError(f"a process that was to train with this one ended at once (exit code {ended[0].exitcode})")
        with contextlib.suppress(TimeoutError, AuthenticationError, EOFError):
            other = Connection(server.accept()[0].detach())
            deliver_challenge(other, key)
            answer_challenge(other, key)
            found[other.recv()] = other
    return [found[rank] for rank in range(1, size)]


def _connected(address: str, port: int, key: bytes, rank: int) -> Connection:
    """To the first process, which may not yet be there."""
    deadline_s = time.monotonic() + _TOGETHER_S
    while True:
        try:
            leader = Connection(socket.create_connection((address, port)).detach())
            break
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.2)
    answer_challenge(leader, key)
    deliver_challenge(leader, key)
    leader.send(rank)
    return leader


def _dismiss(others: Sequence[Connection]) -> None:
    for other in others:
        with contextlib.suppress(OSError):
            other.send(_END)


_OVER, _END = "over", "end"  # what is said to the others, besides work


def _lead(
    others: Sequence[Connection], fabric: Fabric, make: Callable[[], Fabric], function: Callable[[Fabric], None]
) -> None:
    address = _Here.place.address
    store = TCPStore(address, 0, is_master=True, wait_for_workers=False)
    work = ForkingPickler.dumps((make, function, address, store.port))
    for other in others:
        with contextlib.suppress(OSError):  # of one that is gone is told below
            other.send_bytes(work)
    group = _Group(fabric, store)
    replies = _Replies(others, group)
    replies.start()
    try:
        with group, _threads():
            fabric.launch(function)
            replies.join()
    except Exception as error:
        for other in others:
            with contextlib.suppress(OSError):
                other.send(_OVER)
        replies.join(_NOTICE_S)
        if replies.failure is None or not _is_broken(error):
            raise
    if replies.failure is not None:
        raise replies.failure


class _Replies(Thread):
    """Hears once from each of the others: that it is done, or why it failed, or that it ended without a word.

    failure   the first
    """

    def __init__(self, others: Sequence[Connection], group: "_Group") -> None:
        super().__init__(daemon=True)
        self.others, self.group = others, group
        self.failure: Exception | None = None

    def run(self) -> None:
        waiting = list(self.others)
        while waiting:
            for each in wait(waiting):
                assert isinstance(each, Connection)
                waiting.remove(each)
                failure = self._failure(each)
                if failure is not None and self.failure is None:
                    self.failure = failure
                    self.group.cut()

    def _failure(self, other: Connection) -> Exception | None:
        try:
            if (reply := other.recv()) is None:
                return None
            error, trace = reply
            assert isinstance(error, Exception)
            error.__cause__ = RuntimeError(f"in another process:\n{trace}")
            return error
        except (EOFError, OSError):
            rank, size = self.others.index(other) + 1, len(self.others) + 1
            return InputError(
                f"of {size} processes that train together, process {rank} (the first is 0) ended without a word: "
                "killed, or out of memory? resume=true goes on from the last checkpoint."
            )


def _is_broken(error: Exception) -> bool:
    """Whether a process was left by another one, whose error tells more."""
    return isinstance(error, RuntimeError | ValueError) and bool(re.search("gloo|nccl|process group", str(error), re.I))


class _Group:
    """The connections among the processes of a training, as Fabric would make them. An error cuts them."""

    def __init__(self, fabric: Fabric, store: Any) -> None:
        self.fabric, self.store = fabric, store
        self._sockets: set[tuple[int, int]] = set()

    def __enter__(self) -> Self:
        gpu = self.fabric.device if self.fabric.device.type == "cuda" else None
        before = _sockets()
        torch.distributed.init_process_group(
            "gloo" if gpu is None else "nccl",
            store=self.store,
            rank=self.fabric.global_rank,
            world_size=self.fabric.world_size,
            device_id=gpu,
        )
        self._sockets = _sockets() - before
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.cut()
        elif torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()

    def cut(self) -> None:
        """Nobody waits for anybody any more: that raises an error, here and in the other processes."""
        for number, inode in self._sockets:
            with contextlib.suppress(OSError):
                if os.fstat(number).st_ino == inode:  # gloo has no way to stop it, and waits when it is thrown away
                    with socket.socket(fileno=os.dup(number)) as connection:
                        connection.getpeername()  # has none where others are waited for: that must stay
                        connection.shutdown(socket.SHUT_RDWR)
        if torch.distributed.is_initialized():
            torch.distributed.distributed_c10d._abort_process_group()


def _sockets() -> set[tuple[int, int]]:
    """The sockets that this process has: number and inode."""
    found = set()
    for number in map(int, os.listdir("/dev/fd")):
        with contextlib.suppress(OSError):
            status = os.fstat(number)
            if stat.S_ISSOCK(status.st_mode):
                found.add((number, status.st_ino))
    return found


@contextmanager
def _threads() -> Iterator[None]:
    """Fabric shares the cores out among processes for good: afterwards this one has its own again."""
    number, given = torch.get_num_threads(), "OMP_NUM_THREADS" in os.environ
    try:
        yield
    finally:
        torch.set_num_threads(number)
        if not given:
            os.environ.pop("OMP_NUM_THREADS", None)


def _follow(leader: Connection) -> None:
    """Takes part in trainings until the first process ends, and says nothing: that is for the first one to do."""
    logging.getLogger().addHandler(logging.NullHandler())
    warnings.simplefilter("ignore")
    tqdm.set_lock(RLock())  # its own is one between processes, which whoever kills this one would hear of
    try:
        while (work := leader.recv()) != _END:
            if work != _OVER:
                leader.send(_failure(leader, *work))
    except KeyboardInterrupt:
        os._exit(130)
    except (EOFError, OSError):  # the first process is gone
        os._exit(1)


def _failure(
    leader: Connection, make: Callable[[], Fabric], function: Callable[[Fabric], None], address: str, port: int
) -> tuple[Exception, str] | None:
    """What became of this process's part of a training; None: nothing that the first one does not know."""
    done: list[None] = []
    try:
        fabric = make()
        store = TCPStore(address, port, is_master=False, timeout=timedelta(seconds=_TOGETHER_S))
        with _Group(fabric, store) as group:
            Thread(target=_watch, args=(leader, group, done), daemon=True).start()
            fabric.launch(function)
    except Exception as error:
        return None if _is_broken(error) else _sendable(error)
    finally:
        done.append(None)
    return None


def _watch(leader: Connection, group: _Group, done: list[None]) -> None:
    """While a training goes on the first process is silent: a word from it, or its end, means that it is over."""
    while not done:
        if leader.poll(1.0):
            time.sleep(_NOTICE_S)
            if not done:
                group.cut()
                time.sleep(_NOTICE_S)
            if not done:
                os._exit(1)
            return


def _sendable(error: Exception) -> tuple[Exception, str]:
    """With its traceback as text, which no pickle keeps; what cannot be pickled is told by a RuntimeError."""
    trace = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever an exception of others does
        error = RuntimeError(f"{type(error).__name__}: {error}")
    return error, trace
