"""Tags: instruments, genres, moods."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from ricercar.data.annotations import jams_file
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.rows import check_suffix, read_rows, read_text, set_fields
from ricercar.errors import InputError

PRESENT = 0.5  # the lowest score of a tag that the track has


@dataclass(frozen=True)
class Tags(Annotation):
    """The tags of a whole track, each once, sorted; an estimate may give each a score.

    tags    without ; and tabulators, and without # in front
    score   one per tag, from 0 to 1; left out, all are 1. The track has a tag whose score is PRESENT or more

    In a cell of index.csv: `a;b;c`, or a file.
    .tsv    header `tag score`, then rows of the two with a tabulator between them
    .txt    one line `a;b;c`
    """

    tags: tuple[str, ...]
    score: tuple[float, ...] = ()

    name: ClassVar[str] = "tags"
    suffixes: ClassVar[tuple[str, ...]] = (".tsv", ".txt", ".jams")

    def __post_init__(self) -> None:
        score = self.score or (1.0,) * len(self.tags)
        assert len(score) == len(self.tags)
        # + 0.0: one text for 0 and -0
        rows = sorted((tag.strip(), float(each) + 0.0) for tag, each in zip(self.tags, score, strict=True))
        tags = tuple(tag for tag, _ in rows)
        for number, (tag, each) in enumerate(rows):
            if not tag or tag.startswith("#") or set(tag) & set(";\t\r\n"):
                raise InputError(
                    f"Tag {tag!r} in {_short(self.tags)}: tags are written a;b;c, "
                    "none of them empty or with a # in front."
                )
            if number and tag == tags[number - 1]:
                raise InputError(f"Tag {tag!r} is twice in {_short(self.tags)}.")
            if not 0 <= each <= 1:
                raise InputError(f"Tag {tag!r} has the score {each}: a score is a number from 0 to 1.")
        set_fields(self, tags=tags, score=tuple(each for _, each in rows))

    @property
    def present(self) -> tuple[str, ...]:
        """The tags that the track has."""
        return tuple(tag for tag, score in zip(self.tags, self.score, strict=True) if score >= PRESENT)

    @classmethod
    def parse(cls, text: str) -> Self:
        return cls(tuple(text.split(";")) if text.strip() else ())

    @classmethod
    def from_cell(cls, cell: str, resolve: Callable[[str], Path]) -> Self:
        return cls.read(resolve(cell)) if cell.lower().endswith(cls.suffixes) else cls.parse(cell)

    @classmethod
    def read(cls, path: Path) -> Self:
        check_suffix(path, cls.name, cls.suffixes)
        if path.suffix.lower() == ".jams":
            return jams_file.read(path, cls)
        if path.suffix.lower() == ".tsv":
            return cls._from_table(path)
        try:
            return cls.parse(read_text(path).strip())
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    @classmethod
    def _from_table(cls, path: Path) -> Self:
        rows = read_rows(path, lambda text: [cell.strip() for cell in text.split("\t")])
        header = rows.cells[0] if rows.cells else []
        if header != ["tag", "score"]:
            raise InputError(
                f"{path}, line {rows.lines[0] if rows.lines else 1}: the header is {' '.join(header)!r}, it must be "
                "tag and score with a tabulator between them. A line a;b;c goes into a .txt file."
            )
        rows = rows.without_header()
        rows.check_num_columns({2}, "tag score, with a tabulator between them")
        score = rows.numbers(1, "score")
        for row in np.flatnonzero(~((score >= 0) & (score <= 1))).tolist():
            raise rows.error(row, f"score {score[row]:g} is not a number from 0 to 1.")
        try:
            return cls(tuple(rows.column(0)), tuple(score.tolist()))
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    def write(self, path: Path) -> None:
        """Writes a .tsv file, scores with all their digits."""
        rows = "".join(f"{tag}\t{score!r}\n" for tag, score in zip(self.tags, self.score, strict=True))
        path.write_text(f"tag\tscore\n{rows}", encoding="utf-8")

    def text(self) -> str:
        """Without scores where all are 1, as of a reference."""
        if all(score == 1.0 for score in self.score):
            return ";".join(self.tags) + "\n"
        return "".join(f"{tag}\t{score!r}\n" for tag, score in zip(self.tags, self.score, strict=True))


def _short(tags: tuple[str, ...]) -> str:
    text = ";".join(tags)
    return repr(text if len(text) <= 200 else f"{text[:200]}...")
