"""What makes several processes learn as one would from all of their windows: each loss, and each mean over a batch, is
that of the whole batch."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ricercar.harness.processes import Processes


def of_all(processes: Processes, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """{name: (B, ...)} of this process -> {name: (size * B, ...)} of all, in the order of their ranks.

    Gradients reach this process's own part.
    """
    return {name: _gathered(processes, each) for name, each in own.items()}


def _gathered(processes: Processes, own: Tensor) -> Tensor:
    values = own.detach().contiguous()
    bits = values.view(torch.uint8) if values.dtype == torch.bool else values
    everyone = [torch.empty_like(bits) for _ in range(processes.size)]
    torch.distributed.all_gather(everyone, bits)
    parts = [each.view(values.dtype) for each in everyone]
    parts[processes.rank] = own
    return torch.cat(parts)


class SharedStatistics(TorchFunctionMode):
    """While it is entered, batch normalisation takes mean and variance over the batches of all processes.

    So does every layer that calls torch.nn.functional.batch_norm, in training. All processes have batches of one shape.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return (_batch_norm if func is functional.batch_norm else func)(*args, **(kwargs or {}))


def _batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """As torch.nn.functional.batch_norm: (B, C, ...) -> (B, C, ...)."""
    if not training:
        return functional.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    size = torch.distributed.get_world_size()
    others = [axis for axis in range(input.dim()) if axis != 1]
    shape = [1, -1] + [1] * (input.dim() - 2)
    values = input.float()
    mean = _sum(values.mean(others)) / size
    centred = values - mean.view(shape)
    variance = _sum(centred.square().mean(others)) / size
    if running_mean is not None and running_var is not None:
        count = size * input.numel() // input.shape[1]
        with torch.no_grad():
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(variance * (count / max(1, count - 1)), momentum)
    normed: Tensor = centred * (variance + eps).rsqrt().view(shape)
    if weight is not None:
        normed = normed * weight.view(shape)
    if bias is not None:
        normed = normed + bias.view(shape)
    return normed.to(input.dtype)


class _Sum(torch.autograd.Function):
    """The sum over processes of each one's values; the gradient is the sum of each one's, too."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return _summed(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _summed(gradients[0])


def _sum(values: Tensor) -> Tensor:
    summed: Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]
    return summed


def _summed(values: Tensor) -> Tensor:
    values = values.clone()
    torch.distributed.all_reduce(values)
    return values
