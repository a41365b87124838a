"""The loop: reproducible, budgets, early stopping, precision; and that a model learns what there is to learn."""

import logging
from pathlib import Path

import pytest
import torch

from configs import composed
from ricercar.errors import InputError
from ricercar.harness.results import Result
from ricercar.train import Run, train

SMALL = ["frontend=mel", "backbone=dense", "backbone.num_params=20000"]


def trained(folder: Path, *overrides: str) -> Result:
    folder.mkdir(exist_ok=True)
    choices = {"task": "notes", "data": "folder", "frontend": "mel", "backbone": "dense"}
    return train(composed(*overrides), Run(folder, "id", choices, []))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / "checkpoints" / "last.pt", weights_only=True)["net"]
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


@pytest.mark.parametrize(
    ("budget", "steps"),
    [
        (["trainer.max_steps=5"], 5),
        (["trainer.max_steps=null", "trainer.max_epochs=2"], 9),  # 6.4 s of audio, 2 x 0.78 s per step
        (["trainer.max_steps=5", "trainer.max_minutes=60"], 5),
    ],
)
def test_budget(on_tones: list[str], tmp_path: Path, budget: list[str], steps: int) -> None:
    others = [each for each in on_tones if not each.startswith(("trainer.max_steps", budget[-1].split("=")[0]))]
    assert trained(tmp_path / "run", *SMALL, *others, *budget).cost.steps == steps


def test_minutes(on_tones: list[str], tmp_path: Path) -> None:
    others = [each for each in on_tones if "trainer.max" not in each]
    cost = trained(tmp_path / "run", *SMALL, *others, "trainer.max_minutes=0.02").cost
    assert cost.train_s is not None
    assert cost.train_s >= 1.2


def test_no_budget_is_refused(on_tones: list[str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"trainer\.max_steps"):
        trained(tmp_path / "run", *SMALL, *(each.replace("max_steps=3", "max_steps=null") for each in on_tones))


def test_early_stopping(on_tones: list[str], tmp_path: Path) -> None:
    """A learning rate of nothing: the first validation is the best, and two more are waited for."""
    others = [each for each in on_tones if not each.startswith(("trainer.max_steps", "trainer.num_val"))]
    frozen = ["trainer.max_steps=40", "trainer.num_validations=10", "trainer.patience=2", "optimizer.lr=1e-12"]
    assert trained(tmp_path / "run", *SMALL, *others, *frozen).cost.steps == 12


def test_bfloat16(on_tones: list[str], tmp_path: Path) -> None:
    trained(tmp_path / "run", *SMALL, *on_tones, "hardware.precision=bf16-mixed")
    assert all(value.dtype != torch.bfloat16 for value in weights(tmp_path / "run").values())


def test_it_learns_tones(on_tones: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A minute of two tracks of pure tones is enough to transcribe a third one."""
    others = [each for each in on_tones if not each.startswith(("trainer.max_steps", "window", "border"))]
    overrides = ["frontend=cqt", "backbone=harmonic_cnn", "backbone.width=16", "trainer.max_steps=60", "window_frames=60"]
    with caplog.at_level(logging.INFO):
        result = trained(tmp_path / "run", *overrides, "border_frames=5", "trainer.batch_size=4", *(
            each for each in others if "batch_size" not in each
        ))  # fmt: skip
    assert result.metrics["transcription/F-measure_no_offset"] > 0.8
