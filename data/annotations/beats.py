"""Beats and where they stand in the bar."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.formats.beat_positions import (
    are_flags,
    check_counted_from_1,
    check_no_ends,
    counted_from_downbeats,
)
from ricercar.data.annotations.formats.rows import (
    cells,
    integers,
    read_rows,
    require,
    set_fields,
    times,
    without_second_times,
)

_MAX_POSITION = 10_000
_LAYOUT = "time [position [bar]]"
_NAMELESS = re.compile("new point", re.IGNORECASE)  # what Sonic Visualiser calls a point without a label


@dataclass(frozen=True, eq=False)
class Beats(Annotation):
    """Beats. File: rows `time [position [bar]]`, separated by spaces, tabs or commas.

    time_s      (n,) float64, strictly increasing
    position    (n,) int64 position in the bar: 1 the downbeat, 2 the second beat ...; 0 unknown
    of_flags    whether the positions were made from flags, as below
    duration_s  of the recording, where it is known; in no file

    The number of the bar is not kept. Positions may be in quotation marks. The position `New Point`, as in the
    Isophonics files, is an unknown one.

    Where 0 and 1 are the only positions and a 0 comes after a 1, they are flags: 1 a downbeat, 0 another beat. Beats
    then count on from each downbeat, and those before the first one count towards it, in a bar as long as the first.
    Zeros that come before the first 1 alone stay unknown (an upbeat in ASAP).
    """

    time_s: NDArray[np.float64]
    position: NDArray[np.int64]
    of_flags: bool = field(default=False, init=False)
    duration_s: float | None = None

    name: ClassVar[str] = "beats"
    suffixes: ClassVar[tuple[str, ...]] = (".beats", ".txt", ".csv", ".jams")

    def __post_init__(self) -> None:
        time_s = times(self.time_s, "beat")
        position = integers(self.position, "position in the bar", 0, _MAX_POSITION)
        assert len(time_s) == len(position)
        require(
            np.diff(time_s, prepend=-1.0) > 0,
            lambda row: f"beat {time_s[row]:g} s is not after the one before it, {time_s[row - 1]:g} s.",
        )
        if are_flags(position):
            position = np.minimum(counted_from_downbeats(position == 1), _MAX_POSITION)
            position.setflags(write=False)
            set_fields(self, of_flags=True)
        set_fields(self, time_s=time_s, position=position)

    @classmethod
    def make(cls, time_s: ArrayLike, position: ArrayLike = 0) -> Self:
        """Beats; `position` may be one number for all."""
        time_s = np.asarray(time_s)
        return cls(time_s=time_s, position=np.array(np.broadcast_to(np.asarray(position), time_s.shape)))

    def __len__(self) -> int:
        return len(self.time_s)

    @property
    def downbeat_s(self) -> NDArray[np.float64]:
        downbeat_s: NDArray[np.float64] = self.time_s[self.position == 1]
        return downbeat_s

    def position_known(self, time_s: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether the position of the beat nearest to each time is known; where there are no beats, it is."""
        if not len(self):
            return np.ones(len(time_s), dtype=bool)
        middle_s = (self.time_s[:-1] + self.time_s[1:]) / 2
        nearest = np.searchsorted(middle_s, time_s, side="right")
        return np.asarray(self.position[nearest] > 0)

    def stretched(self, factor: float) -> Self:
        return replace(self, time_s=self.time_s * factor)

    @classmethod
    def _read(cls, path: Path) -> Self:
        rows = without_second_times(read_rows(path, _cells, numbers=3))
        rows.check_num_columns({1, 2, 3}, _LAYOUT)
        num_columns = len(rows.cells[0]) if rows.cells else 1
        layout = " ".join(("time", "position", "bar")[:num_columns])
        rows.check_num_columns({num_columns}, f"{layout}, as in the first row")
        with rows.located():
            if num_columns == 3:
                check_no_ends(rows.numbers(0, "beat"), rows.numbers(1, "position"), rows.numbers(2, "bar"))
            position = rows.numbers(1, "position") if num_columns > 1 else np.zeros(len(rows.cells))
            check_counted_from_1(position)
            return cls.make(rows.numbers(0, "beat"), position)

    def text(self) -> str:
        if not self.position.any():
            return "".join(f"{time:.6f}\n" for time in self.time_s)
        return "".join(f"{time:.6f}\t{position}\n" for time, position in zip(self.time_s, self.position, strict=True))


def _cells(text: str) -> list[str]:
    return cells(_NAMELESS.sub("0", text.replace('"', "")).rstrip(", \t"))
