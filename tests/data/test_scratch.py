"""Long arrays are files, and a full disk is one message."""

import gc
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ricercar.data import scratch


@pytest.fixture(autouse=True)
def _short_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "IN_MEMORY", 1000)


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may have more than 20,000 bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def grown(num_blocks: int) -> "np.typing.NDArray[np.int16]":
    growing = scratch.Growing()
    for number in range(num_blocks):
        growing.add(np.full((number % 7, 2), number, np.int16))
    return growing.whole()


@pytest.mark.parametrize("num_blocks", [1, 2, 30, 300])
def test_blocks_are_put_in_a_row(num_blocks: int) -> None:
    """In memory, where few are there, or in a file."""
    expected = np.concatenate([np.full((number % 7, 2), number, np.int16) for number in range(num_blocks)])
    np.testing.assert_array_equal(grown(num_blocks), expected)


def test_an_array_is_as_any_other() -> None:
    """And leaves no file open."""
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    long = scratch.empty((1000, 3), np.float32)
    long[:] = np.arange(3)
    assert len(os.listdir("/proc/self/fd")) > before
    assert long[999].tolist() == [0, 1, 2]
    del long
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_copy_outlives_its_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(range(256)) * 10)
    content = scratch.content(tmp_path / "a")
    (tmp_path / "a").write_bytes(b"")
    assert content[:] == bytes(range(256)) * 10


@pytest.mark.usefixtures("small_files")
def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(scratch.tempfile, "tempdir", str(tmp_path))
    (tmp_path / "a").write_bytes(bytes(15_000))
    with pytest.raises(scratch.NoRoomError, match=rf"no room for 1 MB of .* in {tmp_path}: File too large"):
        scratch.empty((1_000_000,), np.int8)
    with pytest.raises(scratch.NoRoomError, match=r"Make room there, or name another folder: .* TMPDIR"):
        grown(3000)
    with pytest.raises(scratch.NoRoomError), scratch.file_of([scratch.content(tmp_path / "a")[:]] * 2, 30_000):
        pass
    assert len(grown(300))
