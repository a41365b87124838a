"""The one training loop."""

import copy
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from ricercar.data.augmentation import Augmentation
from ricercar.data.crops import Crops, to_float
from ricercar.errors import InputError
from ricercar.harness.average import Average
from ricercar.harness.budget import Budget
from ricercar.harness.checkpoints import Checkpoints
from ricercar.harness.evaluate import Validated
from ricercar.harness.schedules.schedule import Schedule
from ricercar.harness.trackers.tracker import Tracker
from ricercar.models.net import Net
from ricercar.tasks.several import Several

log = logging.getLogger(__name__)


class DivergenceError(InputError):
    """The loss or a gradient was infinite or not a number."""


@dataclass(frozen=True)
class Trained:
    """What a training cost, and the score that chose the best checkpoint."""

    steps: int
    train_s: float
    audio_s: float
    best_score: float
    best_step: int


class Loop:
    """Trains a network on crops until the budget is spent, and keeps the checkpoints `last` and `best`.

    Step s sees the batch and the random numbers that (seed, s) determine, so that a run that is resumed from
    `last` ends with the same weights as one that was never interrupted. Validation and checkpoints come at equal
    shares of the budget: `num_validations` times, and every `checkpoint_minutes` in between.
    """

    def __init__(
        self,
        *,
        batch_size: int,
        budget: str,
        num_validations: int,
        patience: int | None,
        clip_norm: float | None,
        average_decay: float,
        checkpoint_minutes: float,
        log_every_steps: int,
        num_workers: int,
        seed: int,
    ) -> None:
        self.batch_size = batch_size
        self.budget = budget
        self.num_validations = num_validations
        self.patience = patience
        self.clip_norm = clip_norm
        self.average_decay = average_decay
        self.checkpoint_s = checkpoint_minutes * 60.0
        self.log_every_steps = log_every_steps
        self.num_workers = num_workers
        self.seed = seed

    def fit(
        self,
        *,
        fabric: Fabric,
        net: Net,
        tasks: Several,
        crops: Crops,
        augmentation: Augmentation,
        optimizer: torch.optim.Optimizer,
        schedule: Schedule,
        validate: Callable[[Net], Validated],
        checkpoints: Checkpoints,
        tracker: Tracker,
        resume: bool,
    ) -> Trained:
        """validate: network -> scores on the validation split; it may change the decoding of `tasks`."""
        window_s = crops.num_samples / crops.store.sample_rate
        batch_s = self.batch_size * fabric.world_size * window_s
        budget = Budget(self.budget, steps_per_epoch=max(1.0, crops.total_s / batch_s))
        base_rates = [group["lr"] for group in optimizer.param_groups]
        state = _State(schedule=schedule)
        averaged = None
        saved = checkpoints.load("last") if resume else None
        if saved is not None:
            with checkpoints.fitting("last"):
                net.load_state_dict(saved["net"])
                optimizer.load_state_dict(saved["optimizer"])
                state.load_state_dict(saved["state"])
                averaged = saved["average"]
            log.info("resumed from step %d", state.step)
        model, optimizer = fabric.setup(net, optimizer)
        average = Average(net, self.average_decay, averaged)
        evaluated = copy.deepcopy(net)  # carries the averaged weights
        model.train()

        def save_last() -> None:
            self._stop_if_diverged(first_bad, checkpoints)
            if fabric.is_global_zero:
                saved = {"net": net.state_dict(), "average": average.weights, "optimizer": optimizer.state_dict()}
                checkpoints.save("last", {**saved, "state": state.state_dict()})
            fabric.barrier()

        batches = self._batches(fabric, crops, state.step)
        bar = tqdm(total=1.0, initial=state.progress, disable=_quiet(fabric), bar_format=_BAR, leave=False)
        first_bad = torch.full((), -1, device=fabric.device)
        sums: dict[str, Tensor] = {}
        since = saved_at = time.monotonic()
        while state.progress < 1.0 and not state.stopped:
            batch = next(batches)
            labelled = batch.pop("labelled")  # stays on the CPU: choosing items by it must not wait for a GPU
            batch = fabric.to_device(batch)
            step = state.step
            torch.manual_seed(_mix(self.seed, step, fabric.global_rank))
            for group, rate in zip(optimizer.param_groups, base_rates, strict=True):
                group["lr"] = rate * schedule.factor(budget.progress(step + 1, state.elapsed_s))
            values = self._update(fabric, model, optimizer, tasks, augmentation, batch, labelled)
            state.step += 1
            average.update(state.step)

            bad = ~torch.isfinite(torch.stack(list(values.values()))).all()
            first_bad = torch.where((first_bad < 0) & bad, step, first_bad)
            sums = {name: sums.get(name, 0.0) + value for name, value in values.items()}
            now = time.monotonic()
            state.elapsed_s, since = state.elapsed_s + now - since, now
            if budget.max_s is not None:
                state.elapsed_s = fabric.broadcast(state.elapsed_s)  # the clock of one process decides for all
            state.progress = budget.progress(state.step, state.elapsed_s)
            if state.step % self.log_every_steps == 0:
                self._stop_if_diverged(first_bad, checkpoints)
                means = {f"train/{name}": float(value) / self.log_every_steps for name, value in sums.items()}
                means["train/loss"] = sum(value for name, value in means.items() if "gradient" not in name)
                sums = {}
                tracker.log(state.step, {**means, "train/learning_rate": optimizer.param_groups[0]["lr"]})
                bar.set_postfix_str(f"loss {means['train/loss']:.4f}")
                if fabric.broadcast(now - saved_at > self.checkpoint_s):
                    save_last()
                    saved_at = time.monotonic()
            bar.update(state.progress - bar.n)

            if state.progress * self.num_validations >= state.num_validations + 1 or state.progress >= 1.0:
                self._stop_if_diverged(first_bad, checkpoints)
                evaluated.load_state_dict(average.weights)
                validated = validate(evaluated)
                score = fabric.broadcast(validated.score)
                schedule.validated(score)
                if state.validated(score, self.num_validations, self.patience) and fabric.is_global_zero:
                    best = {"net": average.weights, "decoding": tasks.decoding, "vocabulary": tasks.vocabulary}
                    checkpoints.save("best", {**best, "step": state.step, "score": score})
                tracker.log(state.step, {f"valid/{name}": value for name, value in validated.metrics.items()})
                log.info(
                    "step %d (%.0f %%): %s %.4f, best %.4f at step %d",
                    state.step, 100 * state.progress, " and ".join(task.primary for task in tasks.values()), score,
                    state.best_score, state.best_step,
                )  # fmt: skip
                save_last()
                since = saved_at = time.monotonic()
        bar.close()
        return Trained(state.step, state.elapsed_s, state.step * batch_s, state.best_score, state.best_step)

    def _update(
        self,
        fabric: Fabric,
        model: Any,
        optimizer: torch.optim.Optimizer,
        tasks: Several,
        augmentation: Augmentation,
        batch: dict[str, Any],
        labelled: dict[str, Tensor],
    ) -> dict[str, Tensor]:
        """One step of the optimiser -> {part of the loss: ()} and the norm of the gradient before clipping."""
        audio = augmentation.audio(to_float(batch["audio"]))
        logits = model(audio, batch["valid"], augmentation.picture)
        losses = tasks.loss(logits, batch["targets"], batch["valid"], labelled)
        fabric.backward(torch.stack(list(losses.values())).sum())
        limit = self.clip_norm or float("inf")
        norm = fabric.clip_gradients(model, optimizer, max_norm=limit, error_if_nonfinite=False)
        assert norm is not None
        optimizer.step()
        optimizer.zero_grad()
        return {**{name: loss.detach() for name, loss in losses.items()}, "gradient_norm": norm.detach()}

    def _batches(self, fabric: Fabric, crops: Crops, step: int) -> Any:
        """The batches of this process from step `step` on: process r of n takes every n-th part of a step's items."""

        def items() -> Any:
            i = (step * fabric.world_size + fabric.global_rank) * self.batch_size
            while True:
                yield list(range(i, i + self.batch_size))
                i += self.batch_size * fabric.world_size

        pin = fabric.device.type == "cuda"
        return iter(DataLoader(crops, batch_sampler=items(), num_workers=self.num_workers, pin_memory=pin))

    def _stop_if_diverged(self, first_bad: Tensor, checkpoints: Checkpoints) -> None:
        step = int(first_bad)
        if step >= 0:
            raise DivergenceError(
                f"The loss or its gradient is not finite at step {step}. The last good checkpoint is kept in "
                f"{checkpoints.folder}. Lower optimizer.lr, set trainer.clip_norm, or use hardware.precision=32-true."
            )


