"""Notes: onset, offset, pitch, velocity, instrument."""

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.formats import midi as midi_file
from ricercar.data.annotations.formats.note_units import check_hz, check_seconds
from ricercar.data.annotations.formats.rows import (
    RowError,
    Rows,
    cells,
    integers,
    is_number,
    read_rows,
    read_text,
    require,
    set_fields,
    times,
)
from ricercar.data.annotations.frequencies import hz_to_midi, names_hz
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
    pitch              float64: MIDI number with its fraction (0.01 is a cent), 0 to 127; whole for drums
    velocity           1 to 127
    program            General MIDI program 0 to 127, 128 drums, -1 unknown
    pedalled_offset_s  float64: the sound is damped; later than offset_s where the sustain pedal holds the note,
                       equal to it where nothing is known of a pedal
    unended            bool: a MIDI file gives no end (see formats/midi.py); no other file tells, and none is written

    Files
    .tsv          header `onset offset pitch velocity [program] [pedalled_offset]`, columns in any order
    .mid .midi    see formats/midi.py
    .txt          as .tsv, or, where the first line is not a header, mir_eval's rows
                  `onset offset frequency_hz [velocity]` (also with commas). Values that look like MIDI numbers or
                  cents are refused, unless a first line `# onset offset frequency_hz` says Hz
    .jams         see formats/jams.py
    """

    onset_s: NDArray[np.float64]
    offset_s: NDArray[np.float64]
    pitch: NDArray[np.float64]
    velocity: NDArray[np.int64]
    program: NDArray[np.int64]
    pedalled_offset_s: NDArray[np.float64]
    unended: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))

    name: ClassVar[str] = "notes"
    suffixes: ClassVar[tuple[str, ...]] = (".tsv", ".mid", ".midi", ".txt", ".jams")

    def __post_init__(self) -> None:
        onset, offset = times(self.onset_s, "onset"), times(self.offset_s, "offset")
        pedalled = times(self.pedalled_offset_s, "pedalled_offset")
        pitch = _pitches(self.pitch)
        velocity = integers(self.velocity, "velocity", 1, 127)
        program = integers(self.program, "program", UNKNOWN_PROGRAM, DRUMS)
        unended = np.array(self.unended, dtype=bool) if len(self.unended) else np.zeros(len(onset), dtype=bool)
        unended.setflags(write=False)
        assert len({len(onset), len(offset), len(pedalled), len(pitch), len(velocity), len(program), len(unended)}) == 1
        require(
            (program != DRUMS) | (pitch == np.rint(pitch)),
            lambda row: f"pitch {pitch[row]:g} of a drum (program {DRUMS}) is not a whole number.",
        )
        require(
            offset > onset,
            lambda row: f"offset {offset[row]:g} s is not after onset {onset[row]:g} s: the note is reversed or empty.",
        )
        require(
            pedalled >= offset,
            lambda row: f"pedalled_offset {pedalled[row]:g} s is before offset {offset[row]:g} s.",
        )
        set_fields(self, onset_s=onset, offset_s=offset, pedalled_offset_s=pedalled)
        set_fields(self, pitch=pitch, velocity=velocity, program=program, unended=unended)
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

    @property
    def semitone(self) -> NDArray[np.int64]:
        """(n,) the nearest MIDI numbers: what a key, or a target on the grid of semitones, can be."""
        return np.rint(self.pitch).astype(np.int64)

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
        for each in fields(self):
            values = getattr(self, each.name)[index]
            values.setflags(write=False)
            object.__setattr__(notes, each.name, values)
        return notes

    def transposed(self, semitones: float) -> Self:
        """Drums keep their pitch; notes that leave 0 to 127 are dropped."""
        pitch = np.where(self.program == DRUMS, self.pitch, self.pitch + semitones)
        kept = (pitch >= 0) & (pitch <= 127)
        return replace(self._taken(kept), pitch=pitch[kept])

    def detuned(self, cents: float) -> Self:
        return self.transposed(cents / 100.0)

    def stretched(self, factor: float) -> Self:
        return replace(
            self,
            onset_s=self.onset_s * factor,
            offset_s=self.offset_s * factor,
            pedalled_offset_s=self.pedalled_offset_s * factor,
        )

    def mixed(self, other: Self, later_s: float) -> Self:
        columns = {each.name: [getattr(side, each.name) for side in (self, other)] for each in fields(self)}
        for name in ("onset_s", "offset_s", "pedalled_offset_s"):
            columns[name][1] = columns[name][1] + later_s
        return type(self)(**{name: np.concatenate(both) for name, both in columns.items()})

    @classmethod
    def _read(cls, path: Path) -> Self:
        if path.suffix.lower() in (".mid", ".midi"):
            try:
                return cls(**midi_file.read(path))
            except RowError as error:
                raise InputError(f"{path}: note {error.row + 1}: {error.problem}") from error
        rows = read_rows(path, cells, numbers=len(_COLUMNS), least=len(_REQUIRED) - 1)
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
            notes = cls.make(**columns)
            check_seconds(columns["onset_s"], columns["offset_s"])
        return notes

    @classmethod
    def _from_mir_eval(cls, rows: Rows) -> Self:
        rows.check_num_columns({3, 4}, "onset offset frequency_hz [velocity]")
        frequency_hz = rows.numbers(2, "frequency")
        num_columns = len(rows.cells[0]) if rows.cells else 3
        rows.check_num_columns({num_columns}, "onset offset frequency_hz [velocity], all with a velocity or none")
        onset_s, offset_s = rows.numbers(0, "onset"), rows.numbers(1, "offset")
        with rows.located():
            require(
                np.isfinite(frequency_hz) & (frequency_hz > 0),
                lambda row: f"frequency {frequency_hz[row]:g} Hz is not above 0 Hz.",
            )
            if not names_hz(read_text(rows.path).split("\n", 1)[0]):
                check_hz(frequency_hz)
            notes = cls.make(
                onset_s=onset_s,
                offset_s=offset_s,
                pitch=hz_to_midi(frequency_hz),
                velocity=rows.numbers(3, "velocity") if num_columns == 4 else None,
            )
            check_seconds(onset_s, offset_s)
        return notes

    def _write(self, path: Path) -> None:
        if path.suffix.lower() in (".mid", ".midi"):
            self.write_midi(path)
        else:
            super()._write(path)

    def write_midi(self, path: Path) -> None:
        """Writes a MIDI file: times to 0.05 ms, pitches to the semitone; offsets are those of the keys."""
        midi_file.write(path, self.onset_s, self.offset_s, self.pitch, self.velocity, self.program)

    def text(self) -> str:
        with_program = bool((self.program != UNKNOWN_PROGRAM).any())
        with_pedal = bool((self.pedalled_offset_s != self.offset_s).any())
        names = [*_REQUIRED, *(["program"] * with_program), *(["pedalled_offset"] * with_pedal)]
        formats = ["{:.6f}", "{:.6f}", "{}", "{}", *(["{}"] * with_program), *(["{:.6f}"] * with_pedal)]
        whole = self.semitone
        pitch = np.where(self.pitch == whole, whole.astype(object), self.pitch.astype(object))
        columns = [self.onset_s, self.offset_s, pitch, self.velocity]
        columns += [self.program] * with_program + [self.pedalled_offset_s] * with_pedal
        row = "\t".join(formats).format
        lines = [row(*values) for values in zip(*(column.tolist() for column in columns), strict=True)]
        return "\n".join(["\t".join(names), *lines]) + "\n"


def _pitches(values: ArrayLike) -> NDArray[np.float64]:
    """A read-only copy as float64; RowError unless from 0 to 127."""
    pitch = np.array(values, dtype=np.float64)
    require(
        (pitch >= 0) & (pitch <= 127),  # false for NaN
        lambda row: f"pitch {pitch[row]:g} is not a MIDI number from 0 to 127, with or without a fraction.",
    )
    pitch += 0.0  # -0.0 becomes 0.0: one text for one pitch
    pitch.setflags(write=False)
    return pitch
