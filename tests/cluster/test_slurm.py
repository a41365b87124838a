"""hydra/launcher=submitit_slurm, on a SLURM of one node that is started here: make clusters."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clusters import LIMIT_S, NUM_STEPS, ClusterSweep
from ricercar.harness.results import Result

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("RICERCAR_CLUSTERS" not in os.environ, reason="make clusters installs SLURM, and tests on it"),
]
SCRIPT = Path(__file__).parent / "slurm.sh"


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Runs one of SLURM's commands."""
    folder = tmp_path_factory.mktemp("slurm")
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    try:
        subprocess.run(["bash", SCRIPT, "start", folder], check=True, timeout=60)
        yield (
            lambda *command: subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
        )
    finally:
        subprocess.run(["bash", SCRIPT, "stop", folder], check=True, timeout=60)


@pytest.fixture
def sweep(slurm: Callable[..., str], tmp_path: Path, on_tones: list[str]) -> ClusterSweep:
    conf = slurm("scontrol", "show", "config")
    options = ["hydra/launcher=submitit_slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.partition=low"]
    found = re.search(r"SLURM_CONF\s*= (\S+)", conf)
    assert found is not None
    return ClusterSweep(tmp_path, [*on_tones, *options], {"SLURM_CONF": found[1]})


def states(slurm: Callable[..., str]) -> dict[str, str]:
    """{id of a job in the queue: its state}"""
    lines = slurm("squeue", "--noheader", "--array", "--name=ricercar", "--format=%i %T").splitlines()
    return dict(line.split() for line in lines)


def test_a_sweep_survives_what_happens_on_a_cluster(slurm: Callable[..., str], sweep: ClusterSweep) -> None:
    """Both jobs are preempted, the command is killed, and so is one of the jobs; the same command goes on."""
    with sweep.started():
        sweep.wait_for(sweep.are_training)
        first = states(slurm)
        slurm("sbatch", "--partition=high", "--ntasks=4", "--output=/dev/null", "--wrap=sleep 1")
        sweep.wait_for(lambda: set(states(slurm).values()) == {"PENDING"})
    for job in first:
        slurm("scontrol", "update", f"JobId={job}", "StartTime=now")
    sweep.wait_for(lambda: set(states(slurm).values()) == {"RUNNING"})
    with sweep.started() as again:
        sweep.wait_for(lambda: "2 jobs are in the queue since an earlier command" in sweep.out.read_text())
        slurm("scancel", "--signal=KILL", next(iter(first)))
        assert again.wait(LIMIT_S) == 0, sweep.out.read_text()
    assert "its process died, it goes on in another one: seed=" in sweep.out.read_text()
    sweep.check()


def test_a_job_on_two_processes(slurm: Callable[..., str], sweep: ClusterSweep) -> None:
    """That srun starts: told of its end, the first writes a checkpoint, which both go on from."""
    sweep.command += ["seed=0", "hydra.launcher.ntasks_per_node=2", "hardware.devices=2", "trainer.num_validations=2"]
    with sweep.started() as process:
        sweep.wait_for(lambda: bool(list(sweep.folder.glob("multirun/*/checkpoints/last.pt"))))
        [job] = states(slurm)
        slurm("scancel", "--signal=USR2", job)
        sweep.wait_for(lambda: set(states(slurm).values()) == {"PENDING"})
        slurm("scontrol", "update", f"JobId={job}", "StartTime=now")
        assert process.wait(LIMIT_S) == 0, sweep.out.read_text()
    [path] = sweep.folder.glob("multirun/*/result.json")
    assert Result.read(path).cost.steps == NUM_STEPS
    told = re.search(r"resumed from step (\d+)", path.with_name("train.log").read_text())
    assert told is not None
    assert NUM_STEPS // 2 < int(told[1]) < NUM_STEPS


def test_a_job_that_may_reach_no_time_limit(slurm: Callable[..., str], sweep: ClusterSweep) -> None:
    """Of so few minutes submitit takes any signal for the end of them."""
    sweep.command += ["seed=0", "hydra.launcher.time=5", "hydra.launcher.timeouts=0"]
    with sweep.started() as process:
        sweep.wait_for(lambda: bool(list(sweep.folder.glob("multirun/*/checkpoints/last.pt"))))
        slurm("scancel", "--signal=USR2", next(iter(states(slurm))))
        assert process.wait(LIMIT_S) == 1, sweep.out.read_text()
    told = (
        "it has reached its time limit (hydra.launcher.time=5 minutes) more often than hydra.launcher.timeouts=0 allows"
    )
    assert told in sweep.out.read_text()
    assert "Error executing job" not in sweep.out.read_text()


def test_a_job_that_slurm_refuses(slurm: Callable[..., str], sweep: ClusterSweep) -> None:
    sweep.command.append("hydra.launcher.partition=nowhere")
    with sweep.started() as process:
        assert process.wait(LIMIT_S) == 1
    assert re.search(r"error: SLURM does not take the jobs: .*partition", sweep.out.read_text())
    assert "not begun" not in sweep.out.read_text()


def test_where_there_is_no_slurm(sweep: ClusterSweep) -> None:
    sweep.environment["PATH"] = "/nowhere"
    with sweep.started() as process:
        assert process.wait(LIMIT_S) == 1
    assert "there is no sbatch and no srun and no squeue here" in sweep.out.read_text()
