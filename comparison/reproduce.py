"""Trains a run again from its result file, and says whether the new score is what the old one promised."""

import argparse
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ricercar.comparison.collect import collect
from ricercar.comparison.found import Found
from ricercar.comparison.systems import key_of
from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.harness.benchmark import Benchmark
from ricercar.harness.command import find_own_classes
from ricercar.harness.folders import CONF
from ricercar.harness.identity import class_hash, git_state, own_packages, versions
from ricercar.harness.protocols import protocol_in
from ricercar.harness.results import Result, scores_of
from ricercar.harness.run import Run
from ricercar.harness.settled import settled
from ricercar.harness.targets import check_classes
from ricercar.significance.bootstrap import resample
from ricercar.train import train

log = logging.getLogger(__name__)
_PACKAGES = ("ricercar", "torch.optim", "torch.nn", "timm.optim", "lightning_fabric")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Trains a run again from its result.json, scores it, and compares."
    parser.add_argument("run_id", help="run_id of the run, or its first characters")
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="where results are: outputs multirun")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="of the new run: outputs/reproduced/RUN_ID")
    parser.add_argument("--data-root", metavar="PATH", help="where the data lies now, if elsewhere")
    parser.add_argument("--cache-dir", metavar="PATH", help="where decoded audio is kept")
    parser.add_argument("--num-threads", type=int, metavar="N", help="of PyTorch on the CPU")
    parser.add_argument(
        "--trust", action="append", default=[], metavar="PACKAGE",
        help="whose classes the run uses, which is not Ricercar's: its code is run (repeatable)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """-> exit code: 0 where the new score lies inside the interval of the old one, else 1."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    paths = args.paths or [path for path in (Path("outputs"), Path("multirun")) if path.exists()]
    if not paths:
        raise InputError("there is neither outputs nor multirun here: give the folder of the results.")
    collection = collect(paths, join=False)
    for problem in collection.problems:
        log.warning("left out: %s: %s", problem.path, problem.text)
    everything = collection.found
    before = chosen(everything, args.run_id)
    if args.trust:
        find_own_classes()
    folder = args.output or Path("outputs") / "reproduced" / before.run_id
    cfg = configuration(before, args.data_root, args.cache_dir, args.num_threads, args.trust)
    for line in changes(before):
        log.warning("%s", line)
    check_data(before, cfg)
    after = _again(before, cfg, folder)
    inside, text = verdict(before, after, [each.result for each in everything])
    print(text)
    return 0 if inside else 1


def chosen(everything: Sequence[Found], run_id: str) -> Result:
    """The result with that run_id, under the protocol that the run was trained with, if it was scored under several.

    InputError where there is none, several differ, or it cannot be trained again.
    """
    matches = {each.result.run_id: each.result for each in everything if each.result.run_id.startswith(run_id)}
    if not matches:
        raise InputError(f"{run_id}: none of the {len(everything)} results has this run_id.")
    if len(matches) > 1:
        raise InputError(f"{run_id} is the beginning of several: {', '.join(sorted(matches))}.")
    [same] = matches.values()
    if same.config is None or same.seed is None or "frontend" not in same.config:
        system = same.choices.get("system", "it")
        raise InputError(f"{same.run_id}: {system} was not trained here, so that it cannot be trained again.")
    own = [each.result for each in everything if each.result.run_id == same.run_id]
    trained_on = [each for each in own if each.training is None or each.dataset.name in each.training.data]
    tasks = sorted({each.choices["task"] for each in trained_on})
    if not trained_on:
        raise InputError(f"{same.run_id}: there is only its score on other data than its own; give more folders.")
    if len(tasks) > 1:
        log.info("compared by the first of its tasks: %s", ", ".join(tasks))
    of_task = [each for each in trained_on if each.choices["task"] == tasks[0]]
    under_its_own = [each for each in of_task if _trained_with(each) in (None, each.protocol)]
    if not under_its_own:
        raise InputError(f"{same.run_id}: there is only its score under another protocol; give more folders.")
    return under_its_own[0]


def _trained_with(result: Result) -> dict[str, Any] | None:
    """The protocol in the configuration of a run."""
    task = (result.config or {}).get("task")
    own = task.get("parts", {}).get(result.choices["task"], task) if isinstance(task, dict) else {}
    return protocol_in(own) if "protocol" in own else None


def configuration(
    result: Result, data_root: str | None, cache_dir: str | None, num_threads: int | None, trust: Sequence[str]
) -> DictConfig:
    """What the run was configured with, and what does not determine it as conf/config.yaml has it.

    trust: packages beside Ricercar that may be imported. InputError where another one would be.
    """
    default = OmegaConf.load(CONF / "config.yaml")
    assert isinstance(default, DictConfig)
    machine: dict[str, Any] = {
        "resume": False,
        "tracker": {"_target_": assemble.NO_TRACKER},
        "cache_dir": cache_dir or OmegaConf.to_container(default)["cache_dir"],  # type: ignore[index,call-overload]
        "num_threads": num_threads,
        "num_scorers": None,
        "seeds_per_job": 1,
    }
    check_classes(result.config, _PACKAGES, trust)
    cfg = OmegaConf.create({**(result.config or {}), **machine})
    if data_root is not None:
        assemble.move(cfg.data, data_root)
    cfg = settled(cfg, Path.cwd())
    if "content" not in (result.config or {}):  # the run had no word on it, and its id neither
        cfg.pop("content", None)
    return assemble.completed(cfg)


def changes(before: Result) -> list[str]:
    """What is not as it was when the result was made, and can move a score."""
    now = versions() | own_packages(before.config)
    moved = [
        f"{name} was {old or 'not installed'}, is {now.get(name) or 'not installed'}"
        for name, old in before.versions.items()
        if old != now.get(name)
    ]
    classes = (before.config or {}).get("classes") or {}
    moved += [f"the code of {name} is another" for name in classes if class_hash(name) != classes[name]]
    state = git_state()
    if before.git is None:
        moved.append("the commit of the code is not known")
    elif before.git.dirty:
        moved.append(f"the code was changed after commit {before.git.commit[:12]}")
    elif state is None or state.dirty or state.commit != before.git.commit:
        moved.append(f"the code was that of commit {before.git.commit[:12]}, with no change: check it out for the same")
    return moved


def check_data(before: Result, cfg: DictConfig) -> None:
    """Before hours are spent: InputError where the scored tracks are not those of the result."""
    assemble.check(cfg)
    tasks = assemble.make_tasks(cfg)
    task = tasks[before.choices["task"]]
    dataset = before.dataset
    benchmark = Benchmark(
        task=before.choices["task"],
        scoring=task,
        data=dataset.name,
        split=dataset.split,
        tracks=assemble.make_source(cfg).tracks(dataset.split),
        training=[],
        store=assemble.make_store(cfg),
    )
    benchmark.store.prepare(benchmark.tracks)
    now = benchmark.fingerprint if benchmark.tracks else "of no tracks"
    if now != before.dataset.fingerprint:
        raise InputError(
            f"The {before.dataset.split} split of {before.dataset.name} is not what {before.run_id} was scored on: "
            f"{len(benchmark.tracks)} tracks with fingerprint {now}, expected {before.dataset.num_tracks} with "
            f"{before.dataset.fingerprint}. Get the same audio and annotations, or give --data-root."
        )


def verdict(before: Result, after: Result, everything: Sequence[Result]) -> tuple[bool, str]:
    """-> whether the new score lies inside the 95 % interval over tracks and seeds of the system, and that in words.

    Without an interval it has to be the same.
    """
    name = before.primary_of_tracks
    seeds = {before.seed: before}
    for each in everything:
        if each.comparable == before.comparable and key_of(each) == key_of(before):
            seeds.setdefault(each.seed, each)
    bounds = before.scales[name].low, before.scales[name].high
    draws = resample(scores_of([list(seeds.values())], name), bounds=bounds)
    low, high = float(draws.low[0]), float(draws.high[0])
    old, new = before.metrics[name], after.metrics[name]
    inside = new == old or low <= new <= high or (math.isnan(old) and math.isnan(new))
    num_tracks = _count(len(before.tracks), "track")
    of = f"{len(seeds)} seeds and {num_tracks}" if len(seeds) > 1 else num_tracks
    if math.isnan(old) or math.isnan(low):
        lies = f"There is no 95 % interval of {of}: the new score {'is' if inside else 'IS NOT'} the same."
    else:
        words = "inside" if inside else "OUTSIDE"
        lies = f"The new score lies {words} the 95 % interval of the system, {low:.4f} to {high:.4f} ({of})."
    what = f"{name} of {before.run_id}, seed {before.seed}: was {_number(old)}, is {_number(new)}"
    return inside, f"{what}; {_moved(before, after, name)}.\n{lies}"


def _moved(before: Result, after: Result, name: str) -> str:
    """How far single tracks moved, in words."""
    theirs = {track.id: track.metrics[name] for track in after.tracks}
    pairs = [(track.metrics[name], theirs.get(track.id, math.nan)) for track in before.tracks]
    apart = [abs(old - new) for old, new in pairs if not math.isnan(old - new)]
    gone = sum(math.isnan(old) != math.isnan(new) for old, new in pairs)
    if not gone and not any(apart):
        return "every track scores the same"
    most = [f"the track that moved most by {max(apart):.4f}"] if any(apart) else []
    return ", ".join(most + [f"{_count(gone, 'track')} with a score only before or only now"] * bool(gone))


def _number(value: float) -> str:
    return "not defined" if math.isnan(value) else f"{value:.4f}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _again(before: Result, cfg: DictConfig, folder: Path) -> Result:
    """Trains into a folder that eval.py can read as any run's."""
    if (folder / "result.json").exists():
        raise InputError(f"{folder} has a result already: give another --output.")
    choices = {**before.choices, "task": before.choices.get("tasks", before.choices["task"]), "tracker": "none"}
    choices.pop("tasks", None)
    after = train(Run(cfg, folder, choices, before.overrides))
    return next(each for each in after if each.choices["task"] == before.choices["task"])
