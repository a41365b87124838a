"""Learners: the gradients of the networks of one training, one after the other or all in the same operations."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.func import functional_call, vmap

from ricercar.data.batches.augmentation import Augmentation
from ricercar.data.batches.crops import to_float
from ricercar.harness.identity import stable_hash
from ricercar.harness.parts import Parameters, grouped, set_modes
from ricercar.harness.processes import Processes
from ricercar.harness.whole_batch import SharedStatistics, of_all
from ricercar.models.net import Net
from ricercar.tasks.multitask import Multitask

Batch = dict[str, Any]  # what Crops.batch gives
Losses = dict[str, Tensor]
Optimizers = Callable[[Parameters], torch.optim.Optimizer]  # parameters, or groups of them -> what changes them
GroupOptions = Mapping[str, Mapping[str, Any]]  # {name of a parameter: the options of its group}
OptimizerState = dict[str, Any]  # its state_dict


class Learner(ABC):
    """K networks of one configuration that learn independently: network k from batch k, with its own random numbers.

    options      of the groups of their optimizers
    parameters   what each optimizer is given; the networks see the changes
    mark         told what the next piece of a step is, for a profile
    """

    mark: Callable[[str], None]

    def __init__(
        self,
        fabric: Fabric,
        nets: Sequence[Net],
        tasks: Sequence[Multitask],
        augmentation: Augmentation,
        options: GroupOptions,
    ) -> None:
        self.fabric, self.nets, self.tasks, self.augmentation = fabric, nets, tasks, augmentation
        self.mark = _nothing
        self._learnt = self._learnt_by_name()
        self.parameters = [grouped(named, options) for named in self._learnt]
        self._in_order = [_flat(each) for each in self.parameters]
        # Fabric's mixed precision would round every floating tensor that a module is called with: audio, spectrograms.
        # Autocast, inside, lowers what may be lowered.
        fabric.strategy.precision.convert_input = _as_it_is  # type: ignore[method-assign]

    @abstractmethod
    def _learnt_by_name(self) -> list[dict[str, nn.Parameter]]:
        """{name: parameter} of each optimizer."""

    @abstractmethod
    def named(self, k: int) -> Iterator[tuple[str, Tensor, Tensor | None]]:
        """(name, weight, gradient where there is one) of each parameter of network k."""

    def freeze(self, frozen: Collection[str]) -> None:
        """Of what learns, the parameters of these names do not, from now on; all others do."""
        for named in self._learnt:
            for name, parameter in named.items():
                parameter.requires_grad_(name not in frozen)
        for net in self.nets:
            set_modes(net, frozen)

    @abstractmethod
    def add_gradients(self, batches: Sequence[Batch], seeds: Sequence[int], share: float, last: bool) -> list[Losses]:
        """Adds the gradients of `share` times the losses of K batches -> the parts of each loss, detached.

        seeds   (K,) of augmentation and dropout
        last    no more batches follow before the optimizer's step
        """

    @abstractmethod
    def clip(self, limit: float) -> list[Tensor]:
        """Scales each network's gradient down to the norm `limit` at most -> K () norms before."""

    @abstractmethod
    def split(self, states: Sequence[OptimizerState]) -> list[OptimizerState]:
        """The states of the optimizers -> K states, as of an optimizer for each network."""

    @abstractmethod
    def joined(self, states: Sequence[OptimizerState]) -> list[OptimizerState]:
        """K states, as of an optimizer for each network -> the states of the optimizers."""

    @abstractmethod
    def compile(self, mode: str) -> None:
        """Compiles what follows the spectrogram by torch.compile."""


def _as_it_is(data: Any) -> Any:
    return data


def _nothing(name: str) -> None:
    """Where nothing is profiled."""


def _flat(parameters: Parameters) -> list[nn.Parameter]:
    """In the order in which an optimizer counts them."""
    return [own for each in parameters for own in (each["params"] if isinstance(each, dict) else [each])]


