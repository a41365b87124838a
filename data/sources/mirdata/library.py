"""The library mirdata: opened by a data set's name, with its failures turned into messages that say what to do."""

import csv
import importlib
import logging
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ricercar.errors import InputError


def opened(dataset: str, home: str | Path | None, version: str) -> Any:
    """mirdata's Dataset. Nothing of its data is read yet, and nothing of it needs to be there.

    home      the data set's folder; None: mirdata's default, ~/mir_datasets/<data set>
    version   "default", or one of those that mirdata lists
    """
    module = _library(f"mirdata.datasets.{dataset}")
    if version not in module.INDEXES:
        raise InputError(f"{dataset} has no version {version!r} in mirdata; it has: {', '.join(module.INDEXES)}.")
    return module.Dataset(data_home=None if home is None else str(Path(home).expanduser()), version=version)


def index_of(dataset: Any) -> dict[str, Any]:
    """The list of a data set's files and their checksums, which mirdata keeps beside its own modules."""
    if not Path(dataset.index_path).is_file():
        raise InputError(
            f"mirdata's index of {dataset.name}, {dataset.index_path}, is not there. {how_to_fetch(dataset)}"
        )
    with told(f"mirdata's index of {dataset.name}", dataset, dataset.index_path):
        index: dict[str, Any] = dataset._index
        return index


def how_to_fetch(dataset: Any) -> str:
    default_version = _library(f"mirdata.datasets.{dataset.name}").INDEXES["default"]
    parts = ["ricercar fetch", dataset.name]
    if dataset.data_home != dataset.default_path:
        parts += ["--home", shlex.quote(dataset.data_home)]
    if dataset.version != default_version:
        parts += ["--version", dataset.version]
    return f"Run: {' '.join(parts)}"


@contextmanager
def told(what: str, dataset: Any, file: str = "the metadata") -> Iterator[None]:
    """Whatever goes wrong inside becomes an InputError that begins with `what`. `file` is what is being read."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{what}: {error}") from error
    except FileNotFoundError as error:
        missing = f"there is no file {error.filename}" if error.filename else f"cannot find {file}"
        raise InputError(f"{what}: {missing}. {how_to_fetch(dataset)}") from error
    except _unreadable() as error:
        raise InputError(f"{what}: cannot read {file} ({type(error).__name__}: {error}).") from error


def _unreadable() -> tuple[type[Exception], ...]:
    """What mirdata and the parsers below it raise on a file that is not as they expect it."""
    return (
        ValueError, TypeError, LookupError, AttributeError, AssertionError, NameError, StopIteration, EOFError, OSError,
        csv.Error, importlib.import_module("yaml").YAMLError,
    )  # fmt: skip


def _library(module: str) -> Any:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise InputError(
            f"mirdata's data sets need the library mirdata (there is no module {error.name}). "
            "Install the extra: pip install 'ricercar[mirdata]'"
        ) from error
    finally:  # mirdata sets up the root logger when it is imported
        root.handlers[:] = handlers
        root.setLevel(level)
