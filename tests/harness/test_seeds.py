"""Several seeds in one job give what each would give alone."""

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from own_classes import Lamb, NormOfAll
from torch import nn

from configs import composed
from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.harness.inside import norms_of
from ricercar.harness.learners import Learner, Sequential, Vmapped
from ricercar.harness.loop import Loop
from ricercar.models.net import Net
from trainings import ONSETS, informative, trained


def best(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / "checkpoints" / "best.pt", weights_only=True)["net"]
    return state


def siblings(folder: Path) -> list[Path]:
    return sorted(each for each in folder.parent.iterdir() if each != folder)


def test_each_seed_is_as_if_alone(on_tones: list[str], tmp_path: Path) -> None:
    together = trained(tmp_path / "together" / "first", *ONSETS, *on_tones, "seeds_per_job=2")
    alone = [trained(tmp_path / f"{seed}" / "run", *ONSETS, *on_tones, f"seed={seed}")[0] for seed in (0, 1)]
    assert [result.seed for result in together] == [0, 1]
    assert [result.run_id for result in together] == [result.run_id for result in alone]
    assert informative(*together)
    assert together[0].metrics != together[1].metrics
    assert [result.tracks for result in together] == [result.tracks for result in alone]
    [second] = siblings(tmp_path / "together" / "first")
    for folder, own in ((tmp_path / "together" / "first", "0"), (second, "1")):
        joint, single = best(folder), best(tmp_path / own / "run")
        assert all(torch.equal(joint[name], single[name]) for name in single)
    assert second.name == f"onset-folder-mel-dense-s1-{together[1].run_id[:8]}"
    assert "seed: 1" in (second / ".hydra" / "config.yaml").read_text()
    assert together[1].overrides == ["seed=1"]


def test_an_interrupted_job_goes_on(on_tones: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = [*ONSETS, *on_tones, "seeds_per_job=2", "trainer.num_validations=3"]
    trained(tmp_path / "whole" / "run", *options)
    validate, calls = Loop._validate, []

    def interrupted(*args: Any) -> None:
        calls.append(args)
        if len(calls) == 4:  # the second member's second validation
            raise KeyboardInterrupt
        validate(*args)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_validate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "cut" / "run", *options)
    trained(tmp_path / "cut" / "run", *options, "resume=true")
    for whole, cut in zip(siblings(tmp_path / "whole" / "x"), siblings(tmp_path / "cut" / "x"), strict=True):
        a, b = best(whole), best(cut)
        assert all(torch.equal(a[name], b[name]) for name in a)
    before = [each.stat().st_mtime_ns for each in (tmp_path / "cut").glob("*/result.json")]
    assert len(trained(tmp_path / "cut" / "run", *options, "resume=true")) == 2
    assert [each.stat().st_mtime_ns for each in (tmp_path / "cut").glob("*/result.json")] == before


def state_of(folder: Path) -> dict[str, int]:
    """When each file was last written."""
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != ".hydra"}


