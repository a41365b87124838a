"""What may happen to a sweep: a job that diverges, a result cut short, a full disk, kill -9, Ctrl-C, another sweep."""

import json
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from configs import ROOT
from conftest import WORKERS, Command, Here, Launch, Start
from ricercar.harness.results import Result

SMALL = ["task=key", "frontend=mel", "backbone=dense", "backbone.num_params=20000", "backbone.context=0"]
STEPS = 200  # long enough to be interrupted
LONG = [f"trainer.budget={STEPS}steps", "trainer.num_validations=10"]
# The same command twice in a mount namespace of its own, where the second time there is room.
ON_A_SMALL_DISK = """
import ctypes, os, runpy, subprocess, sys
if ctypes.CDLL(None).unshare(0x20000) or subprocess.run(["mount", "--make-rprivate", "/"]).returncode:
    sys.exit(77)
os.mkdir("multirun")
for size, options in (("1200k", "rw"), ("64m", "remount")):
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"{options},size={size}", "tmpfs", "multirun"], check=True)
    if os.fork() == 0:
        sys.path[0] = os.path.dirname(sys.argv[1])
        sys.argv[:] = sys.argv[1:]
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as ended:
            print("ended with", ended.code or 0, flush=True)
        os._exit(0)
    os.wait()
    found = [name for folder, _, names in os.walk("multirun") if "baselines" not in folder for name in names]
    print("left:", [name for name in found if name.endswith(".tmp")], found.count("result.json"), flush=True)
"""


def states(printed: str) -> dict[str, str]:
    """{job: state} of the last table."""
    *_, last = re.split(r"^(?=job  )", printed, flags=re.MULTILINE)
    cells = [re.split(r"  +", line) for line in last.partition("\n\n")[0].splitlines()[2:]]
    return {job: state for job, state, *_ in cells}


def test_a_job_that_diverges_and_a_result_cut_short(
    run_here: Here, on_tones: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is told by name, and the others finish. A result is made again from its checkpoint, on request."""
    sweep = ["-m", *SMALL, *on_tones]
    assert run_here("train.py", *sweep, "optimizer.lr=0.001,1.0e30")[0] == 1
    printed = capsys.readouterr().out
    assert states(printed) == {"optimizer.lr=0.001": "finished", "optimizer.lr=1e+30": "failed"}
    assert "failed: optimizer.lr=1e+30: The loss or its gradient is not finite at step 1 (multirun/" in printed

    [path] = (tmp_path / "multirun").glob("*/result.json")
    before = path.read_text()
    path.write_text(before[:-100])
    assert run_here("sweep.py", "status") == (0, "")
    printed = capsys.readouterr().out
    assert states(printed)["optimizer.lr=0.001"] == "failed"
    assert f"failed: optimizer.lr=0.001: {path.relative_to(tmp_path)}: line" in printed
    assert run_here("train.py", *sweep, "optimizer.lr=0.001,0.002")[0] == 1
    printed = capsys.readouterr().out
    assert states(printed) == {"optimizer.lr=0.001": "failed", "optimizer.lr=0.002": "finished"}
    assert "The same command with sweep.retry=failed puts it aside (result.unreadable.json)" in printed

    assert run_here("train.py", *sweep, "optimizer.lr=0.001,0.002", "sweep.retry=failed") == (0, "")
    again, once = Result.read(path), json.loads(before)
    assert (again.metrics, again.looks) == (once["metrics"], 2)
    assert path.with_name("result.unreadable.json").read_text() == before[:-100]
    assert states(capsys.readouterr().out)["optimizer.lr=0.001"] == "finished"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk")
def test_a_full_disk(run_command: Command, on_tones: list[str]) -> None:
    """Stops the job that meets it, by name. Once there is room, the same command does the rest."""
    sweep = ["-m", *SMALL, *on_tones, "trainer.num_validations=2", "seed=0,1,2"]
    done = run_command("-c", ON_A_SMALL_DISK, str(ROOT / "train.py"), *sweep)
    if done.returncode == 77:
        pytest.skip("may not mount")
    full, room, _ = re.split(r"left: .*\n", done.stdout)
    assert re.findall(r"left: (.*) (\d)", done.stdout) == [("[]", "1"), ("[]", "3")]
    assert "ended with 1" in full
    assert states(full) == {"seed=0": "finished", "seed=1": "failed", "seed=2": "failed"}
    assert re.search(r"failed: seed=1: cannot write .*/multirun/.*: No space left on device", full)
    assert "ended with" not in room
    assert states(room) == {"seed=0": "was finished already", "seed=1": "finished", "seed=2": "finished"}


def test_two_sweeps_at_once(start: Start, on_tones: list[str], tmp_path: Path) -> None:
    """Over overlapping grids: each job is trained once, by one of them, and none is an error."""
    sweeps = []
    for seeds in ("0,1,2", "2,1,3"):
        with (tmp_path / seeds).open("w") as out:
            sweeps.append(start("train.py", "-m", *SMALL, *on_tones, f"seed={seeds}", stdout=out, stderr=out))
    assert [sweep.wait() for sweep in sweeps] == [0, 0]
    assert sorted(Result.read(path).seed or 0 for path in tmp_path.glob("multirun/*/result.json")) == [0, 1, 2, 3]
    assert trainings(tmp_path) == {0: 1, 1: 1, 2: 1, 3: 1}


def trainings(folder: Path) -> dict[int, int]:
    """{seed: how often it was begun anew}; a run that finished has one line in runs.jsonl."""
    lines = [json.loads(line) for line in (folder / "multirun" / "runs.jsonl").read_text().splitlines()]
    noted = [line["run"] for line in lines if "run" in line]
    assert len(set(noted)) == len(noted)
    logs = {path.parent.name: path.read_text() for path in folder.glob("multirun/*/train.log")}
    return {
        int(re.findall(r"-s(\d+)-", name)[0]): text.count("INFO budget") - text.count("resumed from step")
        for name, text in logs.items()
    }


def test_a_sweep_is_killed_and_interrupted(
    start: Start, run_here: Here, on_tones: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By kill -9, then by Ctrl-C in its second job; the same command does the rest."""
    sweep = ["-m", *SMALL, *on_tones, *LONG, "seed=0,1,2"]
    for number, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)):
        with (tmp_path / "out").open("w") as out:
            process = start("train.py", *sweep, stdout=out, stderr=out)
        wait_for_checkpoints(tmp_path, 1 if code < 0 else 2, process.running)
        process.send(number)
        assert process.wait() == code
    interrupted_well(tmp_path, 3)
    assert run_here("train.py", *sweep) == (0, "")
    trained_once(tmp_path, 3)
    assert set(states(capsys.readouterr().out).values()) == {"finished", "was finished already"}


