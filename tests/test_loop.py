"""The loop: reproducible, budgets, early stopping, precision; and that a model learns what there is to learn."""

from pathlib import Path

import pytest
import torch

from configs import composed
from ricercar.harness.results import Result
from ricercar.train import Run, train

SMALL = ["frontend=mel", "backbone=dense", "backbone.num_params=20000"]


def trained(folder: Path, *overrides: str) -> Result:
    folder.mkdir(exist_ok=True)
    choices = {"task": "notes", "data": "folder", "frontend": "mel", "backbone": "dense"}
    [result] = train(composed(*overrides), Run(folder, "id", choices, []))
    return result


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / "checkpoints" / "last.pt", weights_only=True)["nets"][0]
    return state


def test_same_seed_same_weights(on_tones: list[str], tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        trained(tmp_path / name, *SMALL, *on_tones, f"seed={seed}")
    a, b, c = (weights(tmp_path / name) for name in "abc")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not all(torch.equal(a[name], c[name]) for name in a)


def test_workers_change_nothing(on_tones: list[str], tmp_path: Path) -> None:
    trained(tmp_path / "a", *SMALL, *on_tones)
    trained(tmp_path / "b", *SMALL, *on_tones, "trainer.num_workers=1")
    a, b = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(("budget", "steps"), [("5steps", 5), ("2epochs", 9)])  # 6.4 s of audio, 2 x 0.78 s per step
def test_budget(on_tones: list[str], tmp_path: Path, budget: str, steps: int) -> None:
    assert trained(tmp_path / "run", *SMALL, *on_tones, f"trainer.budget={budget}").cost.steps == steps


def test_minutes(on_tones: list[str], tmp_path: Path) -> None:
    cost = trained(tmp_path / "run", *SMALL, *on_tones, "trainer.budget=0.02minutes").cost
    assert cost.train_s is not None
    assert cost.train_s >= 1.2


def test_early_stopping(on_tones: list[str], tmp_path: Path) -> None:
    """A learning rate of nothing: the first validation is the best, and two more are waited for."""
    frozen = ["trainer.budget=40steps", "trainer.num_validations=10", "trainer.patience=2", "optimizer.lr=1e-12"]
    assert trained(tmp_path / "run", *SMALL, *on_tones, *frozen).cost.steps == 12


def test_bfloat16(on_tones: list[str], tmp_path: Path) -> None:
    trained(tmp_path / "run", *SMALL, *on_tones, "hardware.precision=bf16-mixed")
    assert all(value.dtype != torch.bfloat16 for value in weights(tmp_path / "run").values())


def test_it_learns_tones(on_tones: list[str], tmp_path: Path) -> None:
    """A minute of two tracks of pure tones is enough to transcribe a third one."""
    overrides = ["frontend=cqt", "backbone=harmonic_cnn", "backbone.width=16", "trainer.budget=60steps"]
    result = trained(tmp_path / "run", *on_tones, *overrides, "window_frames=60", "trainer.batch_size=4")
    assert result.metrics["transcription/F-measure_no_offset"] > 0.8
