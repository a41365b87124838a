"""What protocols of tasks have in common: they are complete, their words are known, and mean the same everywhere."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.notes import Notes
from ricercar.errors import InputError

# Options that came later, with the value that means "as before": where they have it, the protocol is that without them.
LATER: dict[str, Any] = {
    "ranked_by": None,
    "clip_s": 0,
    "clip_least_s": 0,
    "clip_fps": 0,
    "forbidden": [],
    "functions": "none",
}

# What stands in protocols of results because other options of the task say it: of drums, and of tags.
OF_TASK = ("classes", "ignored", "claimed")

# protocol.empty: the score where there is nothing in the reference and nothing in the estimate.
EMPTY = {"mir_eval": 0.0, "zero": 0.0, "one": 1.0, "exclude": math.nan}


def check_protocol(task: str, protocol: Mapping[str, Any], known: Mapping[str, Sequence[str] | None]) -> None:
    """known: {name: choices, or None for a number of at least 0}, beside those that every task has.

    These are averaging; ranked_by, a metric; and forbidden, names of data sets. InputError names what is missing or not
    known.
    """
    forbidden = protocol.get("forbidden", [])
    if (
        isinstance(forbidden, str)
        or not isinstance(forbidden, Sequence)
        or not all(isinstance(each, str) for each in forbidden)
    ):
        raise InputError(f"task.protocol.forbidden={forbidden!r} must be a list of names of data sets.")
    protocol = {name: value for name, value in protocol.items() if name not in ("ranked_by", "forbidden")}
    known = {**known, "averaging": ("tracks", "works")}
    if set(protocol) - LATER.keys() != set(known) - LATER.keys() or set(protocol) - set(known):
        wrong = [f"{name!r} is not known" for name in sorted(set(protocol) - set(known))]
        wrong += [f"{name!r} is missing" for name in sorted(set(known) - set(protocol) - LATER.keys())]
        raise InputError(f"task.protocol of {task}: {', '.join(wrong)}. It has exactly: {', '.join(known)}.")
    for name, choices in known.items():
        value = protocol[name] if name in protocol else LATER[name]
        if choices is None:
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
                raise InputError(f"task.protocol.{name}={value!r} must be a number of at least 0.")
        elif value not in choices:
            raise InputError(f"task.protocol.{name}={value!r} is not known: choose one of {', '.join(choices)}.")


def plain(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """The protocol as it stands in results: without options of LATER that say "as before"."""
    return {name: value for name, value in protocol.items() if name not in LATER or value != LATER[name]}


def configured(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """The protocol of a result as task.protocol has it."""
    return {name: value for name, value in protocol.items() if name not in OF_TASK}


def of_nothing(scores: Mapping[str, float], empty: str) -> dict[str, float]:
    """Scores where both sides are empty, by protocol.empty: mir_eval's as they are; one is 0 of an error."""
    if empty == "mir_eval":
        return dict(scores)
    return {name: 0.0 if empty == "one" and name.endswith("Error") else EMPTY[empty] for name in scores}


def ends_s(notes: Notes, pedal: str) -> NDArray[np.float64]:
    """When notes end, by protocol.pedal: the sound is damped (extend), or the key is released (ignore)."""
    return notes.pedalled_offset_s if pedal == "extend" else notes.offset_s
