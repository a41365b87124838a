"""The one training loop."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

import torch
from lightning_fabric import Fabric
from torch import Tensor
from tqdm import tqdm

from ricercar.data.batches.augmentation import Augmentation
from ricercar.data.batches.crops import Crops
from ricercar.data.batches.prefetch import Prefetched, from_workers
from ricercar.harness.checkpoints import Checkpoints, furthest
from ricercar.harness.console import Lines
from ricercar.harness.evaluate import Validated, primary_of
from ricercar.harness.inside import Profile, histograms_of, norms_of, num_steps
from ricercar.harness.learners import Batch, GroupOptions, Learner, Losses, Optimizers, Sequential, Vmapped, mixed
from ricercar.harness.lr_finder import range_test, tell
from ricercar.harness.parts import Times, frozen_at, frozen_until
from ricercar.harness.processes import Notice, Processes
from ricercar.harness.schedules import Schedule
from ricercar.harness.trackers.tracker import Tracker
from ricercar.harness.training_state import EMA, Best, Budget, DivergenceError, Progress, Watch
from ricercar.models.net import Net
from ricercar.tasks.multitask import Multitask

log = logging.getLogger(__name__)
_OF_MEMBERS = ("nets", "averages", "optimizers")  # what a checkpoint has for each
_LONGEST = 300  # characters of a line that lists names
NUM_AHEAD = 2  # batches made while a GPU computes; on a CPU that would take its cores away


@dataclass(frozen=True)
class Member:
    """One seed of a training: a network, what it learns from, and where its results go.

    validate      network -> scores on the validation split; it may change the decoding of `tasks`
    checkpoints   gets `best`; that of the first member also `last`, with all members in it
    stops         (number of the validation, its score) -> whether the training ends there; in the first process only
    """

    seed: int
    net: Net
    tasks: Multitask
    crops: Crops
    validate: Callable[[Net], Validated]
    checkpoints: Checkpoints
    tracker: Tracker
    stops: Callable[[int, float], bool] | None = None


@dataclass(frozen=True)
class Trained:
    """What a training cost, and the score that chose the best checkpoint.

    train_s       of several seeds together: each one's share
    best_score    NaN where the training diverged
    diverged      what to tell of it
    stopped_at    the score where it was told to stop; None where it was not
    """

    steps: int
    train_s: float
    audio_s: float
    best_score: float
    best_step: int
    diverged: str | None
    stopped_at: float | None = None


class Loop:
    """Trains networks on crops until the budget is spent, and keeps the checkpoints `last` and `best`.

    Step s of a member sees the batch and the random numbers that (seed, s) determine, so that a run that is resumed
    from `last` ends with the same weights as one that was never interrupted. Validation and checkpoints come at equal
    shares of the budget: `num_validations` times, and every `checkpoint_minutes` in between, and one more comes when
    the process is told to end. Nothing but logging, every `log_every_steps`, waits for a GPU.

    accumulation   parts in which a batch is computed, one after the other, for a smaller memory; each part's losses
                   are means of their own
    compile        null, or a mode of torch.compile for what follows the spectrogram
    profile        null, or how many steps to profile, such as "20 steps"
    find_lr        null, or the steps of a learning-rate range test before the training, which it leaves as it is
    Several members (seeds) share each step; one that diverges is left behind. They need a budget in steps or epochs,
    and nothing that depends on one member's validation: patience=null, schedule other than plateau.
    """

    def __init__(
        self,
        *,
        batch_size: int,
        accumulation: int,
        budget: str,
        num_validations: int,
        patience: int | None,
        clip_norm: float | None,
        ema_decay: float,
        compile: str | None,
        checkpoint_minutes: float,
        log_every_steps: int,
        num_workers: int,
        profile: str | None,
        find_lr: str | None,
    ) -> None:
        self.batch_size = batch_size
        self.accumulation = accumulation
        self.budget = budget
        self.num_validations = num_validations
        self.patience = patience
        self.clip_norm = float("inf") if clip_norm is None else clip_norm
        self.ema_decay = ema_decay
        self.compile = compile
        self.checkpoint_s = checkpoint_minutes * 60.0
        self.log_every_steps = log_every_steps
        self.num_workers = num_workers
        self.profile = profile
        self.find_lr = find_lr

    def fit(
        self,
        *,
        fabric: Fabric,
        members: Sequence[Member],
        averaged: Net,
        augmentation: Augmentation,
        optimizer: Optimizers,
        options: GroupOptions,
        frozen: Times,
        schedule: Schedule,
        resume_from: Sequence[Checkpoints],
        notice: Notice,
    ) -> list[Trained]:
        """-> what each member's training came to.

        averaged      a network like the members', which is given the averaged weights to be validated
        options       of the optimizer's groups, by parameters' names
        frozen        which parameters do not learn, and until when
        resume_from   where a checkpoint `last` to go on from may be; it may have other members besides
        notice        of the end of this process, which waits for a step and its checkpoint, but for no validation
        """
        crops = members[0].crops
        batch_s = self.batch_size * fabric.world_size * crops.num_samples / crops.windows.sample_rate
        budget = Budget(self.budget, steps_per_epoch=max(1.0, crops.total_s / batch_s))
        nets = [member.net for member in members]
        seeds = [member.seed for member in members]
        learner = self._learner(fabric, members, augmentation, optimizer, options)
        until = frozen_until(frozen, budget.steps_per_epoch)
        optims = [optimizer(parameters) for parameters in learner.parameters]
        rates = [group["lr"] for optim in optims for group in optim.param_groups]
        state = Progress(schedule, [Best() for _ in members])
        average_of = [None] * len(members)
        saved = furthest(resume_from, seeds)
        if saved is not None:
            with saved.place.fitting(saved.name):
                places = [saved.state["seeds"].index(seed) for seed in seeds]
                own = {name: [saved.state[name][place] for place in places] for name in _OF_MEMBERS}
                for net, weights in zip(nets, own["nets"], strict=True):
                    net.load_state_dict(weights)
                for optim, each in zip(optims, learner.joined(own["optimizers"]), strict=True):
                    optim.load_state_dict(each)
                state.load_state_dict(saved.state["state"], places)
                average_of = own["averages"]
            log.info("resumed from step %d", state.step)
        optims = [cast(torch.optim.Optimizer, fabric.setup_optimizers(optim)) for optim in optims]
        groups = [group for optim in optims for group in optim.param_groups]
        averages = [EMA(net, self.ema_decay, each) for net, each in zip(nets, average_of, strict=True)]
        for net in nets:
            net.train()
        asleep = frozen_at(state.step, until)
        if until:
            learner.freeze(asleep)
        folder = members[0].checkpoints.folder.parent
        if self.find_lr is not None and saved is None:
            self._find_lr(fabric, members, learner, optimizer, num_steps(self.find_lr, "trainer.find_lr"), folder)
        profile = Profile(self.profile if fabric.is_global_zero else None, folder / "profile", fabric.device)
        learner.mark = profile.mark

        def save_last() -> None:
            notice.hold()
            _leave_diverged(watch, members, state)
            if fabric.is_global_zero:
                content = {
                    "seeds": seeds,
                    "nets": [net.state_dict() for net in nets],
                    "averages": [average.weights for average in averages],
                    "optimizers": learner.split([optim.state_dict() for optim in optims]),
                    "state": state.state_dict(),
                }
                name = "last" if len(members) == 1 else f"last_of_{len(members)}_seeds"
                members[0].checkpoints.save(name, content)
            fabric.barrier()
            notice.release()
            notice.hold()

        streams = [self._stream(fabric, member.crops, state.step) for member in members]
        bar = tqdm(total=1.0, initial=state.progress, disable=_quiet(fabric), bar_format=_BAR, leave=False)
        watch = Watch(len(members), fabric.device)
        means = _Means(len(members))
        score_name = primary_of(members[0].tasks) if len(members[0].tasks) == 1 else "mean of tasks"
        folders = [member.checkpoints.folder.parent for member in members]
        lines = Lines(score_name, seeds, folders, state.progress)
        since = saved_at = time.monotonic()
        compiling = self.compile is not None  # in the first step, which is not charged
        stopped_at: float | None = None  # not in a checkpoint: a training that goes on is no longer stopped
        notice.hold()
        while state.progress < 1.0 and not state.stopped and stopped_at is None:
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate * schedule.factor(budget.ahead(state.step, state.elapsed_s))
            if woken := asleep - frozen_at(state.step, until):
                asleep -= woken
                learner.freeze(asleep)
                if fabric.is_global_zero:
                    log.info("unfrozen at step %d: %s", state.step, ", ".join(sorted(woken))[:_LONGEST])
            profile.begin_step()
            logs = (state.step + 1) % self.log_every_steps == 0
            values, norms = self._update(fabric, learner, optims, streams, seeds, state.step, logs)
            profile.mark("other")
            watch.see(state.step, values)
            state.step += 1
            for average in averages:
                average.update(state.step)
            means.add(values)
            now = time.monotonic()
            if not compiling:
                state.elapsed_s += now - since
            since, compiling = now, False
            if budget.max_s is not None:
                state.elapsed_s = fabric.broadcast(state.elapsed_s)  # the clock of one process decides for all
            state.progress = budget.progress(state.step, state.elapsed_s)
            validates = state.progress * self.num_validations >= state.num_validations + 1 or state.progress >= 1.0
            if logs:
                _leave_diverged(watch, members, state)
                loss = self._log(members, state, means, groups[0]["lr"], norms)
                bar.set_postfix_str(f"loss {loss:.4f}")
                if fabric.is_global_zero and not validates and lines.due(state.progress):
                    lines.add(state, means.losses(), means.total_steps, groups[0]["lr"], [None] * len(members))
            ends = notice.came
            due = ends or now - saved_at > self.checkpoint_s
            if not validates and (fabric.broadcast(due) if logs else ends and fabric.world_size == 1):
                save_last()
                saved_at = time.monotonic()
            bar.update(state.progress - bar.n)

            if validates:
                notice.release()
                profile.mark("validation")
                _leave_diverged(watch, members, state)
                if fabric.is_global_zero:
                    _log_histograms(members, learner, state)
            for optim in optims:
                optim.zero_grad()
            if validates:
                state.num_validations = int(state.progress * self.num_validations)
                scores: list[float | None] = [None] * len(members)
                for k, (member, average, best) in enumerate(zip(members, averages, state.best, strict=True)):
                    if best.diverged is None:
                        averaged.load_state_dict(_of_first(fabric, average.weights))
                        score = scores[k] = self._validate(fabric, member, averaged, average, best, state)
                        if member.stops is not None:
                            stops = fabric.is_global_zero and member.stops(state.num_validations, score)
                            stopped_at = score if fabric.broadcast(stops) else None
                if fabric.is_global_zero:
                    lines.add(state, means.losses(), means.total_steps, groups[0]["lr"], scores)
                save_last()
                since = saved_at = time.monotonic()
        if means.num_steps > 0:
            self._log(members, state, means, groups[0]["lr"], [{} for _ in members])
        profile.close()
        bar.close()
        done = Trained(state.step, state.elapsed_s / len(members), state.step * batch_s, math.nan, 0, None, stopped_at)
        return [
            replace(done, best_score=best.score, best_step=best.step)
            if best.diverged is None
            else replace(done, diverged=best.diverged)
            for best in state.best
        ]

    def _learner(
        self,
        fabric: Fabric,
        members: Sequence[Member],
        augmentation: Augmentation,
        optimizer: Optimizers,
        options: GroupOptions,
    ) -> Learner:
        """Side by side on one GPU, which saves launches, if the networks can be; else in turn."""
        nets, tasks = [member.net for member in members], [member.tasks for member in members]
        alone_on_gpu = fabric.device.type == "cuda" and fabric.world_size == 1  # stacked weights know no other process
        together = len(nets) > 1 and alone_on_gpu and Vmapped.possible(nets[0], optimizer, options)
        learner = (Vmapped if together else Sequential)(fabric, nets, tasks, augmentation, options)
        if self.compile is not None:
            learner.compile(self.compile)
        return learner

    def _update(
        self,
        fabric: Fabric,
        learner: Learner,
        optimizers: Sequence[torch.optim.Optimizer],
        streams: Sequence[Iterator[Batch]],
        seeds: Sequence[int],
        step: int,
        looks: bool,
    ) -> tuple[list[Losses], list[Losses]]:
        """One step of the optimizers -> for each member {part of the loss: ()} and the norm of its gradient.

        Besides, where one looks, norms of parts of the networks, before they change. Gradients stay, clipped.
        """
        found: list[Losses] = [{} for _ in seeds]
        for part in range(self.accumulation):
            batches = []
            for stream in streams:
                learner.mark("waiting" if self.num_workers or fabric.device.type == "cuda" else "data")
                batch = next(stream)
                learner.mark("data")
                labelled = batch.pop("labelled")  # stays on the CPU: choosing items by it must not wait for a GPU
                batches.append({**fabric.to_device(batch), "labelled": labelled})
            drawn = [mixed(seed, step, part) for seed in seeds]
            losses = learner.add_gradients(batches, drawn, 1 / self.accumulation, part == self.accumulation - 1)
            for own, each in zip(found, losses, strict=True):
                _add(own, {name: loss / self.accumulation for name, loss in each.items()})
        learner.mark("optimizer")
        norms = [norms_of(learner.named(k)) if looks else {} for k in range(len(seeds))]
        for own, norm in zip(found, learner.clip(self.clip_norm), strict=True):
            own["gradient_norm"] = norm.detach()
        for optimizer in optimizers:
            optimizer.step()
        return found, norms

    def _find_lr(
        self,
        fabric: Fabric,
        members: Sequence[Member],
        learner: Learner,
        optimizer: Optimizers,
        steps: int,
        folder: Path,
    ) -> None:
        """Trains at growing learning rates, with optimizers of its own, and puts the networks back as they were."""
        seeds = [member.seed for member in members]
        before = [{name: value.clone() for name, value in member.net.state_dict().items()} for member in members]
        own = [optimizer(parameters) for parameters in learner.parameters]
        groups = [group for optim in own for group in optim.param_groups]
        configured = groups[0]["lr"]
        factors = [group["lr"] / configured if configured > 0 else 1.0 for group in groups]
        optims = [cast(torch.optim.Optimizer, fabric.setup_optimizers(optim)) for optim in own]
        streams = [self._stream(fabric, member.crops, 0) for member in members]

        def loss_at(step: int, rate: float) -> float:
            for optim in optims:
                for group, factor in zip(optim.param_groups, factors, strict=True):
                    group["lr"] = rate * factor
            values, _ = self._update(fabric, learner, optims, streams, seeds, step, False)
            for optim in optims:
                optim.zero_grad()
            return fabric.broadcast(_loss({name: float(value) for name, value in values[0].items()}))

        curve = range_test(steps, loss_at)
        for stream in streams:
            stream.close()  # type: ignore[attr-defined]  # a generator
        for member, weights in zip(members, before, strict=True):
            member.net.load_state_dict(weights)
        if fabric.is_global_zero:
            curve.write(folder)
            curve.log(members[0].tracker)
            tell(curve, configured, folder)

    def _stream(self, fabric: Fabric, crops: Crops, step: int) -> Iterator[Batch]:
        """The parts of this process's batches from step `step` on."""
        processes = Processes.of(fabric)
        part = partial(_part, crops, self.batch_size, self.accumulation, processes)  # goes to other processes
        gpu = fabric.device.type == "cuda"
        first = step * self.accumulation
        if self.num_workers > 0:
            return from_workers(part, first, self.num_workers, pin=gpu)
        return iter(Prefetched(part, first, depth=NUM_AHEAD if gpu else 0, pin=gpu))

    def _log(
        self, members: Sequence[Member], state: Progress, means: "_Means", rate: float, norms: Sequence[Losses]
    ) -> float:
        """-> the mean loss of the first member."""
        taken = means.take()
        for member, best, own, parts in zip(members, state.best, taken, norms, strict=True):
            if best.diverged is None:
                of_parts = zip(parts, torch.stack(list(parts.values())).tolist() if parts else [], strict=True)
                named = {f"train/{name}": value for name, value in [*own.items(), *of_parts]}
                member.tracker.log(state.step, {**named, "train/loss": _loss(own), "train/learning_rate": rate})
        return _loss(taken[0])

    def _validate(
        self, fabric: Fabric, member: Member, averaged: Net, average: EMA, best: Best, state: Progress
    ) -> float:
        """-> the score."""
        validated = member.validate(averaged)
        score = fabric.broadcast(validated.score)
        state.schedule.validated(score)
        if best.validated(score, state.step) and fabric.is_global_zero:
            content = {"net": average.weights, "decoding": member.tasks.decoding, "vocabulary": member.tasks.vocabulary}
            member.checkpoints.save("best", {**content, "step": state.step, "score": score})
        state.stopped = self.patience is not None and best.waited >= self.patience
        member.tracker.log(state.step, {f"valid/{name}": value for name, value in validated.metrics.items()})
        return score


