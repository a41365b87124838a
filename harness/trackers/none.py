"""No tracking."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricercar.harness.trackers.tracker import Image, RunLabel, Tracker


class NoTracker(Tracker):
    """Keeps nothing: what a run leaves is its log, its predictions and its result.json."""

    def start(self, run_dir: Path, label: RunLabel, config: dict[str, Any], resumed: bool) -> None:
        pass

    def log(self, step: int, values: Mapping[str, float]) -> None:
        pass

    def log_tracks(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        pass

    def log_image(self, name: str, image: Image) -> None:
        pass

    def log_audio(self, name: str, audio: NDArray[np.floating[Any]], sample_rate: int, caption: str) -> None:
        pass

    def summary(self, values: Mapping[str, float | str]) -> None:
        pass

    def close(self, exit_code: int) -> None:
        pass
