"""What is too long for memory, in files without a name: they are gone with their last user, however that ends."""

import math
import mmap
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ricercar.errors import InputError

IN_MEMORY = 16 << 20  # bytes, up to which nothing goes to the disk
_COPIED = 1 << 20  # bytes at a time


class NoRoomError(InputError):
    """The folder of temporary files cannot take what is too long for memory."""


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """As np.empty; where it is long, its memory is that of a file. NoRoomError."""
    num_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    if num_bytes <= IN_MEMORY:
        return np.empty(shape, dtype)
    with _file(num_bytes) as file:
        with _told(num_bytes):
            os.posix_fallocate(file.fileno(), 0, num_bytes)  # at once: where the disk is full, writing to a map kills
        return np.frombuffer(_mapped(file), dtype).reshape(shape)


class Growing:
    """An array that is made of blocks, one after the other, along its first axis."""

    def __init__(self) -> None:
        self._blocks: list[NDArray[Any]] = []
        self._num_bytes = 0
        self._file: IO[bytes] | None = None

    def add(self, block: NDArray[Any]) -> None:
        """NoRoomError."""
        if block.size or not self._blocks:
            self._blocks.append(block)
        self._num_bytes += block.nbytes
        if self._num_bytes > IN_MEMORY:
            self._spill()

    def whole(self) -> NDArray[Any]:
        """(N, ...) all that was added: at least one block. NoRoomError."""
        if self._file is None:
            return self._blocks[0] if len(self._blocks) == 1 else np.concatenate(self._blocks)
        last = self._blocks[-1]
        self._spill()
        with self._file as file:
            return np.frombuffer(_mapped(file), last.dtype).reshape(-1, *last.shape[1:])

    def _spill(self) -> None:
        if self._file is None:
            self._file = _file(self._num_bytes)
        with _told(self._num_bytes):
            for block in self._blocks:
                _write(self._file, np.ascontiguousarray(block).data.cast("B") if block.size else b"")
        self._blocks = [self._blocks[-1][:0]]


def content(path: Path) -> bytes | mmap.mmap:
    """The bytes of a file; of a long one a copy of it, which stays the same whatever happens to the file. NoRoomError.

    OSError where it cannot be read.
    """
    num_bytes = path.stat().st_size
    with path.open("rb") as given:
        if num_bytes <= IN_MEMORY:
            return given.read()
        parts = iter(lambda: given.read(_COPIED), b"")
        with file_of(parts, num_bytes) as file:
            return _mapped(file)


@contextmanager
def file_of(parts: Iterable[bytes | memoryview], num_bytes: int) -> Iterator[IO[bytes]]:
    """A file with these bytes in a row, at its start, while it is used. NoRoomError."""
    with _file(num_bytes) as file:
        for part in parts:
            with _told(num_bytes):
                _write(file, part)
        file.seek(0)
        yield file


def _file(num_bytes: int) -> IO[bytes]:
    with _told(num_bytes):
        return tempfile.TemporaryFile(buffering=0)


def _write(file: IO[bytes], content: bytes | memoryview) -> None:
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]


def _mapped(file: IO[bytes]) -> mmap.mmap:
    return mmap.mmap(file.fileno(), 0)


@contextmanager
def _told(num_bytes: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NoRoomError(
            f"no room for {num_bytes / 1e6:,.0f} MB of a long recording in {tempfile.gettempdir()}: {error.strerror}. "
            "Make room there, or name another folder: the environment's TMPDIR."
        ) from error
