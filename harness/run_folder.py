"""Where a run lives: a folder named after what it is, found again by the same command."""

import fcntl
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from ricercar.errors import InputError


def run_folder(base: Path, choices: Mapping[str, str], seed: int, run_id: str, resume: bool) -> str:
    """-> the name of a folder below `base`: task-data-frontend-backbone-s<seed>-<run_id>, with -2, -3 ... for repeats.

    A new run never writes into an old one's folder; resume takes the newest of the same configuration.
    """
    for key in ("task", "data", "frontend", "backbone"):
        if not isinstance(choices.get(key), str):
            raise InputError(f"there is no {key}: choose one, as in {key}=NAME.")
    name = "-".join([*(choices[key] for key in ("task", "data", "frontend", "backbone")), f"s{seed}", run_id[:8]])
    number = 1
    while (base / _numbered(name, number)).exists():
        number += 1
    return _numbered(name, max(1, number - 1) if resume else number)


class RunLock:
    """Holds a run's folder: a second process that wants it is told so, and the lock goes with the process."""

    def __init__(self, run_dir: Path) -> None:
        self.path = run_dir / ".lock"
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        try:
            self._file = self.path.open("w")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"{self.path.parent} is in use by another process: wait for it.") from error
        except OSError as error:
            raise InputError(f"cannot write into the run's folder {self.path.parent}: {error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        self._file.close()


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"
