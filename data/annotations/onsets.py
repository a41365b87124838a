"""Onsets, with or without a label (the drum that was struck, for example)."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.formats.rows import (
    cells_and_label,
    is_number,
    read_rows,
    require,
    set_fields,
    times,
    unquoted,
    without_second_times,
)

# Bass drum, snare drum, hi-hat, tom-tom, cymbal, anything else (side stick, tambourine ...): Southall, Wu, Lerch and
# Hockman 2017, MDB Drums: an annotated subset of MedleyDB for automatic drum transcription.
DRUM_LABELS = ("KD", "SD", "HH", "TT", "CY", "OT")
_GENERAL_MIDI = {
    **dict.fromkeys((35, 36), "KD"),
    **dict.fromkeys((38, 40), "SD"),
    **dict.fromkeys((42, 44, 46), "HH"),  # closed, with the pedal, open
    **dict.fromkeys((41, 43, 45, 47, 48, 50), "TT"),
    **dict.fromkeys((49, 51, 52, 53, 55, 57, 59), "CY"),  # crash, ride, Chinese, bell of the ride, splash
}


def drum_label(pitch: int) -> str:
    """The class of a note of General MIDI's percussion."""
    return _GENERAL_MIDI.get(pitch, "OT")


@dataclass(frozen=True, eq=False)
class Onsets(Annotation):
    """Onsets, kept sorted by (time, label). File: header `onset [label]`, then the rows; a label may have spaces.

    time_s   (n,) float64; several onsets may fall together
    label    n labels, all empty where onsets have none
    """

    time_s: NDArray[np.float64]
    label: tuple[str, ...]

    name: ClassVar[str] = "onsets"
    suffixes: ClassVar[tuple[str, ...]] = (".tsv", ".txt", ".onsets", ".jams")

    def __post_init__(self) -> None:
        time_s = times(self.time_s, "onset")
        label = tuple(unquoted(text) for text in self.label)
        assert len(time_s) == len(label)
        if any(label):
            require(np.array([bool(text) for text in label]), lambda row: f"onset {time_s[row]:g} s has no label.")
        order = sorted(range(len(label)), key=lambda row: (time_s[row], label[row]))
        time_s = time_s[order]
        time_s.setflags(write=False)
        set_fields(self, time_s=time_s, label=tuple(label[row] for row in order))

    @classmethod
    def make(cls, time_s: ArrayLike) -> Self:
        """Onsets without labels."""
        return cls(time_s=np.asarray(time_s), label=("",) * len(np.asarray(time_s)))

    def __len__(self) -> int:
        return len(self.time_s)

    def stretched(self, factor: float) -> Self:
        return replace(self, time_s=self.time_s * factor)

    def mixed(self, other: Self, later_s: float) -> Self:
        return type(self)(np.concatenate([self.time_s, other.time_s + later_s]), self.label + other.label)

    @classmethod
    def _read(cls, path: Path) -> Self:
        rows = read_rows(path, lambda text: cells_and_label(text, 1))
        if rows.cells and not is_number(rows.cells[0][0]):
            if [cell.strip() for cell in rows.cells[0]] not in (["onset"], ["onset", "label"]):
                raise rows.error(0, f"the header is {' '.join(rows.cells[0])!r}, it must be: onset [label].")
            num_columns = len(rows.cells[0])
            rows = rows.without_header()
        else:
            rows = without_second_times(rows)
            num_columns = len(rows.cells[0]) if rows.cells else 1
        rows.check_num_columns({num_columns}, "onset label" if num_columns == 2 else "onset")
        for row, cells in enumerate(rows.cells):
            if "\t" in cells[-1]:
                raise rows.error(row, f"the label {cells[-1]!r} has a tabulator in it, a row is: onset label.")
        with rows.located():
            time_s = rows.numbers(0, "onset")
            return cls(time_s=time_s, label=tuple(rows.column(1))) if num_columns == 2 else cls.make(time_s)

    def text(self) -> str:
        if not any(self.label):
            return "onset\n" + "".join(f"{time:.6f}\n" for time in self.time_s)
        rows = zip(self.time_s, self.label, strict=True)
        return "onset\tlabel\n" + "".join(f"{time:.6f}\t{label}\n" for time, label in rows)