def _log_histograms(members: Sequence[Member], learner: Learner, state: Progress) -> None:
    """Of the weights and of the last gradients, as they were clipped."""
    for k, (member, best) in enumerate(zip(members, state.best, strict=True)):
        if best.diverged is None:
            for name, (counts, edges) in histograms_of(learner.named(k)).items():
                member.tracker.log_histogram(state.step, f"train/{name}", counts, edges)


def _part(crops: Crops, batch_size: int, accumulation: int, processes: Processes, number: int) -> Batch:
    """Part `number` of the batches of a process: the items of a part of a step are shared out among the processes.

    `labelled` is of the items of all processes.
    """
    size = batch_size // accumulation
    first = number * size * processes.size
    batch = crops.batch(range(first + processes.rank * size, first + (processes.rank + 1) * size))
    together = {"labelled": crops.labelled(range(first, first + processes.size * size))} if processes.size > 1 else {}
    return batch | together


def _leave_diverged(watch: Watch, members: Sequence[Member], state: Progress) -> None:
    """Marks the members that diverged; DivergenceError where no other is left."""
    for step, member, best in zip(watch.first_bad(), members, state.best, strict=True):
        if step is not None and best.diverged is None:
            kept = member.checkpoints.folder
            best.diverged = (
                f"The loss or its gradient is not finite at step {step}. "
                + (f"The last good checkpoint is kept in {kept}. " if any(kept.glob("*.pt")) else "")
                + "Lower optimizer.lr, set trainer.clip_norm, or use hardware.precision=32-true."
            )
            if len(members) > 1:
                log.warning("seed %d: %s", member.seed, best.diverged)
    if all(best.diverged is not None for best in state.best):
        raise DivergenceError(state.best[0].diverged)


