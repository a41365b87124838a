"""The fundamental frequency of the melody."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.formats.rows import (
    cells,
    is_number,
    read_rows,
    read_text,
    require,
    set_fields,
    times,
)
from ricercar.data.annotations.frequencies import MAX_HZ, check_unit, names_hz

_HEADER = "time,frequency_hz"


@dataclass(frozen=True, eq=False)
class Melody(Annotation):
    """The melody. File: rows `time,frequency_hz` (comma, spaces or tabs) after an optional header.

    time_s         (n,) float64, strictly increasing
    frequency_hz   (n,) float64; 0 where no melody sounds; negative where an estimate has none either, but would take
                   this frequency, made positive, if there were one (MIREX, mir_eval.melody.freq_to_voicing)
    """

    time_s: NDArray[np.float64]
    frequency_hz: NDArray[np.float64]

    name: ClassVar[str] = "melody"
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".txt", ".tsv", ".f0", ".jams")

    def __post_init__(self) -> None:
        time_s = times(self.time_s, "time")
        frequency_hz = np.array(self.frequency_hz, dtype=np.float64)
        assert time_s.shape == frequency_hz.shape
        require(
            np.diff(time_s, prepend=-1.0) > 0,
            lambda row: f"time {time_s[row]:g} s is not after the one before it, {time_s[row - 1]:g} s.",
        )
        require(
            np.abs(frequency_hz) <= MAX_HZ,  # false for NaN
            lambda row: (
                f"frequency {frequency_hz[row]:g} Hz: it takes Hz up to {MAX_HZ:,.0f} (not cents), 0 where no melody "
                "sounds, and below 0 where the estimate of a frequency is not meant to sound."
            ),
        )
        frequency_hz += 0.0  # -0.0 becomes 0.0: one text for one value
        frequency_hz.setflags(write=False)
        set_fields(self, time_s=time_s, frequency_hz=frequency_hz)

    def __len__(self) -> int:
        return len(self.time_s)

    @cached_property
    def usual_step_s(self) -> float:
        """The median step between times; infinite for a single one."""
        return float(np.median(np.diff(self.time_s))) if len(self.time_s) > 1 else np.inf

    def transposed(self, semitones: float) -> Self:
        """Frequencies that leave the range of a Melody become 0."""
        frequency_hz = self.frequency_hz * 2.0 ** (semitones / 12.0)
        return replace(self, frequency_hz=np.where(np.abs(frequency_hz) <= MAX_HZ, frequency_hz, 0.0))

    def detuned(self, cents: float) -> Self:
        return self.transposed(cents / 100.0)

    def stretched(self, factor: float) -> Self:
        return replace(self, time_s=self.time_s * factor)

    @classmethod
    def _read(cls, path: Path) -> Self:
        """InputError also for frequencies that look like MIDI numbers or cents, unless the first line says Hz."""
        rows = read_rows(path, cells, numbers=2, least=2)
        if rows.cells and not is_number(rows.cells[0][0]):
            if rows.cells[0] != _HEADER.split(","):
                raise rows.error(0, f"the header is {','.join(rows.cells[0])!r}, it must be: {_HEADER} (or none).")
            rows = rows.without_header()
        rows.check_num_columns({2}, _HEADER)
        with rows.located():
            melody = cls(time_s=rows.numbers(0, "time"), frequency_hz=rows.numbers(1, "frequency"))
        if not names_hz(read_text(path).split("\n", 1)[0]):
            check_unit(path, melody.frequency_hz)
        return melody

    def _write(self, path: Path) -> None:
        """The header is a comment: mir_eval reads the file as it is."""
        path.write_text(f"# {_HEADER}\n{self.text()}", encoding="utf-8")

    def text(self) -> str:
        rows = zip(self.time_s.tolist(), self.frequency_hz.tolist(), strict=True)
        return "".join(f"{time:.6f},{frequency:.6f}\n" for time, frequency in rows)
