"""Arrays that are kept on disk, once for all processes, and memory-mapped."""

import math
import mmap
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ricercar.data.files import locked, replaced, what_to_do
from ricercar.errors import InputError

MAX_MAPS = 256  # each holds a file descriptor; systems allow 1,024 and other things need some

Shape = tuple[int, ...]


class Kept:
    """`<folder>/<name>.npy`: arrays of one dtype.

    An entry appears whole or not at all, and processes that want the same one wait for it; one that was cut short
    later counts as missing. `what` names the entries where the file system fails: InputError.
    """

    def __init__(self, folder: Path, dtype: DTypeLike, what: str) -> None:
        self.folder = folder
        self.dtype = np.dtype(dtype)
        self.what = what
        self.open = lru_cache(MAX_MAPS)(self._open)  # safe to use from several threads

    def __reduce__(self) -> tuple[type["Kept"], tuple[Path, np.dtype[Any], str]]:
        """Another process maps by itself."""
        return Kept, (self.folder, self.dtype, self.what)

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.npy"

    def shape(self, name: str) -> Shape | None:
        """Of an entry; None where it is missing, or not what was once written."""
        with self.naming():
            try:
                file = self.path(name).open("rb")
            except (FileNotFoundError, NotADirectoryError):
                return None
        with file:
            try:
                np.lib.format.read_magic(file)
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            except ValueError:
                return None
            size = file.tell() + math.prod(shape) * self.dtype.itemsize
            return shape if dtype == self.dtype and os.fstat(file.fileno()).st_size == size else None

    def make(self, name: str, content: Callable[[], tuple[Shape, Iterable[NDArray[Any]]]]) -> Shape:
        """Makes an entry of a shape and the parts that it is put together from, unless it is there by now."""
        path = self.path(name)
        with ExitStack() as lock:
            with self.naming():
                lock.enter_context(locked(path.with_suffix(".lock")))
            found = self.shape(name)
            if found is not None:
                return found
            shape, parts = content()
            descr = np.lib.format.dtype_to_descr(self.dtype)
            with self.naming(), replaced(path) as file:
                header = {"descr": descr, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                for part in parts:
                    file.write(part.astype(self.dtype, copy=False).tobytes())
            return shape

    def _open(self, name: str, shape: Shape) -> NDArray[Any]:
        """The entry of that shape, read-only: `open`. It stays good when the file is removed."""
        with self.path(name).open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        count = math.prod(shape)
        start = len(content) - count * self.dtype.itemsize
        return np.frombuffer(content, self.dtype, count, start).reshape(shape)

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Says of an error of the file system which folder it is about, and what to do."""
        try:
            yield
        except OSError as error:
            raise InputError(
                f"{self.what} cannot be kept in {self.folder}: {error.strerror}. "
                f"{what_to_do(error)}, or name another folder: cache_dir=FOLDER."
            ) from error
