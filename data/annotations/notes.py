"""Notes: onset, offset, pitch, velocity, instrument."""

from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ricercar.data.annotations import jams_file, midi_file
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.rows import (
    Rows,
    cells,
    check_suffix,
    integers,
    is_number,
    read_rows,
    require,
    set_fields,
    times,
)
from ricercar.errors import InputError

DRUMS = 128
UNKNOWN_PROGRAM = -1
UNKNOWN_VELOCITY = 64

_COLUMNS = ("onset", "offset", "pitch", "velocity", "program", "pedalled_offset")
_REQUIRED = _COLUMNS[:4]


@dataclass(frozen=True, eq=False)
class Notes(Annotation):
    """Notes, kept sorted by (onset, pitch). All arrays have shape (n,) and are read-only.

    onset_s            float64
    offset_s           float64: the key is released; always after the onset
    pitch              MIDI number, 0 to 127
    velocity           1 to 127
    program            General MIDI program 0 to 127, 128 drums, -1 unknown
    pedalled_offset_s  float64: the sound is damped; later than offset_s where the sustain pedal holds the note,
                       equal to it where nothing is known of a pedal

    Files
    .tsv          header `onset offset pitch velocity [program] [pedalled_offset]`, columns in any order
    .mid .midi    see midi_file.py
    .txt          as .tsv, or, where the first line is not a header, mir_eval's rows
                  `onset offset frequency_hz [velocity]` (also with commas): the nearest MIDI number is taken
    .jams         see jams_file.py
    """

    onset_s: NDArray[np.float64]
    offset_s: NDArray[np.float64]
    pitch: NDArray[np.int64]
    velocity: NDArray[np.int64]
    program: NDArray[np.int64]
    pedalled_offset_s: NDArray[np.float64]

    name: ClassVar[str] = "notes"
    suffixes: ClassVar[tuple[str, ...]] = (".tsv", ".mid", ".midi", ".txt", ".jams")

    def __post_init__(self) -> None:
        onset, offset = times(self.onset_s, "onset"), times(self.offset_s, "offset")
        pedalled = times(self.pedalled_offset_s, "pedalled_offset")
        pitch = integers(self.pitch, "pitch", 0, 127)
        velocity = integers(self.velocity, "velocity", 1, 127)
        program = integers(self.program, "program", UNKNOWN_PROGRAM, DRUMS)
        assert len({len(onset), len(offset), len(pedalled), len(pitch), len(velocity), len(program)}) == 1
        require(
            offset > onset,
            lambda row: f"offset {offset[row]:g} s is not after onset {onset[row]:g} s: the note is reversed or empty.",
        )
        require(
            pedalled >= offset,
            lambda row: f"pedalled_offset {pedalled[row]:g} s is before offset {offset[row]:g} s.",
        )
        set_fields(self, onset_s=onset, offset_s=offset, pedalled_offset_s=pedalled)
        set_fields(self, pitch=pitch, velocity=velocity, program=program)
        later = np.diff(onset)
        if not np.all((later > 0) | ((later == 0) & (np.diff(pitch) > 0))):
            order = np.lexsort((velocity, program, pedalled, offset, pitch, onset))
            set_fields(self, **vars(self._taken(order)))

    @classmethod
    def make(
        cls,
        onset_s: ArrayLike,
        offset_s: ArrayLike,
        pitch: ArrayLike,
        velocity: ArrayLike | None = None,
        program: ArrayLike | None = None,
        pedalled_offset_s: ArrayLike | None = None,
    ) -> Self:
        """Notes of which less is known: velocity 64, program -1, no pedal. Each may also be one number for all."""
        num_notes = np.shape(onset_s)

        def filled(values: ArrayLike | None, default: int) -> NDArray[Any]:
            return np.array(np.broadcast_to(np.asarray(default if values is None else values), num_notes))

        return cls(
            onset_s=np.asarray(onset_s),
            offset_s=np.asarray(offset_s),
            pitch=np.asarray(pitch),
            velocity=filled(velocity, UNKNOWN_VELOCITY),
            program=filled(program, UNKNOWN_PROGRAM),
            pedalled_offset_s=np.asarray(offset_s if pedalled_offset_s is None else pedalled_offset_s),
        )

    def __len__(self) -> int:
        return len(self.onset_s)

    def between(self, start_s: float, end_s: float) -> Self:
        """The notes that sound (pedal included) in [start_s, end_s), with their times unchanged."""
        first = int(np.searchsorted(self._sounding_until_s, start_s, side="right"))
        last = int(np.searchsorted(self.onset_s, end_s, side="left"))
        candidates = slice(first, max(last, first))
        sounding = np.flatnonzero(self.pedalled_offset_s[candidates] > start_s)
        return self._taken(first + sounding)

    @cached_property
    def _sounding_until_s(self) -> NDArray[np.float64]:
        """(n,) the latest pedalled offset of the notes so far: sorted, so that `between` can search it."""
        return np.maximum.accumulate(self.pedalled_offset_s)

    def _taken(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> Self:
        """Some of the notes, in order: nothing has to be checked again."""
        notes = object.__new__(type(self))
        for field in fields(self):
            values = getattr(self, field.name)[index]
            values.setflags(write=False)
            object.__setattr__(notes, field.name, values)
        return notes

    def transposed(self, semitones: int) -> Self:
        """Drums keep their pitch; notes that leave 0 to 127 are dropped."""
        pitch = np.where(self.program == DRUMS, self.pitch, self.pitch + semitones)
        kept = (pitch >= 0) & (pitch <= 127)
        return replace(self._taken(kept), pitch=pitch[kept])

    def stretched(self, factor: float) -> Self:
        return replace(
            self,
            onset_s=self.onset_s * factor,
            offset_s=self.offset_s * factor,
            pedalled_offset_s=self.pedalled_offset_s * factor,
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        check_suffix(path, cls.name, cls.suffixes)
        if path.suffix.lower() == ".jams":
            return jams_file.read(path, cls)
        if path.suffix.lower() in (".mid", ".midi"):
            return cls(**midi_file.read(path))
        rows = read_rows(path, cells)
        if path.suffix.lower() == ".txt" and (not rows.cells or is_number(rows.cells[0][0])):
            return cls._from_mir_eval(rows)
        return cls._from_table(rows)

    @classmethod
    def _from_table(cls, rows: Rows) -> Self:
        header = rows.cells[0] if rows.cells else []
        if not set(_REQUIRED) <= set(header) or not set(header) <= set(_COLUMNS) or len(set(header)) < len(header):
            hint = " Rows of mir_eval (frequency in Hz, no header) go into a .txt file." if rows.cells else ""
            raise InputError(
                f"{rows.path}, line {rows.lines[0] if rows.lines else 1}: the header is {' '.join(header)!r}, "
                f"it must be: onset offset pitch velocity [program] [pedalled_offset].{hint}"
            )
        rows = rows.without_header()
        rows.check_num_columns({len(header)}, " ".join(header))
        columns = {name: rows.numbers(column, name) for column, name in enumerate(header)}
        columns["onset_s"], columns["offset_s"] = columns.pop("onset"), columns.pop("offset")
        columns["pedalled_offset_s"] = columns.pop("pedalled_offset", columns["offset_s"])
        with rows.located():
            return cls.make(**columns)

    @classmethod
    def _from_mir_eval(cls, rows: Rows) -> Self:
        rows.check_num_columns({3, 4}, "onset offset frequency_hz [velocity]")
        frequency_hz = rows.numbers(2, "frequency")
        num_columns = len(rows.cells[0]) if rows.cells else 3
        rows.check_num_columns({num_columns}, "onset offset frequency_hz [velocity], all with a velocity or none")
        with rows.located():
            require(
                np.isfinite(frequency_hz) & (frequency_hz > 0),
                lambda row: f"frequency {frequency_hz[row]:g} Hz is not above 0 Hz.",
            )
            return cls.make(
                onset_s=rows.numbers(0, "onset"),
                offset_s=rows.numbers(1, "offset"),
                pitch=np.rint(69 + 12 * np.log2(frequency_hz / 440.0)),
                velocity=rows.numbers(3, "velocity") if num_columns == 4 else None,
            )

    def write(self, path: Path) -> None:
        """Writes a .tsv file, times to the microsecond."""
        path.write_text(self.text(), encoding="utf-8")

    def write_midi(self, path: Path) -> None:
        """Writes a MIDI file, times to 0.05 ms; offsets are those of the keys."""
        midi_file.write(path, self.onset_s, self.offset_s, self.pitch, self.velocity, self.program)

    def text(self) -> str:
        with_program = bool((self.program != UNKNOWN_PROGRAM).any())
        with_pedal = bool((self.pedalled_offset_s != self.offset_s).any())
        names = [*_REQUIRED, *(["program"] * with_program), *(["pedalled_offset"] * with_pedal)]
        formats = ["{:.6f}", "{:.6f}", "{}", "{}", *(["{}"] * with_program), *(["{:.6f}"] * with_pedal)]
        columns = [self.onset_s, self.offset_s, self.pitch, self.velocity]
        columns += [self.program] * with_program + [self.pedalled_offset_s] * with_pedal
        row = "\t".join(formats).format
        lines = [row(*values) for values in zip(*(column.tolist() for column in columns), strict=True)]
        return "\n".join(["\t".join(names), *lines]) + "\n"
