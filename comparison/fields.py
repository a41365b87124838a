"""What results can be chosen and grouped by: task=notes, frontend=mel, optimizer.lr=0.001, system=..., split, seed."""

import difflib
from collections.abc import Iterable, Sequence
from itertools import chain

from ricercar.comparison.found import Collection
from ricercar.comparison.options import as_text, clean, listed, options, split
from ricercar.comparison.systems import is_baseline
from ricercar.errors import InputError
from ricercar.harness.results import Result


def fields(result: Result) -> dict[str, str]:
    """{name: value}: the choices, the configuration's options, and seed, split and run_id of the result."""
    own = {"split": result.dataset.split, "run_id": result.run_id}
    if result.seed is not None:
        own["seed"] = as_text(result.seed)
    return options(result.config or {}) | result.choices | own


def where(collection: Collection, conditions: Sequence[str]) -> Collection:
    """The results that meet every condition KEY=VALUE; several values of one key, or VALUE,VALUE, are alternatives.

    A value that has commas itself is taken whole. A result without the key is left out, unless it is of a baseline.
    InputError names the choices for a key or value that no result has.
    """
    if not conditions:
        return collection
    known = [fields(each.result) for each in collection.found]
    wanted: dict[str, list[str]] = {}
    for condition in conditions:
        key, sign, values = condition.partition("=")
        if not (key and sign and values):
            raise InputError(f"--where {condition}: expected KEY=VALUE, such as task=notes.")
        check_key("--where", key, known)
        every = {each[key] for each in known if key in each}
        given = split(values, every) or [values]
        for value in given:
            if not any(_same(value, each) for each in every):
                raise InputError(
                    f"--where {condition}: no result has that value. There are: {listed(sorted(every), 20)}."
                )
        wanted.setdefault(key, []).extend(given)
    kept = [
        each
        for each, own in zip(collection.found, known, strict=True)
        if all(_meets(own.get(key), values, is_baseline(each.result)) for key, values in wanted.items())
    ]
    if not kept:
        raise InputError(f"no result meets all of the conditions: {' '.join(conditions)}.")
    return Collection(kept, collection.problems)


def check_key(option: str, key: str, known: Iterable[dict[str, str]]) -> None:
    """InputError for a key that no result has."""
    every = dict.fromkeys(chain.from_iterable(known))
    if key not in every:
        plain = [name for name in every if "." not in name]
        close = [name for name in every if name.endswith(f".{key}")] or difflib.get_close_matches(key, every, 3, 0.5)
        advice = f"Did you mean {listed(close)}? " if close else ""
        raise InputError(
            f"{option} {clean(key)}: no result has it. {advice}"
            f"There are: {listed(sorted(plain), 30)}; or an option by its whole name, such as optimizer.lr."
        )


def _meets(value: str | None, wanted: Sequence[str], is_baseline: bool) -> bool:
    return is_baseline if value is None else any(_same(value, each) for each in wanted)


def _same(a: str, b: str) -> bool:
    """Equal as texts or as numbers: 1e-3 is 0.001."""
    try:
        return a == b or float(a) == float(b)
    except ValueError:
        return False