def test_a_finished_seed_is_left_alone(
    on_tones: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the job was interrupted after the first seed's test: the second one needs no training any more."""
    options = [*ONSETS, *on_tones, "seeds_per_job=2"]
    before = trained(tmp_path / "job" / "first", *options)
    [second] = siblings(tmp_path / "job" / "first")
    (second / "result.json").unlink()
    first = state_of(tmp_path / "job" / "first")
    monkeypatch.setattr(Loop, "_update", None)
    with caplog.at_level("INFO"):
        after = trained(tmp_path / "job" / "first", *options, "resume=true")
    assert state_of(tmp_path / "job" / "first") == first
    assert "resumed from step 3" in caplog.text
    assert informative(*before)
    assert [each.tracks for each in after] == [each.tracks for each in before]
    assert [each.cost.steps for each in after] == [3, 3]
    assert [each.looks for each in after] == [1, 2]


def test_a_seed_that_was_trained_alone_is_left_alone(on_tones: list[str], tmp_path: Path) -> None:
    trained(tmp_path / "job" / "first", *ONSETS, *on_tones)
    first = state_of(tmp_path / "job" / "first")
    together = trained(tmp_path / "job" / "first", *ONSETS, *on_tones, "seeds_per_job=2", "resume=true")
    assert state_of(tmp_path / "job" / "first") == first
    [alone] = trained(tmp_path / "alone" / "run", *ONSETS, *on_tones, "seed=1")
    assert informative(alone)
    assert together[1].tracks == alone.tracks


def test_seeds_go_on_alone_from_where_they_were_together(
    on_tones: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    options = [*ONSETS, *on_tones, "trainer.budget=6steps", "trainer.num_validations=3"]
    trained(tmp_path / "whole" / "run", *options, "seeds_per_job=2")
    validate, calls = Loop._validate, []

    def interrupted(*args: Any) -> None:
        calls.append(args)
        if len(calls) == 4:
            raise KeyboardInterrupt
        validate(*args)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_validate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "cut" / "run", *options, "seeds_per_job=2")
    with caplog.at_level("INFO"):
        trained(tmp_path / "cut" / "run", *options, "resume=true")  # the first one
        first = state_of(tmp_path / "cut" / "run")
        trained(tmp_path / "cut" / "run", *options, "resume=true", "seeds_per_job=2")  # the other
    assert caplog.text.count("resumed from step 2") == 2
    assert state_of(tmp_path / "cut" / "run") == first
    for whole, cut in zip(siblings(tmp_path / "whole" / "x"), siblings(tmp_path / "cut" / "x"), strict=True):
        a, b = best(whole), best(cut)
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_an_optimizer_never_sees_two_seeds(on_tones: list[str], tmp_path: Path) -> None:
    options = [*ONSETS, *on_tones, "optimizer=sgd", "optimizer._target_=own_classes.NormOfAll"]
    together = trained(tmp_path / "together" / "first", *options, "seeds_per_job=2")
    [alone] = trained(tmp_path / "alone" / "run", *options)
    assert informative(alone)
    assert together[0].tracks == alone.tracks
    joint, single = best(tmp_path / "together" / "first"), best(tmp_path / "alone" / "run")
    assert all(torch.equal(joint[name], single[name]) for name in single)


def test_a_seed_that_diverges_is_left_behind(
    on_tones: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_net, made = assemble.make_net, []

    def broken(*args: Any) -> Net:
        net = make_net(*args)
        made.append(net)
        if len(made) == 2:  # the first is made to see whether all goes together
            with torch.no_grad():
                next(net.backbone.parameters()).fill_(float("nan"))
        return net

    monkeypatch.setattr(assemble, "make_net", broken)
    with pytest.raises(InputError, match="not finite at step 0"):
        trained(tmp_path / "run", *ONSETS, *on_tones, "seeds_per_job=2")
    [second] = siblings(tmp_path / "run")
    assert json.loads((second / "result.json").read_text())["seed"] == 1
    assert not (tmp_path / "run" / "result.json").exists()


@pytest.mark.parametrize(
    ("override", "word"),
    [
        ("trainer.budget=1minutes", "trainer.budget"),
        ("trainer.patience=3", "trainer.patience"),
        ("schedule=plateau", "schedule=plateau"),
        ("seeds_per_job=0", "seeds_per_job"),
        ("seeds_per_job=two", "seeds_per_job"),
    ],
)
def test_what_seeds_cannot_share(on_tones: list[str], tmp_path: Path, override: str, word: str) -> None:
    with pytest.raises(InputError, match=word):
        trained(tmp_path / "run", *ONSETS, *on_tones, "seeds_per_job=2", override)


STACKED = {
    "dense": ["frontend=mel", "backbone.num_params=20000", "backbone.dropout=0"],
    "cnn": ["frontend=mel", "backbone.width=8", "backbone.dropout=0"],
    "harmonic_cnn": ["frontend=hcqt", "backbone.width=8"],
    "transformer": ["frontend=mel", "backbone.width=32", "backbone.dropout=0", "backbone.drop_path=0"],
    "mlp_mixer": ["frontend=mel", "backbone.width=32", "backbone.dropout=0", "backbone.drop_path=0"],
}


# Of the biases of the heads: their group comes behind the others', in another order than the network's.
GROUPS = {"heads.notes/onset.linear.weight": {"weight_decay": 0.5}, "backbone.first.bias": {"lr": 0.01}}


def learnt(
    kind: type[Learner],
    backbone: str,
    on_tones: list[str],
    num_steps: int,
    precision: Any = "32-true",
    frozen: Sequence[str] = (),
) -> tuple[list[Any], list[Net]]:
    """Losses of each step, norms, and the networks. frozen: what does not learn before the last step."""
    whitening = ["normalisation=whitening", "normalisation.num_windows=32", "augmentation=masking"]
    cfg = composed(f"backbone={backbone}", *STACKED[backbone], *on_tones, *whitening)
    tasks, store, augmentation = assemble.make_tasks(cfg), assemble.make_store(cfg), assemble.make(cfg.augmentation)
    tracks = assemble.tracks_of(assemble.make(cfg.data), tasks, "train")
    windows = assemble.make_windows(cfg, assemble.make(cfg.frontend), store, torch.device("cpu"))
    nets, crops = [], []
    for seed in range(3):
        torch.manual_seed(seed)
        own = composed(f"backbone={backbone}", *STACKED[backbone], *on_tones, *whitening, f"seed={seed}")
        nets.append(assemble.make_net(own, tasks).train())
        crops.append(assemble.make_crops(own, tasks, tracks, windows, augmentation))
        assemble.fit_normalisation(nets[-1], crops[-1], torch.device("cpu"))
    learner = kind(Fabric(accelerator="cpu", devices=1, precision=precision), nets, [tasks] * 3, augmentation, GROUPS)
    optimizers = [torch.optim.SGD(own, lr=0.05, momentum=0.9) for own in learner.parameters]
    learner.freeze(frozen)
    losses = []
    for step in range(num_steps):
        if step == num_steps - 1:
            learner.freeze(())
        batches = [each.batch(range(4 * step, 4 * step + 4)) for each in crops]
        values = learner.add_gradients(batches, [10 * step + seed for seed in range(3)], 1.0, True)
        losses.append([float(sum(own.values())) for own in values])
        losses[-1] += [float(norm) for k in range(3) for norm in norms_of(learner.named(k)).values()]
        losses[-1] += [float(norm) for norm in learner.clip(0.5)]
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    return losses, nets


@pytest.mark.parametrize("kind", [Sequential, Vmapped])
def test_no_learner_rounds_the_spectrogram(
    kind: type[Learner], on_tones: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mixed precision begins behind it."""
    body, seen = Net.body, []

    def looked_at(net: Net, spectrogram: torch.Tensor, *others: Any) -> dict[str, torch.Tensor]:
        seen.append((spectrogram.dtype, torch.is_autocast_enabled("cpu")))
        return body(net, spectrogram, *others)

    monkeypatch.setattr(Net, "body", looked_at)
    learnt(kind, "dense", on_tones, 1, precision="bf16-mixed")
    assert set(seen) == {(torch.float32, True)}


@pytest.mark.parametrize(
    ("backbone", "frozen"), [*((name, ()) for name in STACKED), ("dense", ("backbone.input_norm",))]
)
def test_side_by_side_is_in_turn(backbone: str, frozen: tuple[str, ...], on_tones: list[str]) -> None:
    """Losses and norms of each step, then weights and running statistics, but for rounding."""
    frozen = tuple(f"{name}.norm.{which}" for name in frozen for which in ("weight", "bias"))
    losses, nets = learnt(Sequential, backbone, on_tones, 2, frozen=frozen)
    stacked_losses, stacked = learnt(Vmapped, backbone, on_tones, 2, frozen=frozen)
    torch.testing.assert_close(torch.tensor(stacked_losses), torch.tensor(losses), rtol=1e-3, atol=1e-4)
    for a, b in zip(stacked, nets, strict=True):
        for name, value in a.state_dict().items():
            torch.testing.assert_close(value, b.state_dict()[name], rtol=2e-2, atol=2e-4, msg=name)
    if frozen:  # the statistics are of the last step alone
        assert all(int(net.backbone.input_norm.norm.num_batches_tracked) == 1 for net in [*nets, *stacked])  # type: ignore[union-attr]
    start = copy.deepcopy(nets[0])
    assert any(not torch.equal(a, b) for a, b in zip(nets[1].parameters(), start.parameters(), strict=True))


def adamw(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters)


@pytest.mark.parametrize(("backbone", "possible"), [("lstm", False), ("crnn", False), ("dense", True), ("cnn", True)])
def test_recurrent_networks_go_in_turn(backbone: str, possible: bool) -> None:
    cfg = composed("frontend=mel", f"backbone={backbone}", "backbone.num_params=200000")
    net = assemble.make_net(cfg, assemble.make_tasks(cfg))
    assert Vmapped.possible(net, adamw, {}) == possible


OPTIMIZERS: dict[str, tuple[Any, dict[str, Any], bool]] = {
    "adam": (torch.optim.Adam, {"amsgrad": True}, True),
    "adamw": (torch.optim.AdamW, {"fused": True, "weight_decay": 0.1}, True),
    "sgd": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}, True),
    "rmsprop": (torch.optim.RMSprop, {"centered": True}, True),
    "adagrad": (torch.optim.Adagrad, {}, True),
    "adamax": (torch.optim.Adamax, {}, True),
    "radam": (torch.optim.RAdam, {}, True),
    "lamb": (Lamb, {}, False),
    "small lamb": (Lamb, {"lr": 1e-6}, False),
    "norm of all": (NormOfAll, {}, False),
    "adafactor": (torch.optim.Adafactor, {}, False),
    "muon": (torch.optim.Muon, {}, False),
    "lbfgs": (torch.optim.LBFGS, {}, False),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_only_elementwise_optimizers_change_stacked_parameters(name: str) -> None:
    """Others would mix the seeds: for them, one goes after the other."""
    kind, options, possible = OPTIMIZERS[name]
    cfg = composed("frontend=mel", "backbone=dense", "backbone.num_params=20000")
    net = assemble.make_net(cfg, assemble.make_tasks(cfg))
    assert Vmapped.possible(net, lambda parameters: kind(parameters, **{"lr": 0.01, **options}), {}) == possible


@pytest.mark.parametrize("kind", [Sequential, Vmapped])
def test_what_an_optimizer_keeps_of_each_seed(kind: type[Learner], on_tones: list[str]) -> None:
    """Taken apart as if each had been trained alone, and put together again, of some of them too."""
    cfg = composed("frontend=mel", "backbone=dense", "backbone.num_params=20000", *on_tones)
    tasks = assemble.make_tasks(cfg)
    fabric = Fabric(accelerator="cpu", devices=1)

    def stepped(seeds: list[int]) -> tuple[Learner, list[torch.optim.Optimizer]]:
        nets = [assemble.make_net(cfg, tasks) for _ in seeds]
        learner = kind(fabric, nets, [tasks] * len(seeds), assemble.make(cfg.augmentation), GROUPS)
        optimizers = [adamw(parameters) for parameters in learner.parameters]
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    parameter.grad = torch.randn_like(parameter)
            optimizer.step()
        return learner, optimizers

    learner, optimizers = stepped([0, 1, 2])
    each = learner.split([optimizer.state_dict() for optimizer in optimizers])
    assert len(each) == 3
    other, others = stepped([0, 2])
    for optimizer, state in zip(others, other.joined([each[0], each[2]]), strict=True):
        optimizer.load_state_dict(state)
    again = other.split([optimizer.state_dict() for optimizer in others])
    shapes = [each.shape for group in others[0].param_groups for each in group["params"]]
    shapes = [shape[1:] for shape in shapes] if kind is Vmapped else shapes
    for before, after in zip([each[0], each[2]], again, strict=True):
        assert list(before["state"]) == list(after["state"])
        for i, kept in before["state"].items():
            assert kept["exp_avg"].shape == shapes[i]
            assert all(torch.equal(value, after["state"][i][name]) for name, value in kept.items())
