"""Trainings that go astray."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ricercar.errors import InputError
from ricercar.harness.learners.learner import Losses


class DivergenceError(InputError):
    """The loss or a gradient was infinite or not a number."""


class Watch:
    """Remembers for each network the first step that was not finite; the device is not waited for until it is asked."""

    def __init__(self, num_networks: int, device: torch.device) -> None:
        self._first_bad = torch.full((num_networks,), -1, device=device)

    def see(self, step: int, values: Sequence[Losses]) -> None:
        """values: for each network {what: ()}."""
        bad = torch.stack([_sum(each) for each in values]).isfinite().logical_not()
        self._first_bad = torch.where((self._first_bad < 0) & bad, step, self._first_bad)

    def first_bad(self) -> list[int | None]:
        """-> the step, None where there is none."""
        return [step if step >= 0 else None for step in self._first_bad.tolist()]


def _sum(values: Losses) -> Tensor:
    """Finite where all are, which are far from the largest number that there is."""
    return torch.stack(list(values.values())).sum()
