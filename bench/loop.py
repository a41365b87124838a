"""What the training loop adds to a bare PyTorch loop over the same model, batches and loss.

    python bench/loop.py [any override of train.py]

Both train the same configuration for the same number of steps, in turn, several times; the bare loop draws its
batches from the same crops, and does nothing but forward, backward, clipping and the optimiser's step. Prints the
median seconds of both and the ratio of each pair. Validation and checkpoints are left out of both.
"""

import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from lightning_fabric import Fabric
from torch.utils.data import DataLoader

from ricercar.data.crops import to_float
from ricercar.harness import assemble
from ricercar.harness.checkpoints import Checkpoints
from ricercar.harness.evaluate import Validated
from ricercar.harness.trackers.none import NoTracker

STEPS, REPEATS = 60, 5


def parts(cfg: Any) -> tuple[Any, ...]:
    torch.manual_seed(cfg.seed)
    tasks, store, augmentation = assemble.make_tasks(cfg), assemble.make_store(cfg), assemble.make(cfg.augmentation)
    tracks = assemble.tracks_of(assemble.make(cfg.data), tasks, "train")
    store.prepare(tracks)
    net = assemble.make_net(cfg, tasks)
    optimizer = assemble.make(cfg.optimizer, params=net.parameters())
    return tasks, net, optimizer, augmentation, assemble.make_crops(cfg, tasks, tracks, store, augmentation)


def bare(cfg: Any) -> float:
    tasks, net, optimizer, augmentation, crops = parts(cfg)
    batch_size = cfg.trainer.batch_size
    order = (list(range(i, i + batch_size)) for i in range(0, STEPS * batch_size, batch_size))
    net.train()
    start_s = time.monotonic()
    for batch in DataLoader(crops, batch_sampler=order):
        audio = augmentation.audio(to_float(batch["audio"]))
        logits = net(audio, batch["valid"], augmentation.picture)
        losses = tasks.loss(logits, batch["targets"], batch["valid"], batch["labelled"])
        torch.autograd.backward(torch.stack(list(losses.values())).sum())
        torch.nn.utils.clip_grad_norm_(net.parameters(), cfg.trainer.clip_norm)
        optimizer.step()
        optimizer.zero_grad()
    return time.monotonic() - start_s


def ours(cfg: Any) -> float:
    tasks, net, optimizer, augmentation, crops = parts(cfg)
    with TemporaryDirectory() as folder:
        trained = assemble.make(cfg.trainer).fit(
            fabric=Fabric(accelerator="cpu", devices=1),
            net=net,
            tasks=tasks,
            crops=crops,
            augmentation=augmentation,
            optimizer=optimizer,
            schedule=assemble.make(cfg.schedule),
            validate=lambda net: Validated(0.0, {}),
            checkpoints=Checkpoints(Path(folder), "bench"),
            tracker=NoTracker(),
            resume=False,
        )
    return float(trained.train_s)


def main() -> None:
    with initialize_config_dir(str(Path(__file__).parents[1] / "conf"), version_base="1.3"):
        fixed = [f"trainer.budget={STEPS}steps", "trainer.num_validations=1"]
        cfg = compose("config", overrides=[*fixed, *sys.argv[1:]])
    pairs = [(bare(cfg), ours(cfg)) for _ in range(REPEATS + 1)][1:]
    ratios = [b / a for a, b in pairs]
    print(f"{STEPS} steps, {REPEATS} pairs, {torch.get_num_threads()} threads: {' '.join(sys.argv[1:]) or 'default'}")
    print(f"bare loop   {statistics.median(a for a, _ in pairs):.2f} s")
    print(f"this loop   {statistics.median(b for _, b in pairs):.2f} s")
    print(f"ratio       {statistics.median(ratios):.3f} (from {min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    main()
