"""What a sweep ends with, and what a job that failed leaves."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from conftest import Here
from ricercar.harness.loop import Loop

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
    assert run_here("train.py", *sweep, "backbone=harmonic_cnn,dense")[0] == 1
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

    assert run_here("train.py", *sweep, "backbone=dense,harmonic_cnn", "resume=true")[0] == 1
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
    ]  # fmt: skip
    assert below == "2 finished, 2 not finished, in multirun\n"


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
    assert run_here("train.py", *sweep, "resume=true") == (0, "")
    assert not (folder / "failed.json").exists()
    rows, _ = table(capsys.readouterr().out)
    assert rows[2][:2] == [folder.name, "finished"]
