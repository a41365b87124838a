"""What annotation files share: rows of text with line numbers, and checked columns of numbers."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ricercar.errors import InputError

MAX_S = 86_400.0

_SEPARATOR = re.compile(r"\s*,\s*|\s+")

# A comma separates the cells of a file in which one stands beside a number with a point or an exponent, beside a space,
# or in a header.
_COMMA_SEPARATES = re.compile(
    r"[-+]?(?:\d+\.\d*|\.\d+|\d+[eE][-+]?\d+)\s*,|[-+\d,]*,[-+]?\d*\.\d|[-+]?\d+(?:\s+,|,\s)|[^\d+.-].*,"
)
_DECIMAL_COMMA = re.compile(r"\d,\d")
_NUMBER_BEFORE = r"[-+]?[\d.]+(?:\s*;\s*|\s+)"


class RowError(InputError):
    """Event number `row` (from 0) of an annotation is wrong; a reader turns it into an error with file and line."""

    def __init__(self, row: int, problem: str) -> None:
        super().__init__(row, problem)
        self.row = row
        self.problem = problem

    def __str__(self) -> str:
        return f"event {self.row + 1}: {self.problem}"


@dataclass(frozen=True)
class Rows:
    """The cells of a file's rows and the number of each row's line (from 1)."""

    path: Path
    lines: list[int]
    cells: list[list[str]]

    def error(self, row: int, problem: str) -> InputError:
        return InputError(f"{self.path}, line {self.lines[row]}: {problem}")

    @contextmanager
    def located(self) -> Iterator[None]:
        """Names the file and the line in a RowError raised inside."""
        try:
            yield
        except RowError as error:
            raise self.error(error.row, error.problem) from error

    def check_num_columns(self, choices: set[int], layout: str) -> None:
        for row, cells in enumerate(self.cells):
            if len(cells) not in choices:
                raise self.error(row, f"{len(cells)} columns ({' '.join(cells)!r}), a row is: {layout}.")

    def numbers(self, column: int, name: str) -> NDArray[np.float64]:
        values = np.empty(len(self.cells))
        for row, cells in enumerate(self.cells):
            if not is_number(cells[column]):
                raise self.error(row, f"{name} {cells[column]!r} is not a number.{comma_hint(cells[column])}")
            values[row] = float(cells[column])
        return values

    def column(self, column: int) -> list[str]:
        return [cells[column] for cells in self.cells]

    def without_header(self) -> "Rows":
        return Rows(self.path, self.lines[1:], self.cells[1:])


def read_text(path: Path) -> str:
    """The text of a UTF-8 file (a byte order mark is dropped). InputError names the file and the line."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: byte 0x{data[error.start]:02x} is not UTF-8. Save the file as UTF-8 text."
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(f"{path}, line {line}: a zero byte: text in UTF-16, or no text. Save the file as UTF-8 text.")
    return text


def read_rows(path: Path, split: Callable[[str], list[str]], numbers: int = 1, least: int = 1) -> Rows:
    """The rows of a text file. Blank lines, and lines that begin with #, are comments.

    numbers   cells of a row that are numbers, at most
    least     cells of a row, at least

    InputError for a decimal comma, and for a comma between whole numbers that may be one.
    """
    lines, texts = [], []
    whole = read_text(path).replace("\r\n", "\n").replace("\r", "\n")
    for number, text in enumerate(whole.split("\n"), start=1):
        text = text.strip()
        if text and not text.startswith("#"):
            lines.append(number)
            texts.append(text)
    rows = Rows(path, lines, [split(text) for text in texts])
    _check_commas(rows, texts, numbers, least)
    return rows


