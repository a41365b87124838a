"""Beats and where they stand in the bar."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.rows import check_suffix, integers, read_rows, require, set_fields, times

_MAX_POSITION = 10_000


@dataclass(frozen=True, eq=False)
class Beats(Annotation):
    """Beats. File: rows `time [position]`, separated by spaces or tabs.

    time_s      (n,) float64, strictly increasing
    position    (n,) int64 position in the bar: 1 the downbeat, 2 the second beat ...; 0 unknown
    """

    time_s: NDArray[np.float64]
    position: NDArray[np.int64]

    name: ClassVar[str] = "beats"
    suffixes: ClassVar[tuple[str, ...]] = (".beats", ".txt")

    def __post_init__(self) -> None:
        time_s = times(self.time_s, "beat")
        position = integers(self.position, "position in the bar", 0, _MAX_POSITION)
        assert len(time_s) == len(position)
        require(
            np.diff(time_s, prepend=-1.0) > 0,
            lambda row: f"beat {time_s[row]:g} s is not after the one before it, {time_s[row - 1]:g} s.",
        )
        set_fields(self, time_s=time_s, position=position)

    @classmethod
    def make(cls, time_s: ArrayLike, position: ArrayLike = 0) -> Self:
        """Beats; `position` may be one number for all."""
        time_s = np.asarray(time_s)
        return cls(time_s=time_s, position=np.array(np.broadcast_to(np.asarray(position), time_s.shape)))

    def __len__(self) -> int:
        return len(self.time_s)

    def stretched(self, factor: float) -> Self:
        return replace(self, time_s=self.time_s * factor)

    @classmethod
    def read(cls, path: Path) -> Self:
        check_suffix(path, cls.name, cls.suffixes)
        rows = read_rows(path, str.split)
        rows.check_num_columns({1, 2}, "time [position]")
        with_position = bool(rows.cells) and len(rows.cells[0]) == 2
        rows.check_num_columns({1 + with_position}, "time position" if with_position else "time, as in the first row")
        with rows.located():
            return cls.make(rows.numbers(0, "beat"), rows.numbers(1, "position") if with_position else 0)

    def write(self, path: Path) -> None:
        path.write_text(self.text(), encoding="utf-8")

    def text(self) -> str:
        if not self.position.any():
            return "".join(f"{time:.6f}\n" for time in self.time_s)
        return "".join(f"{time:.6f}\t{position}\n" for time, position in zip(self.time_s, self.position, strict=True))
