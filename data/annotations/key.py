"""The key of a piece, and the spelling of pitch classes."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.formats.rows import read_rows
from ricercar.errors import InputError

_NAMES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
_NATURAL = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_MODES = {"major": "major", "maj": "major", "minor": "minor", "min": "minor"}
_KEY = re.compile(r"(?P<tonic>[A-Ga-g][b#]{0,2})(?:\s+|\s*[:,]\s*)(?P<mode>[A-Za-z]+)")


@dataclass(frozen=True)
class Key(Annotation):
    """The key of a whole track. In a cell of index.csv: the key itself ("Eb minor") or a file.

    tonic   0 (C) to 11 (B)
    mode    major or minor

    File: one line, `Eb minor`; or rows `start end key` that all name one key; or JAMS.
    """

    tonic: int
    mode: str

    name: ClassVar[str] = "key"
    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".key", ".lab", ".jams")

    def __post_init__(self) -> None:
        if self.tonic not in range(12) or self.mode not in ("major", "minor"):
            raise InputError(f"Key: tonic {self.tonic!r}, mode {self.mode!r}; it takes 0 to 11, major or minor.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """ "Eb minor" (also "eb:min") -> Key. Enharmonic spellings are the same key."""
        match = _KEY.fullmatch(text.strip())
        mode = _MODES.get(match["mode"].lower()) if match else None
        if match is None or mode is None:
            raise InputError(
                f"{text!r} is not a key: write tonic and mode, such as 'Eb minor' or 'F# major'. "
                "Only major and minor are known; where the key is neither, leave the cell empty."
            )
        return cls(tonic=semitone_of(match["tonic"]), mode=mode)

    @classmethod
    def from_cell(cls, cell: str, resolve: Callable[[str], Path]) -> Self:
        return cls.read(resolve(cell)) if cell.lower().endswith(cls.suffixes) else cls.parse(cell)

    @classmethod
    def _read(cls, path: Path) -> Self:
        rows = read_rows(path, lambda text: [text], numbers=2, least=3)
        if not rows.cells:
            raise InputError(f"{path}: no key in it. It takes one line, such as 'Eb minor'.")
        keys = []
        for row, (text,) in enumerate(rows.cells):
            try:
                keys.append(cls.parse(re.sub(r"^[\d.]+[\s,]+[\d.]+[\s,]+", "", text)))
            except InputError as error:
                raise rows.error(row, str(error)) from error
            if keys[row] != keys[0]:
                raise rows.error(row, f"a second key, {text!r}. A track has one key here: give the main one.")
        return keys[0]

    def text(self) -> str:
        return f"{self}\n"

    def __str__(self) -> str:
        return f"{_NAMES[self.tonic]} {self.mode}"

    def transposed(self, semitones: int) -> Self:
        return type(self)(tonic=(self.tonic + semitones) % 12, mode=self.mode)


def semitone_of(note: str) -> int:
    """ "Eb" -> 3: semitones above C, 0 to 11."""
    return (_NATURAL[note[0].upper()] + note.count("#") - note[1:].count("b")) % 12


def spelling_of(semitone: int) -> str:
    """3 -> "Eb"."""
    return _NAMES[semitone % 12]
