"""Who holds a run's folder: one process at a time, on whichever machine."""

import fcntl
import logging
import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from threading import Event, Thread
from types import TracebackType
from typing import Self
from weakref import WeakSet

from ricercar.data.files import NO_LOCKS, is_at, what_to_do
from ricercar.errors import InputError
from ricercar.harness.typed_json import parse, to_json, typed

log = logging.getLogger(__name__)
_LOCK, _HOLDER = ".lock", ".holder"
_LEFT_BY_A_START = {_LOCK, _HOLDER, ".hydra", "train.log", "eval.log"}
_BEAT_S = 15.0  # between a holder's signs of life
_DEAD_S = 60.0  # after the last one
_LOOKS, _LOOK_S = 20, 0.01  # at a lock: who only asks whether it is held lets go at once


class InUseError(InputError):
    """Another process has the run's folder."""


def is_held(folder: Path) -> bool:
    """Whether a process has the folder. Of one that is gone the lock is gone too."""
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        has_locks = _flock(descriptor, fcntl.LOCK_SH)
        sign = _Sign.read(folder)
        return sign is not None and sign.counts(has_locks)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)


def discard(folder: Path) -> None:
    """Removes a folder in which nothing began: it has no more than a start leaves, and no other process holds it."""
    if folder.is_dir() and not folder.samefile(Path.cwd()):
        with suppress(InputError), RunLock(folder) as lock:
            lock.discard()


