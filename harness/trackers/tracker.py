"""What every tracker is: the place where a run's curves, tables, images and sounds go."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Image = Path | NDArray[np.uint8]


@dataclass(frozen=True)
class RunLabel:
    """What a run is, for finding it again among others.

    id       hash of what determines the result: runs that repeat each other share it
    group    the same for all jobs of a sweep, or all seeds of a system
    kind     train
    tags     what was chosen: task, data, frontend, backbone
    """

    id: str
    name: str
    group: str
    kind: str
    tags: tuple[str, ...]


class Tracker(ABC):
    """Follows one run. Used as a context: leaving it closes the run, with exit code 1 after an exception.

    Nothing is logged before `start`; closing a tracker that was never started does nothing.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(0 if kind is None else 1)

    @abstractmethod
    def start(self, run_dir: Path, label: RunLabel, config: dict[str, Any], resumed: bool) -> None:
        """Begins a run whose files are kept in `run_dir`.

        config    the run's configuration as plain values
        resumed   the run goes on in a `run_dir` that an earlier process left unfinished
        """

    def configure(self, config: dict[str, Any]) -> None:
        """The configuration that a search has chosen, in place of the one that the run was started with."""

    @abstractmethod
    def log(self, step: int, values: Mapping[str, float]) -> None:
        """One point of each curve, such as train/loss. NaN is allowed."""

    def log_histogram(self, step: int, name: str, counts: NDArray[np.int64], edges: NDArray[np.float64]) -> None:
        """(n,) how many values lie between (n + 1,) edges. A tracker that shows no histograms leaves it out."""

    @abstractmethod
    def log_tracks(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """The table of test tracks: one row each, columns by name. NaN is an empty cell."""

    @abstractmethod
    def log_image(self, name: str, image: Image) -> None:
        """A PNG file, or (H, W, 3)."""

    @abstractmethod
    def log_audio(self, name: str, audio: NDArray[np.floating[Any]], sample_rate: int, caption: str) -> None:
        """(N,) samples in [-1, 1]."""

    @abstractmethod
    def summary(self, values: Mapping[str, float | str]) -> None:
        """The run's final numbers."""

    @abstractmethod
    def close(self, exit_code: int) -> None:
        """Ends the run; whatever was logged is on disk or uploaded afterwards. Closing twice does nothing."""
