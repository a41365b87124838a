"""Every choice trains three steps and evaluates whole tracks; every frontend goes with every backbone."""

import math
from pathlib import Path

import pytest
import torch

from configs import TINY, choices, composed, frontends, make_task, option, trained_tasks
from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.harness.command import expanded
from ricercar.harness.results import Result
from ricercar.harness.run import Run
from ricercar.train import train

FRONTENDS, BACKBONES = frontends(), choices("backbone")
LOG_FREQUENCY = {"cqt", "hcqt", "vqt"}


def narrow(backbone: str) -> list[str]:
    """A small one; that a width is found for each is test_backbones.py's."""
    return [f"backbone={backbone}", *(["backbone.width=16"] if "width" in option("backbone", backbone) else [])]


def trained(folder: Path, task: str, data: str, overrides: list[str]) -> list[Result]:
    cfg = composed(*overrides)
    return train(Run(cfg, folder, {"task": task, "data": data}, []))


def check(result: Result, folder: Path) -> None:
    assert result.cost.steps == 3
    assert result.cost.params
    assert math.isfinite(result.metrics[result.primary_of_tracks])  # one track has no ROC curve
    assert (folder / "result.json").exists()


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("frontend", FRONTENDS)
def test_network_of_any_two(frontend: str, backbone: str) -> None:
    """A step of it, with outputs of every frame and of a clip."""
    cfg = composed(*expanded("task=[notes,key]"), *TINY, f"frontend={frontend}", *narrow(backbone))
    tasks = assemble.make_tasks(cfg)
    if backbone == "harmonic_cnn" and frontend not in LOG_FREQUENCY:
        with pytest.raises(InputError, match="log-frequency"):
            assemble.make_net(cfg, tasks)
        return
    net = assemble.make_net(cfg, tasks).train()
    audio = 0.1 * torch.randn(2, (cfg.window_frames - 1) * cfg.hop_length, generator=torch.Generator().manual_seed(0))
    logits = net(audio, torch.arange(cfg.window_frames)[None] < torch.tensor([[cfg.window_frames], [10]]))
    frames = {name: () if output.clip_level else (cfg.window_frames,) for name, output in tasks.outputs.items()}
    assert {name: values.shape for name, values in logits.items()} == {
        name: (2, *frames[name], output.size) for name, output in tasks.outputs.items()
    }
    sum((values.square().mean() for values in logits.values()), torch.zeros(())).backward()
    gradients = [parameter.grad for parameter in net.parameters() if parameter.requires_grad]
    assert all(each is not None and each.isfinite().all() for each in gradients)


def train_on_tones(folder: Path, *overrides: str) -> None:
    [result] = trained(folder, "notes", "folder", [*overrides])
    check(result, folder)
    assert len(result.tracks) == 1


GROUPS = ("compression", "normalisation", "augmentation", "optimizer", "schedule")
CHOICES = {"backbone": BACKBONES, "frontend": FRONTENDS} | {group: choices(group) for group in GROUPS}


@pytest.mark.parametrize("number", range(len(BACKBONES)))
def test_every_choice_trains(number: int, on_tones: list[str], tmp_path: Path) -> None:
    """A backbone and a choice of each other group at a time, until all have been had; frames and a clip come out."""
    rows = [{group: each[number % len(each)] for group, each in CHOICES.items()} for number in range(len(BACKBONES))]
    assert {group: {row[group] for row in rows} for group in CHOICES} == {g: set(each) for g, each in CHOICES.items()}
    own = rows[number]
    backbone = own.pop("backbone")
    if backbone == "harmonic_cnn" and own["frontend"] not in LOG_FREQUENCY:
        own["frontend"] = "hcqt"
    net = [*narrow(backbone), *(f"{group}={choice}" for group, choice in own.items())]
    results = trained(tmp_path, "notes+key", "folder", [*net, *expanded("task=[notes,key]"), *on_tones])
    for result, task in zip(results, ("notes", "key"), strict=True):
        check(result, tmp_path / task)
        assert len(result.tracks) == 1


@pytest.mark.parametrize(
    "net", [["frontend=hcqt", "backbone=harmonic_cnn", "backbone.width=8"], ["frontend=mel", *narrow("dense")]]
)
def test_every_task_trains(net: list[str], on_synth: list[str], tmp_path: Path) -> None:
    """All at once, on features that are kept apart by pitch and on such that are not, beside their baselines."""
    results = trained(tmp_path, "all", "synth", [*expanded(f"task=[{','.join(trained_tasks())}]"), *net, *on_synth])
    assert [result.choices["task"] for result in results] == trained_tasks()
    for result in results:
        task = result.choices["task"]
        check(result, tmp_path / task)
        found = {path.parent.name for path in tmp_path.glob(f"{task}/baselines/*/result.json")}
        assert found == set(make_task(task).baselines)
