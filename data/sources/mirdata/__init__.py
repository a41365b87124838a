"""Data sets that the library mirdata knows."""

import difflib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ricercar.checks import check_choice, check_whole
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.audio.file import AudioFile
from ricercar.data.sources.index import SPLITS
from ricercar.data.sources.mirdata import library
from ricercar.data.sources.mirdata.adapter import EXCLUDED, FromFile
from ricercar.data.sources.mirdata.datasets import ADAPTERS, ALIASES
from ricercar.data.sources.mirdata.splits import crossing, placed, published_fold
from ricercar.data.sources.source import Source
from ricercar.data.track import Track
from ricercar.errors import InputError

log = logging.getLogger(__name__)
_UNFIT_FOR_A_NAME = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]|^[.-]')


@dataclass(frozen=True)
class _Entry:
    """A track before its annotations are read. `split` is empty where it is in none."""

    id: str
    split: str
    group: str
    work: str
    audio: Path
    track: Any  # mirdata's
    fold: int | None


class Mirdata(Source):
    """The tracks of one of mirdata's data sets, in the order of its index.

    Splits and groups are those that come with the data set, or those in splits/: docs/mirdata.md lists both.
    Index and metadata are read at once, annotations for the split that is asked for. Ids are mirdata's, with _ for
    what cannot be in the name of a file.

    dataset        its name in mirdata
    home           its folder; None: where mirdata puts it, ~/mir_datasets/<dataset>
    version        "default", or one that mirdata lists
    as_one_split   train, valid or test: all tracks are in this split, whatever the lists say; None: as they say
    missing_audio  error; or leave_out: tracks whose audio is not in the folder are left out, and counted in the log
    seed           of the rule, which makes the splits that nothing else gives
    """

    def __init__(
        self,
        *,
        dataset: str,
        home: str | Path | None,
        version: str,
        as_one_split: str | None,
        missing_audio: str,
        seed: int,
    ) -> None:
        check_choice((None, *SPLITS), **{"data.as_one_split": as_one_split})
        check_choice(("error", "leave_out"), **{"data.missing_audio": missing_audio})
        check_whole(0, **{"data.seed": seed})
        self.dataset = known(dataset)
        self._adapter = ADAPTERS[self.dataset]
        self._library = library.opened(self.dataset, home, version)
        self._entries = self._listed(as_one_split, seed)
        if missing_audio == "leave_out":
            there = [entry for entry in self._entries if entry.audio.is_file()]
            left_out = len(self._entries) - len(there)
            if left_out:
                log.warning("%s: %d of %d recordings are not in %s and are left out",
                            self.dataset, left_out, len(self._entries), self._library.data_home)  # fmt: skip
            self._entries = there
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
                    f"mirdata's {self.dataset} has no tracks with split {split!r}; "
                    f"it has: {', '.join(self.splits) or 'none'}."
                )
            self._check_audio(entries)
            self._tracks[split] = [
                self._track(entry, {name: self._annotation(entry, name) for name in self._adapter.annotations})
                for entry in entries
            ]
        return list(self._tracks[split])

    def inspect(self) -> Iterator[Track | InputError]:
        """A track with an annotation that cannot be read comes without it."""
        for entry in self._entries:
            annotations = {}
            for name in self._adapter.annotations:
                try:
                    annotations[name] = self._annotation(entry, name)
                except InputError as error:
                    yield error
            try:
                self._check_audio([entry])
                yield self._track(entry, annotations)
            except InputError as error:
                yield error

    def _track(self, entry: _Entry, annotations: Mapping[str, Annotation | None]) -> Track:
        there = {name: annotation for name, annotation in annotations.items() if annotation is not None}
        return Track(entry.id, entry.split, entry.group, AudioFile(entry.audio), there, entry.work, fold=entry.fold)

    def _annotation(self, entry: _Entry, name: str) -> Annotation | None:
        read = self._adapter.annotations[name]
        file = (entry.track.get_path(read.file) if isinstance(read, FromFile) else None) or "its metadata"
        with library.told(f"{self.dataset}, track {entry.id!r}, {name}", self._library, file):
            return read(entry.track)

    def _check_audio(self, entries: Sequence[_Entry]) -> None:
        missing = [entry for entry in entries if not entry.audio.is_file()]
        if missing:
            raise InputError(
                f"{self.dataset}: {len(missing)} of {len(entries)} recordings of split {entries[0].split} are missing, "
                f"such as {missing[0].audio} (track {missing[0].id!r}). {library.how_to_fetch(self._library)} "
                "It says what can be downloaded. data.missing_audio=leave_out goes on with the others."
            )

    def _listed(self, as_one_split: str | None, seed: int) -> list[_Entry]:
        index = library.index_of(self._library)
        multitracks = self._adapter.multitracks
        ids = list(index["multitracks" if multitracks else "tracks"])
        make = self._library.multitrack if multitracks else self._library.track
        tracks, audio = {}, {}
        for id_ in ids:
            with library.told(f"{self.dataset}, track {id_!r}", self._library):
                track = make(id_)
                path = track.get_path(self._adapter.audio)
                if path is not None:  # some of Groove MIDI's performances were not recorded
                    tracks[id_], audio[id_] = track, Path(path)
        with library.told(f"{self.dataset} in {self._library.data_home}", self._library):
            places = placed(self._library, self._adapter, tracks, seed)
        if as_one_split is not None:
            places = {id_: (as_one_split, group) for id_, (split, group) in places.items() if split != EXCLUDED}
        work = self._adapter.work or (lambda id_, group: group)
        fold = self._adapter.fold or (lambda id_: published_fold(self.dataset, id_))
        entries = [
            _Entry(_UNFIT_FOR_A_NAME.sub("_", id_), split, group, work(id_, group), audio[id_], tracks[id_], fold(id_))
            for id_, (split, group) in places.items()
            if split in SPLITS
        ]
        assert len({entry.id for entry in entries}) == len(entries), "two of mirdata's ids became one"
        cross = crossing([(entry.group, entry.split) for entry in entries])
        if cross:
            groups = len({entry.group for entry in entries})
            library.say_once(
                f"{self.dataset}: {len(cross)} of {groups} {self._adapter.groups} are in more than one of the "
                f"published splits, such as {cross[0]}: scores are higher than on {self._adapter.groups} never heard"
            )
        return entries


def known(dataset: str) -> str:
    """The name of a data set that there is an adapter for. InputError lists them."""
    name = ALIASES.get(dataset, dataset)
    if name not in ADAPTERS:
        close = difflib.get_close_matches(str(dataset), [*ADAPTERS, *ALIASES], 1)
        raise InputError(
            f"There is no data set {dataset!r} here"
            + (f": did you mean {close[0]}?" if close else ".")
            + f" There are: {', '.join(ADAPTERS)}."
        )
    return name
