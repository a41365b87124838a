"""When the events of a known sequence (words, lines, notes) come."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.formats.rows import (
    cells_and_label,
    read_rows,
    require,
    set_fields,
    times,
    unquoted,
    without_second_times,
)


@dataclass(frozen=True, eq=False)
class Alignment(Annotation):
    """The times of a known sequence of events, in its order. File: rows `time [event]`, or JAMS (lyrics).

    time_s   (n,) float64, none before the one before it
    event    n texts, such as the words of a song (spaces may be in them); all empty where they are not written down
    duration_s   of the recording, where it is known; in no file

    Events serve the reader: what is scored is the time of the first, the second ... event.
    """

    time_s: NDArray[np.float64]
    event: tuple[str, ...]
    duration_s: float | None = None

    name: ClassVar[str] = "alignment"
    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".tsv", ".csv", ".lab", ".jams")

    def __post_init__(self) -> None:
        time_s = times(self.time_s, "time")
        event = tuple(unquoted(text) for text in self.event)
        assert len(time_s) == len(event)
        if any(event):
            require(np.array([bool(text) for text in event]), lambda row: f"no event at time {time_s[row]:g} s.")
        require(
            np.diff(time_s, prepend=0.0) >= 0,
            lambda row: f"time {time_s[row]:g} s is before the time of the event before it, {time_s[row - 1]:g} s.",
        )
        set_fields(self, time_s=time_s, event=event)

    @classmethod
    def make(cls, time_s: ArrayLike) -> Self:
        """Times of events that are not written down."""
        return cls(time_s=np.asarray(time_s), event=("",) * len(np.asarray(time_s)))

    def __len__(self) -> int:
        return len(self.time_s)

    def stretched(self, factor: float) -> Self:
        return replace(self, time_s=self.time_s * factor)

    @classmethod
    def _read(cls, path: Path) -> Self:
        rows = without_second_times(read_rows(path, lambda text: cells_and_label(text, 1)))
        num_columns = len(rows.cells[0]) if rows.cells else 1
        rows.check_num_columns({num_columns}, "time event, as in the first row" if num_columns == 2 else "time")
        with rows.located():
            time_s = rows.numbers(0, "time")
            return cls(time_s=time_s, event=tuple(rows.column(1))) if num_columns == 2 else cls.make(time_s)

    def text(self) -> str:
        if not any(self.event):
            return "".join(f"{time:.6f}\n" for time in self.time_s)
        return "".join(f"{time:.6f}\t{event}\n" for time, event in zip(self.time_s, self.event, strict=True))
