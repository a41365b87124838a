"""result.json files below folders."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from ricercar.comparison.folds import joined
from ricercar.comparison.found import Collection, Found, Problem
from ricercar.errors import InputError
from ricercar.harness.results import Result

NAME = "result.json"
PACKED = f"{NAME}.gz"  # by gzip, as where hundreds are kept
_NOT_ENTERED = {"checkpoints", "predictions", "wandb", ".hydra", ".git"}
_MANY = 1000  # files from which on processes save more time than starting them takes
_AT_ONCE = 32  # files that a process is given at once


def collect(paths: Sequence[Path], join: bool = True) -> Collection:
    """Every result.json or result.json.gz below the paths, sorted; a path may be a file. A broken file is a Problem.

    A folder that cannot be looked into is one, too. The folds of a cross-validation are joined (see folds.py), unless
    `join` is false. InputError names a path that is not there, or has no result below it.
    """
    files: dict[Path, Path] = {}  # one that is reached twice, by a link too, counts once
    problems: list[Problem] = []
    for given in paths:
        below = sorted(_below(given, problems))
        if not below and not problems:
            raise InputError(f"{given}: there is no {NAME} in it or below it. Give the folder of a run, or of many.")
        for path in below:
            files.setdefault(path.resolve(), path)
    read = _read_all(list(files.values()))
    problems += [each for each in read if isinstance(each, Problem)]
    found = [each for each in read if isinstance(each, Found)]
    if join:
        found, incomplete = joined(found)
        problems += incomplete
    return Collection(found, problems)


def _below(path: Path, problems: list[Problem]) -> Iterator[Path]:
    """Adds the folders that cannot be looked into to `problems`."""

    def note(error: OSError) -> None:
        problems.append(Problem(Path(error.filename), f"cannot be looked into: {error.strerror}."))

    if not path.exists():
        raise InputError(f"{path}: there is no such file or folder.")
    if not path.is_dir():
        yield path
        return
    for folder, names, files in os.walk(path, onerror=note):
        # A folder of that name is a problem, not a place to look into.
        own = [name for name in (NAME, PACKED) if name in files or name in names]
        if own:
            yield Path(folder, own[0])
        names[:] = [name for name in names if name not in {*_NOT_ENTERED, NAME, PACKED}]


def _read_all(files: list[Path]) -> list[Found | Problem]:
    if len(files) < _MANY:
        return [_read(path) for path in files]
    # Spawned, because a fork copies the locks of running threads (NumPy's, for example).
    num_processes = min(len(os.sched_getaffinity(0)), len(files) // _AT_ONCE + 1)
    with ProcessPoolExecutor(num_processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(_read, files, chunksize=_AT_ONCE))


def _read(path: Path) -> Found | Problem:
    try:
        return Found(path, Result.read(path))
    except InputError as error:
        return Problem(path, str(error).removeprefix(f"{path}: ").removeprefix(f"{path} "))