def _check_commas(rows: Rows, texts: list[str], numbers: int, least: int) -> None:
    if any(_COMMA_SEPARATES.match(text) for text in texts):
        return
    may_be_decimal = re.compile(rf"(?:{_NUMBER_BEFORE}){{0,{numbers - 1}}}([-+]?\d+,\d+)")
    for row, text in enumerate(texts):
        found = may_be_decimal.match(text)
        if found is None:
            continue
        # 0,4,C: with a decimal comma it would have too few cells.
        fields = text.split(",")
        if not re.search(r"[\s;]", text) and len(fields) <= least:
            continue
        point = found[1].replace(",", ".")
        raise rows.error(
            row,
            f"{found[1]!r} has a decimal comma, or is two whole numbers: write {point} for the one, or "
            f"{found[1].replace(',', ' ')} for the others.",
        )


def without_second_times(rows: Rows) -> Rows:
    """Rows `time time [label]`, with one text twice, without the second: so Audacity writes the labels of points."""
    ends = [
        re.match(re.escape(cells[0]) + r"(?:[\s,]+|$)", cells[1]) if len(cells) > 1 and "." in cells[0] else None
        for cells in rows.cells
    ]
    if len(ends) < 2 or not all(ends):
        return rows
    kept = []
    for cells, end in zip(rows.cells, ends, strict=True):
        assert end is not None
        rest = cells[1][end.end() :]
        kept.append([cells[0], *([rest] if rest else []), *cells[2:]])
    return Rows(rows.path, rows.lines, kept)


def unquoted(label: str) -> str:
    """Without spaces around it, and without the quotation marks that CSV files put around a text."""
    label = label.strip()
    return label[1:-1].strip() if re.fullmatch(r'"[^"]*"', label) else label


def comma_hint(text: str) -> str:
    """What may be wrong with a text that is not a number; empty if nothing comes to mind."""
    return " Write decimals with a point, not a comma." if _DECIMAL_COMMA.search(text) else ""


def cells(text: str) -> list[str]:
    """The cells of a row, between them spaces, tabs or a comma."""
    return _SEPARATOR.split(text.strip())


def cells_and_label(text: str, num_numbers: int) -> list[str]:
    """The cells of a row: numbers, num_numbers at most, and the rest as one label, which may have commas and spaces."""
    found: list[str] = []
    rest = text.strip()
    while len(found) < num_numbers and (end := _SEPARATOR.search(rest)) and _meant_as_number(rest[: end.start()]):
        found.append(rest[: end.start()])
        rest = rest[end.end() :]
    return [*found, rest] if found else _SEPARATOR.split(rest, maxsplit=num_numbers)


def _meant_as_number(cell: str) -> bool:
    return is_number(cell) or cell[:1] in tuple("+-.0123456789")


def is_number(cell: str) -> bool:
    """Whether it is a number in digits. Python would also take 1_000."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def require(good: NDArray[np.bool_], problem: Callable[[int], str]) -> None:
    """RowError for the first row that is not good."""
    if not good.all():
        row = int(np.argmin(good))
        raise RowError(row, problem(row))


def times(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """A read-only copy as float64, in seconds; RowError unless from 0 to MAX_S."""
    array = np.array(values, dtype=np.float64)
    assert array.ndim == 1, name
    require(np.isfinite(array) & (array >= 0), lambda row: f"{name} {array[row]} s is not a time from 0 s on.")
    require(array <= MAX_S, lambda row: f"{name} {array[row]:g} s is after more than a day. Times are in seconds.")
    array += 0.0  # -0.0 becomes 0.0: one text for one time
    array.setflags(write=False)
    return array


def integers(values: ArrayLike, name: str, low: int, high: int) -> NDArray[np.int64]:
    """A read-only copy as int64; RowError unless whole and between low and high, both included."""
    given = np.asarray(values)
    assert given.ndim == 1, name
    good = (given >= low) & (given <= high)  # false for NaN
    if given.dtype.kind == "f":
        good &= given == np.rint(given)
    require(good, lambda row: f"{name} {given[row]:g} is not a whole number from {low} to {high}.")
    array = given.astype(np.int64)  # a copy
    array.setflags(write=False)
    return array


def set_fields(annotation: object, **values: Any) -> None:
    """Sets fields of a frozen dataclass from inside its __post_init__."""
    for name, value in values.items():
        object.__setattr__(annotation, name, value)
