"""What every task's protocol has in common: it is complete, and its words are known."""

from collections.abc import Mapping, Sequence
from typing import Any

from ricercar.errors import InputError


def check_protocol(task: str, protocol: Mapping[str, Any], known: Mapping[str, Sequence[str] | None]) -> None:
    """known: {name: choices, or None for a number of at least 0}. InputError names what is missing or not known."""
    if set(protocol) != set(known):
        wrong = [f"{name!r} is not known" for name in sorted(set(protocol) - set(known))]
        wrong += [f"{name!r} is missing" for name in sorted(set(known) - set(protocol))]
        raise InputError(f"task.protocol of {task}: {', '.join(wrong)}. It has exactly: {', '.join(known)}.")
    for name, choices in known.items():
        value = protocol[name]
        if choices is None:
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
                raise InputError(f"task.protocol.{name}={value!r} must be a number of at least 0.")
        elif value not in choices:
            raise InputError(f"task.protocol.{name}={value!r} is not known: choose one of {', '.join(choices)}.")
