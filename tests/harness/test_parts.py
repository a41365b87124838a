"""Parts of a network by name: optimizers' groups, any optimizer, frozen parts, and when they begin to learn."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from configs import composed
from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.harness.loop import Loop
from ricercar.harness.parts import set_modes
from ricercar.models.net import Net
from trainings import ONSETS, trained

PLAIN = ["optimizer=sgd", "optimizer.momentum=0", "optimizer.nesterov=false", "trainer.clip_norm=null"]


def last(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(folder / "checkpoints" / "last.pt", weights_only=True)
    return state


def net_of(options: list[str]) -> Net:
    """As a training starts with it."""
    cfg = composed(*options)
    torch.manual_seed(cfg.seed)
    return assemble.make_net(cfg, assemble.make_tasks(cfg))


def start_of(options: list[str]) -> dict[str, torch.Tensor]:
    return net_of(options).state_dict()


# --- groups ---


def test_the_rate_of_a_group_is_a_factor(on_tones: list[str], tmp_path: Path) -> None:
    options = [*ONSETS, *on_tones, *PLAIN, "trainer.budget=1steps"]
    trained(tmp_path / "all", *options)
    trained(tmp_path / "half", *options, "++optimizer.groups={backbone: {lr: 0.5}, backbone.input_norm: {lr: 0}}")
    start, whole, half = start_of(options), last(tmp_path / "all")["nets"][0], last(tmp_path / "half")["nets"][0]
    learnt = [name for name, _ in net_of(options).named_parameters()]
    assert {name.split(".")[0] for name in learnt} == {"backbone", "heads"}
    for name in learnt:
        factor = 1.0 if name.startswith("heads") else 0.0 if name.startswith("backbone.input_norm") else 0.5
        assert not torch.equal(whole[name], start[name])
        torch.testing.assert_close(half[name] - start[name], factor * (whole[name] - start[name]), rtol=1e-3, atol=1e-6)


def test_biases_and_norms_need_not_decay() -> None:
    """Of all backbones' kinds of layers, with a group of its own besides."""
    cfg = composed(
        "backbone=layers", "backbone.layers=c2-p2-r1-d1", "frontend=mel", "optimizer.decay_biases_and_norms=false",
        "++optimizer.groups={heads: {weight_decay: 0.5}}",
    )  # fmt: skip
    net = assemble.make_net(cfg, assemble.make_tasks(cfg))
    named = dict(net.named_parameters())
    optimizer = assemble.make_optimizer(cfg.optimizer, assemble.grouped_of(cfg, net))
    decay = {id(each): group["weight_decay"] for group in optimizer.param_groups for each in group["params"]}
    assert len(decay) == len(named)
    for name, parameter in named.items():
        expected = 0 if parameter.ndim == 1 else 0.5 if name.startswith("heads") else cfg.optimizer.weight_decay
        assert decay[id(parameter)] == expected, name
    assert {0, 0.5, cfg.optimizer.weight_decay} == set(decay.values())


def test_groups_do_not_depend_on_their_order() -> None:
    options = [
        assemble.make_groups(composed(f"++optimizer.groups={{{text}}}").optimizer).options(
            nn.ModuleDict({"a": nn.Linear(1, 1)})
        )
        for text in ("a: {lr: 0.1}, *.bias: {lr: 0.2}", "*.bias: {lr: 0.2}, a: {lr: 0.1}")
    ]
    assert options[0] == options[1] == {"a.weight": {"lr_factor": 0.1}, "a.bias": {"lr_factor": 0.2}}


BARE = ["~optimizer.betas", "~optimizer.fused"]


@pytest.mark.parametrize(
    "options",
    [
        ["optimizer._target_=torch.optim.NAdam", *BARE, "~optimizer.groups", "~optimizer.decay_biases_and_norms"],
        ["optimizer._target_=timm.optim.Lamb", *BARE, "++optimizer.groups={heads: {lr: 0.1, weight_decay: 0}}"],
    ],
    ids=lambda options: options[0].rpartition("=")[2],
)
def test_any_optimizer(options: list[str], on_tones: list[str], tmp_path: Path) -> None:
    trained(tmp_path, *ONSETS, *on_tones, *options, "trainer.budget=1steps")
    start, after = start_of([*ONSETS, *on_tones]), last(tmp_path)["nets"][0]
    assert any(not torch.equal(start[name], after[name]) for name in start if name.startswith("heads"))


# --- frozen parts ---


def test_what_is_frozen_stays(on_tones: list[str], tmp_path: Path) -> None:
    """Weights, statistics of batch normalisation and their averages, whatever decays; the rest learns."""
    options = [*ONSETS, *on_tones, "optimizer.weight_decay=0.5"]
    [result] = trained(tmp_path, *options, "freeze=[backbone]")
    start, state = start_of(options), last(tmp_path)
    assert any("running_mean" in name for name in start)
    for name, value in start.items():
        for after in (state["nets"][0][name], state["averages"][0][name]):
            assert torch.equal(after, value) == name.startswith("backbone"), name
    assert result.cost.params == sum(value.numel() for name, value in start.items() if name.startswith("heads"))


