"""Every frontend with every backbone and every task trains three steps and evaluates whole tracks."""

import math
from pathlib import Path

import pytest

from configs import choices, composed
from ricercar.errors import InputError
from ricercar.train import Run, train

FRONTENDS, BACKBONES, TASKS = choices("frontend"), choices("backbone"), choices("task")
LOG_FREQUENCY = {"cqt", "hcqt"}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("frontend", FRONTENDS)
def test_trains(frontend: str, backbone: str, task: str, on_tones: list[str], tmp_path: Path) -> None:
    cfg = composed(f"frontend={frontend}", f"backbone={backbone}", f"task={task}", *on_tones)
    run = Run(tmp_path, "id", {"frontend": frontend, "backbone": backbone, "task": task, "data": "folder"}, [])
    if backbone == "harmonic_cnn" and frontend not in LOG_FREQUENCY:
        with pytest.raises(InputError, match="log-frequency"):
            train(cfg, run)
        return
    result = train(cfg, run)
    assert result.cost.steps == 3
    assert result.cost.params
    assert len(result.tracks) == 1
    assert math.isfinite(result.metrics[result.primary])
    assert (tmp_path / "result.json").exists()


@pytest.mark.parametrize(
    ("group", "choice"),
    [
        (group, choice)
        for group in ("compression", "normalisation", "augmentation", "optimizer", "schedule")
        for choice in choices(group)
    ],
)
def test_choice_trains(group: str, choice: str, on_tones: list[str], tmp_path: Path) -> None:
    cfg = composed("frontend=mel", "backbone=dense", f"{group}={choice}", *on_tones)
    run = Run(tmp_path, "id", {"frontend": "mel", "backbone": "dense", "task": "notes", "data": "folder"}, [])
    assert train(cfg, run).cost.steps == 3
