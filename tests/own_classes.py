"""Classes of a user's own, some with mistakes in them."""

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import torch

from ricercar.data.batches.augmentation import Augmentation
from ricercar.errors import InputError
from ricercar.harness.trackers.none import NoTracker


class Strict:
    """Refuses what it should."""

    def __init__(self, *, size: int) -> None:
        if size < 0:
            raise InputError(f"size={size}: give 0 or more.")


class Broken:
    """Raises `kind` somewhere inside."""

    def __init__(self, *, kind: str = "call", **rest: Any) -> None:
        self._deeper(kind)

    def _deeper(self, kind: str) -> None:
        if kind == "call":
            Strict(length=3)  # type: ignore[call-arg]
        if kind == "torch":
            torch.zeros(2) @ torch.zeros(3)
        raise {"type": TypeError, "value": ValueError, "runtime": RuntimeError, "key": KeyError}[kind]("a mistake")


class Outer:
    """Has a part."""

    def __init__(self, *, part: Any) -> None:
        self.part = part


class LossesKept(NoTracker):
    """Keeps the losses that are logged: {step: loss}."""

    losses: ClassVar[dict[int, float]] = {}

    def log(self, step: int, values: Mapping[str, float]) -> None:
        if "train/loss" in values:
            assert step not in self.losses
            self.losses[step] = values["train/loss"]


class Killing(NoTracker):
    """Kills its process once there is a checkpoint, in one job, once."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        if list(Path.cwd().glob("multirun/*/checkpoints/last.pt")):
            with suppress(FileExistsError):
                Path("killed").touch(exist_ok=False)
                os.kill(os.getpid(), signal.SIGKILL)


class AllKept(NoTracker):
    """Keeps the curves and histograms that are logged: {step: {name: value}}."""

    curves: ClassVar[dict[int, dict[str, float]]] = {}
    histograms: ClassVar[dict[int, dict[str, Any]]] = {}

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.curves.setdefault(step, {}).update(values)

    def log_histogram(self, step: int, name: str, counts: Any, edges: Any) -> None:
        self.histograms.setdefault(step, {})[name] = counts, edges


class NormOfAll(torch.optim.SGD):
    """A step's length depends on all parameters of the optimizer, as of those that estimate a learning rate."""

    def step(self, closure: Any = None) -> None:
        gradients = [each.grad for group in self.param_groups for each in group["params"] if each.grad is not None]
        norm = torch.stack([each.square().sum() for each in gradients]).sum().sqrt()
        for each in gradients:
            each.div_(norm)
        super().step()


class Lamb(torch.optim.Optimizer):
    """As LAMB and LARS: a step is as long as the parameter's norm says."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for each in group["params"]:
                each.data -= group["lr"] * each.data.norm() * each.grad / each.grad.norm()


class OutOfMemory(Augmentation):
    """In the second process of several, after a few steps."""

    num_batches = 0

    def audio(self, audio: torch.Tensor) -> torch.Tensor:
        self.num_batches += 1
        if self.part[0] == 1 and self.num_batches > 8:
            raise torch.OutOfMemoryError("of another process")
        return super().audio(audio)