def test_unfrozen_at_a_step(on_tones: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = [*ONSETS, *on_tones, "trainer.budget=2steps", "freeze=[backbone,backbone.layers]"]
    options += ["optimizer=sgd"]  # fused, it must not see parameters with and without a momentum in one group
    start = start_of(options)
    caplog.set_level("INFO")
    for steps, learns in ((2, False), (1, True)):
        trained(tmp_path / f"{steps}", *options, f"unfreeze_at=[{steps}steps,null]")
        after = last(tmp_path / f"{steps}")["nets"][0]
        changed = {name for name, value in start.items() if not torch.equal(after[name], value)}
        assert any(name.startswith("backbone") for name in changed) == learns
        assert any("running_mean" in name for name in changed) == learns
        assert not any(name.startswith("backbone.layers") for name in changed)
    assert caplog.text.count("unfrozen at step 1: backbone.") == 1


def test_it_goes_on_as_if_undisturbed(on_tones: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted before what is frozen begins to learn, and after; groups and all."""
    options = [*ONSETS, *on_tones, "trainer.budget=6steps", "trainer.num_validations=3", "freeze=[backbone]"]
    options += [
        "unfreeze_at=3steps",
        "++optimizer.groups={backbone: {lr: 0.1}}",
        "optimizer.decay_biases_and_norms=false",
    ]
    options += ["seeds_per_job=2"]
    trained(tmp_path / "whole" / "run", *options)
    validate, calls = Loop._validate, []

    def interrupted(*args: Any) -> float:
        calls.append(args)
        if len(calls) in (3, 6):  # the checkpoints before are of steps 2 and 4
            raise KeyboardInterrupt
        return validate(*args)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_validate", interrupted)
        for resume in ("false", "true"):
            with pytest.raises(KeyboardInterrupt):
                trained(tmp_path / "cut" / "run", *options, f"resume={resume}")
    trained(tmp_path / "cut" / "run", *options, "resume=true")
    [name] = [path.name for path in (tmp_path / "whole" / "run" / "checkpoints").glob("last*")]
    whole, cut = (
        torch.load(tmp_path / each / "run" / "checkpoints" / name, weights_only=True) for each in ("whole", "cut")
    )
    for kind in ("nets", "averages"):
        for a, b in zip(whole[kind], cut[kind], strict=True):
            assert all(torch.equal(a[name], b[name]) for name in a)


def test_frozen_modules_are_in_evaluation_mode() -> None:
    """But for recurrent layers, through which gradients must flow on a GPU."""
    net = nn.Sequential(
        nn.Sequential(nn.BatchNorm1d(2, affine=False), nn.Linear(2, 2), nn.GRU(2, 2)), nn.BatchNorm1d(2)
    )
    frozen = [name for name, _ in net.named_parameters() if name.startswith("0.")]
    set_modes(net, frozen)
    assert [module.training for module in net.modules()] == [True, False, False, False, True, True]
    set_modes(net, frozen[:1])
    assert all(module.training == (name != "0.1") or name == "0.1" for name, module in net.named_modules())
    set_modes(net, [])
    assert all(module.training for module in net.modules())


# --- bad input ---


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["++optimizer.groups={fronted: {lr: 0.1}}"], "optimizer.groups has 'fronted', .* There are: backbone, heads"),
        (["++optimizer.groups={heads: {learning_rate: 0.1}}"], "optimizer.groups.heads: .*'learning_rate'"),
        (["++optimizer.groups={heads: {weight_decay: -1}}"], "optimizer.groups.heads: .*-1"),
        (["++optimizer.groups={heads: {lr: fast}}"], "optimizer.groups.heads.lr='fast'"),
        (["++optimizer.groups={heads: 0.1}"], "optimizer.groups.heads=0.1"),
        (["optimizer.groups=3"], "optimizer.groups=3"),
        (["optimizer.decay_biases_and_norms=1"], "optimizer.decay_biases_and_norms=1"),
        (["optimizer._target_=torch.optim.Rprop", *BARE, "~optimizer.weight_decay",
          "optimizer.decay_biases_and_norms=false"], "optimizer.decay_biases_and_norms=false: .*weight_decay"),
        (["optimizer._target_=torch.optim.NAdam"], "optimizer: .*fused"),
        (["optimizer._target_=torch.optim.LBFGS", *BARE, "~optimizer.weight_decay"], "a step of LBFGS needs closure"),
        (["optimizer._target_=torch.optim.Muon", *BARE], "optimizer: Muon only supports 2D"),
        (["freeze=[frontend]"], "freeze has 'frontend', which no parameter .* There are: backbone, heads"),
        (["freeze=['*.nothing']"], r"freeze has '\*\.nothing'"),
        (["freeze=['*']"], "freezes the whole network"),
        (["freeze=['*']", "unfreeze_at=3steps"], "freezes the whole network"),
        (["freeze=heads"], "freeze='heads'"),
        (["unfreeze_at=3steps"], "unfreeze_at='3steps' does not go with freeze"),
        (["freeze=[heads]", "unfreeze_at=[1steps,2steps]"], "unfreeze_at=.* does not go with freeze"),
        (["freeze=[heads]", "unfreeze_at=3"], "unfreeze_at='3': expected"),
        (["freeze=[heads]", "unfreeze_at=1minutes"], "unfreeze_at='1minutes': give steps"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)  # fmt: skip
def test_refused_by_name(options: list[str], told: str, on_tones: list[str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=told):
        trained(tmp_path / "run", *ONSETS, *on_tones, *options)
    assert not (tmp_path / "run" / "run.json").exists(), "nothing began"