def draw_from(seed: int, device: torch.device) -> None:
    """Seeds PyTorch's generators of the CPU and of `device`; torch.manual_seed takes 0.4 ms where there is no GPU."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def mixed(seed: int, step: int, part: int) -> int:
    """A 63-bit seed for one part of one step, unrelated to those beside it (splitmix64)."""
    value = (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + part * 0x94D049BB133111EB) & (2**64 - 1)
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
    return (value ^ (value >> 31)) >> 1


class Sequential(Learner):
    """Each network learns to the last bit what it would learn alone.

    Of several processes each has its share of the windows, and what is learnt is what one would learn from all, up to
    the rounding of sums, but for dropout, which draws other numbers.
    """

    def __init__(
        self,
        fabric: Fabric,
        nets: Sequence[Net],
        tasks: Sequence[Multitask],
        augmentation: Augmentation,
        options: GroupOptions,
    ) -> None:
        super().__init__(fabric, nets, tasks, augmentation, options)
        self._models = [fabric.setup_module(net) for net in nets]
        self.processes = Processes.of(fabric)
        augmentation.part = (self.processes.rank, self.processes.size)

    def _learnt_by_name(self) -> list[dict[str, nn.Parameter]]:
        return [{name: each for name, each in net.named_parameters() if each.requires_grad} for net in self.nets]

    def named(self, k: int) -> Iterator[tuple[str, Tensor, Tensor | None]]:
        for name, parameter in self.nets[k].named_parameters():
            yield name, parameter, parameter.grad

    def freeze(self, frozen: Collection[str]) -> None:
        super().freeze(frozen)
        if self.fabric.world_size > 1:  # gradients are gathered of what had some when a network was set up
            self._models = [self.fabric.setup_module(net) for net in self.nets]

    def _augmented(self, spectrogram: Tensor, seed: int) -> Tensor:
        """Where the frontend ends and the network begins."""
        augmented = self.augmentation.spectrogram(spectrogram)
        if self.processes.rank > 0:  # dropout is each process's own
            draw_from(mixed(seed, 0, self.processes.rank), self.fabric.device)
        self.mark("network")
        return augmented

    def add_gradients(self, batches: Sequence[Batch], seeds: Sequence[int], share: float, last: bool) -> list[Losses]:
        found = []
        for model, tasks, batch, seed in zip(self._models, self.tasks, batches, seeds, strict=True):
            self.mark("augmentation")
            draw_from(seed, self.fabric.device)
            audio = self.augmentation.audio(to_float(batch["input"]))
            self.mark("frontend")
            together = self.processes.size > 1
            with self.fabric.no_backward_sync(model, enabled=not last):
                with SharedStatistics() if together else nullcontext():
                    said = {name: batch["targets"][name] for name in self.nets[0].sequences}
                    logits = model(audio, batch["valid"], partial(self._augmented, seed=seed), said)
                self.mark("loss")
                targets, valid = batch["targets"], batch["valid"]
                if together:
                    logits, targets = of_all(self.processes, logits), of_all(self.processes, targets)
                    valid = of_all(self.processes, {"valid": valid})["valid"]
                losses = tasks.loss(logits, targets, valid, batch["labelled"])
                # Gradients of processes are averaged; each has that of its own windows.
                total = self.processes.size * share * torch.stack(list(losses.values())).sum()
                self.mark("backward")
                self.fabric.backward(total)
            found.append({name: loss.detach() for name, loss in losses.items()})
        return found

    def clip(self, limit: float) -> list[Tensor]:
        return [nn.utils.clip_grad_norm_(own, limit) for own in self._in_order]

    def split(self, states: Sequence[OptimizerState]) -> list[OptimizerState]:
        return list(states)

    def joined(self, states: Sequence[OptimizerState]) -> list[OptimizerState]:
        return list(states)

    def compile(self, mode: str) -> None:
        for net in self.nets:
            net.backbone.compile(mode=mode)


class Vmapped(Learner):
    """Parameters have an axis K in front, over which torch.func maps: fewer and larger operations, for a GPU to fill.

    The same as in turn up to the rounding of sums, but for dropout, which draws other numbers. The networks' own
    parameters are views of the joint ones.
    """

    def __init__(
        self,
        fabric: Fabric,
        nets: Sequence[Net],
        tasks: Sequence[Multitask],
        augmentation: Augmentation,
        options: GroupOptions,
    ) -> None:
        self._stack = _Stack(nets)
        super().__init__(fabric, nets, tasks, augmentation, options)
        [self._joint] = self._in_order
        self._model = fabric.setup_module(self._stack)

    def _learnt_by_name(self) -> list[dict[str, nn.Parameter]]:
        return [{name: each for name, each in self._stack.joint.items() if isinstance(each, nn.Parameter)}]

    def named(self, k: int) -> Iterator[tuple[str, Tensor, Tensor | None]]:
        for name, parameter in self.nets[k].named_parameters():
            joint = self._learnt[0].get(name)
            yield name, parameter, None if joint is None or joint.grad is None else joint.grad[k]

    def freeze(self, frozen: Collection[str]) -> None:
        super().freeze(frozen)
        set_modes(self._stack.net, frozen)

    @staticmethod
    def possible(net: Net, optimizer: Optimizers, options: GroupOptions) -> bool:
        """Only what follows the spectrogram is stacked, and no tokens; torch.func cannot map over recurrent layers, and
        not every optimizer, with the options of each of its groups, does to stacked parameters what it does to each.
        """
        recurrent = any(isinstance(module, nn.RNNBase) for module in net.modules())
        if net.trains_spectrogram or recurrent or net.sequences:
            return False
        different = {stable_hash(each): each for each in ({}, *options.values())}
        return all(_elementwise(optimizer, each) for each in different.values())

    def add_gradients(self, batches: Sequence[Batch], seeds: Sequence[int], share: float, last: bool) -> list[Losses]:
        self.mark("augmentation")
        valid = torch.stack([batch["valid"] for batch in batches])
        spectrograms = self._spectrograms(batches, seeds)
        self.mark("network")
        logits = self._model(spectrograms, valid)
        self.mark("loss")
        losses = self._losses(logits, batches, valid)
        total = share * torch.stack([loss.sum() for loss in losses.values()]).sum()
        self.mark("backward")
        self.fabric.backward(total)
        each = [loss.detach().unbind() for loss in losses.values()]
        return [dict(zip(losses, own, strict=True)) for own in zip(*each, strict=True)]

    def _losses(self, logits: Losses, batches: Sequence[Batch], valid: Tensor) -> Losses:
        """{part: (K,)}"""
        labelled = [batch["labelled"] for batch in batches]
        if all(bool(items.all()) for each in labelled for items in each.values()):
            targets = {name: torch.stack([batch["targets"][name] for batch in batches]) for name in logits}
            losses: Losses = vmap(partial(self.tasks[0].loss, labelled=labelled[0]))(logits, targets, valid)
            return losses
        found = []  # which windows have labels differs from network to network
        for k, (tasks, batch) in enumerate(zip(self.tasks, batches, strict=True)):
            own = {name: values[k] for name, values in logits.items()}
            found.append(tasks.loss(own, batch["targets"], batch["valid"], labelled[k]))
        names = dict.fromkeys(name for each in found for name in each)
        return {name: torch.stack([each.get(name, valid.new_zeros(()).float()) for each in found]) for name in names}

    @torch.no_grad()
    def _spectrograms(self, batches: Sequence[Batch], seeds: Sequence[int]) -> Tensor:
        """(K, B, C, F, T): the sound of all batches through one frontend. Draws what each network alone would draw."""
        device, augmentation = self.fabric.device, self.augmentation
        sounds, random = [to_float(batch["input"]) for batch in batches], []
        for k, seed in enumerate(seeds):
            draw_from(seed, self.fabric.device)
            sounds[k] = augmentation.audio(sounds[k])
            random.append(_random_state(device))
        self.mark("frontend")
        spectrograms = []
        for net, compressed, state in zip(
            self.nets, self.nets[0].compressed(torch.cat(sounds)).chunk(len(batches)), random, strict=True
        ):
            _set_random_state(state, device)
            with torch.autocast(device.type, enabled=False):
                spectrograms.append(augmentation.spectrogram(net.normalisation(compressed)))
        return torch.stack(spectrograms)

    def clip(self, limit: float) -> list[Tensor]:
        gradients = [parameter.grad for parameter in self._joint if parameter.grad is not None]
        norms = torch.stack([gradient.flatten(1).square().sum(dim=1) for gradient in gradients]).sum(dim=0).sqrt()
        scale = (limit / (norms + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(scale.view(-1, *[1] * (gradient.dim() - 1)))
        return list(norms.unbind())

    def split(self, states: Sequence[OptimizerState]) -> list[OptimizerState]:
        [joint] = states
        each: list[OptimizerState] = [{**joint, "state": {}} for _ in self.nets]
        for k, own in enumerate(each):
            for i, kept in joint["state"].items():
                stacked = {name for name, value in kept.items() if _shape(value) == self._joint[i].shape}
                own["state"][i] = {name: value[k] if name in stacked else value for name, value in kept.items()}
        return each

    def joined(self, states: Sequence[OptimizerState]) -> list[OptimizerState]:
        joint: OptimizerState = {**states[0], "state": {}}
        for i, kept in states[0]["state"].items():
            joint["state"][i] = {
                name: torch.stack([own["state"][i][name] for own in states])
                if _shape(value) == self._joint[i].shape[1:] and name != "step"  # a counter, of all
                else value
                for name, value in kept.items()
            }
        return [joint]

    def compile(self, mode: str) -> None:
        self._stack.compile(mode=mode)


def _elementwise(optimizer: Optimizers, options: Mapping[str, Any]) -> bool:
    """Whether it changes two stacked parameters as it changes each alone, tried on a few numbers, in a group.

    It does not where an element's step depends on others of its parameter, on the norm or the shape of it.
    """
    generator = torch.Generator().manual_seed(0)

    def drawn(scale: float) -> list[Tensor]:
        shapes = ((6,), (5, 4), (3, 2, 3, 3))
        return [scale * torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]

    alone = [[nn.Parameter(values) for values in drawn(scale)] for scale in (1.0, 10.0)]
    stacked = [nn.Parameter(torch.stack([values.detach() for values in each])) for each in zip(*alone, strict=True)]
    try:
        optimizers = [optimizer([{"params": own, **options}]) for own in (*alone, stacked)]
        for _ in range(3):
            gradients = [drawn(scale) for scale in (1.0, 0.01)]
            for own, each in zip(alone, gradients, strict=True):
                for parameter, gradient in zip(own, each, strict=True):
                    parameter.grad = gradient
            for parameter, both in zip(stacked, zip(*gradients, strict=True), strict=True):
                parameter.grad = torch.stack(both)
            for own_optimizer in optimizers:
                own_optimizer.step()
    except (TypeError, ValueError, RuntimeError):  # such as of one that takes matrices only
        return False
    together = [torch.stack([values.detach() for values in each]) for each in zip(*alone, strict=True)]
    return all(torch.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in zip(stacked, together, strict=True))


class _Stack(nn.Module):
    """(K, B, C, F, T) spectrograms, (K, B, T) valid -> {output: (K, B, T, K')}: network k on spectrogram k.

    joint   {name: (K, ...)}: parameters and buffers of backbones and heads, of which the networks' own become views
    """

    def __init__(self, nets: Sequence[Net]) -> None:
        super().__init__()
        every = [_after_spectrogram(net) for net in nets]
        self.joint: dict[str, Tensor] = {}
        for name, first in every[0].items():
            stacked = torch.stack([each[name].detach() for each in every])
            self.joint[name] = nn.Parameter(stacked) if first.requires_grad else stacked
            for each, own in zip(every, stacked, strict=True):
                each[name].data = own
        # Only its structure is used: a call replaces each of its tensors. In a list: no part of this module.
        self._body = [_Body(copy.deepcopy(nets[0]).to("meta"))]

    @property
    def net(self) -> Net:
        """The network that is called."""
        return self._body[0].net

    def forward(self, spectrograms: Tensor, valid: Tensor) -> dict[str, Tensor]:
        def one(tensors: dict[str, Tensor], spectrogram: Tensor, valid: Tensor) -> dict[str, Tensor]:
            logits: dict[str, Tensor] = functional_call(self._body[0], tensors, (spectrogram, valid))
            return logits

        tensors = {f"net.{name}": value for name, value in self.joint.items()}
        logits: dict[str, Tensor] = vmap(one, randomness="different")(tensors, spectrograms, valid)
        return logits


class _Body(nn.Module):
    """What follows the spectrogram in a network."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net

    def forward(self, spectrogram: Tensor, valid: Tensor) -> dict[str, Tensor]:
        return self.net.body(spectrogram, valid)


def _after_spectrogram(net: Net) -> dict[str, Tensor]:
    named = [*net.named_parameters(), *net.named_buffers()]
    return {name: tensor for name, tensor in named if name.startswith(("backbone.", "heads."))}


def _shape(value: Any) -> torch.Size | None:
    return value.shape if isinstance(value, Tensor) else None


def _random_state(device: torch.device) -> list[Tensor]:
    """Of the generators of the CPU and of `device`. Both are kept by the host: nothing waits for a GPU."""
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]


def _set_random_state(state: list[Tensor], device: torch.device) -> None:
    torch.set_rng_state(state[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state[1], device)
