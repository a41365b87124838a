"""Systems: which results are of one, with other seeds or as copies; and names, such as "mel cnn, lr 0.003"."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ricercar.comparison.found import Found
from ricercar.comparison.options import clean, listed, options, short_names
from ricercar.harness.identity import essence, stable_hash, system_id
from ricercar.harness.results import Result

# Of the data and the effort, of how it was run or written down: nothing of the network
_UNNAMED = {"task", "tasks", "data", "frontend", "backbone", "tracker", "tune", "experiment", "hardware", "protocol"}
_HEAD = ("head", "codec")  # named together; results of before there was a choice are of frames
_TRAINED_ON = "trained on"
_MOST = 4  # differences that are all named; of more, those that tell the systems apart


def names(systems: Mapping[str, Result]) -> dict[str, str]:
    """{key of a system: one of its results} -> {key: name}, no two alike.

    A system from elsewhere and a baseline have names of their own. A trained one is its frontend and backbone, and the
    other choices that differ between the trained ones; then the options that differ between those that are still alike.
    """
    own = {key: result.choices["system"] for key, result in systems.items() if "system" in result.choices}
    trained = {key: result for key, result in systems.items() if key not in own}
    found = own | _with_options(trained, _by_choices(trained))
    found = {key: clean(name) for key, name in found.items()}
    alike = Counter(found.values())
    for digits in (4, 8, 64):
        found = {key: name if alike[name] == 1 else f"{name} ({key[:digits]})" for key, name in found.items()}
        alike = Counter(found.values())
        if len(alike) == len(found):
            break
    return found


def _by_choices(trained: Mapping[str, Result]) -> dict[str, str]:
    table = {key: _choices(result) for key, result in trained.items()}
    differences = _differences(table)
    found = {}
    for key, result in trained.items():
        base = " ".join(result.choices[group] for group in ("frontend", "backbone") if group in result.choices)
        found[key] = ", ".join([base or "run", *differences[key]])
    return found


def _choices(result: Result) -> dict[str, str]:
    chosen = {group: choice for group, choice in result.choices.items() if group not in {*_UNNAMED, *_HEAD}}
    chosen["head"] = " ".join(result.choices[each] for each in _HEAD if each in result.choices) or "frames"
    return chosen | ({_TRAINED_ON: "+".join(result.training.data)} if result.training else {})


def _with_options(trained: Mapping[str, Result], named: Mapping[str, str]) -> dict[str, str]:
    members: dict[str, list[str]] = {}
    for key, name in named.items():
        members.setdefault(name, []).append(key)
    found: dict[str, str] = {}
    for name, keys in members.items():
        table = {key: options(essence(trained[key].config or {})) for key in keys} if len(keys) > 1 else {}
        differences = _differences({key: _without_seed(each) for key, each in table.items()}, shorten=True)
        found |= {key: ", ".join([name, *differences.get(key, [])]) for key in keys}
    return found


def _differences(table: Mapping[str, Mapping[str, str]], shorten: bool = False) -> dict[str, list[str]]:
    """{system: {field: value}} -> {system: ["field value"]} for the fields that differ."""
    fields = list(dict.fromkeys(field for row in table.values() for field in row))
    differing = [field for field in fields if len({row.get(field) for row in table.values()}) > 1]
    shown = differing if len(differing) <= _MOST else _telling(table, differing)
    shorter = short_names(shown, [*fields, "seed"]) if shorten else {field: field for field in shown}
    rest = [f"{len(differing) - len(shown)} more options"] if len(shown) < len(differing) else []
    return {
        key: [f"{shorter[field]} {clean(row.get(field, '-'), 24)}" for field in shown] + rest
        for key, row in table.items()
    }


def _telling(table: Mapping[str, Mapping[str, str]], fields: Sequence[str]) -> list[str]:
    """The first fields that tell as many systems apart as all do."""
    kept: list[str] = []
    num_apart = 1
    for field in fields:
        now = len({tuple(row.get(each) for each in [*kept, field]) for row in table.values()})
        if now > num_apart:
            kept, num_apart = [*kept, field], now
    return kept


def _without_seed(found: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in found.items() if name != "seed"}


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


def key_on_any_board(result: Result) -> str:
    """As `key_of`, without task and data: the same where one network is trained for several tasks."""
    if "system" in result.choices:
        return result.choices["system"]
    if result.config is None:
        return result.run_id
    own = essence(result.config)
    return stable_hash({name: each for name, each in own.items() if name not in ("seed", "fold", "task", "data")})


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
    return systems, [*notes, *_namesakes(systems)]


def _namesakes(systems: Sequence[System]) -> Iterator[str]:
    """Which is which of several from elsewhere that call themselves the same."""
    called: dict[str, list[System]] = {}
    for system in systems:
        if "system" in system.first.choices and not system.is_baseline:
            called.setdefault(system.first.choices["system"], []).append(system)
    for name, several in called.items():
        if len(several) > 1:
            places = [f"{each.name} is {each.runs[0].path}" for each in several]
            yield f"{len(several)} systems are called {clean(name)}: {listed(places)}."


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
