"""Which classes a configuration names: that of a stranger must not run what it likes."""

import re
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from ricercar.errors import InputError


def check_classes(value: Any, packages: Sequence[str], trusted: Sequence[str] | None) -> None:
    """InputError where a _target_, at any depth, is not a class of one of the packages, nor of a trusted one.

    Importing any other would run whatever code it names. trusted: packages of the user's own; None where the user has
    no say in it.
    """
    if isinstance(value, dict):
        target = str(value.get("_target_", ""))
        package = target.partition(".")[0]
        if target and package not in (trusted or ()) and not any(_is_class_of(each, target) for each in packages):
            advice = "" if trusted is None else f" If you trust the code of {package}, give --trust {package}."
            raise InputError(f"_target_ {target!r} is not a class of {', '.join(packages)}.{advice}")
        for each in value.values():
            check_classes(each, packages, trusted)
    elif isinstance(value, list):
        for each in value:
            check_classes(each, packages, trusted)


def _is_class_of(package: str, target: str) -> bool:
    match = re.fullmatch(rf"(?P<module>{re.escape(package)}(?:\.[a-z]\w*)*)\.(?P<name>[A-Z]\w*)", target)
    if match is None:
        return False
    try:
        found = getattr(import_module(match["module"]), match["name"], None)
    except ModuleNotFoundError:
        return False
    return isinstance(found, type) and f"{found.__module__}.".startswith(f"{package}.")
