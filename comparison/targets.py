"""Which classes a configuration may make that came in a file: whoever wrote the file has no other say."""

import re
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from ricercar.errors import InputError


def check_targets(value: Any, packages: Sequence[str]) -> None:
    """InputError where a _target_, at any depth, is not a class of one of the packages."""
    if isinstance(value, dict):
        if "_target_" in value and not any(_is_class_of(package, str(value["_target_"])) for package in packages):
            raise InputError(f"_target_ {value['_target_']!r} is not a class of {', '.join(packages)}.")
        for each in value.values():
            check_targets(each, packages)
    elif isinstance(value, list):
        for each in value:
            check_targets(each, packages)


def _is_class_of(package: str, target: str) -> bool:
    match = re.fullmatch(rf"(?P<module>{re.escape(package)}(?:\.[a-z]\w*)*)\.(?P<name>[A-Z]\w*)", target)
    if match is None:
        return False
    try:
        found = getattr(import_module(match["module"]), match["name"], None)
    except ModuleNotFoundError:
        return False
    return isinstance(found, type) and f"{found.__module__}.".startswith(f"{package}.")
