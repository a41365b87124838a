"""index.csv: the list of a folder's tracks, checked before anything else is read."""

import csv
import importlib
import inspect
import io
import pkgutil
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path, PurePosixPath, PureWindowsPath

import ricercar.data.annotations
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.formats.rows import read_text
from ricercar.errors import InputError

SPLITS = ("train", "valid", "test")
SOUNDS = ("audio", "midi")  # a row names a recording, or notes to be rendered
_LAYOUT = (
    "The folder needs a file index.csv with the columns id, split (train, valid or test), group and audio. "
    "A group, the work or the artist, is never in two splits; audio is a file in the folder. "
    "Annotations have columns of their own: any of {kinds}. "
    "Where a group is no work, such as a player, a column work says which it is; a column fold, those of a "
    "cross-validation, from 0."
)

_REQUIRED = ("id", "split", "group")
_UNFIT_FOR_A_NAME = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]|^\.|^-')
_MAX_ID_BYTES = 200


@dataclass(frozen=True)
class Row:
    """One track of an index. `cells` holds what is not empty, by column; `line` is its line in the file."""

    root: Path
    line: int
    id: str
    split: str
    group: str
    cells: Mapping[str, str]

    @property
    def work(self) -> str:
        """The cell of that column, or else the group."""
        return self.cells.get("work", self.group)

    @property
    def fold(self) -> int | None:
        """The cell of that column; None where there is none."""
        return int(self.cells["fold"]) if "fold" in self.cells else None

    def resolve(self, column: str) -> Path:
        """The file, or the folder of files, that a cell names, inside the folder."""
        return self._file(column, self.cells[column])

    def annotations(self) -> dict[str, Annotation]:
        """{column: annotation}, read from the files. InputError names the track, the file, its line and the value."""
        return {name: self.annotation(name) for name in self.kinds()}

    def kinds(self) -> list[str]:
        """The columns that hold annotations of this track."""
        return [name for name in annotation_kinds() if name in self.cells]

    def annotation(self, name: str) -> Annotation:
        try:
            return annotation_kinds()[name].from_cell(self.cells[name], partial(self._file, name))
        except InputError as error:
            raise self.error(f"track {self.id!r}, {name}: {error}") from error

    def error(self, problem: str) -> InputError:
        return InputError(f"{self.root / 'index.csv'}, line {self.line}: {problem}")

    def check_files(self) -> None:
        """Every file that the row names is in the folder. Short values, such as a tempo, name none."""
        for column, cell in self.cells.items():
            kind = annotation_kinds().get(column)
            if column in SOUNDS or (kind is not None and cell.lower().endswith(kind.suffixes)):
                self._file(column, cell)

    def _file(self, column: str, cell: str) -> Path:
        if PurePosixPath(cell).is_absolute() or PureWindowsPath(cell).drive or ".." in PurePosixPath(cell).parts:
            raise self.error(f"{column} {cell!r} leaves the folder: give a path inside it, relative to index.csv.")
        path = self.root / cell
        kind = annotation_kinds().get(column)
        what = "folder" if kind is not None and "" in kind.suffixes else "file"
        try:
            found = path.is_dir() if what == "folder" else path.is_file()
            inside = [each for each in path.iterdir() if each.exists()] if found and what == "folder" else []
        except OSError as error:  # a folder that may not be read, a name that is too long
            raise self.error(f"{column} {cell[:200]!r} cannot be looked up: {error.strerror}.") from error
        if not found:
            raise self.error(f"{column} {cell!r}: there is no such {what} in {self.root}.")
        for each in (path, *inside):
            if not each.resolve().is_relative_to(self.root.resolve()):
                raise self.error(
                    f"{column} {str(each.relative_to(self.root))!r} is a link to {each.resolve()}, outside the folder: "
                    "copy the file into it."
                )
        return path


@cache
def annotation_kinds() -> dict[str, type[Annotation]]:
    """{column: kind} of every annotation: a new module in data/annotations is found by itself."""
    kinds = {}
    package = ricercar.data.annotations
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(kind, Annotation) and not inspect.isabstract(kind):
                kinds[kind.name] = kind
    return dict(sorted(kinds.items()))


def read_index(root: Path) -> list[Row]:
    """The rows of <root>/index.csv in the file's order. Columns of other names are ignored.

    InputError names the line and the value: for a folder or a column that is missing, an id that is there twice
    or cannot be a file's name, an unknown split, a group in two splits, a file that is missing or outside the folder.
    """
    rows, problems = scan_index(root)
    if problems:
        raise problems[0]
    check_rows(rows)
    return rows


