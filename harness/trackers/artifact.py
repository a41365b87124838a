"""The leaderboard as a W&B run of its own: its tables, and its files as an artifact."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ricercar.harness.trackers.tracker import RunLabel
from ricercar.harness.trackers.wandb import Wandb

KIND = "leaderboard"


def log_leaderboard(
    project: str | None, folder: Path, tables: Mapping[str, Sequence[Mapping[str, Any]]], files: Sequence[Path]
) -> None:
    """Offline without a key, as runs are; W&B's files go below `folder`.

    project  None: as of runs that name none
    tables   {name: rows, each {column: value}}
    files    of the artifact `leaderboard`, whose versions W&B counts; a page (.html) is shown too
    """
    with Wandb(project=project, entity=None, group=KIND, tags=[], mode="auto") as tracker:
        folder.mkdir(parents=True, exist_ok=True)
        tracker.start(folder, RunLabel(id=KIND, name=KIND, group=KIND, kind=KIND, tags=()), {}, resumed=False)
        for name, rows in tables.items():
            tracker.log_tracks(name, rows)
        tracker.log_files(KIND, files)
