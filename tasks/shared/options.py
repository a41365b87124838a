"""Checks of options that several tasks have in their yaml."""

from collections.abc import Mapping, Sequence

from ricercar.checks import check_between, check_positive
from ricercar.errors import InputError


def check_output(name: str, part: Mapping[str, float]) -> None:
    """The options of an output: weight, positive_weight and prior. `name` is where they stand, in full."""
    if set(part) != {"weight", "positive_weight", "prior"}:
        raise InputError(f"{name} has {', '.join(part)}: give weight, positive_weight and prior.")
    check_between(0, float("inf"), **{f"{name}.weight": part["weight"]})
    check_positive(**{f"{name}.positive_weight": part["positive_weight"]})
    check_between(1e-6, 1 - 1e-6, **{f"{name}.prior": part["prior"]})


def check_note_decoding(decoding: Mapping[str, float], expected: Sequence[str]) -> None:
    """The options of a NoteDecoder, exactly those of `expected`; what each may be is told by the end of its name."""
    if set(decoding) != set(expected):
        raise InputError(f"task.decoding has {', '.join(decoding)}: it must have exactly {', '.join(expected)}.")
    named = {f"task.decoding.{name}": value for name, value in decoding.items()}
    for name, value in named.items():
        if name.endswith(("threshold", "exponent")):
            check_between(0, 1, **{name: value})
        elif name.endswith("duration_s"):
            check_positive(**{name: value})
        elif name.endswith("shift_s"):
            check_between(-1, 1, **{name: value})
        else:
            check_between(0 if name.endswith("weight") else 1, 1000, **{name: value})
