"""Tags: instruments, genres, moods."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.formats.rows import read_rows, read_text, set_fields, unquoted
from ricercar.errors import InputError

PRESENT = 0.5  # the lowest score of a tag that the track has

_ABSENT = "!"
_REST_UNKNOWN = "?"


@dataclass(frozen=True)
class Tags(Annotation):
    """The tags of a whole track, each once, sorted; an estimate may give each a score.

    tags      without ; and tabulators, and without # or ! in front
    score     one per tag, from 0 to 1; left out, all are 1. The track has a tag whose score is PRESENT or more
    partial   whether nothing is known of the tags that are not in it (listeners were asked about a few); else the
              track has none of them

    In a cell of index.csv: `a;b;c`, or a file. `a;b;!c`: it has a and b and not c, of others nothing is known; where
    only those that it has are known, `a;b;?`.
    .tsv    header `tag score`, then rows of the two with a tabulator between them; a row `? 0` says that it is partial
    .txt    one line, as a cell
    """

    tags: tuple[str, ...]
    score: tuple[float, ...] = ()
    partial: bool = False

    name: ClassVar[str] = "tags"
    suffixes: ClassVar[tuple[str, ...]] = (".tsv", ".txt", ".jams")

    def __post_init__(self) -> None:
        score = self.score or (1.0,) * len(self.tags)
        assert len(score) == len(self.tags)
        # + 0.0: one text for 0 and -0
        rows = sorted((unquoted(tag), float(each) + 0.0) for tag, each in zip(self.tags, score, strict=True))
        tags = tuple(tag for tag, _ in rows)
        for number, (tag, each) in enumerate(rows):
            if not tag or tag == _REST_UNKNOWN or tag[0] in f"#{_ABSENT}" or set(tag) & set(";\t\r\n"):
                raise InputError(
                    f"Tag {tag!r} in {_short(self.tags)}: tags are written a;b;c, "
                    "none of them empty or with a # or more than one ! in front."
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

    @property
    def absent(self) -> tuple[str, ...]:
        """The tags in it that the track has not."""
        return tuple(tag for tag, score in zip(self.tags, self.score, strict=True) if score < PRESENT)

    @classmethod
    def parse(cls, text: str) -> Self:
        if not text.strip():
            return cls(())
        given = [tag.strip() for tag in text.split(";")]
        named = [tag for tag in given if tag != _REST_UNKNOWN]
        absent = [tag.startswith(_ABSENT) for tag in named]
        return cls(
            tuple(tag.removeprefix(_ABSENT).strip() for tag in named),
            tuple(0.0 if each else 1.0 for each in absent),
            partial=any(absent) or len(named) < len(given),
        )

    @classmethod
    def from_cell(cls, cell: str, resolve: Callable[[str], Path]) -> Self:
        return cls.read(resolve(cell)) if cell.lower().endswith(cls.suffixes) else cls.parse(cell)

    @classmethod
    def _read(cls, path: Path) -> Self:
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
        kept = [row for row, tag in enumerate(rows.column(0)) if tag != _REST_UNKNOWN]
        for row in set(range(len(score))) - set(kept):
            if score[row]:
                raise rows.error(row, f"score {score[row]:g} of ?: it stands for what is not known, and has 0.")
        names, values = rows.column(0), score.tolist()
        try:
            return cls(
                tuple(names[row] for row in kept),
                tuple(values[row] for row in kept),
                partial=len(kept) < len(names),
            )
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    def _write(self, path: Path) -> None:
        """Writes a .tsv file, scores with all their digits."""
        path.write_text(f"tag\tscore\n{self._rows()}", encoding="utf-8")

    def text(self) -> str:
        """Without scores where all are 1, as of a reference."""
        if all(score == 1.0 for score in self.score):
            return ";".join((*self.tags, *[_REST_UNKNOWN] * self.partial)) + "\n"
        return self._rows()

    def _rows(self) -> str:
        rows = [*zip(self.tags, self.score, strict=True), *[(_REST_UNKNOWN, 0.0)] * self.partial]
        return "".join(f"{tag}\t{score!r}\n" for tag, score in rows)


def _short(tags: tuple[str, ...]) -> str:
    text = ";".join(tags)
    return repr(text if len(text) <= 200 else f"{text[:200]}...")
