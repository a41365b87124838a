"""What the training loop adds to a bare PyTorch loop over preloaded tensors: same network, sound, loss and optimizer.

    python bench/loop.py [--quick] [any override of train.py]

The bare loop does nothing but forward, backward, clipping and the optimizer's step, on batches that lie in memory.
Ours cuts its batches from the audio store, averages the weights, watches for divergence, and logs. Validation and
checkpoints are left out of both.
"""

import argparse
import copy
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from lightning_fabric import Fabric
from rows import Row, Spread, interleaved, text

from ricercar.data.batches.crops import to_float
from ricercar.harness import assemble
from ricercar.harness.checkpoints import Checkpoints
from ricercar.harness.cost import cost_of
from ricercar.harness.evaluate import Validated
from ricercar.harness.loop import Member
from ricercar.harness.processes import Notice
from ricercar.harness.trackers.none import NoTracker
from ricercar.harness.trackers.tracker import RunLabel, Tracker
from ricercar.harness.trackers.wandb import Wandb

CONF = Path(__file__).parents[1] / "conf"
# The cheapest step there is, where a loop's own work weighs most, without and with crops that have to be resampled,
# and the default.
WORKS = {  # name: overrides, steps
    "mel, dense, augmentation=none": (["frontend=mel", "backbone=dense", "augmentation=none"], 40),
    "mel, dense": (["frontend=mel", "backbone=dense"], 40),
    "hcqt, harmonic_cnn": (["frontend=hcqt", "backbone=harmonic_cnn"], 5),
}
CHEAPEST = "mel, dense, augmentation=none"
CRNN = ["frontend=mel", "backbone=crnn"]


class Setup:
    """A configuration with its network and crops; each run starts from the same weights."""

    def __init__(self, overrides: list[str], steps: int, device: torch.device) -> None:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            fixed = [f"trainer.budget={steps}steps", "trainer.num_validations=1"]
            self.cfg = compose("config", overrides=[*fixed, *overrides])
        self.steps, self.device = steps, device
        torch.manual_seed(0)
        self.tasks = assemble.make_tasks(self.cfg)
        self.augmentation = assemble.make(self.cfg.augmentation)
        store = assemble.make_store(self.cfg)
        tracks = assemble.tracks_of(assemble.make(self.cfg.data), self.tasks, "train")
        store.prepare(tracks)
        windows = assemble.make_windows(self.cfg, assemble.make(self.cfg.frontend), store, device)
        self.crops = assemble.make_crops(self.cfg, self.tasks, tracks, windows, self.augmentation)
        self.net = assemble.make_net(self.cfg, self.tasks).to(device)
        size = self.cfg.trainer.batch_size
        self.batches = [self._on_device(self.crops.batch(range(i * size, (i + 1) * size))) for i in range(steps)]

    def _on_device(self, batch: dict[str, Any]) -> dict[str, Any]:
        def moved(value: Any) -> Any:
            return {k: moved(v) for k, v in value.items()} if isinstance(value, dict) else value.to(self.device)

        return {key: copy.deepcopy(value) if key == "labelled" else moved(value) for key, value in batch.items()}

    def bare(self) -> float:
        """-> milliseconds of a step."""
        net = copy.deepcopy(self.net).train()
        optimizer = assemble.make_optimizer(self.cfg.optimizer, list(net.parameters()))
        start = time.perf_counter()
        for batch in self.batches:
            audio = self.augmentation.audio(to_float(batch["input"]))
            logits = net(audio, batch["valid"], self.augmentation.spectrogram)
            losses = self.tasks.loss(logits, batch["targets"], batch["valid"], batch["labelled"])
            torch.stack(list(losses.values())).sum().backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), self.cfg.trainer.clip_norm)
            optimizer.step()
            optimizer.zero_grad()
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return 1000 * (time.perf_counter() - start) / self.steps

    def ours(self, make_tracker: Callable[[], Tracker]) -> float:
        """-> milliseconds of a step, as the training itself counts its time."""
        with TemporaryDirectory() as folder, make_tracker() as tracker:
            tracker.start(Path(folder), RunLabel("bench", "bench", "bench", "train", ()), {}, False)
            member = Member(
                seed=0,
                net=copy.deepcopy(self.net),
                tasks=self.tasks,
                crops=self.crops,
                validate=lambda net: Validated(0.0, {}),
                checkpoints=_Nowhere(Path(folder), "bench"),
                tracker=tracker,
            )
            [trained] = assemble.make(self.cfg.trainer).fit(
                fabric=Fabric(accelerator=self.device.type, devices=1),
                members=[member],
                averaged=copy.deepcopy(self.net),
                augmentation=self.augmentation,
                optimizer=partial(assemble.make_optimizer, self.cfg.optimizer),
                options={},
                frozen={},
                schedule=assemble.make(self.cfg.schedule),
                resume_from=[],
                notice=Notice(True),
            )
        return 1000 * float(trained.train_s) / trained.steps

    def frontend_share(self) -> tuple[Spread, Spread]:
        """Milliseconds of a training step on one batch, and of the frontend alone."""
        batch = self.batches[0]
        net = copy.deepcopy(self.net).train()
        audio = to_float(batch["input"])

        def step() -> None:
            logits = net(audio, batch["valid"])
            losses = self.tasks.loss(logits, batch["targets"], batch["valid"], batch["labelled"])
            torch.stack(list(losses.values())).sum().backward()
            net.zero_grad()

        @torch.no_grad()
        def frontend() -> None:
            net.frontend(audio)

        figures = interleaved({"step": step, "frontend": frontend}, 5)
        return figures["step"], figures["frontend"]


