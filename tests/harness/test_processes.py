"""Several processes validate once: each a share of the tracks, with the decoding that is best on all of them."""

import json
import os
import select
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lightning_fabric import Fabric

from configs import ROOT, make_task
from conftest import Command
from ricercar.data.annotations.beats import Beats
from ricercar.data.annotations.key import Key
from ricercar.data.track import Track
from ricercar.harness.evaluate import Evaluation
from ricercar.harness.processes import ALONE, Processes, Scorers, end_with
from ricercar.tasks.multitask import Multitask

NUM_TRACKS = 5
OUTPUTS = ("key/key", "beat/beat", "beat/downbeat")


class Remembered:
    """In place of a network: the key that has the track's number. Tracks last 30 s."""

    sample_rate = 1000

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.windows = self

    def num_samples(self, track: Track) -> int:
        return 30_000

    def __call__(self, net: Any, tracks: Sequence[Track]) -> Iterator[tuple[Track, Any]]:
        for track in tracks:
            self.asked.append(track.id)
            yield track, {name: np.eye(24, dtype=np.float32)[int(track.id)] for name in OUTPUTS}


def validated(fabric: Fabric | None, folder: Path) -> None:
    """Writes what this process has predicted, and what it has found."""
    tasks = Multitask(parts={"key": make_task("key")}, weights={})
    tuned: list[int] = []
    tasks["key"].tune = lambda examples, fps: tuned.append(len(examples))  # type: ignore[method-assign]
    processes = ALONE if fabric is None else Processes.of(fabric)
    predict: Any = Remembered()
    evaluation = Evaluation(tasks=tasks, predict=predict, fps=50.0, scorers=Scorers(0), processes=processes)
    tracks: list[Any] = [
        Track(id=str(i), split="valid", group=str(i), audio=None, annotations={"key": Key(tonic=2 * i, mode="major")})  # type: ignore[arg-type]
        for i in range(NUM_TRACKS)
    ]
    found = evaluation.validate(None, tracks)  # type: ignore[arg-type]
    content = {"asked": predict.asked, "tuned": tuned, "score": found.score, "metrics": found.metrics}
    (folder / f"{processes.rank}.json").write_text(json.dumps(content))


def test_a_validation_knows_how_long_tracks_are() -> None:
    """Beats in clips of 10 s: all are wrong, and none would be in clips of a recording that lasts 0 s."""
    time_s = np.arange(0.5, 30, 0.5)
    beats, late = (Beats(each, np.arange(len(time_s)) % 4 + 1) for each in (time_s, time_s + 0.2))
    tasks = Multitask(parts={"beat": make_task("beat", clip_s=10, empty="one")}, weights={})
    tasks["beat"].tune = lambda examples, fps: None  # type: ignore[method-assign]
    tasks["beat"].decode = lambda logits, fps: late  # type: ignore[method-assign]
    predict: Any = Remembered()
    evaluation = Evaluation(tasks=tasks, predict=predict, fps=50.0, scorers=Scorers(0), processes=ALONE)
    track: Any = Track(id="0", split="valid", group="0", audio=None, annotations={"beats": beats})  # type: ignore[arg-type]
    assert evaluation.validate(None, [track]).metrics["beat/F-measure"] == 0.0  # type: ignore[arg-type]


TWO = f"""
import sys
from functools import partial
from pathlib import Path
from lightning_fabric import Fabric
sys.path[:0] = [{str(ROOT / "tests")!r}, {str(Path(__file__).parent)!r}]
from test_processes import validated
Fabric(accelerator="cpu", devices=2, strategy="ddp_fork").launch(partial(validated, folder=Path()))
"""


def test_a_validation_is_shared_out(run_command: Command, tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    validated(None, tmp_path / "alone")
    alone = json.loads((tmp_path / "alone" / "0.json").read_text())
    done = run_command("-c", TWO)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert first["asked"] == ["0", "2", "4"]
    assert second["asked"] == ["1", "3"]
    for found in (first, second):
        assert found["tuned"] == [NUM_TRACKS]
        assert found["score"] == alone["score"]
        assert found["metrics"] == alone["metrics"]
    assert 0.0 < alone["score"] < 1.0


def test_a_process_ends_with_the_one_that_started_it() -> None:
    """Which is killed."""
    end, ends = os.pipe()
    parent = os.fork()
    if parent == 0:
        started_by = os.getpid()
        if os.fork() == 0:
            end_with(started_by)
            os.write(ends, b"1")
        time.sleep(100)
        os._exit(0)
    os.close(ends)
    assert os.read(end, 1) == b"1"
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    assert select.select([end], [], [], 20)[0]  # no process has the other end any more
    os.close(end)
