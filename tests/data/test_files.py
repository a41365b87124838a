"""Locks and replacements of files."""

import fcntl
import threading
from pathlib import Path

import pytest

from ricercar.data.files import locked, replaced


def test_lock_file_that_its_holder_removed_locks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    inside = threading.Event()

    def wait() -> None:
        with locked(path):
            inside.set()

    with path.open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not inside.wait(0.1)
        path.unlink()  # the holder is done ...
        second = path.open("w")  # ... and before it lets go another one comes
        fcntl.flock(second, fcntl.LOCK_EX)
    assert not inside.wait(0.1)
    second.close()
    waiting.join()
    assert inside.is_set()


def test_file_is_replaced_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with replaced(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert [each.name for each in tmp_path.iterdir()] == ["x"]


def test_interrupted_replacement_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with replaced(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["x"]
