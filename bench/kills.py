"""A sweep of many tiny jobs, of whose processes some are killed at random times: is each job trained, and none twice?

    python bench/kills.py [--jobs 300] [--kills 10] [--launcher joblib] [--processes 2] [--folder FOLDER]

kill -9 meets a worker or the launching process, which is then started again with the same command. Then it says how
many jobs there are a minute, and what a job takes beyond its training. The exit code is 1 where something is wrong.
"""

import argparse
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from tabulate import tabulate

from ricercar.harness.results import Result

TRAIN = Path(__file__).parents[1] / "train.py"
STEPS = 10
TINY = [
    "task=key", "frontend=mel", "backbone=dense", "backbone.num_params=20000", "backbone.context=0", "tracker=none",
    "hardware=cpu", "num_threads=1", "window_frames=40", "border_frames=5", "trainer.batch_size=2",
    f"trainer.budget={STEPS}steps", "trainer.num_validations=2", "data=synth", "data.num_train=2", "data.num_valid=1",
    "data.num_test=1", "data.composer.duration_s=6",
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--launcher", choices=("basic", "joblib"), default="joblib")
    parser.add_argument("--processes", type=int, default=2, help="of joblib")
    parser.add_argument("--seed", type=int, default=0, help="of the random times")
    parser.add_argument("--folder", type=Path, help="an empty one; none: one that is removed afterwards")
    args = parser.parse_args()
    with TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        own = ["hydra/launcher=joblib", f"hydra.launcher.num_processes={args.processes}"]
        command = [*TINY, f"cache_dir={folder / 'cache'}", f"seed=range({args.jobs})"]
        command += own if args.launcher == "joblib" else []
        start = time.monotonic()
        killed = sweep(command, folder, args.jobs, args.kills, random.Random(args.seed))
        taken_s = time.monotonic() - start
        processes = args.processes if args.launcher == "joblib" else 1
        lines, wrong = report(folder / "multirun", args.jobs, processes, taken_s, killed)
    print(tabulate(lines, tablefmt="plain"))
    if wrong:
        sys.exit("\n".join(["", *wrong]))


def sweep(command: list[str], folder: Path, jobs: int, kills: int, chance: random.Random) -> dict[str, int]:
    """Runs a command again and again until it ends by itself -> {what was killed: how often}."""
    moments = sorted(chance.sample(range(1, max(2, jobs)), min(kills, jobs - 1)))  # when so many jobs have ended
    killed = {"worker": 0, "launching process": 0}
    while True:
        with (folder / "out").open("a") as out:
            process = subprocess.Popen([sys.executable, str(TRAIN), "-m", *command], cwd=folder, stdout=out, stderr=out)
        while process.poll() is None:
            ended = len(list((folder / "multirun").glob("*/result.json")))
            if moments and ended >= moments[0]:
                time.sleep(chance.uniform(0, 2))  # into whatever a job is doing then
                victim = chance.choice([process.pid, *workers(process.pid)])
                killed["launching process" if victim == process.pid else "worker"] += 1
                os.kill(victim, signal.SIGKILL)
                moments.pop(0)
            time.sleep(0.2)
        if process.returncode != -signal.SIGKILL:
            print((folder / "out").read_text()[-300:], file=sys.stderr)
            return killed


def workers(parent: int) -> list[int]:
    """The processes that jobs run in."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            ppid = int(stat.read_text().rpartition(")")[2].split()[1])
            if ppid == parent and b"popen_loky" in (stat.parent / "cmdline").read_bytes():
                found.append(int(stat.parent.name))
        except OSError:
            continue
    return found


def report(
    folder: Path, jobs: int, processes: int, taken_s: float, killed: dict[str, int]
) -> tuple[list[list[str]], list[str]]:
    """-> lines of a table, and what is wrong."""
    paths = sorted(folder.glob("*/result.json"), key=lambda path: path.stat().st_mtime)
    results = [Result.read(path) for path in paths]
    noted = [json.loads(line) for line in (folder / "runs.jsonl").read_text().splitlines()]
    twice = [run for run, times in Counter(line["run"] for line in noted if "run" in line).items() if times > 1]
    trained = [steps_in(path.with_name("train.log").read_text()) for path in paths]
    again, lost = sum(trained) - STEPS * len(results), STEPS // 2 * processes * sum(killed.values())  # validated twice
    gaps = [b.stat().st_mtime - a.stat().st_mtime for a, b in pairwise(paths)]
    usual = [gap for gap in gaps if gap < 8 * statistics.median(gaps)]  # no process was started meanwhile
    each_s = processes * statistics.fmean(usual)
    training_s = statistics.fmean(result.cost.train_s or 0.0 for result in results)
    wrong = [
        *([f"{len(results)} results of {jobs} jobs"] if len(results) != jobs else []),
        *([f"results noted twice: {', '.join(twice)}"] if twice else []),
        *(f"seed {seed} twice" for seed, times in Counter(each.seed for each in results).items() if times > 1),
        *([f"{again} steps were trained again, of at most {lost} that kills can have cost"] if again > lost else []),
        *(f"{path}: {r.cost.steps} steps" for path, r in zip(paths, results, strict=True) if r.cost.steps != STEPS),
        *(f"left behind: {path}" for path in (*folder.glob("*/.holder"), *folder.glob("*/*.tmp"))),
    ]
    lines = [
        ["jobs", f"{len(results)} of {jobs}"],
        ["processes", str(processes)],
        ["killed", ", ".join(f"{number} {what}" for what, number in killed.items())],
        ["steps trained", f"{sum(trained)}, {again} of them again after kills"],
        ["time", f"{taken_s:.0f} s, {60 * len(results) / taken_s:.1f} jobs a minute"],
        ["a job", f"{each_s:.2f} s, of which {training_s:.2f} s training: {each_s - training_s:.2f} s beyond it"],
    ]
    return lines, wrong


def steps_in(log: str) -> int:
    """Steps that a run's log tells of, over all of its starts."""
    total = reached = 0
    for line in log.splitlines():
        if begun := re.search(r"INFO budget|resumed from step (\d+)", line):
            reached = int(begun[1] or 0)
        elif step := re.search(r"INFO +(\d+) +\d+%", line):
            total += int(step[1]) - reached
            reached = int(step[1])
    return total


if __name__ == "__main__":
    main()
