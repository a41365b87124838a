"""The commands as a user meets them: in real processes, without a terminal, a key or a home, where that matters."""

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
from conftest import Command, Here, Start

SMALL = ["frontend=mel", "backbone=dense", "backbone.num_params=20000"]


def only_run(folder: Path) -> Path:
    (run,) = [path for path in folder.iterdir() if (path / ".hydra").exists()]
    return run


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["backbone=resnet"], ["resnet", "mlp_mixer"]),
        (["trainer.batch_size=many"], ["trainer.batch_size='many'", "a number"]),
        (["data=folder", "data.root=nowhere"], ["nowhere", "index.csv"]),
    ],
    ids=["unknown choice", "wrong kind", "no folder"],
)
def test_user_errors_are_one_message(run_here: Here, arguments: list[str], messages: list[str], tmp_path: Path) -> None:
    """And a start that fails leaves no folder."""
    code, error = run_here("train.py", *arguments)
    assert code == 1
    assert list(tmp_path.glob("outputs/*")) == []
    assert "Traceback" not in error
    assert [message for message in messages if message not in error] == []


def test_user_errors_end_the_process(run_command: Command, tmp_path: Path) -> None:
    done = run_command("train.py", "trainer.budgets=3steps")
    assert done.returncode == 1
    assert list(tmp_path.glob("outputs/*")) == []
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert "trainer.budgets" in done.stderr
    assert "did you mean budget?" in done.stderr


def test_help_lists_the_groups(run_here: Here, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_here("train.py", "--help") == (0, "")
    shown = capsys.readouterr().out
    groups = ("frontend: ", "backbone: ", "task: ", "data: ")
    assert [group for group in groups if group not in shown] == []


def test_train_then_eval_gives_the_same_scores(
    run_command: Command, run_here: Here, on_tones: list[str], tmp_path: Path
) -> None:
    """Trained in one process, evaluated in another, this one."""
    net = ["frontend=cqt", "backbone=dense", "backbone.num_params=100000", "backbone.dropout=0", "backbone.context=0"]
    learning = ["trainer.budget=100steps", "trainer.batch_size=8", "optimizer.lr=0.01"]
    done = run_command("train.py", "task=multipitch", *net, *on_tones, *learning)
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path / "outputs")
    trained = json.loads((run / "result.json").read_text())
    assert trained["metrics"][trained["primary"]] > 0.1  # or any decoding gave the same
    assert "multipitch/F-measure" in done.stdout

    assert run_here("eval.py", f"run={run}", "hydra.run.dir=again", on_tones[-1]) == (0, "")
    about = "name: Sines\ntrained_on: [tones]\nworks: [g3, g9]\nseed: 2\n"
    (tmp_path / "system.yaml").write_text(about)
    outside = [f"predictions={run}/predictions", "hydra.run.dir=outside", "task=multipitch", "system=system.yaml"]
    assert run_here("eval.py", *outside, *on_tones[-3:]) == (0, "")
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
    data = [trained["dataset"]["name"]]
    nothing = {"shared": [], "shared_choosing": []}
    assert training == {"data": data, "works": "known", "choosing": data, **nothing}
    assert (result["choices"]["system"], result["seed"]) == ("Sines", 2)
    told = {"data": ["tones"], "works": "known", "fingerprint": None, "choosing": None}
    assert result["training"] == {**nothing, **told, "shared": ["g3"]}


