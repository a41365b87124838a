"""Prediction, decoding and scoring of many tracks: memory by the number of tracks, time by the number of processes.

    python bench/evaluation.py [--quick]

Tracks of one minute of noise with ten notes a second; a small network that knows nothing, which finds many notes. Each
figure is of a process of its own: its greatest memory that is not in files, and the elapsed time of the evaluation. The
processes that score are started before the clock.
"""

import argparse
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from numpy.typing import NDArray
from rows import Row, Spread, text

from ricercar.data.annotations.notes import Notes
from ricercar.data.track import Track
from ricercar.harness import assemble

CONF = Path(__file__).parents[1] / "conf"
TRACK_S, NOTES_PER_S = 60, 10
MB = 1e6


class Noise:
    """A minute of it."""

    def __init__(self, number: int) -> None:
        self.number = number

    def key(self) -> str:
        return f"noise-{self.number}"

    def decode(self, sample_rate: int) -> NDArray[np.float32]:
        random = np.random.default_rng(self.number)
        return random.normal(0, 0.1, TRACK_S * sample_rate).astype(np.float32)


def measure(quick: bool) -> list[Row]:
    sizes = (4, 16) if quick else (8, 32, 128)
    with TemporaryDirectory() as folder:
        done = {size: evaluated(size, 0, folder) for size in sizes}
        memory = {f"{size} tracks": Spread.of([each["memory_mb"]]) for size, each in done.items()}
        largest = memory.pop(f"{sizes[-1]} tracks")
        work = f"memory of the process that scores {sizes[-1]} tracks of {TRACK_S} s"
        rows = [Row("evaluation", work, "MB", {"ricercar": largest, **memory})]
        size = sizes[1]
        beside = evaluated(size, 2, folder)
        figures = {"ricercar": Spread.of([done[size]["seconds"]]), "2 processes": Spread.of([beside["seconds"]])}
        rows.append(Row("evaluation", f"{size} tracks of {TRACK_S} s, scored in the main process", "s", figures))
    return rows


def evaluated(num_tracks: int, num_scorers: int, folder: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--job", str(num_tracks), str(num_scorers), folder]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def job(num_tracks: int, num_scorers: int, folder: Path) -> dict[str, float]:
    overrides = ["frontend=mel", "backbone=dense", "backbone.num_params=100000", "hardware=cpu", f"cache_dir={folder}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=[*overrides, f"num_scorers={num_scorers}"])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tasks, store = assemble.make_tasks(cfg), assemble.make_store(cfg)
    tracks = [
        Track(str(number), "test", str(number), Noise(number), {"notes": played(number)})
        for number in range(num_tracks)
    ]
    windows = assemble.make_windows(cfg, assemble.make(cfg.frontend), store, device)
    windows.prepare(tracks)
    torch.manual_seed(0)
    net = assemble.make_net(cfg, tasks).to(device)
    evaluation = assemble.make_evaluation(cfg, tasks, windows, device)
    list(evaluation.scorers.map(abs, range(2 * num_scorers)))
    start = time.monotonic()
    memory = Memory()
    memory.start()
    scores, _ = evaluation.test(net, tracks, {"notes": folder / f"predictions-{num_tracks}"})
    seconds = time.monotonic() - start
    assert len(scores["notes"]) == num_tracks
    return {"seconds": seconds, "memory_mb": memory.stopped_mb()}


class Memory(threading.Thread):
    """Watches the memory of the process that is not in files (RssAnon)."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._most_kb = 0
        self._stop_asked = threading.Event()

    def run(self) -> None:
        while not self._stop_asked.wait(0.02):
            status = Path("/proc/self/status").read_text()
            self._most_kb = max(self._most_kb, int(status.split("RssAnon:")[1].split()[0]))

    def stopped_mb(self) -> float:
        self._stop_asked.set()
        self.join()
        return self._most_kb * 1024 / MB


def played(number: int) -> Notes:
    random = np.random.default_rng(number)
    onset_s = np.sort(random.uniform(0, TRACK_S - 1, TRACK_S * NOTES_PER_S))
    pitch = random.integers(30, 100, len(onset_s))
    return Notes.make(onset_s=onset_s, offset_s=onset_s + 0.3, pitch=pitch, velocity=np.full(len(onset_s), 64))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--job", nargs=3, metavar="", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job:
        print(json.dumps(job(int(args.job[0]), int(args.job[1]), Path(args.job[2]))))
    else:
        print(text(measure(args.quick)))


if __name__ == "__main__":
    main()