@dataclass
class _State:
    """Where a training stands; saved in `last`."""

    schedule: Schedule
    step: int = 0
    elapsed_s: float = 0.0
    progress: float = 0.0
    num_validations: int = 0
    best_score: float = -float("inf")
    best_step: int = 0
    waited: int = 0
    stopped: bool = False

    def validated(self, score: float, num_validations: int, patience: int | None) -> bool:
        """-> whether the score is the best so far."""
        self.num_validations = int(self.progress * num_validations)
        if score > self.best_score or self.best_step == 0:
            self.best_score, self.best_step, self.waited = score, self.step, 0
            return True
        self.waited += 1
        self.stopped = patience is not None and self.waited >= patience
        return False

    def state_dict(self) -> dict[str, Any]:
        own = {name: value for name, value in vars(self).items() if name != "schedule"}
        return {**own, "schedule": self.schedule.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            if name != "schedule":
                setattr(self, name, value)
        self.schedule.load_state_dict(state["schedule"])


_BAR = "{percentage:3.0f}% |{bar:40}| {elapsed} {postfix}"


def _quiet(fabric: Fabric) -> bool | None:
    """None lets tqdm decide: quiet where the output is no terminal."""
    return None if fabric.is_global_zero else True


def _mix(seed: int, step: int, rank: int) -> int:
    """A 63-bit seed for one step of one process, unrelated to those beside it (splitmix64)."""
    value = (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + rank * 0x94D049BB133111EB) & (2**64 - 1)
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
    return (value ^ (value >> 31)) >> 1
