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
# Three steps are enough for scores that other weights and another decoding do not have; of notes they are 0.
ONSETS = [*SMALL, "task=onset"]
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
    given = dict(each.split("=", 1) for each in overrides if "=" in each)
    choices = {group: given.get(group, choice) for group, choice in CHOICES.items()}
    return train(Run(composed(*overrides), folder, choices, ["seed=0"]))


def informative(*results: Result) -> bool:
    """Whether scores say something where others are equal to them: they are neither none nor all that there is."""
    return all(0 < result.metrics[result.primary] < 1 for result in results)
