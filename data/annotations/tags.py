"""Tags: instruments, genres, moods."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.rows import check_suffix, read_text
from ricercar.errors import InputError


@dataclass(frozen=True)
class Tags(Annotation):
    """The tags of a whole track, each once, sorted. In a cell of index.csv: `a;b;c`, or a file with that line."""

    tags: tuple[str, ...]

    name: ClassVar[str] = "tags"
    suffixes: ClassVar[tuple[str, ...]] = (".txt",)

    def __post_init__(self) -> None:
        tags = sorted(tag.strip() for tag in self.tags)
        for tag in tags:
            if not tag or ";" in tag or "\n" in tag:
                raise InputError(f"Tag {tag!r} in {';'.join(self.tags)!r}: tags are written a;b;c, none of them empty.")
            if tags.count(tag) > 1:
                raise InputError(f"Tag {tag!r} is twice in {';'.join(self.tags)!r}.")
        object.__setattr__(self, "tags", tuple(tags))

    @classmethod
    def parse(cls, text: str) -> Self:
        return cls(tuple(text.split(";")) if text.strip() else ())

    @classmethod
    def from_cell(cls, cell: str, resolve: Callable[[str], Path]) -> Self:
        return cls.read(resolve(cell)) if cell.lower().endswith(cls.suffixes) else cls.parse(cell)

    @classmethod
    def read(cls, path: Path) -> Self:
        check_suffix(path, cls.name, cls.suffixes)
        try:
            return cls.parse(read_text(path).strip())
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    def write(self, path: Path) -> None:
        path.write_text(self.text(), encoding="utf-8")

    def text(self) -> str:
        return ";".join(self.tags) + "\n"