def check_rows(rows: Sequence[Row]) -> None:
    """InputError for a group in two splits or folds, or a file that is missing or outside the folder."""
    _check_groups(rows)
    for row in rows:
        row.check_files()


def scan_index(root: Path) -> tuple[list[Row], list[InputError]]:
    """-> the rows of <root>/index.csv that name a track each, and what is wrong with the others.

    InputError where there is no index, or none that has the columns.
    """
    path = root / "index.csv"
    layout = _LAYOUT.format(kinds=", ".join(annotation_kinds()))
    try:
        is_folder, has_index = root.is_dir(), path.is_file()
    except OSError as error:
        raise InputError(f"The folder {root} cannot be read: {error.strerror}.") from error
    if not is_folder:
        raise InputError(f"There is no folder {root}. {layout}")
    if not has_index:
        raise InputError(f"There is no index.csv in {root}. {layout}")
    rows, problems = _rows(path, layout)
    if not rows and not problems:
        raise InputError(f"{path} lists no tracks. {layout}")
    return rows, problems


def _rows(path: Path, layout: str) -> tuple[list[Row], list[InputError]]:
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    rows: dict[str, Row] = {}
    problems = []
    try:
        header = [name.strip() for name in next(reader, [])]
        missing = [name for name in _REQUIRED if name not in header]
        if not set(SOUNDS) & set(header):
            missing.append("audio")
        if missing:
            raise InputError(f"{path}, line 1: no column {', '.join(missing)}; found: {', '.join(header)}. {layout}")
        twice = [name for name in header if name and header.count(name) > 1]
        if twice:
            raise InputError(f"{path}, line 1: column {twice[0]} is there twice.")
        for values in reader:
            if any(value.strip() for value in values):
                try:
                    row = _row(path, reader.line_num, header, values)
                    _check_id(row, rows)
                    rows[row.id] = row
                except InputError as error:
                    problems.append(error)
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: not a CSV file ({error}).") from error
    return list(rows.values()), problems


def _row(path: Path, line: int, header: list[str], values: list[str]) -> Row:
    if len(values) != len(header):
        problem = f"{len(values)} cells, but the header has {len(header)} columns ({','.join(values)!r})"
        raise InputError(f"{path}, line {line}: {problem}. Quote cells that have a comma in them.")
    cells = {name: value.strip() for name, value in zip(header, values, strict=True) if value.strip()}
    id_, split, group = (cells.get(name, "") for name in _REQUIRED)
    row = Row(path.parent, line, id_, split, group, cells)
    for name in _REQUIRED:
        if name not in cells:
            hint = " Where tracks are unrelated, repeat the id." if name == "group" else ""
            raise row.error(f"the cell {name} is empty.{hint}")
    if row.split not in SPLITS:
        raise row.error(f"split {row.split!r} is not one of {', '.join(SPLITS)}.")
    if "fold" in cells and not re.fullmatch(r"\d{1,4}", cells["fold"]):
        raise row.error(f"fold {cells['fold']!r} is not a whole number from 0 on.")
    if not set(SOUNDS) & set(cells):
        raise row.error(f"track {row.id!r} has neither audio nor midi.")
    return row


def _check_id(row: Row, seen: Mapping[str, Row]) -> None:
    if _UNFIT_FOR_A_NAME.search(row.id) or len(row.id.encode()) > _MAX_ID_BYTES:
        raise row.error(
            f"id {row.id!r} cannot be the name of a file: it must not begin with . or -, be longer than "
            f'{_MAX_ID_BYTES} bytes, or have any of / \\ : * ? " < > | in it.'
        )
    if row.id in seen:
        raise row.error(f"id {row.id!r} is already on line {seen[row.id].line}. Each track needs its own.")


def _check_groups(rows: Sequence[Row]) -> None:
    first: dict[str, Row] = {}
    for row in rows:
        other = first.setdefault(row.group, row)
        if other.split != row.split:
            raise row.error(
                f"group {row.group!r} is in {row.split} here and in {other.split} on line {other.line}. "
                "Scores on works that were trained on mean nothing: keep a group in one split."
            )
        if other.fold != row.fold:
            raise row.error(
                f"group {row.group!r} is in fold {row.cells.get('fold', '(none)')} here and in fold "
                f"{other.cells.get('fold', '(none)')} on line {other.line}: keep a group in one fold."
            )
