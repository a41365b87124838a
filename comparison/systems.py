"""Which results are of one system: the same configuration with other seeds, and copies of a result."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ricercar.comparison.collect import Found
from ricercar.comparison.names import names
from ricercar.comparison.options import listed
from ricercar.harness.identity import essence, stable_hash, system_id
from ricercar.harness.results import Result

_BASELINE = "baseline "


@dataclass(frozen=True)
class System:
    """A configuration, a baseline, or a system from elsewhere.

    key     the same on every board
    name    what tells it from the others of its board, in words
    runs    sorted by seed; results of one seed that are not alike stand behind one another
    """

    key: str
    name: str
    runs: tuple[Found, ...]

    @property
    def first(self) -> Result:
        return self.runs[0].result

    @property
    def is_baseline(self) -> bool:
        return is_baseline(self.first)

    @property
    def is_fixed(self) -> bool:
        """Whether there is no training that another seed could change: a baseline, or predictions without a seed."""
        return all(run.result.seed is None for run in self.runs)

    @property
    def seeds(self) -> list[list[Result]]:
        """The results of each seed."""
        found: dict[int | None, list[Result]] = {}
        for run in self.runs:
            found.setdefault(run.result.seed, []).append(run.result)
        return list(found.values())

    def mean(self, metric: str) -> float:
        """Over the seeds, each on its own tracks; NaN where it does not have the metric."""
        nothing = float("nan")
        values = [np.mean([each.metrics.get(metric, nothing) for each in results]) for results in self.seeds]
        known = [value for value in values if not np.isnan(value)]
        return float(np.mean(known)) if known else nothing


def is_baseline(result: Result) -> bool:
    unknown = result.config is None and result.system is None
    return unknown and result.choices.get("system", "").startswith(_BASELINE)


def key_of(result: Result) -> str:
    """Hash of the configuration without the seed and of what was learnt from; of name and origin for predictions from
    elsewhere; or the run_id.
    """
    if is_baseline(result) or (result.config is None and "system" not in result.choices):
        return result.run_id
    if "system" in result.choices:
        return stable_hash([result.choices["system"], result.system and vars(result.system)])
    assert result.config is not None
    learnt = result.training.fingerprint if result.training else None
    return stable_hash([system_id(result.config), learnt]) if learnt else system_id(result.config)


def design_of(result: Result) -> str:
    """As `key_of`, without task and data: the same where one design is trained for several tasks."""
    if "system" in result.choices:
        return result.choices["system"]
    if result.config is None:
        return result.run_id
    own = essence(result.config)
    return stable_hash({name: each for name, each in own.items() if name not in ("seed", "task", "data")})


def systems_of(found: Iterable[Found]) -> tuple[list[System], list[str]]:
    """-> the systems that the results of one board are of, and notes on what was repeated."""
    members: dict[str, list[Found]] = {}
    for each in found:
        members.setdefault(key_of(each.result), []).append(each)
    members = _without_namesakes(_equal_baselines(members))
    named = names({key: runs[0].result for key, runs in members.items()})
    systems, notes = [], []
    for key, runs in members.items():
        kept, said = _without_copies(named[key], runs)
        systems.append(System(key, named[key], kept))
        notes += said
    return systems, notes


def _equal_baselines(members: dict[str, list[Found]]) -> dict[str, list[Found]]:
    """A baseline that learns nothing from the training data is the same whatever that was."""
    merged: dict[str, list[Found]] = {}
    known: dict[tuple[str, str], str] = {}
    for key, runs in members.items():
        first = runs[0].result
        content = (first.choices["system"], _content(first)) if is_baseline(first) else (key, "")
        merged.setdefault(known.setdefault(content, key), []).extend(runs)
    return merged


def _without_namesakes(members: dict[str, list[Found]]) -> dict[str, list[Found]]:
    """Predictions from elsewhere of one name, without seeds but with other scores, are other systems."""
    split: dict[str, list[Found]] = {}
    for key, runs in members.items():
        first = runs[0].result
        outside = "system" in first.choices and not is_baseline(first)
        contents = [_content(run.result) if outside and run.result.seed is None else "" for run in runs]
        for content, run in zip(contents, runs, strict=True):
            split.setdefault(key if len(set(contents)) == 1 else stable_hash([key, content]), []).append(run)
    return split


def _without_copies(name: str, runs: Sequence[Found]) -> tuple[tuple[Found, ...], list[str]]:
    by_seed: dict[int | None, list[Found]] = {}
    for run in runs:
        by_seed.setdefault(run.result.seed, []).append(run)
    kept: list[Found] = []
    notes, copies = [], []
    for seed in sorted(by_seed, key=lambda seed: -1 if seed is None else seed):
        different: dict[str, Found] = {}
        for run in by_seed[seed]:
            content = _content(run.result) if len(by_seed[seed]) > 1 else ""
            if content in different:
                copies.append(str(run.path))
            different[content] = _looked_at(different.get(content, run), run.result.looks)
        kept += different.values()
        if len(different) > 1:
            what = name if seed is None else f"{name}, seed {seed}"
            scores = [f"{each.path} ({each.result.metrics[each.result.primary]:.4f})" for each in different.values()]
            notes.append(f"{what}: the same run with different scores, whose mean counts: {listed(scores)}.")
    if copies and not is_baseline(runs[0].result):
        notes.append(f"{name}: the same scores again, which count once: {listed(copies)}.")
    return tuple(kept), notes


def _looked_at(run: Found, looks: int | None) -> Found:
    """With the looks of a copy, where these are more."""
    if looks is None or looks <= (run.result.looks or 0):
        return run
    return replace(run, result=replace(run.result, looks=looks))


def _content(result: Result) -> str:
    """Equal where all tracks' scores are."""
    return repr(
        [(track.id, sorted(track.metrics.items())) for track in sorted(result.tracks, key=lambda each: each.id)]
    )