def test_baseline(
    run_here: Here, on_tones: list[str], tones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As eval.py scores it on a copy of the data, and as a run shows it beside the model."""
    shutil.copytree(tones, tmp_path / "copy")
    data = ["data=folder", "data.root=copy", on_tones[-1]]
    assert run_here("eval.py", "baseline=majority", "task=key", "hydra.run.dir=alone", *data) == (0, "")
    alone = json.loads((tmp_path / "alone" / "result.json").read_text())
    assert alone["choices"] == {"task": "key", "data": "folder", "system": "baseline majority"}
    assert run_here("train.py", "task=key", *SMALL, *on_tones, "hydra.run.dir=run") == (0, "")
    beside = json.loads((tmp_path / "run" / "baselines" / "majority" / "result.json").read_text())
    assert beside["tracks"] == alone["tracks"]
    assert beside["dataset"]["fingerprint"] == alone["dataset"]["fingerprint"]
    assert beside["run_id"] == alone["run_id"]
    assert "trivial baseline" in capsys.readouterr().out


def test_sweep_goes_on_after_a_failure(
    run_command: Command, run_here: Here, on_tones: list[str], tmp_path: Path
) -> None:
    """The middle job leaves its reason; the others finish, the exit code tells; resume=true keeps them."""
    sweep = ["-m", "backbone=dense,harmonic_cnn,lstm", "frontend=mel", *on_tones]
    done = run_command("train.py", *sweep)
    assert done.returncode == 1
    assert "failed: harmonic_cnn needs a log-frequency spectrogram" in done.stdout
    results = sorted((tmp_path / "multirun").glob("*/result.json"))
    assert [path.parent.name.split("-")[3] for path in results] == ["dense", "lstm"]
    [failed] = {path for path in (tmp_path / "multirun").iterdir() if path.is_dir()} - {path.parent for path in results}
    assert {path.name for path in failed.iterdir()} == {".lock", "failed.json"}
    before = [path.stat().st_mtime_ns for path in results]
    assert run_here("train.py", *sweep, "resume=true")[0] == 1
    assert [path.stat().st_mtime_ns for path in results] == before
    assert sorted((tmp_path / "multirun").glob("*/result.json")) == results


def test_kill_and_resume_ends_with_the_same_weights(
    start: Start, run_here: Here, on_tones: list[str], tmp_path: Path
) -> None:
    """Killed with SIGKILL twice, and gone on with in three processes, the last of which is this one."""
    arguments = [
        *SMALL, *on_tones, "trainer.budget=40steps", "trainer.num_validations=3", "trainer.log_every_steps=1",
        "trainer.checkpoint_minutes=0", "augmentation=masking", "backbone.dropout=0.1",
    ]  # fmt: skip
    assert run_here("train.py", *arguments) == (0, "")
    undisturbed = torch.load(only_run(tmp_path / "outputs") / "checkpoints" / "last.pt", weights_only=True)

    disturbed = tmp_path / "disturbed"
    disturbed.mkdir()
    for steps in (3, 15):  # killed twice, the second time after a resume
        process = start("train.py", *arguments, "resume=true", folder="disturbed")
        deadline = time.monotonic() + 100
        while _steps(disturbed) < steps and process.running() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "finished before it could be killed"
    run = only_run(disturbed / "outputs")
    assert _steps(disturbed) < 40
    assert not (run / "result.json").exists()
    assert run_here("train.py", *arguments, "resume=true", folder="disturbed") == (0, "")
    resumed = torch.load(run / "checkpoints" / "last.pt", weights_only=True)
    assert resumed["state"]["step"] == undisturbed["state"]["step"] == 40
    for part in ("nets", "averages"):
        assert all(torch.equal(resumed[part][0][name], value) for name, value in undisturbed[part][0].items())


def test_the_same_command_scores_the_same_to_the_last_digit(
    run_command: Command, on_tones: list[str], tmp_path: Path
) -> None:
    """In two processes, with several threads, the default network and augmentation, and the default budget: steps."""
    assert "step" in composed().trainer.budget
    options = [*on_tones, "num_threads=2", "backbone.width=8", "trainer.budget=4steps", "trainer.num_validations=2"]
    options += ["task=onset"]  # four steps are enough for scores that are not 0
    done = run_command("train.py", *options, "hydra.run.dir=a")
    assert done.returncode == 0, done.stderr
    # And one with nothing of another process. Threads that wait do not spin: another test may have the other core.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_WAIT_POLICY": "passive"}
    command = [sys.executable, str(ROOT / "train.py"), *options, "hydra.run.dir=b"]
    subprocess.run(command, cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    one, two = (json.loads((tmp_path / folder / "result.json").read_text()) for folder in "ab")
    assert one["reproducible"] is True
    assert one["metrics"][one["primary"]] > 0
    assert one["tracks"] == two["tracks"]
    assert one["tuning"]["trials"][0]["score"] == two["tuning"]["trials"][0]["score"]
    a, b = (torch.load(tmp_path / folder / "checkpoints" / "last.pt", weights_only=True)["nets"][0] for folder in "ab")
    assert all(torch.equal(a[name], b[name]) for name in a)


def _steps(folder: Path) -> int:
    """Steps in the last checkpoint below `folder`; 0 before there is one."""
    found = list(folder.glob("outputs/*/checkpoints/last.pt"))
    return int(torch.load(found[0], weights_only=True)["state"]["step"]) if found else 0


def test_two_processes_do_not_share_a_run(start: Start, on_tones: list[str], tmp_path: Path) -> None:
    """The same command twice at once: two folders, or one message; never one folder written by both."""
    with (tmp_path / "one").open("w") as one, (tmp_path / "two").open("w") as two:
        both = [start("train.py", *SMALL, *on_tones, stderr=errors) for errors in (one, two)]
        codes = [process.wait() for process in both]
    folders = list((tmp_path / "outputs").glob("*/result.json"))
    refused = [(tmp_path / name).read_text() for name, code in zip(("one", "two"), codes, strict=True) if code != 0]
    assert len(folders) + len(refused) == 2
    assert all("in use by another process" in error for error in refused)


@pytest.mark.slow
def test_two_processes_train_one_network(
    run_command: Command, run_here: Here, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Data-parallel training, as on several GPUs, here with two CPU processes, which share out the validation.

    It is evaluated on a machine with one CPU, to the score that chose the checkpoint.
    """
    data = [*SYNTH, "data.num_valid=3", f"cache_dir={cache}"]
    learning = ["trainer.budget=36steps", "trainer.num_validations=4", "optimizer.lr=0.01"]
    arguments = [*TINY, *data, *SMALL, "task=onset", *learning]
    done = run_command("train.py", *arguments, "hardware.devices=2", "hardware.strategy=ddp_spawn")
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path / "outputs")
    result = json.loads((run / "result.json").read_text())
    assert result["cost"]["steps"] == 36
    [trial] = result["tuning"]["trials"]
    best = torch.load(run / "checkpoints" / "best.pt", weights_only=True)
    assert trial["score"] == best["score"] > 0.01

    trained = OmegaConf.load(run / ".hydra" / "config.yaml")
    trained.hardware = OmegaConf.load(CONF / "hardware" / "ddp.yaml")
    OmegaConf.save(trained, run / ".hydra" / "config.yaml")
    assert run_here("eval.py", f"run={run}", "split=valid", "hydra.run.dir=again", f"cache_dir={cache}") == (0, "")
    assert "on the CPU" in capsys.readouterr().out
    there = json.loads((tmp_path / "again" / "result.json").read_text())
    assert there["metrics"][there["primary"]] == trial["score"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_write_permission(run_command: Command, tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir(mode=0o500)
    done = run_command("train.py")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "outputs" in done.stderr
