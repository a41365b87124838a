"""Names that tell the systems of a board apart, in words: "mel cnn, lr 0.003"."""

from collections import Counter
from collections.abc import Mapping, Sequence

from ricercar.comparison.options import clean, options, short_names
from ricercar.harness.identity import essence
from ricercar.harness.results import Result

# Of the data and the effort, of how it was run or written down: no design of a network
_UNNAMED = {"task", "tasks", "data", "frontend", "backbone", "tracker", "tune", "experiment", "hardware"}
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
    chosen = {group: choice for group, choice in result.choices.items() if group not in _UNNAMED}
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
