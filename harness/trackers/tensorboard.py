"""TensorBoard."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricercar.errors import InputError
from ricercar.harness.trackers.tracker import Image, RunLabel, Tracker


class Tensorboard(Tracker):
    """Event files in <run folder>/tensorboard: `tensorboard --logdir outputs` shows all runs.

    A resumed run adds a second file, which TensorBoard joins to the first.
    """

    def __init__(self) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise InputError(
                f"tracker=tensorboard needs a package that is missing ({error}): pip install tensorboard, "
                "or choose tracker=wandb or tracker=none."
            ) from error
        self._make_writer = SummaryWriter
        self._writer: Any = None
        self._step = 0

    def start(self, run_dir: Path, label: RunLabel, config: dict[str, Any], resumed: bool) -> None:
        assert self._writer is None
        try:
            self._writer = self._make_writer(log_dir=str(run_dir / "tensorboard"))
        except OSError as error:
            raise InputError(f"cannot write into the run's folder {run_dir}: {error.strerror}.") from error
        self.configure({"run_id": label.id, "name": label.name, **config})

    def configure(self, config: dict[str, Any]) -> None:
        written = json.dumps(config, indent=2, default=str)
        self._call("add_text", "config", "\n".join(f"    {line}" for line in written.splitlines()))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._step = step
        for name, value in values.items():
            self._call("add_scalar", name, value)

    def log_histogram(self, step: int, name: str, counts: NDArray[np.int64], edges: NDArray[np.float64]) -> None:
        self._step = step
        middles = (edges[:-1] + edges[1:]) / 2
        sums = {"sum": float(counts @ middles), "sum_squares": float(counts @ middles**2)}
        ends = {"min": float(edges[0]), "max": float(edges[-1]), "num": int(counts.sum())}
        buckets = {"bucket_limits": edges[1:].tolist(), "bucket_counts": counts.tolist()}
        self._call("add_histogram_raw", name, **ends, **sums, **buckets)

    def log_tracks(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        columns = list(dict.fromkeys(column for row in rows for column in row))
        lines = [columns, ["---"] * len(columns), *([_cell(row.get(column)) for column in columns] for row in rows)]
        self._call("add_text", name, "\n".join(f"| {' | '.join(line)} |" for line in lines))

    def log_image(self, name: str, image: Image) -> None:
        self._call("add_image", name, _pixels(image), dataformats="HWC")

    def log_audio(self, name: str, audio: NDArray[np.floating[Any]], sample_rate: int, caption: str) -> None:
        self._call("add_audio", name, audio[None], sample_rate=sample_rate)
        self._call("add_text", f"{name}/caption", caption)

    def summary(self, values: Mapping[str, float | str]) -> None:
        self.log(self._step, {name: value for name, value in values.items() if not isinstance(value, str)})
        for name, value in values.items():
            if isinstance(value, str):
                self._call("add_text", name, value)

    def close(self, exit_code: int) -> None:
        if self._writer is not None:
            self._call("add_text", "exit_code", str(exit_code))
            self._writer.close()
            self._writer = None

    def _call(self, method: str, *values: Any, **options: Any) -> None:
        assert self._writer is not None, "start comes first"
        getattr(self._writer, method)(*values, global_step=self._step, **options)


def _pixels(image: Image) -> NDArray[np.uint8]:
    """-> (H, W, 3)"""
    if not isinstance(image, Path):
        return image
    from matplotlib.image import imread

    pixels = np.asarray(imread(image))
    if pixels.dtype != np.uint8:  # a PNG arrives as 0 to 1
        pixels = np.rint(pixels * 255).astype(np.uint8)
    return pixels[..., :3]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4f}"
    return "" if value is None else str(value).replace("|", "\\|")
