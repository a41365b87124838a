"""JSON text <-> dataclasses: strict in both directions."""

import dataclasses
import gzip
import json
import math
import sys
import zlib
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from ricercar.errors import InputError

T = TypeVar("T")

_NAMES = {str: "text", bool: "true or false", int: "a whole number", float: "a number or null", NoneType: "null"}


def to_json(value: Any) -> str:
    """Indented JSON of a dataclass. NaN becomes null; InputError names where a value is infinite."""
    return json.dumps(_plain(value, ""), indent=1, allow_nan=False) + "\n"


def parse(text: str) -> Any:
    """Strict JSON as plain values. InputError where it is not."""
    try:
        return json.loads(text, parse_constant=_refuse, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise InputError(f"line {error.lineno}, column {error.colno}: not JSON ({error.msg}).") from error
    except InputError:
        raise
    except (RecursionError, ValueError) as error:
        raise InputError(f"not JSON that can be read: {error}.") from error


def parsed_file(path: Path) -> Any:
    """A file of strict JSON in UTF-8, packed by gzip where it ends in .gz, as plain values. InputError names it."""
    try:
        content = path.read_bytes()
        return parse((gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8"))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path} is damaged or cut short: {error}.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}).") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def typed(kind: type[T], value: Any) -> T:
    """Plain values as the dataclass they were. InputError names the path of what is missing, unknown or misplaced.

    null becomes NaN where the dataclass has a plain float, and None where it allows None.
    """
    built: T = _typed(kind, value, "")
    return built


def _plain(value: Any, path: str) -> Any:
    if dataclasses.is_dataclass(value):
        return {
            each.name: _plain(getattr(value, each.name), f"{path}.{each.name}") for each in dataclasses.fields(value)
        }
    if isinstance(value, dict):
        return {key: _plain(each, f"{path}.{key}") for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, f"{path}[{i}]") for i, each in enumerate(value)]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        if math.isinf(value):
            raise InputError(f"{path.lstrip('.')} is infinite: it cannot be written, or averaged.")
        return None if math.isnan(value) else value
    return value


def _typed(kind: Any, value: Any, path: str) -> Any:
    """`value` as `kind`: a dataclass, a basic type, a list or dict of such, a union with None, or Any."""
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return _typed_dataclass(kind, value, path)
    origin, arguments = _parts(kind)
    if origin in (UnionType, Union):
        (inner,) = (each for each in arguments if each is not NoneType)
        return None if value is None else _typed(inner, value, path)
    if origin is list:
        _check(isinstance(value, list), value, "a list", path)
        return [_typed(arguments[0], each, f"{path}[{i}]") for i, each in enumerate(value)]
    if origin is dict:
        _check(isinstance(value, dict), value, "an object", path)
        if arguments[1] is float and all(type(each) is float and math.isfinite(each) for each in value.values()):
            return value  # most of a result is scores
        return {key: _typed(arguments[1], each, f"{path}.{key}") for key, each in value.items()}
    if kind is float:
        _check(value is None or (isinstance(value, int | float) and not isinstance(value, bool)), value, kind, path)
        _check(value is None or abs(value) <= sys.float_info.max, value, "a finite number", path)
        return math.nan if value is None else float(value)
    _check(isinstance(value, kind) and isinstance(value, bool) == (kind is bool), value, kind, path)
    return value


def _typed_dataclass(kind: Any, value: Any, path: str) -> Any:
    _check(isinstance(value, dict), value, "an object", path)
    hints = _hints(kind)
    for name in hints:
        if name not in value:
            raise InputError(f"{_at(path)} has no field {name!r}.")
    for name in value:
        if name not in hints:
            raise InputError(f"{_at(path)} has the unknown field {name!r}. Known are: {', '.join(hints)}.")
    return kind(**{name: _typed(hint, value[name], f"{path}.{name}") for name, hint in hints.items()})


@cache
def _parts(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    return get_origin(kind), get_args(kind)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _check(right: bool, value: Any, expected: Any, path: str) -> None:
    if not right:
        shown = json.dumps(value, ensure_ascii=False)
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        raise InputError(f"{_at(path)} is {shown}, it must be {_NAMES.get(expected, expected)}.")


def _at(path: str) -> str:
    return path.lstrip(".") or "the file"


def _refuse(constant: str) -> None:
    raise InputError(f"has {constant}, which is not JSON: write null for a value that is not defined.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"has the field {twice!r} twice in one object.")
    return value
