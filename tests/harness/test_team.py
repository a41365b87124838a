"""Several processes learn what one would, in one run, whoever has started them; what happens to one ends all."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

from configs import ROOT
from ricercar.harness.results import Result
from ricercar.harness.team import Place
from trainings import ONSETS

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
TWO = [*ONSETS, "hardware.devices=2"]
AUGMENTATION = "ricercar.data.batches.augmentation.Augmentation"


def begun(folder: Path, *arguments: str, starter: list[str] | None = None, **slurm: str) -> subprocess.Popen[str]:
    """train.py, by a starter of processes where there is one."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "HYDRA_", "SLURM_"))}
    own = {"HOME": str(folder), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", **slurm}
    own["PYTHONPATH"] = f"{ROOT / 'tests'}:{os.environ.get('PYTHONPATH', '')}"
    command = [*(starter or [sys.executable]), str(ROOT / "train.py"), *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=clean | own, stdout=pipe, stderr=pipe, text=True)


def ended(process: subprocess.Popen[str], code: int = 0) -> tuple[str, str]:
    """What it has printed."""
    out, error = process.communicate(timeout=400)
    assert process.returncode == code, out + error
    return out, error


def losses(folder: Path) -> list[float]:
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [event.value for event in events.Scalars("train/loss")]


on_clusters = pytest.mark.skipif("RICERCAR_CLUSTERS" not in os.environ, reason="minutes: make clusters runs it")


@pytest.mark.slow
@on_clusters
def test_the_same_losses(on_tones: list[str], tmp_path: Path) -> None:
    """With augmentation, batch normalisation, and frames and labels of which each process has another number.

    One process with the whole batch, two that it starts, and two of torchrun's, which outlive a job in which one fails.
    """
    options = ["tracker=tensorboard", "trainer.log_every_steps=1", "trainer.budget=20steps", "task=notes"]
    options += ["window_frames=170", "border_frames=5", "augmentation.time_mask=[2,5]", "trainer.accumulation=2"]
    options = [*on_tones, *TWO, *options, "backbone.dropout=0"]
    one = begun(tmp_path, *options, "hardware.devices=1", "trainer.batch_size=4", "hydra.run.dir=one")
    two = begun(tmp_path, *options, "hydra.run.dir=two")
    sweep = f"augmentation._target_=own_classes.OutOfMemory,{AUGMENTATION}"
    more = begun(tmp_path, "-m", *options, sweep, starter=TORCHRUN)
    ended(one)
    ended(two)
    out = ended(more, 1)[0]
    assert "1 finished, 1 failed, in multirun" in out
    assert out.count("out of memory (of another process)") == 2  # when it happened, and in the table
    [of_sweep] = [path.parent for path in tmp_path.glob("multirun/*/result.json")]
    alone = torch.load(tmp_path / "one/checkpoints/last.pt", weights_only=True)["nets"][0]
    for folder in (tmp_path / "two", of_sweep):
        assert len(losses(folder)) == 20
        assert losses(folder) == pytest.approx(losses(tmp_path / "one"), rel=1e-5)
        together = torch.load(folder / "checkpoints/last.pt", weights_only=True)["nets"][0]
        torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-4)
        results = [Result.read(each / "result.json") for each in (tmp_path / "one", folder)]
        assert results[0].run_id == results[1].run_id
        assert results[0].metrics == pytest.approx(results[1].metrics, nan_ok=True)


@pytest.mark.slow
@on_clusters
def test_one_is_killed(on_tones: list[str], tmp_path: Path) -> None:
    """The others end, the folder is free, and the same command goes on."""
    options = [
        *on_tones,
        *TWO,
        "trainer.budget=200steps",
        "trainer.num_validations=100",
        "hydra.run.dir=run",
        "resume=true",
    ]
    last = tmp_path / "run" / "checkpoints" / "last.pt"

    def started() -> tuple[subprocess.Popen[str], int]:
        """A training that has come on, and the process beside it."""
        before = last.stat().st_mtime_ns if last.exists() else 0
        process = begun(tmp_path, *options)
        while process.poll() is None and not (last.exists() and last.stat().st_mtime_ns > before):
            time.sleep(0.05)
        [other] = [pid for pid in children(process.pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        return process, other

    process, other = started()
    os.kill(other, signal.SIGKILL)
    error = ended(process, 1)[1]
    assert error.startswith(
        "error: of 2 processes that train together, process 1 (the first is 0) ended without a word"
    )
    assert error.count("\n") == 1
    process, other = started()
    process.kill()
    while Path(f"/proc/{other}").exists():
        time.sleep(0.05)
    ended(begun(tmp_path, *options))
    assert (tmp_path / "run" / "train.log").read_text().count("resumed from step") == 2
    assert Result.read(tmp_path / "run" / "result.json").cost.steps == 200


def children(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
@on_clusters
def test_started_by_srun(on_tones: list[str], tmp_path: Path) -> None:
    """One of two tasks speaks; a mistake leaves no folder."""

    def both(*options: str, code: int = 0) -> str:
        step = {
            "JOB_ID": tmp_path.name,
            "STEP_ID": "0",
            "STEP_NUM_TASKS": "2",
            "STEP_NODELIST": "n[1-2]",
            "NODEID": "0",
        }
        tasks = [
            begun(tmp_path, *on_tones, *TWO, *options, **{f"SLURM_{name}": value for name, value in own.items()})
            for own in (step | {"PROCID": rank, "LOCALID": rank} for rank in ("0", "1"))
        ]
        assert ended(tasks[1]) == ("", "")
        return ended(tasks[0], code)[1]

    both()
    assert both("hardware.devices=1", code=1).startswith("error: srun started 2 processes, but hardware.devices")
    assert len(list(tmp_path.glob("outputs/*"))) == 1


OF_TORCHRUN = {"TORCHELASTIC_RUN_ID": "a", "WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1", "GROUP_RANK": "1"}
OF_SRUN = {"NTASKS": "4", "STEP_NUM_TASKS": "4", "STEP_NUM_NODES": "2", "PROCID": "3", "LOCALID": "1", "NODEID": "1"}


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({}, Place()),
        (OF_TORCHRUN | {"LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "n1"}, Place(3, 4, 1, 1, "n1", "torchrun")),
        (OF_TORCHRUN | {"LOCAL_WORLD_SIZE": "4", "MASTER_ADDR": "n1"}, Place(3, 4, 1, 1, "127.0.0.1", "torchrun")),
        (OF_TORCHRUN | {"WORLD_SIZE": "1"}, Place()),
        (OF_SRUN | {"STEP_NODELIST": "gpu[07-08,11]"}, Place(3, 4, 1, 1, "gpu07", "srun")),
        (OF_SRUN | {"STEP_NUM_NODES": "1", "STEP_NODELIST": "gpu07"}, Place(3, 4, 1, 1, "127.0.0.1", "srun")),
        (OF_SRUN | {"STEP_NUM_TASKS": "1"}, Place()),
        ({"NTASKS": "4", "PROCID": "0", "LOCALID": "0", "NODEID": "0"}, Place()),
    ],
    ids=["alone", "torchrun", "on one machine", "of one", "srun", "on one node", "of one task", "batch script"],
)
def test_places(environment: dict[str, str], place: Place) -> None:
    slurm = "TORCHELASTIC_RUN_ID" not in environment
    assert Place.of({f"SLURM_{name}" if slurm else name: value for name, value in environment.items()}) == place
