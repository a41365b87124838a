"""What tests on clusters share: a sweep of two trainings that take a while, and looking at how it goes."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from configs import ROOT
from ricercar.harness.results import Result

NUM_STEPS = 300
LIMIT_S = 300  # for what takes a tenth of it on a machine that does nothing else


class ClusterSweep:
    """python train.py -m for two seeds, in a folder of its own."""

    def __init__(self, folder: Path, options: list[str], environment: dict[str, str]) -> None:
        jobs = ["task=key", "frontend=mel", "backbone=dense", "seed=0,1"]
        length = [f"trainer.budget={NUM_STEPS}steps", "trainer.num_validations=30"]
        self.command = [sys.executable, str(ROOT / "train.py"), "-m", *jobs, *options, *length]
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "HYDRA_"))}
        self.environment = {**clean, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", **environment}
        self.folder, self.out = folder, folder / "out"

    @contextmanager
    def started(self) -> Iterator[subprocess.Popen[bytes]]:
        """The command, while it runs; what is left of it is killed."""
        with (
            self.out.open("a") as out,
            subprocess.Popen(self.command, cwd=self.folder, env=self.environment, stdout=out, stderr=out) as process,
        ):
            try:
                yield process
            finally:
                process.kill()

    def wait_for(self, what: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
        until_s = time.monotonic() + limit_s
        while not what():
            assert time.monotonic() < until_s, self.out.read_text()
            time.sleep(0.2)

    def are_training(self) -> bool:
        """Whether both have a checkpoint to go on from, and are not finished."""
        return len(list(self.folder.glob("multirun/*/checkpoints/last.pt"))) == 2

    def check(self) -> None:
        """Both have all their steps, each has one result, and one at least went on from a checkpoint."""
        finished = [Result.read(path) for path in sorted(self.folder.glob("multirun/*/result.json"))]
        assert [(result.seed, result.cost.steps) for result in finished] == [(0, NUM_STEPS), (1, NUM_STEPS)]
        lines = [json.loads(line) for line in (self.folder / "multirun" / "runs.jsonl").read_text().splitlines()]
        assert sum("run" in line for line in lines) == 2
        assert "resumed from step" in "".join(path.read_text() for path in self.folder.glob("multirun/*/train.log"))
        assert "2 finished, in multirun" in self.out.read_text()
