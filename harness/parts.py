"""Parts of a network by their names: what an optimizer's groups hold, and what is frozen until when.

A name is that of a parameter (backbone.layers.0.weight) or what it begins with (backbone, backbone.layers.0), and may
have wildcards (*.bias). Where several fit a parameter the longest counts: of options, those of the others stay.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from ricercar.checks import check_between
from ricercar.errors import InputError
from ricercar.harness.training_state import Budget

Parameters = list[nn.Parameter] | list[dict[str, Any]]  # what torch.optim takes: all alike, or groups with options
LR_FACTOR = "lr_factor"  # in a group: what its learning rate is multiplied by
Times = dict[str, str | None]  # {name of a frozen parameter: when it begins to learn, None for never}
_NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


def fits(pattern: str, name: str) -> bool:
    """Whether a pattern is a parameter's name or the beginning of it."""
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")


def check_fits(option: str, patterns: Iterable[str], names: Sequence[str]) -> None:
    """InputError for a pattern that no parameter fits."""
    for pattern in patterns:
        if not any(fits(pattern, name) for name in names):
            there = dict.fromkeys(".".join(name.split(".")[: pattern.count(".") + 1]) for name in names)
            raise InputError(
                f"{option} has {pattern!r}, which no parameter of this network fits. There are: {_listed(list(there))}."
            )


class Groups:
    """The groups of an optimizer: which parameters learn otherwise than the yaml's options say.

    groups   {name: options}: `lr` is a factor, of the schedule's rate too; others are values in place of the yaml's
    decay_biases_and_norms   False: no weight decay for biases, for what normalisations learn, and for other vectors
    """

    def __init__(self, groups: Mapping[str, Mapping[str, Any]], decay_biases_and_norms: bool) -> None:
        for name, options in groups.items():
            if not isinstance(options, Mapping) or not options:
                raise InputError(f"optimizer.groups.{name}={options!r}: give options, such as {{lr: 0.1}}.")
            if "lr" in options:
                check_between(0, math.inf, **{f"optimizer.groups.{name}.lr": options["lr"]})
        self.groups = {name: groups[name] for name in _shortest_first(groups)}
        self.decay_biases_and_norms = decay_biases_and_norms

    @property
    def own_options(self) -> dict[str, dict[str, Any]]:
        """{where it stands: options}, which the optimizer must know, as they are."""
        found = {
            f"optimizer.groups.{name}": {key: value for key, value in options.items() if key != "lr"}
            for name, options in self.groups.items()
        }
        if not self.decay_biases_and_norms:
            found["optimizer.decay_biases_and_norms=false"] = {"weight_decay": 0.0}
        return {place: options for place, options in found.items() if options}

    def options(self, net: nn.Module) -> dict[str, dict[str, Any]]:
        """{name of a parameter: the options of its group}. InputError for a name that no parameter fits."""
        found: dict[str, dict[str, Any]] = {name: {} for name, _ in net.named_parameters()}
        check_fits("optimizer.groups", self.groups, list(found))
        for name, own in found.items():
            for pattern, options in self.groups.items():
                if fits(pattern, name):
                    own.update({LR_FACTOR if key == "lr" else key: value for key, value in options.items()})
        if not self.decay_biases_and_norms:
            for name in _biases_and_norms(net):
                found[name]["weight_decay"] = 0.0
        return found


def grouped(named: Mapping[str, nn.Parameter], options: Mapping[str, Mapping[str, Any]]) -> Parameters:
    """What an optimizer of these parameters is given; those with its own learning rate come first.

    options   {name of a parameter: options of its group}; a name may be missing
    """
    members: dict[str, list[str]] = {}
    for name in named:
        members.setdefault(json.dumps(options.get(name, {}), sort_keys=True), []).append(name)
    if list(members) in ([], ["{}"]):
        return list(named.values())
    groups = [{**options.get(names[0], {}), "params": [named[name] for name in names]} for names in members.values()]
    return sorted(groups, key=lambda group: group.get(LR_FACTOR, 1.0) != 1.0)


