"""The commands as a user meets them: real processes, without a terminal, a key or a home."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from configs import CONF, ROOT, SYNTH, TINY, composed
from conftest import Command

SMALL = ["frontend=mel", "backbone=dense", "backbone.num_params=20000"]


def only_run(folder: Path) -> Path:
    (run,) = [path for path in folder.iterdir() if (path / ".hydra").exists()]
    return run


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["trainer.budgets=3steps"], ["trainer.budgets", "did you mean budget?"]),
        (["backbone=resnet"], ["resnet", "mlp_mixer"]),
        (["trainer.batch_size=many"], ["trainer.batch_size='many'", "a number"]),
        (["data=folder", "data.root=nowhere"], ["nowhere", "index.csv"]),
    ],
    ids=["unknown option", "unknown choice", "wrong kind", "no folder"],
)
def test_user_errors_are_one_message(
    run_command: Command, arguments: list[str], messages: list[str], tmp_path: Path
) -> None:
    """And a start that fails leaves no folder."""
    done = run_command("train.py", *arguments)
    assert done.returncode == 1
    assert list(tmp_path.glob("outputs/*")) == []
    assert "Traceback" not in done.stderr
    for message in messages:
        assert message in done.stderr


def test_help_lists_the_groups(run_command: Command) -> None:
    done = run_command("train.py", "--help")
    assert done.returncode == 0
    for group in ("frontend: ", "backbone: ", "task: ", "data: "):
        assert group in done.stdout


def test_train_then_eval_gives_the_same_scores(run_command: Command, on_tones: list[str], tmp_path: Path) -> None:
    done = run_command("train.py", *SMALL, *on_tones)
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path / "outputs")
    trained = json.loads((run / "result.json").read_text())
    assert "F-measure_no_offset" in done.stdout

    again = run_command("eval.py", f"run={run}", "hydra.run.dir=again", on_tones[-1])
    assert again.returncode == 0, again.stderr
    about = "name: Sines\ntrained_on: [tones]\nworks: [g3, g9]\nseed: 2\n"
    (tmp_path / "system.yaml").write_text(about)
    outside = run_command(
        "eval.py",
        f"predictions={run}/predictions",
        "hydra.run.dir=outside",
        *on_tones[-3:],
        "task=notes",
        "system=system.yaml",
    )
    assert outside.returncode == 0, outside.stderr
    for name in ("again", "outside"):
        result = json.loads((tmp_path / name / "result.json").read_text())
        assert result["metrics"] == trained["metrics"]
        assert result["tracks"] == trained["tracks"]
        assert result["protocol_id"] == trained["protocol_id"]
        assert result["dataset"] == trained["dataset"]
        assert result["looks"] == {"again": 2, "outside": None}[name]
    assert trained["looks"] == 1
    training = trained["training"]
    assert re.fullmatch("[0-9a-f]{16}", training.pop("fingerprint"))
    assert training == {"data": [trained["dataset"]["name"]], "works": "known", "shared": []}
    assert (result["choices"]["system"], result["seed"]) == ("Sines", 2)
    assert result["training"] == {"data": ["tones"], "works": "known", "shared": ["g3"], "fingerprint": None}


def test_baseline(run_command: Command, on_tones: list[str], tones: Path, tmp_path: Path) -> None:
    """As eval.py scores it on a copy of the data, and as a run shows it beside the model."""
    shutil.copytree(tones, tmp_path / "copy")
    data = ["data=folder", "data.root=copy", on_tones[-1]]
    done = run_command("eval.py", "baseline=majority", "task=key", "hydra.run.dir=alone", *data)
    assert done.returncode == 0, done.stderr
    alone = json.loads((tmp_path / "alone" / "result.json").read_text())
    assert alone["choices"] == {"task": "key", "data": "folder", "system": "baseline majority"}
    trained = run_command("train.py", "task=key", *SMALL, *on_tones, "hydra.run.dir=run")
    assert trained.returncode == 0, trained.stderr
    beside = json.loads((tmp_path / "run" / "baselines" / "majority" / "result.json").read_text())
    assert beside["tracks"] == alone["tracks"]
    assert beside["dataset"]["fingerprint"] == alone["dataset"]["fingerprint"]
    assert beside["run_id"] == alone["run_id"]
    assert "trivial baseline" in trained.stdout


def test_sweep_goes_on_after_a_failure(run_command: Command, on_tones: list[str], tmp_path: Path) -> None:
    """The middle job cannot work and leaves no folder; the others finish, the exit code tells, resume=true leaves them.

    W&B follows each job as a run of its own.
    """
    tracked = ["tracker=wandb", *(each for each in on_tones if not each.startswith("tracker="))]
    sweep = ["-m", "backbone=dense,harmonic_cnn,lstm", "frontend=mel", *tracked]
    done = run_command("train.py", *sweep)
    assert done.returncode == 1
    assert "failed: harmonic_cnn needs a log-frequency spectrogram" in done.stdout
    results = sorted((tmp_path / "multirun").glob("*/result.json"))
    assert [path.parent.name.split("-")[3] for path in results] == ["dense", "lstm"]
    assert len(list((tmp_path / "multirun").glob("*/wandb/offline-run-*/*.wandb"))) == 2
    assert len([path for path in (tmp_path / "multirun").iterdir() if path.is_dir()]) == 2
    before = [path.stat().st_mtime_ns for path in results]
    run_command("train.py", *sweep, "resume=true")
    assert [path.stat().st_mtime_ns for path in results] == before
    assert sorted((tmp_path / "multirun").glob("*/result.json")) == results


def test_kill_and_resume_ends_with_the_same_weights(run_command: Command, on_tones: list[str], tmp_path: Path) -> None:
    arguments = [
        *SMALL, *on_tones, "trainer.budget=60steps", "trainer.num_validations=3", "trainer.log_every_steps=1",
        "trainer.checkpoint_minutes=0", "augmentation=masking", "backbone.dropout=0.1",
    ]  # fmt: skip
    done = run_command("train.py", *arguments)
    assert done.returncode == 0, done.stderr
    undisturbed = torch.load(only_run(tmp_path / "outputs") / "checkpoints" / "last.pt", weights_only=True)

    disturbed = tmp_path / "disturbed"
    disturbed.mkdir()
    command = [sys.executable, str(ROOT / "train.py"), *arguments]
    for steps in (3, 25):  # killed twice, the second time after a resume
        process = subprocess.Popen(
            [*command, "resume=true"], cwd=disturbed, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 100
        while _steps(disturbed) < steps and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "finished before it could be killed"
    run = only_run(disturbed / "outputs")
    assert _steps(disturbed) < 60
    assert not (run / "result.json").exists()
    subprocess.run([*command, "resume=true"], cwd=disturbed, check=True, capture_output=True)
    resumed = torch.load(run / "checkpoints" / "last.pt", weights_only=True)
    assert resumed["state"]["step"] == undisturbed["state"]["step"] == 60
    for part in ("nets", "averages"):
        assert all(torch.equal(resumed[part][0][name], value) for name, value in undisturbed[part][0].items())


def test_the_same_command_scores_the_same_to_the_last_digit(
    run_command: Command, on_tones: list[str], tmp_path: Path
) -> None:
    """With several threads, the default network and augmentation, and what every task's budget is by default: steps."""
    assert "step" in composed().trainer.budget
    options = [*on_tones, "num_threads=2", "backbone.width=8", "trainer.budget=8steps", "trainer.num_validations=2"]
    for folder in ("a", "b"):
        done = run_command("train.py", *options, f"hydra.run.dir={folder}")
        assert done.returncode == 0, done.stderr
    one, two = (json.loads((tmp_path / folder / "result.json").read_text()) for folder in "ab")
    assert one["reproducible"] is True
    assert one["tracks"] == two["tracks"]
    assert one["tuning"]["trials"][0]["score"] == two["tuning"]["trials"][0]["score"]
    a, b = (torch.load(tmp_path / folder / "checkpoints" / "last.pt", weights_only=True)["nets"][0] for folder in "ab")
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_budget_in_minutes_is_said_to_be_another_one_each_time(
    run_command: Command, on_tones: list[str], tmp_path: Path
) -> None:
    done = run_command("train.py", *SMALL, *on_tones, "trainer.budget=0.005minutes")
    assert done.returncode == 0, done.stderr
    assert json.loads((only_run(tmp_path / "outputs") / "result.json").read_text())["reproducible"] is False
    assert "the clock" in done.stdout + done.stderr


