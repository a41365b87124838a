"""Sweeps with known means, and leaderboard.py ablate on them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from results_factory import Scores, make_config, make_run
from ricercar.harness.provenance import Cost
from ricercar.leaderboard import main

MEANS = {("mel", "dense"): 0.5, ("mel", "cnn"): 0.6, ("cqt", "dense"): 0.7, ("cqt", "cnn"): 0.9}
TRACKS = [0.2, -0.1, 0.0, 0.05, -0.15, 0.0, -0.05, 0.05]
NOISE = [0.01, -0.01, 0.02, 0.0, -0.02, 0.01, 0.0, -0.01]
VARY = ("--vary", "frontend,backbone")


def scores_of(mean: float, seed: int = 0) -> Scores:
    """Tracks differ by their difficulty, and a little by the seed; over three seeds the mean is `mean`."""
    noise = NOISE[seed:] + NOISE[:seed]
    values = [mean + track + each + 0.01 * (seed - 1) for track, each in zip(TRACKS, noise, strict=True)]
    return {f"track{i}": {"F-measure": value} for i, value in enumerate(values)}


def make_sweep(root: Path, means: dict[tuple[str, str], float] = MEANS, num_seeds: int = 3, **values: Any) -> Path:
    """A run for each cell and seed; the cost is 10, 20 ... million multiplications, in the order of the cells."""
    for place, ((frontend, backbone), mean) in enumerate(means.items()):
        cost = Cost(1000, 1e7 * (place + 1), 60.0, 100, 30.0, 2**30, 0.01, "cpu")
        for seed in range(num_seeds):
            folder = root / f"{frontend}-{backbone}-{seed}"
            own = {"frontend": frontend, "backbone": backbone, "seed": seed, "scores": scores_of(mean, seed)}
            make_run(folder, **{**own, "cost": cost, **values})
    return root


def make_unfinished(folder: Path, *, frontend: str, backbone: str, seed: int, **options: Any) -> None:
    """What Hydra leaves of a run that failed."""
    choices = {"task": "notes", "data": "synth", "frontend": frontend, "backbone": backbone, "compression": "log"}
    (folder / ".hydra").mkdir(parents=True)
    config = make_config(choices, seed, options) | {"tracker": None}
    (folder / ".hydra" / "config.yaml").write_text(yaml.safe_dump(config))
    hydra = {"hydra": {"runtime": {"choices": choices | {"experiment": None, "hydra/env": "default"}}}}
    (folder / ".hydra" / "hydra.yaml").write_text(yaml.safe_dump(hydra))


def ablate(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["ablate", *map(str, arguments)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["ablate", *map(str, arguments)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def rows(text: str, *first: str) -> list[list[str]]:
    """The cells of the table rows that begin with these."""
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [row for row in table if tuple(row[: len(first)]) == first]
