"""Files that several processes write at once, those of other users too: each is there whole or not at all."""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)  # what a file system without flock says


@contextmanager
def locked(path: Path, must: bool = True) -> Iterator[None]:
    """Holds the lock file `path`, whose folder is made; another process waits here, also one of another machine on a
    file system that both have. The lock ends with its process, however that ends.

    must: False: where the file system has no locks it goes without.
    """
    make_folder(path.parent)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _share(descriptor, path)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except OSError as error:
                if must or error.errno not in NO_LOCKS:
                    raise
            if is_at(descriptor, path):
                try:
                    yield
                finally:
                    path.unlink(missing_ok=True)
                return
            # The holder before removed the file while this process waited: it holds nothing.
        finally:
            os.close(descriptor)


def is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` in one step at the end. To be used under a lock."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            _share(file.fileno(), path)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def make_folder(folder: Path) -> None:
    """Makes a folder and what it is in. In a folder that others may write into, what is made is as open as that one."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    mode = _shared_mode(folder.parent)
    if mode is not None and folder.stat().st_uid == os.geteuid():
        folder.chmod(mode)


def share(folder: Path) -> None:
    """Makes all in a folder as open as the folder it is in, where others may write into that one."""
    mode = _shared_mode(folder.parent)
    if mode is not None:
        for path in (folder, *folder.rglob("*")):
            path.chmod(mode if path.is_dir() else mode & 0o666)


def what_to_do(error: OSError) -> str:
    """Advice for an error in a folder that several runs or users have in common."""
    if error.errno in NO_ROOM:
        return "Free some space there"
    if error.errno in NO_LOCKS:
        return "Its file system has no locks (flock): mount it with them"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "Allow reading and writing there (for a group: chmod -R g+rwX, and g+s on the folders)"
    return "Allow reading and writing there"


def disk_was_full(error: BaseException | None) -> bool:
    """Whether that is what an error comes from."""
    while error is not None and not (isinstance(error, OSError) and error.errno in NO_ROOM):
        error = error.__cause__ or error.__context__
    return error is not None


def _shared_mode(folder: Path) -> int | None:
    """The permissions of a folder that others may write into, not as they may into /tmp; None of any other."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    return mode if mode & 0o022 and not mode & stat.S_ISVTX else None


def _share(descriptor: int, path: Path) -> None:
    """Makes an open file of one's own as open as the folder it is in, where others may write into that one."""
    mode = _shared_mode(path.parent)
    if mode is not None and os.fstat(descriptor).st_uid == os.geteuid():
        os.fchmod(descriptor, mode & 0o666)


def write_text(path: Path, text: str) -> None:
    """The whole file in UTF-8 or nothing; its folder is made. OSError as it comes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as file:
        file.write(text.encode())
