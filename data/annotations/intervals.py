"""What chords and segments share: labelled stretches of time, one after the other."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.formats.rows import (
    RowError,
    Rows,
    cells_and_label,
    read_rows,
    require,
    set_fields,
    times,
    unquoted,
)
from ricercar.errors import InputError

_OVERLAP_S = 0.001  # annotators' times are rounded, each on its own
LAYOUT = "start end label"


@dataclass(frozen=True, eq=False)
class Intervals(Annotation):
    """One or more labelled intervals in the order of time, without overlap (gaps may be). File: rows `start end label`.

    start_s, end_s   (n,) float64; an end that is up to a millisecond late is moved to the next start
    label            n labels
    """

    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    label: tuple[str, ...]

    suffixes: ClassVar[tuple[str, ...]] = (".lab", ".txt", ".jams")

    def __post_init__(self) -> None:
        start, end = times(self.start_s, "start"), times(self.end_s, "end")
        label = tuple(unquoted(text) for text in self.label)
        assert len(start) == len(end) == len(label)
        if not label:
            raise InputError(f"There are no {self.name}: give one interval with a label at least.")
        require(
            end > start,
            lambda row: f"end {end[row]:g} s is not after start {start[row]:g} s: the interval is reversed or empty.",
        )
        free_from = np.concatenate([[0.0], end])[:-1]
        require(
            (start >= free_from - _OVERLAP_S) & (np.diff(start, prepend=-1.0) > 0),
            lambda row: f"start {start[row]:g} s is before the end of the interval before it, {end[row - 1]:g} s.",
        )
        for row, text in enumerate(label):
            if problem := self.problem_with_label(text):
                raise RowError(row, problem)
        end = np.minimum(end, np.append(start[1:], np.inf))
        end.setflags(write=False)
        set_fields(self, start_s=start, end_s=end, label=label)

    @staticmethod
    @abstractmethod
    def problem_with_label(label: str) -> str:
        """What is wrong with a label; empty if nothing is."""

    def __len__(self) -> int:
        return len(self.start_s)

    def stretched(self, factor: float) -> Self:
        return replace(self, start_s=self.start_s * factor, end_s=self.end_s * factor)

    @classmethod
    def _read(cls, path: Path) -> Self:
        rows = read_rows(path, lambda text: cells_and_label(text, 2), numbers=2, least=3)
        if not rows.cells:
            raise InputError(f"{path}: no {cls.name} in it. A row is: {LAYOUT}.")
        return cls.from_rows(rows)

    @classmethod
    def from_rows(cls, rows: Rows) -> Self:
        """The intervals in the rows of a file, split into up to three cells."""
        rows.check_num_columns({3}, LAYOUT)
        with rows.located():
            return cls(start_s=rows.numbers(0, "start"), end_s=rows.numbers(1, "end"), label=tuple(rows.column(2)))

    def text(self) -> str:
        rows: Sequence[tuple[float, float, str]] = list(zip(self.start_s, self.end_s, self.label, strict=True))
        return "".join(f"{start:.6f}\t{end:.6f}\t{label}\n" for start, end, label in rows)