def test_what_is_told_to_end_writes_a_checkpoint(
    start: Start, run_command: Command, on_tones: list[str], tmp_path: Path
) -> None:
    """By SIGTERM, as before it is killed on a cluster: it ends at once, and goes on from the step that it was at."""
    command = [*SMALL, *on_tones, "trainer.budget=80steps", "trainer.num_validations=2", "trainer.log_every_steps=7"]
    assert run_command("train.py", *command, "hydra.run.dir=whole").returncode == 0
    process = start("train.py", *command, "hydra.run.dir=cut")
    while process.running() and not (tmp_path / "cut" / "checkpoints" / "last.pt").exists():
        time.sleep(0.02)
    process.send(signal.SIGTERM)
    assert process.wait() == -signal.SIGKILL  # that is: by a signal
    done = run_command("train.py", *command, "hydra.run.dir=cut", "resume=true")
    assert done.returncode == 0
    told = re.search(r"resumed from step (\d+)", done.stdout)
    assert told is not None
    assert 40 < int(told[1]) < 80
    whole, cut = (
        torch.load(tmp_path / name / "checkpoints" / "best.pt", weights_only=True)["net"] for name in ("whole", "cut")
    )
    assert all(torch.equal(cut[name], weights) for name, weights in whole.items())


@WORKERS
def test_processes_end_with_the_launching_one(
    workers: str, launch: Launch, run_here: Here, on_tones: list[str], tmp_path: Path
) -> None:
    """Of hydra/launcher=joblib, by kill -9, and by Ctrl-C, which all get; the same command does the rest."""
    sweep = [*SMALL, *on_tones, *LONG, "seed=0,1,2,3"]
    for code in (-signal.SIGKILL, 130):
        process = launch(workers, *sweep)
        wait_for_checkpoints(tmp_path, 2 if code < 0 else 3, process.running)
        if code < 0:
            process.send(signal.SIGKILL)
        else:
            os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == code
        wait_until_gone(process.pid)
    interrupted_well(tmp_path, 4)
    assert run_here("train.py", "-m", *sweep) == (0, "")
    trained_once(tmp_path, 4)


def test_ctrl_c_of_the_launching_process_alone_ends_all(launch: Launch, on_tones: list[str], tmp_path: Path) -> None:
    """As from a notebook: jobs that would go on for hours do not."""
    process = launch("fork", *SMALL, *on_tones, "trainer.budget=1000000steps", "seed=0,1")
    wait_for(tmp_path, "run.json", 2, process.running)
    process.send(signal.SIGINT)
    assert process.wait(60) == 130
    wait_until_gone(process.pid)


def wait_until_gone(session: int) -> None:
    deadline = time.monotonic() + 30
    while alive(session):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def wait_for_checkpoints(folder: Path, number: int, running: Callable[[], bool]) -> None:
    wait_for(folder, "checkpoints/last.pt", number, running)


def wait_for(folder: Path, file: str, number: int, running: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while running() and len(list(folder.glob(f"multirun/*/{file}"))) < number:
        assert time.monotonic() < deadline, (folder / "out").read_text()
        time.sleep(0.02)


def interrupted_well(folder: Path, jobs: int) -> None:
    printed = (folder / "out").read_text()
    assert "interrupted: the same command goes on from the last checkpoint." in printed
    assert "Traceback" not in printed
    assert {"not finished", "not begun"} & {re.sub(r" \d+%", "", state) for state in states(printed).values()}
    assert len(list(folder.glob("multirun/*/result.json"))) < jobs


def trained_once(folder: Path, jobs: int) -> None:
    results = map(Result.read, folder.glob("multirun/*/result.json"))
    assert {result.seed: result.cost.steps for result in results} == dict.fromkeys(range(jobs), STEPS)
    assert set(trainings(folder).values()) <= {0, 1}  # 0: in this process, which keeps no log


def alive(session: int) -> bool:
    """Whether a process of a session lives, but for the one that keeps account of semaphores, which ends by itself."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            command = (stat.parent / "cmdline").read_bytes()
            num_threads = len(list((stat.parent / "task").iterdir()))  # which hold its locks when it is a zombie
        except OSError:
            continue
        ended = fields[0] == "Z" and num_threads == 1
        if int(fields[3]) == session and not ended and b"resource_tracker" not in command:
            return True
    return False
