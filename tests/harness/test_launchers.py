"""hydra/launcher=joblib: jobs side by side, one of whose processes is killed."""

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra.core.utils import JobReturn, JobStatus

from conftest import WORKERS, Here, Launch
from ricercar.errors import InputError
from ricercar.harness.launchers import joblib as launcher
from ricercar.harness.launchers.joblib import Joblib
from ricercar.harness.results import Result

JOBS = ["task=key", "frontend=mel", "backbone=dense,harmonic_cnn", "seed=0,1"]


def started_in(path: Path) -> Path | None:
    try:
        return path.readlink()
    except OSError:
        return None


@WORKERS
def test_the_rest_goes_on_where_a_worker_is_killed(
    workers: str, launch: Launch, on_tones: list[str], tmp_path: Path
) -> None:
    """And a job that fails by itself fails alone; the others, and those that score for them, end as they would have."""
    options = ["trainer.budget=20steps", "trainer.num_validations=5", "trainer.log_every_steps=1"]
    options += ["num_scorers=1"] * (workers == "loky")
    process = launch(workers, *JOBS, *on_tones, *options, "tracker._target_=own_classes.Killing")
    assert process.wait(400) == 1
    printed = (tmp_path / "out").read_text()
    assert "its process died, it goes on in another one: " in printed
    assert len(re.findall(r"\d of 4  backbone=harmonic_cnn seed=. failed: harmonic_cnn needs", printed)) == 2
    assert "2 finished, 2 failed, in multirun" in printed
    finished = [Result.read(path) for path in sorted(tmp_path.glob("multirun/*/result.json"))]
    assert [result.seed for result in finished] == [0, 1]
    assert [result.cost.steps for result in finished] == [20, 20]
    logs = [path.read_text() for path in tmp_path.glob("multirun/*-dense-*/train.log")]
    assert any("resumed from step" in log for log in logs)
    lines = [json.loads(line) for line in (tmp_path / "multirun" / "runs.jsonl").read_text().splitlines()]
    assert sum("run" in line for line in lines) == 2
    deadline = time.monotonic() + 30
    while any(started_in(path) == tmp_path for path in Path("/proc").glob("[0-9]*/cwd")):
        assert time.monotonic() < deadline, "left over"
        time.sleep(0.1)


def test_gpus_are_shared_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One to each process, which has it as long as it lives."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    seen = []
    for _ in range(2):
        monkeypatch.setattr(launcher, "_gpus", [])
        launcher._take_gpus(["3", "5"], 1)
        seen.append((os.environ["CUDA_VISIBLE_DEVICES"], launcher._gpus))
    assert [gpu for gpu, _ in seen] == ["3", "5"]
    seen[0][1][0].close()
    monkeypatch.setattr(launcher, "_gpus", [])
    launcher._take_gpus(["3", "5"], 1)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"
    for file in (*seen[1][1], *launcher._gpus):
        file.close()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")


@pytest.mark.parametrize("options", [{"num_processes": 0}, {"gpus_per_job": 0}, {"attempts": -1}])
def test_numbers_of_processes(options: dict[str, int]) -> None:
    with pytest.raises(InputError, match=rf"hydra.launcher.{next(iter(options))}"):
        Joblib(**{"num_processes": None, "gpus_per_job": 1, "attempts": 3, **options})


def test_what_is_missing_comes_first(run_here: Here, on_tones: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is finished, too, takes a second to look at."""
    sweep = ["-m", *JOBS[:2], "backbone=dense", *on_tones]
    joblib = ["hydra/launcher=joblib", "hydra.launcher.num_processes=1"]
    assert run_here("train.py", *sweep, *joblib, "seed=1") == (0, "")
    seen = []

    def remember(self: Joblib, waiting: dict[int, list[str]], *others: object) -> Iterator[tuple[int, JobReturn]]:
        seen.extend(waiting)
        for number in list(waiting):
            yield number, JobReturn(status=JobStatus.COMPLETED)

    monkeypatch.setattr(Joblib, "run", remember)
    assert run_here("train.py", *sweep, *joblib, "seed=0,1,2") == (0, "")
    assert seen == [0, 2, 1]


def test_jobs_that_a_launcher_refuses_are_not_noted(run_here: Here, on_tones: list[str], tmp_path: Path) -> None:
    """Those that were asked for before, and those that have begun, stay."""
    grid = tmp_path / "multirun" / "sweep.json"
    command = ["-m", *JOBS[:2], "backbone=dense", *on_tones]
    refused = ["hydra/launcher=submitit_slurm", "hydra.launcher.array_parallelism=none"]
    assert run_here("train.py", *command, *refused, "seed=0,1")[0] == 1
    assert json.loads(grid.read_text())["jobs"] == []
    assert run_here("train.py", *command, "seed=0") == (0, "")
    code, error = run_here("train.py", *command, *refused, "seed=0,1")
    assert (code, error.count("\n")) == (1, 1)
    [job] = json.loads(grid.read_text())["jobs"]
    assert "seed=0" in job
