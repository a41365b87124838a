"""What a sweep ends with, and what a job that failed leaves."""

import importlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from omegaconf import DictConfig

from conftest import Here
from ricercar.harness.lock import InUseError
from ricercar.harness.loop import Loop
from ricercar.harness.results import Result
from ricercar.harness.sweep import Sweep

SMALL = ["frontend=mel", "backbone=dense", "backbone.num_params=20000", "backbone.context=0"]


def table(printed: str) -> tuple[list[list[str]], str]:
    """-> the cells of the last table, and what is said below."""
    *_, last = re.split(r"^(?=job  )", printed, flags=re.MULTILINE)
    cells, _, rest = last.partition("\n\n")
    return [re.split(r"  +", line.strip()) for line in cells.splitlines()], rest


def test_a_sweep_ends_with_a_table(
    run_here: Here, on_tones: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job that cannot begin, one that does; then the same again, with another one."""
    sweep = ["-m", "task=key", "frontend=mel", *on_tones]
    assert run_here("train.py", *sweep, "backbone=harmonic_cnn,dense") == (1, "")  # all is told in the table
    rows, below = table(capsys.readouterr().out)
    [failed] = (tmp_path / "multirun").glob("*-harmonic_cnn-*")
    [finished] = (tmp_path / "multirun").glob("*-dense-*")
    result = json.loads((finished / "result.json").read_text())
    score = f"{result['metrics']['key/Weighted_Score']:.4f}"
    assert rows[0] == ["job", "state", "key/Weighted_Score", "time"]
    assert rows[2][:3] == ["backbone=harmonic_cnn", "failed", "-"]
    assert rows[3][:3] == ["backbone=dense", "finished", score]
    reason, counts = below.strip().split("\n\n")
    assert reason.startswith("failed: backbone=harmonic_cnn: harmonic_cnn needs a log-frequency spectrogram")
    assert reason.endswith(f"({failed.relative_to(tmp_path)}/failed.json)")
    assert counts == "1 finished, 1 failed, in multirun"

    # Another command that waited for the same run tells of it, too.
    before = (tmp_path / "multirun" / "runs.jsonl").read_text()
    Sweep(tmp_path / "multirun").add_result(finished, [Result.read(finished / "result.json")], 1.0)
    assert (tmp_path / "multirun" / "runs.jsonl").read_text() == before

    assert run_here("train.py", *sweep, "backbone=dense,harmonic_cnn")[0] == 1
    rows, below = table(capsys.readouterr().out)
    assert [row[1] for row in rows[2:]] == ["was finished already", "failed"]
    assert below.endswith("1 was finished already, 1 failed, in multirun\n")


def test_an_interrupted_sweep_ends_with_a_table(
    run_here: Here,
    on_synth: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In its second job, of two tasks and two seeds each, of which the third does not begin."""
    validate, seeds = Loop._validate, []

    def interrupted(*args: Any) -> Any:
        seeds.append(args[2].seed)
        if len(seeds) == 3:
            raise KeyboardInterrupt
        return validate(*args)

    monkeypatch.setattr(Loop, "_validate", interrupted)
    sweep = ["-m", "task=[key,tempo]", "seeds_per_job=2", "seed=0,2,4", *SMALL, *on_synth]
    code, error = run_here("train.py", *sweep)
    assert code == 130
    assert "interrupted" in error
    rows, below = table(capsys.readouterr().out)
    assert rows[0] == ["job", "state", "key/Weighted_Score", "tempo/Acc1", "time"]
    assert [row[:2] for row in rows[2:]] == [
        ["seed=0", "finished"], ["seed=1", "finished"], ["seed=2", "not finished"], ["seed=3", "not finished"],
        ["seed=4", "not begun"],
    ]  # fmt: skip
    assert below == "2 finished, 2 not finished, 1 not begun, in multirun\n"


def test_a_job_that_fails_midway_says_why(
    run_here: Here,
    on_tones: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Be it a mistake in the code, with its traceback; once it is gone on with, the note is gone."""
    sweep = ["-m", "task=key", *SMALL, *on_tones]
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_validate", lambda *args: 1 / 0)
        assert run_here("train.py", *sweep)[0] == 1
    rows, below = table(capsys.readouterr().out)
    [folder] = (path for path in (tmp_path / "multirun").iterdir() if path.is_dir())
    assert [row[:2] for row in rows[2:]] == [[folder.name, "failed"]]
    assert "ZeroDivisionError: division by zero" in below
    note = json.loads((folder / "failed.json").read_text())
    assert "test_sweep.py" in note["trace"]
    assert run_here("train.py", *sweep)[0] == 1  # nothing is tried again unasked
    assert (folder / "failed.json").exists()
    assert run_here("train.py", *sweep, "sweep.retry=failed") == (0, "")
    assert not (folder / "failed.json").exists()
    rows, _ = table(capsys.readouterr().out)
    assert rows[2][:2] == [folder.name, "finished"]


def test_what_is_finished_stays_so(
    run_here: Here,
    on_tones: list[str],
    tones: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where other code has made it, which is told, and without its data, which are not read: seeds in one job, too."""
    shutil.copytree(tones, tmp_path / "data")
    job = ["task=key", *SMALL, *on_tones, "data.root=data"]
    assert run_here("train.py", "-m", *job) == (0, "")
    [first] = (tmp_path / "multirun").glob("*-s0-*")
    for name in ("result.json", "run.json"):
        text = (first / name).read_text()
        (first / name).write_text(re.sub(r'"code": "\w+"', '"code": "other"', text))
    (first / "failed.json").write_text(json.dumps({"reason": "", "overrides": [], "seconds": 0.0, "trace": None}))
    before = (first / "result.json").stat().st_mtime_ns
    assert run_here("train.py", "-m", *job, "seeds_per_job=2") == (0, "")
    shutil.rmtree(tmp_path / "data" / "notes")
    told = f"{first.name} is finished, and was made by other code of Ricercar: resume=false trains it anew"
    assert told in capsys.readouterr().out
    for more in (["seeds_per_job=2"], ["seed=0,1"], ["seed=0", "sweep.retry=failed"]):
        assert run_here("train.py", "-m", *job, *more) == (0, "")
        printed = capsys.readouterr().out
        assert {row[1] for row in table(printed)[0][2:]} == {"was finished already"}
        assert printed.count(told) == 1
    assert run_here("train.py", *job, f"hydra.run.dir={first}", "resume=true") == (0, "")
    assert told in capsys.readouterr().out
    assert (first / "result.json").stat().st_mtime_ns == before
    assert len(list(tmp_path.glob("multirun/*/result.json"))) == 2
    assert not list(tmp_path.glob("multirun/*/failed.json"))
    assert run_here("train.py", "-m", *job, "seed=2")[0] == 1  # what is to be trained is, and fails alone
    rows, _ = table(capsys.readouterr().out)
    assert [row[1] for row in rows[2:]] == ["failed"]


def test_what_another_process_has_is_left_to_it(
    run_here: Here, on_tones: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And is no error. Two commands add to one sweep, which keeps the jobs of both; each says what it would do."""
    sweep = ["-m", "task=key", *SMALL, *on_tones, "sweep.name=mine"]
    folder = tmp_path / "multirun" / "mine"
    assert run_here("train.py", *sweep, "seed=0,1", "sweep.dry_run=true") == (0, "")
    assert [path.name for path in folder.iterdir()] == ["multirun.yaml"]
    assert run_here("train.py", *sweep, "seed=0") == (0, "")
    [first] = folder.glob("key-*")
    second = first.with_name(first.name.replace("-s0-", "-s1-")[:-8] + "x")
    capsys.readouterr()

    def hold(*arguments: Any) -> None:
        raise InUseError("in use")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ricercar.train.RunLock.__enter__", hold)
        patch.setattr("ricercar.harness.sweep.is_held", lambda folder: "-s1-" in folder.name)
        assert run_here("train.py", *sweep, "seed=0,1") == (0, "")
        rows, below = table(capsys.readouterr().out)
    assert [row[:2] for row in rows[2:]] == [["seed=0", "was finished already"], ["seed=1", "elsewhere"]]
    assert below == "1 was finished already, 1 elsewhere, in multirun/mine\n"
    assert not second.exists()

    assert run_here("train.py", *sweep, "seed=2", "sweep.retry=failed") == (0, "")
    capsys.readouterr()
    assert run_here("sweep.py", "status") == (0, "")
    rows, below = table(capsys.readouterr().out)
    assert [row[:2] for row in rows[2:]] == [["seed=0", "finished"], ["seed=1", "not finished"], ["seed=2", "finished"]]
    assert run_here("sweep.py", "status", "multirun/mine", "--json") == (0, "")
    objects = json.loads(capsys.readouterr().out)
    result = json.loads((first / "result.json").read_text())
    assert objects[0]["scores"] == {result["primary"]: result["metrics"][result["primary"]]}
    assert [each["state"] for each in objects] == ["finished", "not finished", "finished"]


def test_what_a_sweep_has_noted_may_be_damaged(tmp_path: Path, run_here: Here) -> None:
    """A line that was cut short costs nothing; a damaged list of jobs is named; a folder without one too."""
    sweep = Sweep(tmp_path / "multirun")
    sweep.add_jobs([["seed=0"], ["seed=1"], ["seed=0", "resume=true"]])
    sweep.add_runs(["seed=1"], {tmp_path / "multirun" / "one": 1})
    with (tmp_path / "multirun" / "runs.jsonl").open("a") as file:
        file.write('{"job": ["seed=0"], "runs": {"ze')
    assert [(row.job[0], row.state) for row in sweep.rows()] == [("seed=0", "not begun"), ("seed=1", "not finished")]
    (tmp_path / "multirun" / "sweep.json").write_text("{")
    code, error = run_here("sweep.py", "status")
    assert code == 1
    assert re.fullmatch(r"error: multirun/sweep.json is damaged \(.*\): remove it, .*\n", error)
    code, error = run_here("sweep.py", "status", str(tmp_path))
    assert code == 1
    (tmp_path / "empty").mkdir()
    code, error = run_here("sweep.py", "status", "empty")
    assert (code, error) == (
        1, "error: empty has no sweep in it (no sweep.json): give the folder that train.py -m wrote.\n"
    )  # fmt: skip


def test_a_name_of_a_sweep_is_one_folder(run_here: Here, on_tones: list[str]) -> None:
    code, error = run_here("train.py", "-m", "task=key", *SMALL, *on_tones, "sweep.name=../x")
    assert code == 1
    assert "sweep.name=../x: letters, digits" in error


def test_jobs_are_composed_once_and_one_of_each_kind_before(
    run_here: Here, on_tones: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option that one choice lacks stops all before the first begins."""
    importlib.import_module("ricercar.harness.launchers")  # which puts its own there, once
    compose, composed = ConfigLoaderImpl.load_sweep_config, []

    def remember(self: ConfigLoaderImpl, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        composed.append(sweep_overrides)
        return compose(self, master_config, sweep_overrides)

    monkeypatch.setattr(ConfigLoaderImpl, "load_sweep_config", remember)
    sweep = ["-m", "task=key", *SMALL, *on_tones, "sweep.dry_run=true", "optimizer=adam,sgd", "seed=0,1,2"]
    assert run_here("train.py", *sweep) == (0, "")
    assert len(composed) == 2 + 6
    code, error = run_here("train.py", *sweep, "optimizer.momentum=0.9,0.8")
    assert code == 1
    assert "unknown option optimizer.momentum" in error
    assert len(composed) == 8 + 1  # adam, which has none


def test_a_seed_is_in_one_job(run_here: Here, on_tones: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Of several seeds together, and the others of a sweep: of other choices it may be another's, too."""
    sweep = ["-m", "task=key", *SMALL, *on_tones, "sweep.dry_run=true", "optimizer=adam,sgd"]
    code, error = run_here("train.py", *sweep, "seed=4,6,0,5", "seeds_per_job=2")
    assert (code, "two jobs would train seed 5. Each trains 2 seeds: seed=4 those from 4 to 5" in error) == (1, True)
    assert run_here("train.py", *sweep, "seed=4,6,0", "seeds_per_job=2") == (0, "")
    assert capsys.readouterr().out.count("would be trained: ") == 2 * 6


def test_a_launcher_in_an_experiment(
    run_here: Here, on_tones: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Works, or is refused where experiments are swept over, and so is a sweeper; never ignored."""
    experiments = {
        "joblib": "defaults:\n  - override /hydra/launcher: joblib\nhydra:\n  launcher:\n    num_processes: 1\n",
        "params": "hydra:\n  sweeper:\n    params: {seed: '0,1'}\n",
        "none": "seed: 0\n",
    }
    for name, text in experiments.items():
        path = tmp_path / "own" / "experiment" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# @package _global_\n{text}")
    sweep = ["--config-dir", "own", "-m", "task=key", *SMALL, *on_tones]
    for name, told in (
        ("joblib", r"experiment=joblib sets hydra/launcher=joblib, which|'hydra/launcher' must be"),
        ("params", r"experiment=params sets hydra\.sweeper\.params, which|'hydra\.sweeper' must be"),
    ):  # the latter are Hydra's own words, from 1.4 on
        code, error = run_here("train.py", *sweep, f"experiment=none,{name}")
        assert (code, "from the command line" in error) == (1, True)
        assert re.search(told, error)
    code, error = run_here("train.py", *sweep, "optimizer.learning=0.1,0.2")
    assert (code, "unknown option optimizer.learning" in error) == (1, True)
    assert [path.name for path in tmp_path.glob("multirun/*")] == ["multirun.yaml"]  # no job of these is the sweep's
    assert "not begun" not in capsys.readouterr().out
    assert run_here("train.py", *sweep, "experiment=joblib") == (0, "")
    assert "1 jobs, 1 at a time" in capsys.readouterr().out


def test_several_evaluations_end_with_a_table(
    run_here: Here, on_tones: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    data = [each for each in on_tones if each.startswith(("data", "cache"))]
    assert run_here("eval.py", "-m", "baseline=majority,template,none", "task=key", *data)[0] == 1
    rows, below = table(capsys.readouterr().out)
    assert [row[:2] for row in rows[2:]] == [
        ["baseline=majority", "finished"], ["baseline=template", "finished"], ["baseline=none", "failed"],
    ]  # fmt: skip
    assert rows[0][2] == "key/Weighted_Score"
    assert "failed: baseline=none: " in below
    assert re.search(r"\n2 finished, 1 failed, in multirun/\S+\n$", below)
