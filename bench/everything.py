"""All parts of the benchmark, one after the other: a table and a plot.

    make bench                                       docs/speed.md, speed.png and speed.json
    python bench/everything.py --quick --output FOLDER [PART ...]

Each part runs in a process of its own. Let nothing else compute meanwhile. Parts that are not named keep the figures
that they have in speed.json.
"""

import argparse
import importlib
import json
import multiprocessing
import os
import platform
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from rows import Row, Spread, markdown, short, text

from ricercar.harness.identity import git_state

PARTS = ("frontends", "metrics", "crops", "loop", "together", "evaluation", "sweep")
DOCS = Path(__file__).parents[1] / "docs"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; none: all")
    parser.add_argument("--quick", action="store_true", help="smaller sizes and fewer turns")
    parser.add_argument("--output", type=Path, default=DOCS, help="folder for speed.md, speed.png and speed.json")
    args = parser.parse_args()
    unknown = sorted(set(args.parts) - set(PARTS))
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; choose among {', '.join(PARTS)}")
    args.output.mkdir(parents=True, exist_ok=True)
    kept = args.output / "speed.json"
    done: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    failed = []
    for part in args.parts or PARTS:
        start = time.monotonic()
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            try:
                rows = process.submit(measured, part, args.quick).result()
            except (Exception, SystemExit) as error:  # the figures of the other parts took minutes
                failed.append(f"{part}: {error}")
                continue
        print(f"{part}: {time.monotonic() - start:.0f} s", flush=True)
        done[part] = {"where": machine(args.quick), "rows": [asdict(row) for row in rows]}
        kept.write_text(json.dumps(done, indent=1))
        write(done, args.output)
    print(text([row for part in done for row in rows_of(done[part])]))
    if failed:
        sys.exit("\n".join(["failed:", *failed]))


HEAD = """# Speed

{where}. What matters most, as medians, both sides in turn:

{lead}

![How many times Ricercar's time the others take](speed.png)

`make bench` measures everything in a quarter of an hour, and writes this page. Brackets have the least and the
greatest. The last column says how many times Ricercar's figure the other's is, and whether the target is met. "floor"
is what has to be computed at least: for the STFT, bare FFTs of its frames; for mel, these and the product with the
filters; for the others, one FFT of the signal."""

# The rows that lead the page: {(work, unit): in words}; and what others than the peers' names have to be called there.
LEAD = {
    ("step, hcqt, harmonic_cnn", "ms"): "training step of the default network (`hcqt`, `harmonic_cnn`)",
    ("step, mel, dense", "ms"): "training step of a small network (`mel`, `dense`)",
    ("HCQT 8 x 288, 8 x 10 s", "ms CPU, one thread"): "harmonic CQT, 8 x 10 s, CPU time of one thread",
    ("notes: evaluate, 3,000 notes", "ms"): "scores of a track with 3,000 notes, mir_eval's `transcription.evaluate`",
    (
        "batch of 8 x 5 s from 2 h, with note targets",
        "ms CPU",
    ): "batch of 8 crops of 5 s from 2 h, with note targets",
}
IN_WORDS = {"bare loop": "bare loop over preloaded tensors", "soundfile": "soundfile's seek in FLAC, without targets"}


def write(done: dict[str, Any], folder: Path) -> None:
    """The page and the plot."""
    (folder / "speed.md").write_text(page(done))
    plot([row for part in PARTS if part in done for row in rows_of(done[part])], folder / "speed.png")


def page(done: dict[str, Any]) -> str:
    """{part: where, and rows} -> the page, with where each part was measured."""
    rows = [row for part in PARTS if part in done for row in rows_of(done[part])]
    machines = dict.fromkeys(done[part]["where"].partition(", torch")[0] for part in PARTS if part in done)
    sections = [HEAD.format(where="; ".join(machines), lead=lead(rows))]
    for part in PARTS:
        if part in done:
            sections += [f"## {part.capitalize()}", done[part]["where"], markdown(rows_of(done[part]))]
    return "\n\n".join(sections) + "\n"


def lead(rows: list[Row]) -> str:
    """The table of the rows in LEAD; one that was not measured is left out."""
    measured = {(row.work, row.unit): row for row in rows}
    lines = ["| work | Ricercar | others |", "|---|---|---|"]
    for key, words in LEAD.items():
        if key in measured:
            medians = {who: f"{short(each.median)} ms" for who, each in measured[key].figures.items() if who != "floor"}
            own = medians.pop("ricercar")
            others = ", ".join(f"{IN_WORDS.get(who, who)} {median}" for who, median in medians.items())
            lines.append(f"| {words} | {own} | {others} |")
    return "\n".join(lines)


def rows_of(part: dict[str, Any]) -> list[Row]:
    def row(figures: dict[str, Any], **others: Any) -> Row:
        return Row(figures={who: Spread(**spread) for who, spread in figures.items()}, **others)

    return [row(**each) for each in part["rows"]]


def measured(part: str, quick: bool) -> list[Row]:
    rows: list[Row] = importlib.import_module(part).measure(quick)
    return rows


def machine(quick: bool) -> str:
    cpu = next(
        (line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if "model name" in line), platform.machine()
    )
    gpu = f"{torch.cuda.get_device_name()}, " if torch.cuda.is_available() else "no GPU, "
    git = git_state()
    commit = f", commit {git.commit[:10]}{' (changed)' if git.dirty else ''}" if git else ""
    python = platform.python_version()
    small = "; --quick: smaller sizes, few turns" if quick else ""
    where = f"{cpu}, {os.cpu_count()} cores, {gpu}torch {torch.__version__}, Python {python}"
    return f"{date.today()}: {where}{commit}{small}."


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def plot(rows: list[Row], path: Path) -> None:
    """One bar for each peer that has a target: how many times longer it takes; a mark at the target."""
    bars = [(row, peer, target) for row in rows for peer, target in row.targets.items()][::-1]
    figure, axes = plt.subplots(figsize=(9, 1 + 0.28 * len(bars)), layout="constrained")
    values = [row.ratio(peer) for row, peer, _ in bars]
    colours = ["#4477aa" if row.ratio(peer) >= target else "#cc6677" for row, peer, target in bars]
    axes.barh(range(len(bars)), values, color=colours)
    axes.plot([target for *_, target in bars], range(len(bars)), "k|", markersize=11, label="target")
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set_yticks(range(len(bars)), [f"{row.work}: {peer}" for row, peer, _ in bars], fontsize=7)
    axes.set_xscale("log")
    axes.set_xlabel("time of the other / time of Ricercar (red: below the target)")
    axes.legend(loc="lower right")
    axes.margins(y=0.01)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
