"""The sections of a piece on several levels, from large to small."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.formats.rows import RowError, Rows, integers, is_number, read_rows
from ricercar.data.annotations.intervals import LAYOUT
from ricercar.data.annotations.segments import Segments
from ricercar.errors import InputError

_LEVEL_LAYOUT = f"{LAYOUT} level"
_HEADER = _LEVEL_LAYOUT.split()
_MOST_LEVELS = 20


@dataclass(frozen=True, eq=False)
class Hierarchy(Annotation):
    """Sections on one or more levels.

    levels   from the coarsest to the finest

    File: header `start end label level` and such rows, level 1 the coarsest (without the header where tabulators
    separate the four); or what Segments read, as the only level.
    """

    levels: tuple[Segments, ...]

    name: ClassVar[str] = "hierarchy"
    suffixes: ClassVar[tuple[str, ...]] = (".lab", ".txt", ".jams")
    level_kind: ClassVar[type[Segments]] = Segments

    def __post_init__(self) -> None:
        if not self.levels:
            raise InputError("A hierarchy has one level of segments at least.")

    @classmethod
    def flat(cls, segments: Segments) -> Self:
        return cls((segments,))

    @property
    def end_s(self) -> float:
        return max(float(level.end_s[-1]) for level in self.levels)

    def stretched(self, factor: float) -> Self:
        return type(self)(tuple(level.stretched(factor) for level in self.levels))

    @classmethod
    def _read(cls, path: Path) -> Self:
        rows = read_rows(path, lambda text: text.split("\t"), numbers=2, least=3)
        with_header = bool(rows.cells) and " ".join(rows.cells[0]).split() == _HEADER
        if with_header or (rows.cells and len(rows.cells[0]) == len(_HEADER)):
            return cls._from_rows(_four_cells(rows.without_header() if with_header else rows))
        return cls.flat(Segments.read(path))

    @classmethod
    def _from_rows(cls, rows: Rows) -> Self:
        """rows: start, end, label, level."""
        if not rows.cells:
            raise InputError(f"{rows.path}: no segments under the header. A row is: {_LEVEL_LAYOUT}.")
        start_s, end_s = rows.numbers(0, "start"), rows.numbers(1, "end")
        with rows.located():
            level = integers(rows.numbers(3, "level"), "level", 1, _MOST_LEVELS)
        levels = []
        for number in range(1, int(level.max()) + 1):
            (own,) = np.nonzero(level == number)
            if not len(own):
                raise rows.error(
                    int(level.argmax()),
                    f"level {level.max()}, but there is no level {number}: levels count from 1, the coarsest.",
                )
            try:
                levels.append(Segments(start_s[own], end_s[own], tuple(rows.cells[row][2] for row in own)))
            except RowError as error:
                raise rows.error(int(own[error.row]), f"level {number}: {error.problem}") from error
        return cls(tuple(levels))

    def text(self) -> str:
        """That of the segments where there is one level."""
        if len(self.levels) == 1:
            return self.levels[0].text()
        rows = (
            "\t".join((line, str(number)))
            for number, level in enumerate(self.levels, start=1)
            for line in level.text().splitlines()
        )
        return "\n".join(("\t".join(_HEADER), *rows)) + "\n"


def _four_cells(rows: Rows) -> Rows:
    """Each row as start, end, label and level, whether tabulators or spaces separate them."""
    cells = []
    for row, given in enumerate(rows.cells):
        split = given if len(given) == len(_HEADER) else " ".join(given).split()
        if len(split) < len(_HEADER) or not is_number(split[-1]):
            raise rows.error(row, f"{' '.join(split)!r} is not a row of: {_LEVEL_LAYOUT}.")
        cells.append([split[0], split[1], " ".join(split[2:-1]), split[-1]])
    return Rows(rows.path, rows.lines, cells)
