"""What options must fulfil. Each check raises InputError with the option's name, its value and the remedy."""

from collections.abc import Collection

from ricercar.errors import InputError


def check_whole(**options: object) -> None:
    """Whole numbers from 1 on."""
    for name, value in options.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{name}={value!r}: must be a whole number, at least 1")


def check_positive(**options: object) -> None:
    """Numbers above 0."""
    for name, value in options.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise InputError(f"{name}={value!r}: must be a number above 0")


def check_choice(choices: Collection[object], **options: object) -> None:
    for name, value in options.items():
        if isinstance(value, list | dict) or value not in choices:
            raise InputError(f"{name}={value!r}: choose one of {', '.join(map(str, choices))}")


def check_flag(**options: object) -> None:
    for name, value in options.items():
        if not isinstance(value, bool):
            raise InputError(f"{name}={value!r}: choose one of true, false")
