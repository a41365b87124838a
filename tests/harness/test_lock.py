"""Who holds a run's folder, where processes of other machines are not seen by their locks."""

import errno
import fcntl
import json
import os
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ricercar.harness import lock
from ricercar.harness.lock import Holder, InUseError, RunLock, is_held
from ricercar.harness.typed_json import to_json


def hold(folder: Path, seen_s: float, host: str = "node7", job: str | None = None) -> Path:
    """What a process of another machine leaves there that was seen so many seconds ago."""
    folder.mkdir(exist_ok=True)
    (folder / ".lock").touch()
    (folder / ".holder").write_text(to_json(Holder(host, f"system of {host}", 4242, job, 0)))
    os.utime(folder / ".holder", (time.time() - seen_s,) * 2)
    return folder


def refused(descriptor: int, operation: int) -> None:
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


@pytest.fixture(params=["flock", "no flock"])
def _locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "no flock":
        monkeypatch.setattr(fcntl, "flock", refused)


@pytest.mark.usefixtures("_locks")
def test_another_machine_counts_until_it_gives_no_more_signs_of_life(tmp_path: Path) -> None:
    folder = hold(tmp_path / "run", 50)
    assert is_held(folder)
    with pytest.raises(InUseError, match=r"run is in use by another process \(pid 4242 on node7\).* life 5\d s ago"):
        RunLock(folder).__enter__()
    assert json.loads((folder / ".holder").read_text())["host"] == "node7"
    hold(folder, 61)
    assert not is_held(folder)
    with RunLock(folder):
        assert is_held(folder)
        assert json.loads((folder / ".holder").read_text())["pid"] == os.getpid()
        with pytest.raises(InUseError, match=re.escape(f"(pid {os.getpid()} on ")):
            RunLock(folder).__enter__()
    assert [path.name for path in folder.iterdir()] == [".lock"]


def test_a_requeued_job_goes_on_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another step of the same job, which was not requeued, does not."""
    folder = hold(tmp_path / "run", 1, job="77")
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    assert is_held(folder)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert not is_held(folder)
    with RunLock(folder):
        own = json.loads((folder / ".holder").read_text())
    assert (own["job"], own["restart"]) == ("77", 1)


@pytest.mark.usefixtures("_locks")
@pytest.mark.parametrize("left", ["nothing", "a dead one's"])
def test_one_of_many_at_once_has_it(left: str, tmp_path: Path) -> None:
    def take(number: int) -> str:
        begin.wait()
        try:
            locks[number].__enter__()
        except InUseError as error:
            return str(error)
        return ""

    for turn in range(10):
        folder = tmp_path / str(turn)
        if left != "nothing":
            hold(folder, 100)
        locks, begin = [RunLock(folder) for _ in range(8)], threading.Barrier(8)
        with ThreadPoolExecutor(8) as pool:
            told = list(pool.map(take, range(8)))
        assert told.count("") == 1
        locks[told.index("")].__exit__(None, None, None)


def test_signs_of_life_end_with_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_BEAT_S", 0.01)
    threads = threading.active_count()
    with RunLock(tmp_path):
        for _ in range(2):
            os.utime(tmp_path / ".holder", (0, 0))
            deadline = time.monotonic() + 10
            while (tmp_path / ".holder").stat().st_mtime == 0:
                assert time.monotonic() < deadline
                time.sleep(0.01)
    assert threading.active_count() == threads


def test_a_fork_does_not_hold_what_its_process_did(tmp_path: Path) -> None:
    """Which is killed, and not waited for."""
    (ready, forked), (end, ends) = os.pipe(), os.pipe()
    holder = os.fork()
    if holder == 0:
        RunLock(tmp_path).__enter__()
        if os.fork() == 0:
            os.close(ends)
            os.write(forked, b"1")
            os.read(end, 1)
            os._exit(0)
        time.sleep(100)
    os.read(ready, 1)
    assert is_held(tmp_path)
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    assert not is_held(tmp_path)
    with RunLock(tmp_path):
        pass
    os.close(ends)
