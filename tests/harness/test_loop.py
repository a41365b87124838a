"""The loop: reproducible, budgets, early stopping, precision; and that a model learns what there is to learn."""

from pathlib import Path
from typing import Any

import pytest
import torch
from own_classes import LossesKept
from torch.utils.data import DataLoader

from configs import composed
from ricercar.data.batches import prefetch
from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.harness.loop import Loop
from ricercar.models.net import Net
from trainings import SMALL, trained


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / "checkpoints" / "last.pt", weights_only=True)["nets"][0]
    return state


def test_same_seed_same_weights(on_tones: list[str], tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        trained(tmp_path / name, *SMALL, *on_tones, f"seed={seed}")
    a, b, c = (weights(tmp_path / name) for name in "abc")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not all(torch.equal(a[name], c[name]) for name in a)


@pytest.mark.parametrize("spectrograms", ["fresh", "cached"])
def test_workers_change_nothing(
    on_tones: list[str], tmp_path: Path, spectrograms: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are forked here, which takes no seconds; test_crops.py has those that users have."""
    monkeypatch.setattr(
        prefetch,
        "DataLoader",
        lambda *given, **options: DataLoader(*given, **{**options, "multiprocessing_context": "fork"}),
    )
    options = [*SMALL, *on_tones, f"spectrogram={spectrograms}", "augmentation=none"]
    trained(tmp_path / "a", *options)
    trained(tmp_path / "b", *options, "trainer.num_workers=1")
    a, b = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture
def losses(monkeypatch: pytest.MonkeyPatch) -> dict[int, float]:
    monkeypatch.setattr(LossesKept, "losses", {})
    return LossesKept.losses


def test_logged_losses_are_means_of_the_steps_before(
    on_tones: list[str], tmp_path: Path, losses: dict[int, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all steps since the last time: of fewer at the end, in a short run, and where a run goes on."""
    options = [*SMALL, *on_tones, "tracker._target_=own_classes.LossesKept", "trainer.budget=6steps"]

    def logged(folder: str, *more: str) -> dict[int, float]:
        losses.clear()
        trained(tmp_path / folder, *options, *more)
        return dict(losses)

    def mean(*steps: int) -> Any:
        return pytest.approx(sum(each[step] for step in steps) / len(steps), rel=1e-5)

    each = logged("each", "trainer.log_every_steps=1")
    assert list(each) == [1, 2, 3, 4, 5, 6]
    assert logged("few", "trainer.log_every_steps=4") == {4: mean(1, 2, 3, 4), 6: mean(5, 6)}
    assert logged("short", "trainer.log_every_steps=20") == {6: mean(1, 2, 3, 4, 5, 6)}

    validate, validated = Loop._validate, []

    def interrupted(*args: Any) -> None:
        validated.append(args)
        if len(validated) == 3:
            raise KeyboardInterrupt
        validate(*args)

    parts = ["trainer.log_every_steps=3", "trainer.num_validations=3"]
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_validate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            logged("cut", *parts)
    assert logged("cut", *parts, "resume=true") == {6: mean(5, 6)}  # from the checkpoint of step 4


def test_a_run_that_stops_early_logs_its_last_losses(
    on_tones: list[str], tmp_path: Path, losses: dict[int, float]
) -> None:
    frozen = ["trainer.budget=40steps", "trainer.num_validations=10", "trainer.patience=2", "optimizer.lr=1e-12"]
    trained(
        tmp_path, *SMALL, *on_tones, *frozen, "tracker._target_=own_classes.LossesKept", "trainer.log_every_steps=100"
    )
    assert list(losses) == [12]


@pytest.mark.parametrize(("budget", "steps"), [("5steps", 5), ("2epochs", 9)])  # 6.4 s of audio, 2 x 0.78 s per step
def test_budget(on_tones: list[str], tmp_path: Path, budget: str, steps: int) -> None:
    assert trained(tmp_path / "run", *SMALL, *on_tones, f"trainer.budget={budget}")[0].cost.steps == steps


def test_minutes(on_tones: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Which make it another run each time, as is said."""
    caplog.set_level("INFO")
    [result] = trained(tmp_path / "run", *SMALL, *on_tones, "trainer.budget=0.02minutes")
    assert result.cost.train_s is not None
    assert result.cost.train_s >= 1.2
    assert result.reproducible is False
    assert "the clock" in caplog.text


def test_early_stopping(on_tones: list[str], tmp_path: Path) -> None:
    """A learning rate of nothing: the first validation is the best, and two more are waited for."""
    frozen = ["trainer.budget=40steps", "trainer.num_validations=10", "trainer.patience=2", "optimizer.lr=1e-12"]
    assert trained(tmp_path / "run", *SMALL, *on_tones, *frozen)[0].cost.steps == 12


def test_bfloat16(on_tones: list[str], tmp_path: Path) -> None:
    trained(tmp_path / "run", *SMALL, *on_tones, "hardware.precision=bf16-mixed")
    assert all(value.dtype != torch.bfloat16 for value in weights(tmp_path / "run").values())


@pytest.mark.parametrize(
    "network",
    [
        SMALL,
        [*SMALL, "frontend.trainable=true"],
        ["frontend=hcqt", "backbone=harmonic_cnn", "backbone.width=8", "spectrogram=cached"],
    ],
    ids=["mel", "trained", "cached hcqt"],
)
def test_audio_and_spectrograms_are_the_same_in_bfloat16(
    network: list[str], on_tones: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Fabric hands to the network in training is not rounded, to the last bit; the first step sees new weights."""
    seen: list[torch.Tensor] = []
    body, magnitudes = Net.body, Net.magnitudes

    def heard(net: Net, sound: torch.Tensor) -> torch.Tensor:
        if net.training:
            seen.append(sound)
        return magnitudes(net, sound)

    def looked_at(net: Net, spectrogram: torch.Tensor, *others: Any) -> dict[str, torch.Tensor]:
        if net.training:
            seen.append(spectrogram.detach())
        return body(net, spectrogram, *others)

    monkeypatch.setattr(Net, "magnitudes", heard)
    monkeypatch.setattr(Net, "body", looked_at)
    options = [*network, *on_tones, "augmentation=none", "trainer.budget=1steps"]
    for precision in ("32-true", "bf16-mixed"):
        trained(tmp_path / precision, *options, f"hardware.precision={precision}")
    whole, rounded = seen[: len(seen) // 2], seen[len(seen) // 2 :]
    assert [each.dtype for each in rounded] == [torch.float32] * len(whole)
    assert all(torch.equal(a, b) for a, b in zip(whole[:2], rounded[:2], strict=True))
    assert float(whole[0].abs().max()) > 0.01


def test_accumulation_computes_the_same_batch_in_parts(on_tones: list[str], tmp_path: Path) -> None:
    """But for what depends on the part: each part's loss is a mean of its own, and nothing is normalised over it."""
    options = [*SMALL, *on_tones, "backbone.dropout=0", "backbone.input_norm=none", "augmentation=none"]
    options += ["trainer.batch_size=4", "trainer.budget=1steps", "optimizer=sgd", "trainer.clip_norm=null"]
    options += ["task.outputs.velocity=null"]
    for parts in (1, 2, 4):
        trained(tmp_path / f"{parts}", *options, f"trainer.accumulation={parts}")
    whole, *others = (weights(tmp_path / f"{parts}") for parts in (1, 2, 4))
    start = trained_start(options)
    for name, value in whole.items():
        for other in others:
            torch.testing.assert_close(other[name] - start[name], value - start[name], rtol=0.2, atol=1e-6)
    assert any(not torch.equal(whole[name], start[name]) for name in whole)


def trained_start(options: list[str]) -> dict[str, torch.Tensor]:
    """The weights that a training starts from."""
    cfg = composed(*options)
    torch.manual_seed(cfg.seed)
    state: dict[str, torch.Tensor] = assemble.make_net(cfg, assemble.make_tasks(cfg)).state_dict()
    return state


@pytest.mark.parametrize(
    ("override", "word"),
    [
        ("trainer.accumulation=3", "trainer.accumulation"),
        ("trainer.accumulation=0", "trainer.accumulation"),
        ("trainer.compile=fast", "trainer.compile"),
        ("hardware.precision=16-mixed", "choose 32-true or.*bf16-mixed"),
        ("hardware.precision=bf16-true", "hardware.precision"),
        ("num_scorers=-1", "num_scorers"),
    ],
)
def test_values_that_do_not_work(on_tones: list[str], tmp_path: Path, override: str, word: str) -> None:
    with pytest.raises(InputError, match=word):
        trained(tmp_path / "run", *SMALL, *on_tones, override)


def test_compiled_backbones_learn_the_same(
    on_tones: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile, asked = torch.nn.Module.compile, []

    def eager(module: torch.nn.Module, mode: str) -> None:
        asked.append((type(module).__name__, mode))
        compile(module, backend="aot_eager")  # traced and differentiated as ever, but run by PyTorch: no compiler

    monkeypatch.setattr(torch.nn.Module, "compile", eager)
    trained(tmp_path / "a", *SMALL, *on_tones, "trainer.compile=default", "backbone.dropout=0")
    trained(tmp_path / "b", *SMALL, *on_tones, "backbone.dropout=0")
    assert asked == [("Dense", "default")]
    a, b = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert list(a) == list(b)
    for name, value in b.items():
        torch.testing.assert_close(a[name], value, rtol=1e-3, atol=1e-5)


def test_it_learns_tones(on_tones: list[str], tmp_path: Path) -> None:
    """A minute of two tracks of pure tones is enough to transcribe a third one."""
    overrides = ["frontend=cqt", "backbone=harmonic_cnn", "backbone.width=16", "trainer.budget=60steps"]
    [result] = trained(tmp_path / "run", *on_tones, *overrides, "window_frames=60", "trainer.batch_size=4")
    assert result.metrics["transcription/F-measure_no_offset"] > 0.8
