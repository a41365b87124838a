"""Trainings in this process, as train.py does them."""

from collections.abc import Sequence
from pathlib import Path

from configs import composed
from ricercar.data.audio.store import AudioStore
from ricercar.data.track import Track
from ricercar.harness.benchmark import Benchmark
from ricercar.harness.results import Result
from ricercar.harness.run import Run
from ricercar.tasks.scoring import Scoring
from ricercar.train import train

SMALL = ["frontend=mel", "backbone=dense", "backbone.num_params=20000"]
CHOICES = {"task": "notes", "data": "folder", "frontend": "mel", "backbone": "dense"}


def benchmark(
    scoring: Scoring, tracks: Sequence[Track], store: AudioStore, training: Sequence[Track] = (), data: str = "tones"
) -> Benchmark:
    return Benchmark(
        task="notes", scoring=scoring, data=data, split="test", tracks=tracks, training=training, store=store
    )


def trained(folder: Path, *overrides: str) -> list[Result]:
    """The results of one job in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return train(Run(composed(*overrides), folder, CHOICES, ["seed=0"]))
