"""The curves of one training among several of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricercar.harness.trackers.tracker import Image, RunLabel, Tracker


class Prefixed(Tracker):
    """A tracker that is running already, with `prefix` before all names. Closing it leaves the other running."""

    def __init__(self, tracker: Tracker, prefix: str) -> None:
        self.tracker = tracker
        self.prefix = prefix

    def start(self, run_dir: Path, label: RunLabel, config: dict[str, Any], resumed: bool) -> None:
        pass

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.tracker.log(step, {self.prefix + name: value for name, value in values.items()})

    def log_histogram(self, step: int, name: str, counts: NDArray[np.int64], edges: NDArray[np.float64]) -> None:
        self.tracker.log_histogram(step, self.prefix + name, counts, edges)

    def log_tracks(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self.tracker.log_tracks(self.prefix + name, rows)

    def log_image(self, name: str, image: Image) -> None:
        self.tracker.log_image(self.prefix + name, image)

    def log_audio(self, name: str, audio: NDArray[np.floating[Any]], sample_rate: int, caption: str) -> None:
        self.tracker.log_audio(self.prefix + name, audio, sample_rate, caption)

    def summary(self, values: Mapping[str, float | str]) -> None:
        self.tracker.summary({self.prefix + name: value for name, value in values.items()})

    def close(self, exit_code: int) -> None:
        pass
