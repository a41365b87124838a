"""Several fundamental frequencies at a time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.formats.rows import (
    RowError,
    Rows,
    comma_hint,
    is_number,
    read_rows,
    read_text,
    require,
    set_fields,
    times,
)
from ricercar.data.annotations.frequencies import MAX_HZ, check_unit, names_hz

MIN_HZ = 5.0  # below MIDI number 0

_HEADER = "time,frequency_hz"


@dataclass(frozen=True, eq=False)
class Multipitch(Annotation):
    """All fundamental frequencies that sound at each time. File: rows `time f1 f2 ...` (spaces, tabs or commas) with
    any number of frequencies in Hz, as of MIREX and mir_eval; 0 stands for none; a header is optional.

    time_s         (n,) float64, strictly increasing
    count          (n,) int64: how many sound at each time
    frequency_hz   (count.sum(),) float64: those of the first time, then of the second ..., each time's in rising order
    """

    time_s: NDArray[np.float64]
    count: NDArray[np.int64]
    frequency_hz: NDArray[np.float64]

    name: ClassVar[str] = "multipitch"
    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".csv", ".tsv", ".f0", ".jams")

    def __post_init__(self) -> None:
        time_s = times(self.time_s, "time")
        count = np.array(self.count, dtype=np.int64)
        frequency_hz = np.array(self.frequency_hz, dtype=np.float64)
        assert count.shape == time_s.shape
        assert frequency_hz.shape == (int(count.sum()),)
        assert not (count < 0).any()
        require(
            np.diff(time_s, prepend=-1.0) > 0,
            lambda row: f"time {time_s[row]:g} s is not after the one before it, {time_s[row - 1]:g} s.",
        )
        row = np.repeat(np.arange(len(count)), count)
        good = (frequency_hz >= MIN_HZ) & (frequency_hz <= MAX_HZ)  # false for NaN
        if not good.all():
            wrong = int(np.argmin(good))
            raise RowError(
                int(row[wrong]),
                f"frequency {frequency_hz[wrong]:g} Hz: it takes frequencies from {MIN_HZ:g} to {MAX_HZ:,.0f} Hz.",
            )
        later = np.diff(frequency_hz) >= 0
        if not np.all(later | (np.diff(row) > 0)):
            frequency_hz = frequency_hz[np.lexsort((frequency_hz, row))]
        for array in (count, frequency_hz):
            array.setflags(write=False)
        set_fields(self, time_s=time_s, count=count, frequency_hz=frequency_hz)

    @classmethod
    def make(cls, time_s: ArrayLike, frequencies_hz: Sequence[ArrayLike]) -> Self:
        """From one list of frequencies for each time."""
        each = [np.asarray(frequencies, dtype=np.float64) for frequencies in frequencies_hz]
        return cls(
            time_s=np.asarray(time_s, dtype=np.float64),
            count=np.array([len(frequencies) for frequencies in each], dtype=np.int64),
            frequency_hz=np.concatenate([np.zeros(0), *each]),
        )

    def __len__(self) -> int:
        return len(self.time_s)

    @cached_property
    def usual_step_s(self) -> float:
        """The median step between times; infinite for a single one."""
        return float(np.median(np.diff(self.time_s))) if len(self.time_s) > 1 else np.inf

    @cached_property
    def row(self) -> NDArray[np.int64]:
        """(count.sum(),) the index of each frequency's time."""
        return np.repeat(np.arange(len(self.count)), self.count)

    def transposed(self, semitones: float) -> Self:
        """Frequencies that leave the range of a Multipitch are dropped."""
        frequency_hz = self.frequency_hz * 2.0 ** (semitones / 12.0)
        kept = (frequency_hz >= MIN_HZ) & (frequency_hz <= MAX_HZ)
        count = np.bincount(self.row[kept], minlength=len(self))
        return type(self)(time_s=self.time_s, count=count, frequency_hz=frequency_hz[kept])

    def detuned(self, cents: float) -> Self:
        return self.transposed(cents / 100.0)

    def stretched(self, factor: float) -> Self:
        return type(self)(time_s=self.time_s * factor, count=self.count, frequency_hz=self.frequency_hz)

    @classmethod
    def _read(cls, path: Path) -> Self:
        """InputError also for frequencies that look like MIDI numbers or cents, unless the first line says Hz."""
        rows = read_rows(path, lambda text: re.split(r"[,\s]+", text.rstrip(",")), numbers=99)
        if rows.cells and not is_number(rows.cells[0][0]):
            if rows.cells[0][:2] != _HEADER.split(","):
                raise rows.error(0, f"the header is {','.join(rows.cells[0])!r}, it must be: {_HEADER} (or none).")
            rows = rows.without_header()
        with rows.located():
            found = cls.make(rows.numbers(0, "time"), [_frequencies(rows, row) for row in range(len(rows.cells))])
        if not names_hz(read_text(path).split("\n", 1)[0]):
            check_unit(path, found.frequency_hz)
        return found

    def _write(self, path: Path) -> None:
        """Tabs between the values. The header is a comment: mir_eval reads the file as it is."""
        path.write_text(f"# {_HEADER}\n{self.text()}", encoding="utf-8")

    def text(self) -> str:
        cells = [f"\t{frequency:.6f}" for frequency in self.frequency_hz.tolist()]
        ends = np.cumsum(self.count)
        rows = zip(self.time_s.tolist(), (ends - self.count).tolist(), ends.tolist(), strict=True)
        return "".join(f"{time:.6f}{''.join(cells[first:end])}\n" for time, first, end in rows)


def _frequencies(rows: Rows, row: int) -> list[float]:
    for cell in rows.cells[row][1:]:
        if not is_number(cell):
            raise rows.error(row, f"frequency {cell!r} is not a number.{comma_hint(cell)}")
    return [value for cell in rows.cells[row][1:] if (value := float(cell)) != 0]
