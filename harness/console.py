"""What a training says: first what is trained, then a line for each validation, in columns."""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from lightning_fabric import Fabric

from ricercar.data.track import Track
from ricercar.harness.evaluate import primary_of
from ricercar.harness.run import Pace, Run
from ricercar.harness.text import amount, broken
from ricercar.harness.training_state import Best, Progress
from ricercar.models.frontends.frontend import Frontend
from ricercar.tasks.multitask import Multitask

log = logging.getLogger(__name__)
_LINE_S, _LINE_SHARE = 60.0, 0.01  # least time, and share of the budget, between lines without a validation


def tell_start(
    fabric: Fabric,
    runs: Sequence[Run],
    tasks: Multitask,
    data: str,
    tracks: Mapping[str, Sequence[Track]],
    frontend: Frontend,
    params: int,
    macs: float,
) -> None:
    """Logs what is trained. runs: of one configuration, with different seeds. tracks: of each split."""
    cfg, choices = runs[0].cfg, runs[0].choices
    trainer, device = cfg.trainer, fabric.device
    channels = f", {frontend.num_channels} channels" if frontend.num_channels > 1 else ""
    window_s = cfg.window_frames * cfg.hop_length / cfg.sample_rate
    processor = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    times = "once" if trainer.num_validations == 1 else f"{trainer.num_validations} times"
    each = " in each process" if fabric.world_size > 1 else ""
    processes = f"{fabric.world_size} processes on " if fabric.world_size > 1 else ""
    details = {"task": "", "frontend": f" ({frontend.num_bins} bins{channels})", "backbone": ""}
    rows = {group: choices[group] + more for group, more in details.items() if group in choices} | {
        "data": f"{data} ({', '.join(f'{split} {len(each)}' for split, each in tracks.items())} tracks)",
        "parameters": f"{params:,}",
        "cost": f"{amount(macs)} multiplications per second of audio",
        "budget": str(trainer.budget),
        "batch": f"{trainer.batch_size} windows of {window_s:.3g} s{each}",
        "validated": f"{times}, by {primary_of(tasks)}",
        "device": f"{processes}{processor}, {cfg.hardware.precision}",
    }
    folders = {f"seed {run.cfg.seed}" if len(runs) > 1 else "folder": str(run.folder) for run in runs}
    for name, text in {**rows, **folders}.items():
        log.info("%-10s  %s", name, text)


class Lines:
    """A table that grows while networks are trained: a header, then a line for each of them, also as pace.json.

    score     name of what the validation gives
    seeds     one for each network; of several, the first column says which
    folders   of their trainings
    """

    def __init__(self, score: str, seeds: Sequence[int], folders: Sequence[Path], progress: float) -> None:
        self.score, self.seeds, self.folders = score, seeds, folders
        self._began_s = self._last_s = time.monotonic()
        self._began = self._last = progress
        self._losses, self._num_steps = [0.0] * len(seeds), 0
        least = {"seed": max(len(str(seed)) for seed in seeds)} if len(seeds) > 1 else {}
        least |= {
            "step": 7,
            "budget": 6,
            "loss": 8,
            "lr": 8,
            score: 8,
            "best": 8,
            "at step": 7,
            "elapsed": 8,
            "left": 8,
        }
        self._headers = [broken(name).split("\n") for name in least]
        self._widths = [max([own, *map(len, lines)]) for own, lines in zip(least.values(), self._headers, strict=True)]
        self._begun = False

    def due(self, progress: float) -> bool:
        """Whether it is time for a line although nothing was validated."""
        return time.monotonic() - self._last_s > _LINE_S and progress - self._last > _LINE_SHARE

    def add(
        self, state: Progress, losses: Sequence[float], num_steps: int, rate: float, scores: Sequence[float | None]
    ) -> None:
        """Logs a line for each network that has not diverged.

        losses, num_steps   sums of all steps so far in this process, and how many they are
        scores              of a validation, None where there was none
        """
        if not self._begun:
            self._begun = True
            height = max(map(len, self._headers))
            for line in zip(*([""] * (height - len(each)) + each for each in self._headers), strict=True):
                self._log(line)
        now_s = time.monotonic()
        elapsed_s, share = now_s - self._began_s, state.progress - self._began
        left_s = elapsed_s * (1.0 - state.progress) / share if share > 0 else 0.0
        for seed, folder, best, loss, before, score in zip(
            self.seeds, self.folders, state.best, losses, self._losses, scores, strict=True
        ):
            if best.diverged is None:
                found = best.score if best.step > 0 and math.isfinite(best.score) else None
                Pace(state.step, state.progress, elapsed_s, left_s, self.score, found).write(folder)
                mean = (loss - before) / max(1, num_steps - self._num_steps)
                cells = [
                    str(state.step), f"{state.progress:.0%}", _number(mean), f"{rate:.2e}", *_scores(score, best),
                    _clock(elapsed_s), _clock(left_s),
                ]  # fmt: skip
                self._log([str(seed), *cells] if len(self.seeds) > 1 else cells)
        self._losses, self._num_steps = list(losses), num_steps
        self._last_s, self._last = now_s, state.progress

    def _log(self, cells: Sequence[str]) -> None:
        line = "  ".join(cell.rjust(width) for cell, width in zip(cells, self._widths, strict=True))
        log.info("%s", line.rstrip())


def _scores(score: float | None, best: Best) -> list[str]:
    found = [_number(best.score), str(best.step)] if best.step > 0 else ["-", "-"]
    return ["-" if score is None else _number(score), *found]


def _number(value: float) -> str:
    """At most eight characters, and nine of what is negative and enormous."""
    return f"{value:.4f}" if abs(value) < 100 else f"{value:.3g}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
