"""What a network costs: parameters, multiplications, time and memory."""

import gc
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ricercar.harness.loop import Trained
from ricercar.harness.provenance import Cost
from ricercar.models.net import Net


@dataclass(frozen=True)
class NetCost:
    """params: trained numbers. macs: multiply-accumulates per second of audio of what follows the spectrogram.

    Pointwise work is not counted.
    """

    params: int
    macs: float

    def with_run(
        self, trained: Trained, predict_s: float, predicted_s: float, memory: "PeakMemory", device: torch.device
    ) -> Cost:
        """predict_s: how long the prediction of `predicted_s` seconds of audio took."""
        return Cost(
            params=self.params,
            macs_per_second_of_audio=self.macs,
            train_s=trained.train_s,
            steps=trained.steps,
            audio_seconds_per_s=trained.audio_s / trained.train_s if trained.train_s > 0 else None,
            peak_memory_bytes=memory.in_bytes(),
            real_time_factor=predict_s / predicted_s,
            device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        )


def cost_of(net: Net, num_samples: int, num_frames: int, sample_rate: int) -> NetCost:
    """Counts one forward pass over one window; tokens as many as there can be."""
    params = sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)
    was_training = net.training
    net.eval()
    recurrent = _Recurrent()
    handles = [
        handle
        for module in net.modules()
        if isinstance(module, nn.RNNBase)
        for handle in (module.register_forward_pre_hook(recurrent.enter), module.register_forward_hook(recurrent.leave))
    ]
    spectrogram = torch.zeros(1, net.frontend.num_channels, net.frontend.num_bins, num_frames)
    # Attention by plain products: torch's counter does not know the fused operation for the CPU.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as recurrent.counter:
        said = {name: torch.zeros(1, longest, dtype=torch.int64) for name, longest in net.sequences.items()}
        net.body(spectrogram, None, said)
    for handle in handles:
        handle.remove()
    net.train(was_training)
    macs = recurrent.counter.get_total_flops() / 2 + recurrent.missing
    return NetCost(params, macs * sample_rate / num_samples)


class _Recurrent:
    """torch's counter does not see into fused recurrent layers: every weight is used once per frame."""

    counter: FlopCounterMode
    missing = 0.0
    _before = 0.0

    def enter(self, module: nn.Module, inputs: Any) -> None:
        self._before = self.counter.get_total_flops()

    def leave(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
        batch, frames = inputs[0].shape[:2]
        weights = sum(weight.numel() for name, weight in module.named_parameters() if name.startswith("weight"))
        self.missing += batch * frames * weights - (self.counter.get_total_flops() - self._before) / 2


class PeakMemory:
    """The most memory that was in use since this was made: of the GPU, or of this process on a CPU."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.known = True
        gc.collect()  # what an earlier job has left behind
        _set_aside()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            self.known = _forget_peak()

    def in_bytes(self) -> int | None:
        """None where it is not known: the system keeps the peak of the process's whole life only."""
        if not self.known:
            return None
        return torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else _resident_peak()


@cache
def _set_aside() -> None:
    """What is there by now, modules most of all, is not looked through again by each job."""
    gc.freeze()


_PROCESS = Path("/proc/self")  # of Linux


def _forget_peak() -> bool:
    """Lowers the peak of the resident memory to what is resident now -> whether the system can."""
    try:
        (_PROCESS / "clear_refs").write_text("5")
    except OSError:
        return False
    return _resident_peak() is not None


def _resident_peak() -> int | None:
    try:
        found = re.search(r"^VmHWM:\s*(\d+) kB", (_PROCESS / "status").read_text(), re.MULTILINE)
    except OSError:
        return None
    return 1024 * int(found[1]) if found else None
