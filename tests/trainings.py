"""Trainings in this process, as train.py does them."""

from pathlib import Path

from configs import composed
from ricercar.harness.identity import run_id
from ricercar.harness.results import Result
from ricercar.harness.seeds import Run
from ricercar.train import train

SMALL = ["frontend=mel", "backbone=dense", "backbone.num_params=20000"]
CHOICES = {"task": "notes", "data": "folder", "frontend": "mel", "backbone": "dense"}


def trained(folder: Path, *overrides: str) -> list[Result]:
    """The results of one job in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    cfg = composed(*overrides)
    return train(cfg, Run(folder, run_id(cfg), CHOICES, ["seed=0"]))
