"""What every annotation is: validated events in float64 seconds, read from and written to the field's formats."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Self

from ricercar.data.annotations.formats import jams, writing
from ricercar.errors import InputError


class Annotation(ABC):
    """One kind of annotation of one track. Immutable; validated when made (InputError names the value).

    name       the column of index.csv and the key in a Track's annotations
    suffixes   file endings that `read` takes; the first is the annotation's own
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]

    @classmethod
    def read(cls, path: Path) -> Self:
        """The annotation in a file. InputError names the file, the line and the value."""
        if path.suffix.lower() not in cls.suffixes:
            raise InputError(
                f"{path}: annotations of {cls.name} are read from files that end in {', '.join(cls.suffixes)}."
            )
        return jams.read(path, cls) if path.suffix.lower() == ".jams" else cls._read(path)

    @classmethod
    def _read(cls, path: Path) -> Self:
        """The annotation in a file with any of the other endings."""
        raise NotImplementedError

    def write(self, path: str | Path, duration_s: float | None = None) -> None:
        """Writes a file of the format that its ending names: `formats`. What is one of `suffixes`, `read` gives back.

        duration_s: of the recording, for formats that ask for it.
        InputError for any other ending; OSError as it comes.
        """
        path = Path(path)
        own = [ending for ending in self.suffixes if ending != ".jams"]
        endings = dict.fromkeys([*own, *self.formats().values()])
        if not path.name.lower().endswith(tuple(endings)):
            told = ", ".join(endings)
            raise InputError(f"{path}: annotations of {self.name} are written to files that end in {told}.")
        text = writing.content(self, path.name, duration_s)
        if text is None:
            self._write(path)
        else:
            path.write_text(text, encoding="utf-8")

    def _write(self, path: Path) -> None:
        """Writes the annotation's own format."""
        path.write_text(self.text(), encoding="utf-8")

    @classmethod
    def formats(cls) -> dict[str, str]:
        """{format: ending} of the files that it can be written to, its own first."""
        return writing.formats(cls.name, cls.suffixes[0])

    @classmethod
    def from_cell(cls, cell: str, resolve: Callable[[str], Path]) -> Self:
        """The annotation that a cell of index.csv names: a file here; kinds with a short value take it literally."""
        return cls.read(resolve(cell))

    @abstractmethod
    def text(self) -> str:
        """A canonical text of everything that a score can depend on: what the data fingerprint hashes."""

    def transposed(self, semitones: int) -> Self:
        """The annotation of the audio shifted by `semitones`. Unchanged unless the kind has pitches."""
        return self

    def detuned(self, cents: float) -> Self:
        """The annotation of the audio tuned `cents` higher. Unchanged unless the kind has pitches or frequencies."""
        return self

    def stretched(self, factor: float) -> Self:
        """The annotation of the audio made `factor` times as long. Unchanged unless the kind has times."""
        return self

    def mixed(self, other: Self, later_s: float) -> Self:
        """The annotation of the audio with the audio of `other` added to it, `later_s` (0 or more) later.

        Only kinds of which the sum of two sounds has what both have.
        """
        raise InputError(f"annotations of {self.name} cannot be united.")