class Freezing:
    """Which parameters do not learn, and until which step.

    A module whose parameters are all frozen is in evaluation mode: statistics of batch normalisation stay, and nothing
    is dropped out. (Recurrent layers are not: on a GPU what lies before them could not learn then.)

    freeze        patterns
    unfreeze_at   when they begin to learn, such as "500 steps" or "2 epochs", None: never; or a list, of each pattern
    """

    def __init__(self, freeze: Any, unfreeze_at: Any) -> None:
        if not isinstance(freeze, list) or not all(isinstance(each, str) and each for each in freeze):
            raise InputError(f"freeze={freeze!r}: give a list of names or patterns, such as freeze=[frontend,*.bias].")
        times = unfreeze_at if isinstance(unfreeze_at, list) else [unfreeze_at] * len(freeze)
        if len(times) != len(freeze) or (not freeze and unfreeze_at is not None):
            raise InputError(
                f"unfreeze_at={unfreeze_at!r} does not go with freeze={freeze!r}: give one time for all names, or a "
                "list with one for each, null for never."
            )
        for time in times:
            _steps(time, 1.0)
        self.times: Times = dict(zip(freeze, times, strict=True))

    def of(self, net: nn.Module) -> Times:
        """Of the parameters of a network.

        InputError for a pattern that no parameter fits, and where none is left that learns from the first step on.
        """
        names = [name for name, _ in net.named_parameters()]
        check_fits("freeze", self.times, names)
        found: Times = {}
        for pattern in _shortest_first(self.times):
            found.update({name: self.times[pattern] for name in names if fits(pattern, name)})
        if all(name in found for name, parameter in net.named_parameters() if parameter.requires_grad):
            raise InputError(f"freeze={list(self.times)} freezes the whole network: leave a part that learns.")
        return found


def with_times(options: Mapping[str, Mapping[str, Any]], times: Times) -> dict[str, dict[str, Any]]:
    """The options of an optimizer's groups, so that a group begins to learn as a whole.

    Fused SGD takes no group of which some parameters have a momentum already, and others none.
    """
    late = {name: {"unfreeze_at": time} for name, time in times.items()}
    return {name: {**own, **late.get(name, {})} for name, own in options.items()}


def freeze_for_good(net: nn.Module, times: Times) -> None:
    """What never learns has no gradient from the start, and no place in an optimizer."""
    for name, parameter in net.named_parameters():
        if name in times and times[name] is None:
            parameter.requires_grad_(False)


def frozen_until(times: Times, steps_per_epoch: float) -> dict[str, float]:
    """{name of a frozen parameter: the number of the step from which on it learns, inf for never}"""
    steps = {time: _steps(time, steps_per_epoch) for time in set(times.values())}
    return {name: steps[time] for name, time in times.items()}


def frozen_at(step: int, until: Mapping[str, float]) -> set[str]:
    """Names of the parameters that are frozen in step number `step`, from 0."""
    return {name for name, end in until.items() if step < end}


def set_modes(net: nn.Module, frozen: Iterable[str]) -> None:
    """Puts frozen modules into evaluation mode, and all others into training mode."""
    net.train()
    frozen = set(frozen)
    for place, module in net.named_modules():
        names = [f"{place}.{name}" if place else name for name, _ in module.named_parameters()]
        if names and frozen.issuperset(names):
            for each in module.modules():
                if not isinstance(each, nn.RNNBase):
                    each.training = False


def _steps(time: str | None, steps_per_epoch: float) -> float:
    if time is None:
        return math.inf
    steps = Budget(str(time), steps_per_epoch, "unfreeze_at").max_steps
    if steps is None:
        raise InputError(f"unfreeze_at={time!r}: give steps or epochs, such as 500steps: minutes differ each time.")
    return steps


def _biases_and_norms(net: nn.Module) -> list[str]:
    """Names of biases, of what normalisations learn, and of other parameters that are vectors or single numbers."""
    found = []
    for place, module in net.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if isinstance(module, _NORMS) or "bias" in name or parameter.ndim <= 1:
                found.append(f"{place}.{name}" if place else name)
    return found


def _shortest_first(patterns: Iterable[str]) -> list[str]:
    """The same order however they were given."""
    return sorted(patterns, key=lambda pattern: (len(pattern), pattern))


def _listed(names: Sequence[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
