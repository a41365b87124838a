"""The tempo of a piece."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.rows import check_suffix, read_text
from ricercar.errors import InputError


@dataclass(frozen=True)
class Tempo(Annotation):
    """The tempo of a whole track, in beats per minute. In a cell of index.csv: the number, or a file with it alone."""

    bpm: float

    name: ClassVar[str] = "tempo"
    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".bpm")

    def __post_init__(self) -> None:
        object.__setattr__(self, "bpm", float(self.bpm))
        if not (math.isfinite(self.bpm) and self.bpm > 0):
            raise InputError(f"Tempo {self.bpm} is not a number of beats per minute above 0.")

    @classmethod
    def parse(cls, text: str) -> Self:
        try:
            bpm = float(text)
        except ValueError:
            raise InputError(f"Tempo {text.strip()!r} is not a number of beats per minute, such as 120.") from None
        return cls(bpm=bpm)

    @classmethod
    def from_cell(cls, cell: str, resolve: Callable[[str], Path]) -> Self:
        return cls.read(resolve(cell)) if cell.lower().endswith(cls.suffixes) else cls.parse(cell)

    @classmethod
    def read(cls, path: Path) -> Self:
        check_suffix(path, cls.name, cls.suffixes)
        try:
            return cls.parse(read_text(path))
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    def write(self, path: Path) -> None:
        path.write_text(self.text(), encoding="utf-8")

    def text(self) -> str:
        return f"{self.bpm!r}\n"

    def stretched(self, factor: float) -> Self:
        return type(self)(bpm=self.bpm / factor)
