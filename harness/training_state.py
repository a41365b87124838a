"""Where a training stands: the budget, the best validations, the averaged weights, and what diverged."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ricercar.errors import InputError
from ricercar.harness.identity import BUDGET
from ricercar.harness.schedules import Schedule


@dataclass
class Best:
    """The best validation of one member so far. diverged: what to tell of it, once it has."""

    score: float = -float("inf")
    step: int = 0
    waited: int = 0
    diverged: str | None = None

    def validated(self, score: float, step: int) -> bool:
        """-> whether the score is the best so far."""
        if score > self.score or self.step == 0:
            self.score, self.step, self.waited = score, step, 0
            return True
        self.waited += 1
        return False


@dataclass
class Progress:
    """progress: share of the budget. best: one for each member."""

    schedule: Schedule
    best: list[Best]
    step: int = 0
    elapsed_s: float = 0.0
    progress: float = 0.0
    num_validations: int = 0
    stopped: bool = False

    def state_dict(self) -> dict[str, Any]:
        own = {name: value for name, value in vars(self).items() if name not in ("schedule", "best")}
        return {**own, "best": [asdict(each) for each in self.best], "schedule": self.schedule.state_dict()}

    def load_state_dict(self, state: dict[str, Any], members: Sequence[int]) -> None:
        """members: which of those that were trained go on. Each has had its share of the time."""
        self.best = [Best(**state["best"][member]) for member in members]
        self.schedule.load_state_dict(state["schedule"])
        for name, value in state.items():
            if name not in ("schedule", "best"):
                setattr(self, name, value)
        self.elapsed_s *= len(members) / len(state["best"])


_LEAST_SHARE = 1e-3  # of a budget in minutes, for the first step: nobody knows yet how long one takes


class Budget:
    """The share of a training budget that is spent.

    text   "300 steps", "20 epochs" or "2.5 minutes"; the space may be left out.
           An epoch is as many windows as cover the training tracks once.
    option the text's name, for what is told of it
    """

    def __init__(self, text: str, steps_per_epoch: float, option: str = "trainer.budget") -> None:
        found = BUDGET.fullmatch(text)
        amount = float(found[1]) if found else 0.0
        self.steps_per_epoch = steps_per_epoch
        if found is None or amount <= 0:
            raise InputError(f"{option}={text!r}: expected something like 300steps, 20epochs or 2.5minutes.")
        unit = found[2]
        self.max_s = amount * 60.0 if unit == "minute" else None
        self.max_steps = {"step": amount, "epoch": amount * steps_per_epoch}.get(unit)

    @property
    def reproducible(self) -> bool:
        """Whether steps and learning rates are the same whatever the clock says."""
        return self.max_s is None

    def ahead(self, step: int, elapsed_s: float) -> float:
        """-> the share in (0, 1] that will be spent once the next step is done, by the pace so far."""
        least_s = _LEAST_SHARE * (self.max_s or 0.0)
        return self.progress(step + 1, max(least_s, elapsed_s * (step + 1) / max(step, 1)))

    def progress(self, step: int, elapsed_s: float) -> float:
        """-> share in [0, 1] of the budget that `step` steps in `elapsed_s` seconds have spent."""
        if self.max_steps is not None:
            return min(1.0, step / self.max_steps)
        assert self.max_s is not None
        return min(1.0, elapsed_s / self.max_s)


class EMA:
    """Moves towards the network's state by 1 - decay at each step; faster at the start (Tarvainen and Valpola 2017).

    decay 0 is the network itself. Statistics of normalisation layers are averaged, too; counters are copied.
    """

    def __init__(self, net: nn.Module, decay: float, weights: dict[str, Tensor] | None) -> None:
        """weights: where to go on from; None: from the network as it is. Keeps references to the network's tensors."""
        self.decay = decay
        self._net = net.state_dict()
        start = self._net if weights is None else weights
        self.weights = {name: start[name].detach().to(value.device, copy=True) for name, value in self._net.items()}
        self._floats = [name for name, value in self._net.items() if value.is_floating_point()]
        self._counters = [name for name in self._net if name not in set(self._floats)]
        self._pairs = [self.weights[name] for name in self._floats], [self._net[name] for name in self._floats]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """After step number `step`, counted from 1."""
        decay = min(self.decay, step / (10.0 + step)) if self.decay > 0 else 0.0
        averages, values = self._pairs
        torch._foreach_lerp_(averages, values, 1.0 - decay)
        for name in self._counters:
            self.weights[name].copy_(self._net[name])


class DivergenceError(InputError):
    """The loss or a gradient was infinite or not a number."""


class Watch:
    """Remembers for each network the first step that was not finite; the device is not waited for until it is asked."""

    def __init__(self, num_networks: int, device: torch.device) -> None:
        self._first_bad = torch.full((num_networks,), -1, device=device)

    def see(self, step: int, values: Sequence[Mapping[str, Tensor]]) -> None:
        """values: for each network {what: ()}."""
        bad = torch.stack([_sum(each) for each in values]).isfinite().logical_not()
        self._first_bad = torch.where((self._first_bad < 0) & bad, step, self._first_bad)

    def first_bad(self) -> list[int | None]:
        """-> the step, None where there is none."""
        return [step if step >= 0 else None for step in self._first_bad.tolist()]


def _sum(values: Mapping[str, Tensor]) -> Tensor:
    """Finite where all are, which are far from the largest number that there is."""
    return torch.stack(list(values.values())).sum()
