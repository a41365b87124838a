"""Every frontend with every backbone, and every task, trains three steps and evaluates whole tracks."""

import math
from pathlib import Path

import pytest

from configs import choices, composed, make_task, trained_tasks
from ricercar.errors import InputError
from ricercar.harness.results import Result
from ricercar.harness.run import Run
from ricercar.train import train

FRONTENDS, BACKBONES = choices("frontend"), choices("backbone")
LOG_FREQUENCY = {"cqt", "hcqt", "vqt"}


def trained(folder: Path, task: str, data: str, overrides: list[str]) -> list[Result]:
    cfg = composed(*overrides)
    return train(Run(cfg, folder, {"task": task, "data": data}, []))


def check(result: Result, folder: Path) -> None:
    assert result.cost.steps == 3
    assert result.cost.params
    assert math.isfinite(result.metrics[result.primary_of_tracks])  # one track has no ROC curve
    assert (folder / "result.json").exists()


@pytest.mark.parametrize("task", ["notes", "key"])  # of every frame, of a clip
@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("frontend", FRONTENDS)
def test_trains(frontend: str, backbone: str, task: str, on_tones: list[str], tmp_path: Path) -> None:
    overrides = [f"frontend={frontend}", f"backbone={backbone}", f"task={task}", *on_tones]
    if backbone == "harmonic_cnn" and frontend not in LOG_FREQUENCY:
        with pytest.raises(InputError, match="log-frequency"):
            trained(tmp_path, task, "folder", overrides)
        return
    [result] = trained(tmp_path, task, "folder", overrides)
    check(result, tmp_path)
    assert len(result.tracks) == 1


@pytest.mark.parametrize(
    "net", [["frontend=hcqt", "backbone=harmonic_cnn"], ["frontend=mel", "backbone=dense"]], ids=str
)
@pytest.mark.parametrize("task", trained_tasks())
def test_task_trains(task: str, net: list[str], on_synth: list[str], tmp_path: Path) -> None:
    [result] = trained(tmp_path, task, "synth", [f"task={task}", *net, *on_synth])
    check(result, tmp_path)
    assert {path.parent.name for path in tmp_path.glob("baselines/*/result.json")} == set(make_task(task).baselines)


@pytest.mark.parametrize(
    ("group", "choice"),
    [
        (group, choice)
        for group in ("compression", "normalisation", "augmentation", "optimizer", "schedule")
        for choice in choices(group)
    ],
)
def test_choice_trains(group: str, choice: str, on_tones: list[str], tmp_path: Path) -> None:
    [result] = trained(tmp_path, "notes", "folder", [*on_tones, f"{group}={choice}", "frontend=mel", "backbone=dense"])
    check(result, tmp_path)
