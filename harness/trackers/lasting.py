"""A tracker that a full disk cannot take a training with it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricercar.harness.trackers.tracker import Image, RunLabel, Tracker

log = logging.getLogger(__name__)


class Lasting(Tracker):
    """What `tracker` cannot write is told once, and the run goes on without it: what counts is in the run's folder.

    A tracker that cannot even be started stops the run, before anything is computed.
    """

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self._lost = False

    def start(self, run_dir: Path, label: RunLabel, config: dict[str, Any], resumed: bool) -> None:
        self.tracker.start(run_dir, label, config, resumed)

    def configure(self, config: dict[str, Any]) -> None:
        self._try(self.tracker.configure, config)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._try(self.tracker.log, step, values)

    def log_histogram(self, step: int, name: str, counts: NDArray[np.int64], edges: NDArray[np.float64]) -> None:
        self._try(self.tracker.log_histogram, step, name, counts, edges)

    def log_tracks(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self._try(self.tracker.log_tracks, name, rows)

    def log_image(self, name: str, image: Image) -> None:
        self._try(self.tracker.log_image, name, image)

    def log_audio(self, name: str, audio: NDArray[np.floating[Any]], sample_rate: int, caption: str) -> None:
        self._try(self.tracker.log_audio, name, audio, sample_rate, caption)

    def summary(self, values: Mapping[str, float | str]) -> None:
        self._try(self.tracker.summary, values)

    def close(self, exit_code: int) -> None:
        self._try(self.tracker.close, exit_code, always=True)

    def _try(self, call: Callable[..., None], *values: Any, always: bool = False) -> None:
        if self._lost and not always:
            return
        try:
            call(*values)
        except OSError as error:
            if not self._lost:
                name = type(self.tracker).__name__.lower()
                log.warning("tracker=%s can no longer write (%s): the run goes on without it.", name, error.strerror)
            self._lost = True
