"""What options must fulfil. Each check raises InputError with the option's name, its value and the remedy."""

import math
from collections.abc import Collection

from ricercar.errors import InputError


def check_whole(least: int = 1, **options: object) -> None:
    """Whole numbers from `least` on."""
    for name, value in options.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InputError(f"{name}={value!r}: must be a whole number, at least {least}")


def check_positive(**options: object) -> None:
    """Numbers above 0."""
    for name, value in options.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise InputError(f"{name}={value!r}: must be a number above 0")


def check_between(low: float, high: float, **options: object) -> None:
    """Numbers from `low` to `high`, both included."""
    for name, value in options.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not _within(value, low, high):
            limits = f"from {low:,} to {high:,}" if high < float("inf") else f"of {low:,} or more"
            raise InputError(f"{name}={value!r}: must be a number {limits}")


def _within(value: float, low: float, high: float) -> bool:
    return math.isfinite(value) and low <= value <= high


def check_pair(low: float, high: float, **options: object) -> None:
    """[lower, upper]: two numbers from `low` to `high`, the first not above the second."""
    for name, value in options.items():
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise InputError(f"{name}={value!r}: must be two numbers, [low, high]")
        check_between(low, high, **{f"{name}[{i}]": each for i, each in enumerate(value)})
        if value[0] > value[1]:
            raise InputError(f"{name}={value!r}: the first must not be above the second")


def check_choice(choices: Collection[object], **options: object) -> None:
    for name, value in options.items():
        if isinstance(value, list | dict) or value not in choices:
            raise InputError(f"{name}={value!r}: choose one of {', '.join(map(str, choices))}")


def check_flag(**options: object) -> None:
    for name, value in options.items():
        if not isinstance(value, bool):
            raise InputError(f"{name}={value!r}: choose one of true, false")
