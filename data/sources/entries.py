"""Data sets whose tracks are known one by one before any of their files is read."""

import difflib
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ricercar.checks import check_choice, check_whole
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.formats.rows import cells, read_rows
from ricercar.data.audio.file import AudioFile
from ricercar.data.audio.mixture import Mixture
from ricercar.data.sources.index import SPLITS
from ricercar.data.sources.source import Source
from ricercar.data.track import Track
from ricercar.errors import InputError

log = logging.getLogger(__name__)
UNFIT_FOR_A_NAME = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]|^[.-]')


@dataclass(frozen=True)
class Entry:
    """A track before its files are read.

    files         of the recording: one, or several that sound together, each with its gain
    annotations   {annotation: reads it, or gives None where the track does not have it}. InputError says what and where
    """

    id: str
    split: str
    group: str
    files: tuple[Path, ...]
    annotations: Mapping[str, Callable[[], Annotation | None]] = field(default_factory=dict)
    work: str = ""
    fold: int | None = None
    gains: tuple[float, ...] = ()

    @property
    def missing(self) -> Path | None:
        """The first file of the recording that is not there."""
        return next((file for file in self.files if not file.is_file()), None)

    def track(self, annotations: Mapping[str, Annotation | None]) -> Track:
        there = {name: annotation for name, annotation in annotations.items() if annotation is not None}
        recordings = tuple(AudioFile(file) for file in self.files)
        audio = Mixture(recordings, self.gains) if self.gains else recordings[0]
        return Track(self.id, self.split, self.group, audio, there, self.work, fold=self.fold)


class Entries(Source):
    """The tracks of `entries`, in their order. Annotations are read for the split that is asked for.

    name            of the data set, for messages
    home            the folder with the recordings, for messages
    to_do           what to do about recordings that are missing
    missing_audio   error; or leave_out: tracks whose recording is not there are left out, and counted in the log
    """

    def __init__(self, name: str, home: str, to_do: str, entries: Sequence[Entry], missing_audio: str) -> None:
        self._name, self._to_do = name, to_do
        self._entries = list(entries)
        if missing_audio == "leave_out":
            self._entries = [entry for entry in entries if entry.missing is None]
            left_out = len(entries) - len(self._entries)
            if left_out:
                log.warning("%s: %d of %d recordings are not in %s and are left out",
                            name, left_out, len(entries), home)  # fmt: skip
        self._tracks: dict[str, list[Track]] = {}

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have tracks."""
        return tuple(split for split in SPLITS if any(entry.split == split for entry in self._entries))

    def tracks(self, split: str) -> list[Track]:
        if split not in self._tracks:
            entries = [entry for entry in self._entries if entry.split == split]
            if not entries:
                raise InputError(
                    f"{self._name} has no tracks with split {split!r}; it has: {', '.join(self.splits) or 'none'}."
                )
            self._check_audio(entries)
            self._tracks[split] = [
                entry.track({name: read() for name, read in entry.annotations.items()}) for entry in entries
            ]
        return list(self._tracks[split])

    def inspect(self) -> Iterator[Track | InputError]:
        """A track with an annotation that cannot be read comes without it."""
        for entry in self._entries:
            annotations = {}
            for name, read in entry.annotations.items():
                try:
                    annotations[name] = read()
                except InputError as error:
                    yield error
            try:
                self._check_audio([entry])
                yield entry.track(annotations)
            except InputError as error:
                yield error

    def _check_audio(self, entries: Sequence[Entry]) -> None:
        missing = [(entry, entry.missing) for entry in entries if entry.missing is not None]
        if missing:
            entry, file = missing[0]
            raise InputError(
                f"{self._name}: {len(missing)} of {len(entries)} recordings of split {entry.split} are missing, such "
                f"as {file} (track {entry.id!r}). {self._to_do} data.missing_audio=leave_out goes on with the others."
            )


def check_options(as_one_split: str | None, missing_audio: str, seed: int) -> None:
    """InputError for a value that none of these data sets takes."""
    check_choice((None, *SPLITS), **{"data.as_one_split": as_one_split})
    check_choice(("error", "leave_out"), **{"data.missing_audio": missing_audio})
    check_whole(0, **{"data.seed": seed})


def known(dataset: str, names: Iterable[str], aliases: Mapping[str, str]) -> str:
    """The name of a data set that is among `names`. InputError lists them."""
    names = list(names)
    name = aliases.get(dataset, dataset)
    if name not in names:
        close = difflib.get_close_matches(str(dataset), [*names, *aliases], 1)
        raise InputError(
            f"There is no data set {dataset!r} here"
            + (f": did you mean {close[0]}?" if close else ".")
            + f" There are: {', '.join(names)}."
        )
    return name


def in_folds(
    name: str, entries: Sequence[Entry], path: Path, listed_as: Callable[[str], str] | None = None
) -> list[Entry]:
    """The tracks that the list names, each with its fold. The log says how many it lacks, and which it has in vain.

    listed_as: name in a list of the data set's -> id of the track
    """
    fold_of = folds_in(path)
    if listed_as is not None:
        ids = {id_: listed_as(id_) for id_ in fold_of}
        if twice := [id_ for id_, number in Counter(ids.values()).items() if number > 1]:
            names = [name for name, id_ in ids.items() if id_ == twice[0]]
            raise InputError(f"data.folds_file={path} names track {twice[0]!r} twice: {', '.join(names)}.")
        fold_of = {ids[name]: fold for name, fold in fold_of.items()}
    found = [replace(entry, fold=fold_of[entry.id]) for entry in entries if entry.id in fold_of]
    if not found:
        raise InputError(f"data.folds_file={path} names no track of {name}, such as {entries[0].id}.")
    lacks = [entry.id for entry in entries if entry.id not in fold_of]
    vain = sorted(set(fold_of) - {entry.id for entry in entries})
    if lacks or vain:
        log.warning(
            "%s: %d of %d tracks are not in %s and are left out%s; %d names in it are of no track%s",
            name, len(lacks), len(entries), path, f", such as {lacks[0]}" if lacks else "",
            len(vain), f", such as {vain[0]}" if vain else "",
        )  # fmt: skip
    return found


def folds_in(path: Path) -> dict[str, int]:
    """{id: fold} of rows `id fold`, as in the 8-folds.split of Beat This; a header `id,fold` may be above them."""
    rows = read_rows(path, cells, least=2)
    if rows.cells and rows.cells[0] == ["id", "fold"]:
        rows = rows.without_header()
    rows.check_num_columns({2}, "id fold")
    found: dict[str, int] = {}
    for row, (id_, fold) in enumerate(rows.cells):
        if not re.fullmatch("[0-9]{1,4}", fold):
            raise rows.error(row, f"fold {fold!r} is not a whole number from 0 on.")
        if id_ in found:
            raise rows.error(row, f"{id_!r} is there twice.")
        found[id_] = int(fold)
    return found
