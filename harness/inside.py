"""What goes on inside a network while it learns: norms and histograms of its parts, and where a step's time goes."""

import logging
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.profiler import ProfilerActivity, profile, record_function

from ricercar.data.files import write_text
from ricercar.errors import InputError
from ricercar.harness.text import table

log = logging.getLogger(__name__)
_NUM_BINS = 64
_WARM_UP = 5  # steps before a profile: the first ones allocate, choose algorithms and compile
# In the order of a step. waiting: for batches that are made elsewhere; other: averages, logging, and what is between.
PIECES = ("data", "waiting", "augmentation", "frontend", "network", "loss", "backward", "optimizer", "other")


def norms_of(named: Iterable[tuple[str, Tensor, Tensor | None]]) -> dict[str, Tensor]:
    """(name, weight, gradient) of each parameter -> {"gradient_norm/backbone": (), "weight_norm/backbone": (), ...}.

    A part is what names begin with: frontend, compression, normalisation, backbone, heads. Nothing waits for a GPU.
    """
    parts = _by_part(named)
    return {f"{what}_norm/{part}": _norm(tensors) for what in ("gradient", "weight") for part, tensors in parts[what]}


@torch.no_grad()
def histograms_of(
    named: Iterable[tuple[str, Tensor, Tensor | None]],
) -> dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """The same -> {"weights/backbone": (counts (64,), edges (65,))}, and so for gradients; of what is finite."""
    found = {}
    parts = _by_part(named)
    for kind in ("gradient", "weight"):
        for part, tensors in parts[kind]:
            values = torch.cat([each.flatten().float() for each in tensors])
            values = values[values.isfinite()]
            if len(values) > 0:
                low, high = torch.stack(values.aminmax()).tolist()
                if low == high:
                    low, high = low - 0.5, high + 0.5
                counts = torch.histc(values, _NUM_BINS, low, high).cpu().numpy().astype(np.int64)
                found[f"{kind}s/{part}"] = counts, np.linspace(low, high, _NUM_BINS + 1)
    return found


def _by_part(
    named: Iterable[tuple[str, Tensor, Tensor | None]],
) -> Mapping[str, Iterable[tuple[str, list[Tensor]]]]:
    """{"weight": (part, its tensors) ..., "gradient": the same}; a part without gradients is left out of these."""
    found: dict[str, dict[str, list[Tensor]]] = {"weight": {}, "gradient": {}}
    for name, weight, gradient in named:
        part = name.partition(".")[0]
        found["weight"].setdefault(part, []).append(weight.detach())
        if gradient is not None:
            found["gradient"].setdefault(part, []).append(gradient)
    return {kind: parts.items() for kind, parts in found.items()}


def _norm(tensors: list[Tensor]) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tensors)))
    return norm


class Profile:
    """Where the time of some steps goes: `trace.json`, for chrome://tracing or ui.perfetto.dev, and `table.txt`.

    A step is cut into PIECES by `mark`; what has another name, such as validation, is in the trace only. On a GPU the
    times are those of its own clock, from where a piece reaches it to where the next one does: idling counts. The
    first 5 steps are not profiled.

    steps   how many, as text; None: no profile
    """

    def __init__(self, steps: str | None, folder: Path, device: torch.device) -> None:
        self.num_steps = 0 if steps is None else num_steps(steps, "trainer.profile")
        self.folder, self.device = folder, device
        self._seen = 0
        self._marks: list[tuple[str, Any]] = []
        self._profiler: Any = None
        self._range: Any = None

    def begin_step(self) -> None:
        """The first thing of each step."""
        if self.num_steps == 0:
            return
        if self._seen == _WARM_UP:
            activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (self.device.type == "cuda")
            self._profiler = profile(activities=activities)
            self._profiler.__enter__()
        if self._seen == _WARM_UP + self.num_steps:
            self.close()
        self._seen += 1

    def mark(self, piece: str) -> None:
        """From here on the step does another piece of its work."""
        if self._profiler is None:
            return
        if self._range is not None:
            self._range.__exit__(None, None, None)
        self._range = record_function(piece)
        self._range.__enter__()
        self._marks.append((piece, self._now()))

    def close(self) -> None:
        """Writes what there is, and says it, unless that was done."""
        if self.num_steps == 0:
            return
        steps, self.num_steps = min(self._seen - _WARM_UP, self.num_steps), 0
        if self._profiler is None:
            log.warning("nothing is profiled: the training ended within its first %d steps, the warm-up", _WARM_UP)
            return
        self.mark("other")
        self._range.__exit__(None, None, None)
        profiler, self._profiler = self._profiler, None
        profiler.__exit__(None, None, None)
        text = self._table(steps)
        try:
            write_text(self.folder / "table.txt", text)
            profiler.export_chrome_trace(str(self.folder / "trace.json"))
        except OSError as error:
            raise InputError(f"cannot write the profile into {self.folder}: {error.strerror}.") from error
        log.info("profile of %d steps, with its trace in %s:\n%s", steps, self.folder, text)

    def _now(self) -> Any:
        if self.device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    def _table(self, num_steps: int) -> str:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        spent_ms = dict.fromkeys(PIECES, 0.0)
        for (piece, begun), (_, ended) in zip(self._marks, self._marks[1:], strict=False):
            if piece in spent_ms:
                spent_ms[piece] += begun.elapsed_time(ended) if self.device.type == "cuda" else 1e3 * (ended - begun)
        total_ms = sum(spent_ms.values())
        rows = [[piece, f"{each / num_steps:.2f}", f"{each / total_ms:.1%}"] for piece, each in spent_ms.items()]
        rows.append(["step", f"{total_ms / num_steps:.2f}", "100.0%"])
        clock = "on the GPU" if self.device.type == "cuda" else "on the CPU"
        return table(rows, ["piece", f"ms per step {clock}", "share"], ("left", "right", "right")) + "\n"


def num_steps(text: str, option: str) -> int:
    """Of "20 steps". InputError names the option."""
    found = re.fullmatch(r"\s*(\d+)\s*steps?\s*", str(text))
    if found is None or int(found[1]) == 0:
        raise InputError(f"{option}={text!r}: give a number of steps, such as 20steps.")
    return int(found[1])