class _Nowhere(Checkpoints):
    def save(self, name: str, state: dict[str, Any]) -> None:
        pass


def in_turn(ours: Callable[[], float], bare: Callable[[], float], repeats: int) -> tuple[Spread, Spread]:
    """The first of each, which makes plans and caches, is not counted."""
    turns = [(ours(), bare()) for _ in range(repeats + 1)][1:]
    own, others = zip(*turns, strict=True)
    return Spread.of(own), Spread.of(others)


def measure(quick: bool, overrides: tuple[str, ...] = ()) -> list[Row]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    repeats = 1 if quick else 4
    rows = []
    for name, (chosen, steps) in WORKS.items():
        setup = Setup([*chosen, *overrides], steps, device)
        ours, bare = in_turn(partial(setup.ours, NoTracker), setup.bare, repeats)
        figures = {"ricercar": ours, "bare loop": bare}
        rows.append(Row("loop", f"step, {name}", "ms", figures, {"bare loop": 1 / 1.03}))
        if name == CHEAPEST:  # not in turn with the others: W&B's process goes on for a while after its run
            offline = partial(Wandb, project="bench", entity=None, group=None, tags=[], mode="offline")
            tracked, bare = in_turn(partial(setup.ours, offline), setup.bare, repeats)
            figures = {"ricercar": tracked, "bare loop": bare}
            rows.append(Row("loop", f"step with W&B offline, {name}", "ms", figures, {"bare loop": 1 / 1.05}))
        if device.type == "cuda":
            rows += on_gpu(setup, name, ours)
    step, frontend = Setup([*CRNN, *overrides], 1, device).frontend_share()
    rows.append(Row("loop", "frontend of a step, mel, crnn", "ms", {"ricercar": frontend, "step": step}, {"step": 20}))
    return rows


def on_gpu(setup: Setup, name: str, step_ms: Spread) -> list[Row]:
    """How much of the time the GPU computes, and how much of its speed in matrix products a step reaches."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        setup.ours(NoTracker)
    busy_ms = sum(event.self_device_time_total for event in profile.key_averages()) / 1000 / setup.steps
    figures = {"ricercar": Spread.of([busy_ms]), "step": step_ms}
    rows = [Row("loop", f"time that the GPU computes in a step, {name}", "ms", figures)]
    cfg, num_samples = setup.cfg, setup.crops.num_samples
    cost = cost_of(copy.deepcopy(setup.net).cpu(), num_samples, cfg.window_frames, cfg.sample_rate)
    # Multiplications and additions, forward and twice as many backward.
    seconds = cfg.trainer.batch_size * num_samples / cfg.sample_rate
    flops = 6 * cost.macs * seconds / (step_ms.median / 1000)
    figures = {"ricercar": Spread.of([flops / 1e12]), "matrix product": Spread.of([matrix_tflops(setup.device)])}
    return [*rows, Row("loop", f"backbone's arithmetic, {name}", "TFLOP/s", figures)]


def matrix_tflops(device: torch.device, size: int = 8192, repeats: int = 20) -> float:
    """Of float32 products of square matrices, as PyTorch computes them by default."""
    a, b = torch.randn(2, size, size, device=device)
    a @ b
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        a @ b
    torch.cuda.synchronize()
    return 2 * size**3 * repeats / (time.perf_counter() - start) / 1e12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("overrides", nargs="*")
    args = parser.parse_args()
    print(text(measure(args.quick, tuple(args.overrides))))


if __name__ == "__main__":
    main()