def _of_first(fabric: Fabric, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights that the first process has, and keeps."""
    if fabric.world_size == 1:
        return weights
    return fabric.broadcast({name: value.cpu() for name, value in weights.items()})


class _Means:
    """Of what the members' steps gave since they were last taken; a GPU is waited for where one is asked for.

    num_steps     since they were last taken
    total_steps   all
    """

    def __init__(self, num_members: int) -> None:
        self.num_steps = self.total_steps = 0
        self._taken = [0.0] * num_members
        self._sums: list[Losses] = [{} for _ in range(num_members)]

    def add(self, values: Sequence[Losses]) -> None:
        self.num_steps += 1
        self.total_steps += 1
        for own, each in zip(self._sums, values, strict=True):
            _add(own, each)

    def take(self) -> list[dict[str, float]]:
        """-> {what: mean} of each member, and begins anew."""
        means = [{name: float(value) / self.num_steps for name, value in own.items()} for own in self._sums]
        self._taken = [before + self.num_steps * _loss(own) for before, own in zip(self._taken, means, strict=True)]
        self.num_steps, self._sums = 0, [{} for _ in means]
        return means

    def losses(self) -> list[float]:
        """-> the sum of each member's losses in all steps. What is to be taken stays."""
        return [
            before + _loss({name: float(value) for name, value in own.items()})
            for before, own in zip(self._taken, self._sums, strict=True)
        ]


def _loss(values: Mapping[str, float]) -> float:
    return sum(value for name, value in values.items() if "gradient" not in name)


def _add(sums: Losses, values: Losses) -> None:
    for name, value in values.items():
        sums[name] = sums[name] + value if name in sums else value


_BAR = "{percentage:3.0f}% |{bar:40}| {elapsed} {postfix}"


def _quiet(fabric: Fabric) -> bool | None:
    """None lets tqdm decide: quiet where the output is no terminal."""
    return None if fabric.is_global_zero else True