class RunLock:
    """Holds a run's folder: a second process that wants it is told so, and the lock goes with the process.

    The folder is made, and after an error removed again, if nothing began in it.

    .lock     a flock, by which the processes of one machine see each other, on most file systems those of all machines
    .holder   who holds it, touched every 15 s, for file systems without that. What another machine wrote there counts
              until it was not touched for 60 s, or until the job that it is of was requeued and is this one
    """

    def __init__(self, run_dir: Path) -> None:
        self.folder = run_dir
        self._descriptors: list[int] = []  # of these two
        self._ended = Event()

    def __enter__(self) -> Self:
        try:
            self._announce(self._lock())
        except BlockingIOError as error:
            raise _in_use(self.folder, _Sign.read(self.folder)) from error
        except OSError as error:
            self.close()
            raise InputError(
                f"cannot write into the run's folder {self.folder}: {error.strerror}. {what_to_do(error)}."
            ) from error
        except InUseError:
            self.close()
            raise
        _own().add(self)
        self._heart = Thread(target=self._beat, daemon=True)
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._descriptors:  # in a fork
            return
        self._ended.set()
        self._heart.join()
        if error is not None:
            self.discard()
        with suppress(OSError):
            if is_at(self._descriptors[1], self.folder / _HOLDER):
                (self.folder / _HOLDER).unlink()
            fcntl.flock(self._descriptors[0], fcntl.LOCK_UN)  # also where a fork has not let go yet
        self.close()

    def discard(self) -> None:
        """Removes the folder if all that it has is what any start leaves there."""
        folder = self.folder
        try:
            content = list(folder.iterdir())
            if not {each.name for each in content} <= _LEFT_BY_A_START or folder.samefile(Path.cwd()):
                return
            for each in content:
                for file in each.iterdir() if each.is_dir() else ():
                    file.unlink()
                each.rmdir() if each.is_dir() else each.unlink()
            folder.rmdir()
        except OSError as error:
            log.warning("%s, in which nothing began, cannot be removed: %s", folder, error.strerror)

    def close(self) -> None:
        """Lets go, but of what a process that this one was forked from holds."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def _lock(self) -> bool:
        """-> whether the file system has locks. BlockingIOError where another process has this one."""
        looks = 0
        while True:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                has_locks = _flock(descriptor, fcntl.LOCK_EX)
                if is_at(descriptor, self.folder / _LOCK):
                    self._descriptors.append(descriptor)
                    return has_locks
            except BlockingIOError:
                looks += 1
                if looks == _LOOKS:
                    raise
                time.sleep(_LOOK_S)
            finally:
                if not self._descriptors:
                    os.close(descriptor)

    def _announce(self, has_locks: bool) -> None:
        """Makes the file that says who holds the folder, which one process alone can. InUseError where one has."""
        path = self.folder / _HOLDER
        while len(self._descriptors) == 1:
            try:
                self._descriptors.append(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
            except FileExistsError:
                self._bury(has_locks)
        with suppress(OSError):  # on a full disk it is a sign of life without a name
            os.write(self._descriptors[1], to_json(Holder.here()).encode())

    def _bury(self, has_locks: bool) -> None:
        """Removes what a dead process has left there. One at a time, or it may be what the one before has just made."""
        alone = self.folder / f"{_HOLDER}.dead"
        try:
            alone.touch(exist_ok=False)
        except FileExistsError:
            with suppress(FileNotFoundError):
                if _age_s(alone) > _DEAD_S:  # who was to do it is dead, too
                    alone.unlink()
            time.sleep(_LOOK_S)
            return
        try:
            sign = _Sign.read(self.folder)
            if sign is not None and sign.counts(has_locks):
                raise _in_use(self.folder, sign)
            (self.folder / _HOLDER).unlink(missing_ok=True)
        finally:
            alone.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT_S):
            with suppress(OSError):
                os.utime(self._descriptors[1])


@dataclass(frozen=True)
class Holder:
    """A process that holds a folder.

    system         the running system, whose processes all see each other's flock
    job, restart   the scheduler's, and how often it was requeued
    """

    host: str
    system: str
    pid: int
    job: str | None
    restart: int

    @classmethod
    def here(cls) -> Self:
        restart = os.environ.get("SLURM_RESTART_COUNT", "")
        job = os.environ.get("SLURM_JOB_ID")
        return cls(socket.gethostname(), _system(), os.getpid(), job, int(restart) if restart.isdigit() else 0)


@dataclass(frozen=True)
class _Sign:
    """The last sign of life of a holder. None: who that is cannot be read."""

    holder: Holder | None
    age_s: float

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """None where there is none."""
        try:
            with (folder / _HOLDER).open(encoding="utf-8", errors="replace") as file:  # opened, it is not one of before
                text, age_s = file.read(), _age_s(folder / _HOLDER)
        except FileNotFoundError:
            return None
        try:
            return cls(typed(Holder, parse(text)), age_s)
        except InputError:
            return cls(None, age_s)

    def counts(self, has_locks: bool) -> bool:
        """Whether it is of a process that may be alive. has_locks: those of this machine have let go of theirs."""
        holder, here = self.holder, Holder.here()
        if holder is not None and has_locks and holder.system == here.system:
            return False
        if holder is not None and holder.job is not None and holder.job == here.job and holder.restart < here.restart:
            return False
        return self.age_s < _DEAD_S


def _in_use(folder: Path, sign: _Sign | None) -> InUseError:
    who = "" if sign is None or sign.holder is None else f" (pid {sign.holder.pid} on {sign.holder.host})"
    seen = "" if sign is None else f", which gave a sign of life {max(0.0, sign.age_s):.0f} s ago"
    return InUseError(f"{folder} is in use by another process{who}{seen}: wait for it.")


def _age_s(path: Path) -> float:
    """Since a file was touched, by the clock of its file system."""
    touched_s = path.stat().st_mtime
    try:
        with TemporaryFile(dir=path.parent) as now:
            return os.fstat(now.fileno()).st_mtime - touched_s
    except OSError:  # a folder that may be read only
        return time.time() - touched_s


def _flock(descriptor: int, how: int) -> bool:
    """False where the file system has no locks. BlockingIOError where another process has this one."""
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return False
    return True


@cache
def _system() -> str:
    """Another one after the machine was started again; where that is not told, the machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()


@cache
def _own() -> WeakSet[RunLock]:
    """The locks of this process. What is forked from it does not keep them held."""
    own: WeakSet[RunLock] = WeakSet()

    def let_go() -> None:
        for each in own:
            each.close()

    os.register_at_fork(after_in_child=let_go)
    return own
