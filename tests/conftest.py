"""A tiny data set of sine tones, and a way to train on it in-process and as a command."""

import contextlib
import gc
import logging
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryFile, mkdtemp
from typing import Any

import numpy as np
import pytest
import soundfile
from hydra._internal.hydra import Hydra

from configs import ROOT, SYNTH, TINY, merge_once
from forked_python import Forked

on_clusters = pytest.mark.skipif("RICERCAR_CLUSTERS" not in os.environ, reason="minutes: make clusters runs it")
# hydra/launcher=joblib, whose workers are forks, which start at once, or processes of their own, as for users.
WORKERS = pytest.mark.parametrize("workers", ["fork", pytest.param("loky", marks=[on_clusters, pytest.mark.slow])])


_WORKER = "PYTEST_XDIST_WORKER" in os.environ


def pytest_configure() -> None:
    # Hundreds of processes are started: each would compile the package anew.
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if not _WORKER:
        os.environ["RICERCAR_TESTS_MERGED"] = mkdtemp()
    merge_once(Path(os.environ["RICERCAR_TESTS_MERGED"]))


def pytest_unconfigure() -> None:
    if not _WORKER:
        rmtree(os.environ["RICERCAR_TESTS_MERGED"])


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    import torch  # here, so that the process that hands out the tests need not wait for it

    torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def _nothing_to_collect_of_what_stays() -> None:
    """A job collects garbage when it begins: thousands of tests and modules would take a quarter of its time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in the layout of data=folder: four tracks of sine tones with exact notes, keys and tempo."""
    root = tmp_path_factory.mktemp("tones")
    (root / "audio").mkdir()
    (root / "notes").mkdir()
    rows = ["id,split,group,audio,notes,key,tempo"]
    for number, split in enumerate(("train", "train", "valid", "test")):
        random = np.random.default_rng(number)
        onset_s = np.arange(0.1, 3.0, 0.25)
        pitch = random.integers(48, 72, len(onset_s))
        time_s = np.arange(int(3.2 * 16000)) / 16000
        audio = np.zeros_like(time_s)
        lines = ["onset\toffset\tpitch\tvelocity"]
        for start_s, midi in zip(onset_s, pitch, strict=True):
            since_s = time_s - start_s
            sounding = (since_s >= 0) & (since_s < 0.2)
            freq_hz = 440 * 2 ** ((midi - 69) / 12)
            audio += sounding * np.sin(2 * np.pi * freq_hz * since_s) * np.exp(-5 * since_s.clip(0))
            lines.append(f"{start_s:.6f}\t{start_s + 0.2:.6f}\t{midi}\t80")
        soundfile.write(root / "audio" / f"t{number}.wav", 0.5 * audio, 16000)
        (root / "notes" / f"t{number}.tsv").write_text("\n".join(lines) + "\n")
        rows.append(f"t{number},{split},g{number},audio/t{number}.wav,notes/t{number}.tsv,{'CDEF'[number]} major,120")
    (root / "index.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def on_tones(tones: Path, cache: Path) -> list[str]:
    """Overrides for three steps on the tones."""
    return [*TINY, "data=folder", f"data.root={tones}", f"cache_dir={cache}"]


@pytest.fixture
def on_synth(cache: Path) -> list[str]:
    """Overrides for three steps on composed pieces."""
    return [*TINY, *SYNTH, f"cache_dir={cache}"]


@pytest.fixture(scope="session")
def onset_run(tones: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that has learnt a little of onsets; to be looked at only."""
    from trainings import ONSETS, trained  # here, as above

    folder = tmp_path_factory.mktemp("onset_run") / "onsets"
    trained(folder, *ONSETS, *TINY, "data=folder", f"data.root={tones}", f"cache_dir={cache}")
    return folder


@pytest.fixture(scope="session")
def forked_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of forked_python.py, which is started by the first test that asks, for all workers."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if _WORKER else base) / "forked"
    environment = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment["OMP_WAIT_POLICY"] = "passive"  # threads that wait do not spin: another test may have the other core
    environment["PYTHONHASHSEED"] = "1"  # another than here
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
        command = [sys.executable, str(ROOT / "tests" / "forked_python.py"), str(folder)]
        with (folder / "log").open("w") as log:
            subprocess.Popen(
                [*command, str(os.getppid() if _WORKER else os.getpid())],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
    deadline = time.monotonic() + 100
    while not (folder / "python").exists():
        assert time.monotonic() < deadline, (folder / "log").read_text()
        time.sleep(0.02)
    return folder


Start = Callable[..., Forked]


@pytest.fixture
def start(tmp_path: Path, forked_python: Path) -> Iterator[Start]:
    """start("train.py", ..., stderr=FILE), in an empty folder, as a user would, without a key, a terminal or a home.

    It is a process of its own, where texts have other hashes than here. script: "-c" and "-m", too, as to Python.
    folder: below the empty one, to start in.
    """

    def begin(
        script: str, *arguments: str, folder: str = ".", stdout: Any = None, stderr: Any = None, **environment: str
    ) -> Forked:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "HYDRA_"))}
        clean |= {"HOME": str(tmp_path), "CUDA_VISIBLE_DEVICES": "", **environment}
        with open(os.devnull, "w") as nothing:
            files = [stdout or nothing, stderr or nothing]
            command = [script if script.startswith("-") else str(ROOT / script), *arguments]
            started.append(Forked(forked_python, command, tmp_path / folder, clean, files))
            return started[-1]

    started: list[Forked] = []
    yield begin
    for process in started:
        process.send(signal.SIGKILL)


Launch = Callable[..., Forked]
_LAUNCHED = """
import os, runpy, sys
from joblib.externals.loky.backend.context import set_start_method
os.setsid()
set_start_method({workers!r})
sys.argv[:] = sys.argv[1:]
sys.path[0] = os.path.dirname(sys.argv[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture
def launch(start: Start, tmp_path: Path) -> Launch:
    """launch(workers, ...): `start` of a sweep of train.py on two processes; what it prints is in the file `out`."""

    def begin(workers: str, *arguments: str) -> Forked:
        joblib = ["hydra/launcher=joblib", "hydra.launcher.num_processes=2"]
        own = {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT / 'tests'}:{os.environ.get('PYTHONPATH', '')}"}
        script = ["-c", _LAUNCHED.format(workers=workers), str(ROOT / "train.py")]
        with (tmp_path / "out").open("w") as out:
            return start(*script, "-m", *arguments, *joblib, stdout=out, stderr=out, **own)

    return begin


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_command(start: Start) -> Command:
    """run_command("train.py", ...): as `start`, until it has ended."""

    def run(script: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        with TemporaryFile("w+") as out, TemporaryFile("w+") as error:
            code = start(script, *arguments, stdout=out, stderr=error, **more).wait()
            printed = [(file.seek(0), file.read())[1] for file in (out, error)]
        return subprocess.CompletedProcess([script, *arguments], code, *printed)

    return run


Here = Callable[..., tuple[int, str]]


@pytest.fixture
def run_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """run_here("train.py", ...) -> exit code and what is printed as errors; in this process, which saves its imports.

    Hydra composes twice, to learn first whether its configuration asks for a sweep: here, only arguments do. What else
    is printed is left to capsys. folder: below the empty one, to start in.
    """

    def run(script: str, *arguments: str, folder: str = ".") -> tuple[int, str]:
        monkeypatch.chdir(tmp_path / folder)
        plain = script in ("export.py", "leaderboard.py", "predict.py", "sweep.py", "systems.py")
        plain = plain or arguments[0] in ("check", "board", "thaw")
        quiet = [] if plain else ["hydra/job_logging=none"]
        monkeypatch.setattr(sys, "argv", [script, *arguments, *quiet])
        monkeypatch.setattr(logging, "raiseExceptions", True)
        # Those of an earlier command may write to what is closed by now.
        able = [each for each in logging.root.handlers if not getattr(getattr(each, "stream", None), "closed", False)]
        monkeypatch.setattr(logging.root, "handlers", able)
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
        monkeypatch.setattr(Hydra, "get_mode", lambda *arguments, **options: None)
        code: int | str | None = 0
        try:
            runpy.run_path(str(ROOT / script), run_name="__main__")
        except SystemExit as ended:
            code = ended.code
        assert isinstance(code, int)
        printed = capsys.readouterr()
        sys.stdout.write(printed.out)
        return code, printed.err

    return run
