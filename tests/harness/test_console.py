"""What a training says: what is trained, and how it goes."""

import re
from pathlib import Path

import pytest

from conftest import Here
from ricercar.harness.console import Lines

SMALL = ["frontend=mel", "backbone=dense", "backbone.num_params=20000", "backbone.context=0"]
STEPS = ["trainer.budget=4steps", "trainer.num_validations=2"]


def logged(printed: str) -> list[str]:
    """The messages of a log, whose lines begin all the same but for the time."""
    return re.findall(r"^\[[^]]*\]\[HYDRA\] (.*)", printed, re.MULTILINE)


def ends(line: str) -> list[int]:
    """Where each cell ends: cells stand two spaces apart."""
    return [found.end() for found in re.finditer(r"\S+(?: \S+)*", line)]


@pytest.mark.parametrize(
    ("task", "score", "header"),
    [
        ("notes", "transcription/F-measure_no_offset", "transcription/ F-measure no_offset"),
        ("tempo", "tempo/Acc1", "tempo/ Acc1"),
    ],
    ids=["a long name", "a short one"],
)
def test_a_training_is_told_in_columns(
    task: str,
    score: str,
    header: str,
    run_here: Here,
    on_synth: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_here("train.py", f"task={task}", *SMALL, *on_synth, *STEPS, "data.num_test=2") == (0, "")
    lines = [line for line in logged(capsys.readouterr().out) if not re.search("tracks? .*: ", line)]
    number = next(number for number, line in enumerate(lines) if line.startswith("folder"))
    start, *above, names, first, last = lines[: number + 1], *lines[number + 1 :]
    rows = dict(re.split(r"  +", line) for line in start)
    assert len({re.match(r".*?  +", line).end() for line in start}) == 1  # type: ignore[union-attr]
    assert rows["task"] == task
    assert rows["data"] == "synth (train 2, valid 1, test 2 tracks)"
    assert (rows["frontend"], rows["backbone"], rows["device"]) == ("mel (229 bins)", "dense", "cpu, 32-true")
    assert (rows["budget"], rows["batch"]) == ("4steps", "2 windows of 0.8 s")
    assert rows["validated"] == f"2 times, by {score}"
    [folder] = (tmp_path / "outputs").iterdir()
    assert rows["folder"] == str(folder)

    assert ends(names) == ends(first) == ends(last)
    assert all(ends(line)[0] in ends(names) for line in above)
    assert names.split()[:4] == ["step", "budget", "loss", "lr"]
    assert [*(line.strip() for line in above), names.split()[4]] == header.split()
    assert [line.split()[:2] for line in (first, last)] == [["2", "50%"], ["4", "100%"]]


def test_several_seeds_and_tasks_are_told_in_columns(
    run_here: Here,
    on_synth: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With lines between validations, once it is time for one."""
    monkeypatch.setattr(Lines, "due", lambda self, progress: True)
    options = ["task=[key,tempo]", "seeds_per_job=2", "trainer.log_every_steps=1", "hydra.run.dir=runs/first"]
    assert run_here("train.py", *options, *SMALL, *on_synth, *STEPS) == (0, "")
    lines = logged(capsys.readouterr().out)
    number = next(number for number, line in enumerate(lines) if line.startswith("seed 1"))
    assert lines[number - 1].split() == ["seed", "0", str(tmp_path / "runs" / "first")]
    names, *rows = lines[number + 1 :]
    assert {tuple(ends(row)) for row in rows} == {tuple(ends(names))}
    assert [row.split()[:2] for row in rows] == [[seed, step] for step in "1234" for seed in "01"]
    assert [row.split()[5] == "-" for row in rows] == [True, True, False, False] * 2


def test_a_warning_of_each_track_is_one_line(
    run_here: Here, on_synth: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A threshold that nothing exceeds leaves all estimates empty."""
    silent = ["task.decoding.onset_threshold=1.0", "task.tuning.onset_threshold=[]", "data.num_test=5"]
    assert run_here("train.py", "task=notes", *SMALL, *on_synth, *silent, "hydra.run.dir=run") == (0, "")
    lines = logged(capsys.readouterr().out)
    [line] = [each for each in lines if each.endswith("Estimated notes are empty.")]
    ids = ", ".join(f"synth_test_000{number}" for number in range(3))
    assert line.startswith(f"5 tracks ({ids}, ...; in ")
    assert "run/predictions" in line
