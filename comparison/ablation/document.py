"""A report as plain parts, whatever it is written as. All text in it is plain, and escaped by the writers."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Heading:
    """level: 1 is the title."""

    text: str
    level: int


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    sentences: list[str]


@dataclass(frozen=True)
class Points:
    """A list."""

    items: list[str]


@dataclass(frozen=True)
class Table:
    """The first num_texts columns are words, the others numbers."""

    headers: list[str]
    rows: list[list[str]]
    num_texts: int = 1


@dataclass(frozen=True)
class Figure:
    """name: of its file, without suffix. text: what it shows."""

    name: str
    svg: str
    text: str


Part = Heading | Paragraph | Points | Table | Figure


@dataclass
class Document:
    """title: of the window; parts: in their order."""

    title: str
    parts: list[Part] = field(default_factory=list)

    @property
    def figures(self) -> list[Figure]:
        return [part for part in self.parts if isinstance(part, Figure)]
