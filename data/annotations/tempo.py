"""The tempo of a piece."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.formats.rows import is_number, read_text
from ricercar.errors import InputError

_LAYOUT = "Give one number of beats per minute, such as 120, or two and the strength of the first: 60 120 0.3."
_COMMA = re.compile(r"(\d+,\d+)")


@dataclass(frozen=True)
class Tempo(Annotation):
    """The tempo of a whole track, in beats per minute, or the two tempi that listeners tap.

    bpm         a tempo
    other_bpm   another one, or None
    strength    of `bpm` beside other_bpm, 0 to 1; mostly 1 where it is the only one

    In a cell of index.csv: the number, `60 120 0.3` (as in MIREX: two tempi, the strength of the first), or a file
    with that alone. A tempo of 0 stands for none: `60 0 0.8` is one tempo.
    """

    bpm: float
    other_bpm: float | None = None
    strength: float = 1.0

    name: ClassVar[str] = "tempo"
    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".bpm", ".lab", ".jams")

    def __post_init__(self) -> None:
        object.__setattr__(self, "bpm", _checked(self.bpm))
        object.__setattr__(self, "strength", float(self.strength))
        if not 0 <= self.strength <= 1:
            raise InputError(f"Strength {self.strength} of tempo {self.bpm:g} is not a number from 0 to 1.")
        if self.other_bpm is not None:
            object.__setattr__(self, "other_bpm", _checked(self.other_bpm))

    @property
    def strongest_bpm(self) -> float:
        """The stronger tempo; of equals the first."""
        return self.bpm if self.other_bpm is None or self.strength >= 0.5 else self.other_bpm

    @classmethod
    def parse(cls, text: str) -> Self:
        """InputError for a decimal comma, too: `60,5`. But commas separate in `60, 120, 0.3` and `60,120,0.3`."""
        comma = _COMMA.search(text)
        if comma and ("." not in text or len(text.split()) > 1):
            point = comma[1].replace(",", ".")
            raise InputError(f"Tempo {text.strip()!r} has a decimal comma: write {point}, with a point. {_LAYOUT}")
        cells = text.replace(",", " ").split()
        if not all(map(is_number, cells)):
            raise InputError(f"Tempo {text.strip()!r} is not a number of beats per minute. {_LAYOUT}")
        numbers = [float(cell) for cell in cells]
        if len(numbers) == 1:
            return cls(bpm=numbers[0])
        if len(numbers) != 3:
            raise InputError(f"Tempo {text.strip()!r} has {len(numbers)} numbers. {_LAYOUT}")
        bpm, other_bpm, strength = numbers
        if other_bpm == 0:
            return cls(bpm=bpm, strength=strength)
        if bpm == 0:
            return cls(bpm=other_bpm, strength=1.0 - strength)
        return cls(bpm=bpm, other_bpm=other_bpm, strength=strength)

    @classmethod
    def from_cell(cls, cell: str, resolve: Callable[[str], Path]) -> Self:
        return cls.read(resolve(cell)) if cell.lower().endswith(cls.suffixes) else cls.parse(cell)

    @classmethod
    def _read(cls, path: Path) -> Self:
        numbered = enumerate(read_text(path).splitlines(), start=1)
        lines = [(number, line) for number, line in numbered if line.strip() and not line.strip().startswith("#")]
        if len(lines) != 1:
            where = f"{path}, line {lines[1][0]}: a second line" if lines else f"{path}: no tempo in it"
            raise InputError(f"{where}. A track has one line. {_LAYOUT}")
        number, line = lines[0]
        try:
            return cls.parse(line)
        except InputError as error:
            raise InputError(f"{path}, line {number}: {error}") from error

    def text(self) -> str:
        if self.other_bpm is None and self.strength == 1.0:
            return f"{self.bpm!r}\n"
        return f"{self.bpm!r}\t{self.other_bpm or 0.0!r}\t{self.strength!r}\n"

    def stretched(self, factor: float) -> Self:
        other_bpm = None if self.other_bpm is None else self.other_bpm / factor
        return type(self)(bpm=self.bpm / factor, other_bpm=other_bpm, strength=self.strength)


def _checked(bpm: float) -> float:
    bpm = float(bpm)
    if not (math.isfinite(bpm) and bpm > 0):
        raise InputError(f"Tempo {bpm} is not a number of beats per minute above 0.")
    return bpm
