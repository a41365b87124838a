"""Repeated patterns of a piece, note by note."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.formats.rows import MAX_S, Rows, comma_hint, is_number, read_rows
from ricercar.errors import InputError

Note = tuple[float, float]  # onset, MIDI number
Occurrence = tuple[Note, ...]
Pattern = tuple[Occurrence, ...]

_HEADING = re.compile(r"(pattern|occurrence)\s*\d*", re.IGNORECASE)
_LAYOUT = "a row is: onset, midi; headings are: pattern1, occurrence1"


@dataclass(frozen=True)
class Patterns(Annotation):
    """Patterns of a piece, the most relevant first; each is its occurrences, the first of them the prototype.

    patterns   patterns of occurrences of (onset, MIDI number). Onsets are in seconds or in quarter notes, in reference
               and estimate alike, and may be negative (an upbeat); pitches may lie between semitones

    File: that of MIREX (discovery of repeated themes and sections) and the JKU database: a line `pattern1`, a line
    `occurrence1`, a row `onset, midi` for each note, the next `occurrence2` ...; or JAMS. Times are written with all
    digits: mir_eval counts notes as equal where they are equal to the last one.
    """

    patterns: tuple[Pattern, ...]

    name: ClassVar[str] = "patterns"
    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".jams")

    def __post_init__(self) -> None:
        patterns = tuple(
            tuple(tuple((float(onset), float(midi)) for onset, midi in occurrence) for occurrence in pattern)
            for pattern in self.patterns
        )
        for number, pattern in enumerate(patterns, start=1):
            if not pattern or not all(pattern):
                raise InputError(f"Pattern {number} has no occurrence, or one without notes.")
            for note in (note for occurrence in pattern for note in occurrence):
                if problem := _problem(*note):
                    raise InputError(f"Pattern {number}: {problem}")
        object.__setattr__(self, "patterns", patterns)

    def __len__(self) -> int:
        return len(self.patterns)

    def transposed(self, semitones: int) -> Self:
        return self._changed(1.0, semitones)

    def stretched(self, factor: float) -> Self:
        return self._changed(factor, 0)

    def _changed(self, factor: float, semitones: int) -> Self:
        return type(self)(
            tuple(
                tuple(tuple((onset * factor, midi + semitones) for onset, midi in occurrence) for occurrence in pattern)
                for pattern in self.patterns
            )
        )

    @classmethod
    def _read(cls, path: Path) -> Self:
        rows = read_rows(path, lambda text: [text], numbers=2, least=2)
        patterns: list[list[list[Note]]] = []
        for row, (text,) in enumerate(rows.cells):
            heading = _HEADING.fullmatch(text)
            what = heading[1].lower() if heading else "note"
            if what == "pattern":
                patterns.append([])
            elif what == "occurrence" and patterns:
                patterns[-1].append([])
            elif what == "note" and patterns and patterns[-1]:
                patterns[-1][-1].append(_note(rows, row, text))
            else:
                raise rows.error(row, f"{text!r} comes before its heading; {_LAYOUT}.")
        try:
            return cls(_frozen(patterns))
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    def text(self) -> str:
        lines = []
        for number, pattern in enumerate(self.patterns, start=1):
            lines.append(f"pattern{number}")
            for count, occurrence in enumerate(pattern, start=1):
                lines.append(f"occurrence{count}")
                lines += [f"{onset!r}, {midi!r}" for onset, midi in occurrence]
        return "".join(f"{line}\n" for line in lines)


def _frozen(patterns: Sequence[Sequence[Sequence[Note]]]) -> tuple[Pattern, ...]:
    return tuple(tuple(tuple(occurrence) for occurrence in pattern) for pattern in patterns)


def _note(rows: Rows, row: int, text: str) -> Note:
    cells = re.split(r"\s*,\s*|\s+", text)
    if len(cells) != 2:
        raise rows.error(row, f"{len(cells)} columns ({text!r}), {_LAYOUT}.")
    if not (is_number(cells[0]) and is_number(cells[1])):
        raise rows.error(row, f"{text!r} is not two numbers; {_LAYOUT}.{comma_hint(text)}")
    onset, midi = float(cells[0]), float(cells[1])
    if problem := _problem(onset, midi):
        raise rows.error(row, problem)
    return onset, midi


def _problem(onset: float, midi: float) -> str:
    if not math.isfinite(onset) or abs(onset) > MAX_S:
        return f"onset {onset} is not a time in seconds or quarter notes."
    if not 0 <= midi <= 127:
        return f"pitch {midi} is not a MIDI number from 0 to 127."
    return ""
