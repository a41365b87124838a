"""The sections of a piece."""

import re
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ricercar.data.annotations.formats.rows import Rows, is_number, times
from ricercar.data.annotations.intervals import LAYOUT, Intervals

_SEVERAL_CELLS = re.compile(r'[-+\d.]+\s*,\s*"')  # time, duration, value and label of other programs


@dataclass(frozen=True, eq=False)
class Segments(Intervals):
    """Sections: verse, chorus ... A label may have spaces.

    File: rows `start end label`; or, as in SALAMI, rows `time label`: a section ends where the next begins, the last
    row is the end of the last section, and of several rows with one time the last counts.
    """

    name: ClassVar[str] = "segments"

    @staticmethod
    def problem_with_label(label: str) -> str:
        if set(label) & set("\t\r\n"):
            return (
                f"the label {label!r} has a tabulator or a line break in it. Segments are written {LAYOUT}; "
                "those of several levels go into the column hierarchy of index.csv."
            )
        if _SEVERAL_CELLS.match(label):
            return f"the label {label!r} is a number and another text in quotation marks. A row is: {LAYOUT}."
        return "" if label else "the label is empty."

    @classmethod
    def from_rows(cls, rows: Rows) -> Self:
        first = rows.cells[0]
        return cls._from_changes(rows) if len(first) > 1 and not is_number(first[1]) else super().from_rows(rows)

    @classmethod
    def _from_changes(cls, rows: Rows) -> Self:
        """rows: `time label`."""
        for row, cells in enumerate(rows.cells):
            if len(cells) < 2:
                raise rows.error(row, f"{cells[0]!r} has no label, a row is: time label, as the first one.")
        with rows.located():
            time_s = times(rows.numbers(0, "time"), "time")
        for row in np.flatnonzero(np.diff(time_s, prepend=-np.inf) < 0).tolist():
            raise rows.error(row, f"time {time_s[row]:g} s is before that of the row before it, {time_s[row - 1]:g} s.")
        (kept,) = np.nonzero(np.diff(time_s))
        if not len(kept):
            raise rows.error(0, "a section without an end: rows `time label` need one row more, the end of the last.")
        with Rows(rows.path, [rows.lines[row] for row in kept], [rows.cells[row] for row in kept]).located():
            return cls(
                start_s=time_s[kept],
                end_s=time_s[kept + 1],
                label=tuple(" ".join(rows.cells[row][1:]) for row in kept),
            )
