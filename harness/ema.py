"""An exponential moving average of a network's weights, to validate and predict with."""

import torch
from torch import Tensor, nn


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