def _steps(folder: Path) -> int:
    """Steps in the last checkpoint below `folder`; 0 before there is one."""
    found = list(folder.glob("outputs/*/checkpoints/last.pt"))
    return int(torch.load(found[0], weights_only=True)["state"]["step"]) if found else 0


def test_two_processes_do_not_share_a_run(run_command: Command, on_tones: list[str], tmp_path: Path) -> None:
    """The same command twice at once: two folders, or one message; never one folder written by both."""
    command = [sys.executable, str(ROOT / "train.py"), *SMALL, *on_tones]
    both = [subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    outcomes = [(process.communicate()[1], process.returncode) for process in both]
    folders = list((tmp_path / "outputs").glob("*/result.json"))
    refused = [error for error, code in outcomes if code != 0]
    assert len(folders) + len(refused) == 2
    assert all("in use by another process" in error for error in refused)


@pytest.mark.slow
def test_two_processes_train_one_network(run_command: Command, cache: Path, tmp_path: Path) -> None:
    """Data-parallel training, as on several GPUs, here with two CPU processes, which share out the validation.

    It is evaluated on a machine with one CPU, to the score that chose the checkpoint.
    """
    data = [*SYNTH, "data.num_valid=3", f"cache_dir={cache}"]
    learning = ["trainer.budget=12steps", "trainer.num_validations=4", "optimizer.lr=0.01"]
    arguments = [*TINY, *data, *SMALL, "task=onset", *learning]
    done = run_command("train.py", *arguments, "hardware.devices=2", "hardware.strategy=ddp_spawn")
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path / "outputs")
    result = json.loads((run / "result.json").read_text())
    assert result["cost"]["steps"] == 12
    [trial] = result["tuning"]["trials"]
    best = torch.load(run / "checkpoints" / "best.pt", weights_only=True)
    assert trial["score"] == best["score"] > 0.01

    trained = OmegaConf.load(run / ".hydra" / "config.yaml")
    trained.hardware = OmegaConf.load(CONF / "hardware" / "ddp.yaml")
    OmegaConf.save(trained, run / ".hydra" / "config.yaml")
    again = run_command("eval.py", f"run={run}", "split=valid", "hydra.run.dir=again", f"cache_dir={cache}")
    assert again.returncode == 0, again.stderr
    assert "on the CPU" in again.stdout + again.stderr
    there = json.loads((tmp_path / "again" / "result.json").read_text())
    assert there["metrics"][there["primary"]] == trial["score"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_write_permission(run_command: Command, tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir(mode=0o500)
    done = run_command("train.py")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "outputs" in done.stderr


def test_divergence_names_the_step(run_command: Command, on_tones: list[str], tmp_path: Path) -> None:
    done = run_command(
        "train.py", *SMALL, *on_tones, "optimizer=sgd", "optimizer.lr=1e30", "trainer.clip_norm=null",
        "trainer.budget=20steps", "trainer.log_every_steps=1", "trainer.checkpoint_minutes=0", "schedule=constant",
    )  # fmt: skip
    assert done.returncode == 1
    assert "not finite at step" in done.stderr
    saved = torch.load(only_run(tmp_path / "outputs") / "checkpoints" / "last.pt", weights_only=True)
    assert all(torch.isfinite(value).all() for value in saved["nets"][0].values())
