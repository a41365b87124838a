"""Several seeds in one process: time and operations of a step, against one seed alone.

    python bench/together.py [--quick]

In turn is what a CPU does, side by side what a GPU does. Operations are those that the device is asked for in a step
(views not counted): on a GPU, where each has to be launched, they are what small networks wait for.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from lightning_fabric import Fabric
from rows import Row, Spread, interleaved, text
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ricercar.harness import assemble
from ricercar.harness.learners import Learner, Sequential, Vmapped

CONF = Path(__file__).parents[1] / "conf"
SEEDS = 8
WORKS = {
    "mel, dense": ["frontend=mel", "backbone=dense", "backbone.num_params=200000"],
    "mel, transformer": ["frontend=mel", "backbone=transformer", "backbone.num_params=200000"],
}


def measure(quick: bool) -> list[Row]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rows = []
    for name, overrides in WORKS.items():
        one = stepper(Sequential, 1, overrides, device)
        in_turn = stepper(Sequential, SEEDS, overrides, device)
        beside = stepper(Vmapped, SEEDS, overrides, device)
        ours = beside if device.type == "cuda" else in_turn
        taken = interleaved({"ricercar": ours, "one seed": one}, 3 if quick else 10)
        figures = {"ricercar": taken["ricercar"], "one seed, 8 times": taken["one seed"].per(1 / SEEDS)}
        targets = {"one seed, 8 times": SEEDS / 2.5} if device.type == "cuda" else {}
        rows.append(Row("seeds", f"step of {SEEDS} seeds, {name}", "ms", figures, targets))
        counts = {"ricercar": beside, "in turn": in_turn, "one seed": one}
        operations = {who: Spread.of([_operations(step)]) for who, step in counts.items()}
        rows.append(Row("seeds", f"step of {SEEDS} seeds side by side, {name}", "operations", operations))
    return rows


def stepper(kind: type[Learner], num_seeds: int, overrides: Sequence[str], device: torch.device) -> Callable[[], None]:
    """-> a function that does one step of training."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=[*overrides, "augmentation=none", "spectrogram=cached"])
    tasks, store, augmentation = assemble.make_tasks(cfg), assemble.make_store(cfg), assemble.make(cfg.augmentation)
    tracks = assemble.tracks_of(assemble.make(cfg.data), tasks, "train")
    windows = assemble.make_windows(cfg, assemble.make(cfg.frontend), store, device)
    windows.prepare(tracks)
    crops = assemble.make_crops(cfg, tasks, tracks, windows, augmentation)
    nets = [assemble.make_net(cfg, tasks).to(device).train() for _ in range(num_seeds)]
    fabric = Fabric(accelerator=device.type, devices=1)
    learner = kind(fabric, nets, [tasks] * num_seeds, augmentation, {})
    optimizers = [assemble.make_optimizer(cfg.optimizer, own) for own in learner.parameters]
    batches = []
    for seed in range(num_seeds):
        batch = crops.batch(range(8 * seed, 8 * seed + 8))
        labelled = batch.pop("labelled")
        batches.append({**fabric.to_device(batch), "labelled": labelled})

    def step() -> None:
        learner.add_gradients(batches, list(range(num_seeds)), 1.0, True)
        learner.clip(1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return step


class _Count(TorchDispatchMode):
    number = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        done = func(*args, **(kwargs or {}))
        made = done if isinstance(done, tuple | list) else (done,)
        inputs = {each.untyped_storage().data_ptr() for each in args if isinstance(each, Tensor)}
        is_view = all(isinstance(each, Tensor) and each.untyped_storage().data_ptr() in inputs for each in made)
        self.number += not (is_view and not func._schema.name.endswith("_"))
        return done


def _operations(step: Callable[[], None]) -> float:
    step()
    with _Count() as count:
        step()
    return count.number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    print(text(measure(parser.parse_args().quick)))


if __name__ == "__main__":
    main()
