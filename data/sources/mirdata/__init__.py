"""Data sets that the library mirdata knows."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ricercar.checks import check_choice
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.sources import entries
from ricercar.data.sources.entries import UNFIT_FOR_A_NAME, Entries, Entry, check_options, in_folds
from ricercar.data.sources.index import SPLITS
from ricercar.data.sources.mirdata import library
from ricercar.data.sources.mirdata.adapter import Adapter, FromFile
from ricercar.data.sources.mirdata.datasets import ADAPTERS, ALIASES
from ricercar.data.sources.mirdata.splits import placed, published_fold
from ricercar.data.sources.splitting import EXCLUDED, warn_of_crossing


class Mirdata(Entries):
    """The tracks of one of mirdata's data sets, in the order of its index.

    Splits and groups are those that come with the data set, or those in splits/: docs/mirdata.md lists both.
    Index and metadata are read at once, annotations for the split that is asked for. Ids are mirdata's, with _ for
    what cannot be in the name of a file.

    dataset        its name in mirdata
    home           its folder; None: where mirdata puts it, ~/mir_datasets/<dataset>
    version        "default", or one that mirdata lists
    annotator      1, or 2 where two people annotated: whose annotations; [1, 2] or [2, 1]: the first one's, of the
                   tracks that both annotated
    folds_file     rows `id fold`, folds from 0, in place of those that are known here: tracks that are not in it are
                   left out, and counted in the log; None: those that are known
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
        annotator: int | Sequence[int],
        folds_file: str | Path | None,
        as_one_split: str | None,
        missing_audio: str,
        seed: int,
    ) -> None:
        check_options(as_one_split, missing_audio, seed)
        name = known(dataset)
        adapter = ADAPTERS[name]
        annotators = tuple(annotator) if isinstance(annotator, Sequence) else annotator
        choices = (1, 2, (1, 2), (2, 1)) if adapter.second else (1,)
        check_choice(choices, **{"data.annotator": annotators})
        opened = library.opened(name, home, version)
        read = {**adapter.annotations, **(adapter.second if annotators in (2, (2, 1)) else {})}
        both = [*adapter.second.values(), *(adapter.annotations[kind] for kind in adapter.second)]
        found = _listed(opened, adapter, read, both if isinstance(annotators, tuple) else [], as_one_split, seed)
        if folds_file is not None:
            found = in_folds(name, found, Path(folds_file).expanduser(), adapter.listed_as)
        super().__init__(
            f"mirdata's {name}",
            opened.data_home,
            f"{library.how_to_fetch(opened)} It says what can be downloaded.",
            found,
            missing_audio,
        )


def _listed(
    dataset: Any,
    adapter: Adapter,
    read: Mapping[str, Callable[[Any], Annotation | None]],
    needed: Sequence[Callable[[Any], Annotation | None]],
    as_one_split: str | None,
    seed: int,
) -> list[Entry]:
    """read: what is read of a track; needed: what the index has to have of it, or it is left out."""
    index = library.index_of(dataset)
    ids = list(index["multitracks" if adapter.multitracks else "tracks"])
    make = dataset.multitrack if adapter.multitracks else dataset.track
    tracks, audio = {}, {}
    for id_ in ids:
        with library.told(f"{dataset.name}, track {id_!r}", dataset):
            track = make(id_)
            path = track.get_path(adapter.audio)
            if path is not None:  # some of Groove MIDI's performances were not recorded
                tracks[id_], audio[id_] = track, Path(path)
    with library.told(f"{dataset.name} in {dataset.data_home}", dataset):
        places = placed(dataset, adapter, tracks, seed)
    if as_one_split is not None:
        places = {id_: (as_one_split, group) for id_, (split, group) in places.items() if split != EXCLUDED}
    work = adapter.work or (lambda id_, group: group)
    fold = adapter.fold or (lambda id_: published_fold(dataset.name, id_))
    found = []
    for id_, (split, group) in places.items():
        annotated = all(tracks[id_].get_path(each.file) is not None for each in needed if isinstance(each, FromFile))
        if split in SPLITS and annotated:
            id = UNFIT_FOR_A_NAME.sub("_", id_)
            readers = {name: partial(_annotation, dataset, tracks[id_], id, name, each) for name, each in read.items()}
            found.append(Entry(id, split, group, (audio[id_],), readers, work(id_, group), fold(id_)))
    assert len({entry.id for entry in found}) == len(found), "two of mirdata's ids became one"
    warn_of_crossing(dataset.name, adapter.groups, [(entry.group, entry.split) for entry in found])
    return found


def _annotation(
    dataset: Any, track: Any, id: str, name: str, read: Callable[[Any], Annotation | None]
) -> Annotation | None:
    file = (track.get_path(read.file) if isinstance(read, FromFile) else None) or "its metadata"
    with library.told(f"{dataset.name}, track {id!r}, {name}", dataset, file):
        return read(track)


def known(dataset: str) -> str:
    """The name of a data set that there is an adapter for. InputError lists them."""
    return entries.known(dataset, ADAPTERS, ALIASES)
