"""What every learner is: the gradients of the networks of one training."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from ricercar.data.batches.augmentation import Augmentation
from ricercar.models.net import Net
from ricercar.tasks.multitask import Multitask

Batch = dict[str, Any]  # what Crops.batch gives
Losses = dict[str, Tensor]
Optimizers = Callable[[list[nn.Parameter]], torch.optim.Optimizer]  # parameters -> what changes them
OptimizerState = dict[str, Any]  # its state_dict


class Learner(ABC):
    """K networks of one configuration that learn independently: network k from batch k, with its own random numbers.

    parameters   what each optimizer changes; the networks see the changes
    """

    parameters: list[list[nn.Parameter]]

    def __init__(
        self, fabric: Fabric, nets: Sequence[Net], tasks: Sequence[Multitask], augmentation: Augmentation
    ) -> None:
        self.fabric, self.nets, self.tasks, self.augmentation = fabric, nets, tasks, augmentation
        # Fabric's mixed precision would round every floating tensor that a module is called with: audio, spectrograms.
        # Autocast, inside, lowers what may be lowered.
        fabric.strategy.precision.convert_input = _as_it_is  # type: ignore[method-assign]

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


def draw_from(seed: int, device: torch.device) -> None:
    """Seeds PyTorch's generators of the CPU and of `device`; torch.manual_seed takes 0.4 ms where there is no GPU."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def mixed(seed: int, step: int, rank: int) -> int:
    """A 63-bit seed for one step of one process, unrelated to those beside it (splitmix64)."""
    value = (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + rank * 0x94D049BB133111EB) & (2**64 - 1)
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
    return (value ^ (value >> 31)) >> 1
