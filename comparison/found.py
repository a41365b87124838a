"""What is found below folders."""

from dataclasses import dataclass
from pathlib import Path

from ricercar.harness.results import Result


@dataclass(frozen=True)
class Found:
    """A result, and where it is from. folds: where those are that it is joined from."""

    path: Path
    result: Result
    folds: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Problem:
    """A file that could not be read, and why."""

    path: Path
    text: str


@dataclass(frozen=True)
class Collection:
    """What is below some paths."""

    found: list[Found]
    problems: list[Problem]
