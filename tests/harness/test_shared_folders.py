"""Folders that several users or machines have in common: a cache, and runs."""

import errno
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from configs import SYNTH, TINY
from conftest import Here
from ricercar.errors import InputError
from ricercar.harness.lock import RunLock
from trainings import ONSETS, trained

OPTIONS = [*ONSETS, *TINY, *SYNTH, "spectrogram=cached", "augmentation=none"]
OTHER_USER, OTHER_GROUP = 4321, 4322


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user can look into, unlike tmp_path."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(params=[0o022, 0o077], ids=["usual umask", "strict umask"])
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def as_other(job: Callable[[], object]) -> str:
    """Runs a job in a fork of this process, as another user -> "", or its error."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            os.setgroups([])
            os.setgid(OTHER_GROUP)
            os.setuid(OTHER_USER)
            job()
        except BaseException as error:
            os.write(writer, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    os.close(writer)
    os.wait()
    with os.fdopen(reader) as told:
        return told.read()


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_what_another_user_has_cached_is_used(place: Path) -> None:
    """Where it may be read only; for anything else there is advice."""
    (place / "theirs").mkdir()
    (place / "theirs").chmod(0o777)
    cache = f"cache_dir={place / 'cache'}"
    before = os.umask(0o022)
    trained(place / "mine", *OPTIONS, cache)
    os.umask(before)
    assert as_other(lambda: trained(place / "theirs" / "same", *OPTIONS, cache)) == ""
    error = as_other(lambda: trained(place / "theirs" / "other", *OPTIONS, cache, "data.seed=5"))
    assert error.startswith(
        f"InputError: Decoded audio cannot be kept in {place / 'cache' / '16000'}: Permission denied."
    )
    assert "chmod -R g+rwX" in error


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
@pytest.mark.usefixtures("_umask")
def test_a_cache_of_a_group(place: Path) -> None:
    """Whatever the umask, what is kept in a folder that a group may write into is the group's."""
    for name, mode in (("cache", 0o2770), ("theirs", 0o770)):
        (place / name).mkdir()
        os.chown(place / name, 0, OTHER_GROUP)
        (place / name).chmod(mode)
    cache = f"cache_dir={place / 'cache'}"
    trained(place / "mine", *OPTIONS, cache)
    kept = [path.stat() for path in (place / "cache").rglob("*")]
    assert {stat.S_IMODE(each.st_mode) for each in kept} == {0o2770, 0o660}
    assert as_other(lambda: trained(place / "theirs" / "other", *OPTIONS, cache, "data.seed=5")) == ""
    trained(place / "mine_too", *OPTIONS, cache, "data.seed=5")


@pytest.mark.parametrize("failing", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks(
    failing: int, run_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep goes without, and leaves alone what another process has; a cache does not."""
    flock, without = fcntl.flock, ["multirun"]

    def refuse(descriptor: int, operation: int) -> None:
        if any(str(tmp_path / folder) in os.readlink(f"/proc/self/fd/{descriptor}") for folder in without):
            raise OSError(failing, os.strerror(failing))
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", refuse)
    sweep = ["-m", "seed=0,1", *OPTIONS, f"cache_dir={tmp_path / 'cache'}"]
    assert run_here("train.py", *sweep) == (0, "")
    [first] = tmp_path.glob("multirun/*-s0-*")
    assert not list(first.glob(".holder*"))
    (first / "result.json").unlink()
    with RunLock(first):
        assert run_here("train.py", *sweep) == (0, "")
        assert not (first / "result.json").exists()
    without.append("cache")
    with pytest.raises(
        InputError, match=r"Decoded audio cannot be kept in.*has no locks \(flock\): mount it with them"
    ):
        trained(tmp_path / "run", *OPTIONS, f"cache_dir={tmp_path / 'cache2'}")
