"""Splits and folds: those that are written down in splits/ and folds/, and those that data sets bring along."""

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ricercar.data.annotations.formats.rows import read_text
from ricercar.data.sources.index import SPLITS
from ricercar.data.sources.mirdata import library
from ricercar.data.sources.mirdata.adapter import Adapter
from ricercar.data.sources.splitting import EXCLUDED, RULE_SHARES, UNSPLIT, by_rule, say_once, valid_from_train
from ricercar.errors import InputError

FOLDER = Path(__file__).parent / "splits"
FOLDS = Path(__file__).parent / "folds"


class Listed(NamedTuple):
    """What a file says of a track.

    split   train, valid or test; none: the list that the file is from leaves the track out; excluded: it is a second
            copy of another, and never used
    """

    split: str
    group: str
    note: str


@cache
def listed(dataset: str) -> Mapping[str, Listed]:
    """{mirdata's id: what data/sources/mirdata/splits/<dataset>.csv says}. Empty where there is no such file."""
    path = FOLDER / f"{dataset}.csv"
    if not path.is_file():
        return {}
    lines = [line for line in read_text(path).splitlines() if not line.startswith("#")]
    header, *rows = csv.reader(lines, strict=True)
    assert header == ["id", "split", "group", "note"], path
    found = {id_: Listed(split, group, note) for id_, split, group, note in rows}
    assert len(found) == len(rows), path
    assert {each.split for each in found.values()} <= {*SPLITS, UNSPLIT, EXCLUDED}, path
    return found


def published_fold(dataset: str, id_: str) -> int | None:
    """What data/sources/mirdata/folds/<dataset>.csv says of a track; None: nothing, or there is no such file."""
    return _folds(dataset).get(id_)


@cache
def _folds(dataset: str) -> Mapping[str, int]:
    path = FOLDS / f"{dataset}.csv"
    if not path.is_file():
        return {}
    header, *rows = csv.reader((line for line in read_text(path).splitlines() if not line.startswith("#")), strict=True)
    assert header == ["id", "fold"], path
    return {id_: int(fold) for id_, fold in rows}


def placed(dataset: Any, adapter: Adapter, tracks: Mapping[str, Any], seed: int) -> dict[str, tuple[str, str]]:
    """{mirdata's id: (split, group)} of `tracks`, {id: mirdata's track}. Reads the metadata."""
    name = dataset.name
    if adapter.group is None:
        on_file = listed(name)
        unknown = [id_ for id_ in tracks if id_ not in on_file]
        if unknown:
            say_once(f"{name}: no split is known of {len(unknown)} tracks, such as {unknown[0]}")
        return {id_: on_file[id_][:2] if id_ in on_file else (UNSPLIT, id_) for id_ in tracks}
    groups = {id_: _group(dataset, adapter.group(track), id_) for id_, track in tracks.items()}
    said: dict[str, Any]
    if adapter.split_lists is not None:
        said = {id_: split for split, ids in adapter.split_lists(dataset).items() for id_ in ids}
    else:
        said = {id_: adapter.split(track) if adapter.split else None for id_, track in tracks.items()}
    if all(split is None for split in said.values()):
        split_of = by_rule(list(groups.values()), RULE_SHARES, f"{name}/{seed}")
        return {id_: (split_of[group], group) for id_, group in groups.items()}
    splits = {id_: adapter.splits.get(said.get(id_), UNSPLIT) for id_ in tracks}
    if adapter.valid_share:
        splits = valid_from_train(splits, groups, adapter.valid_share, f"{name}/{seed}")
    return {id_: (splits[id_], groups[id_]) for id_ in tracks}


def _group(dataset: Any, group: object, id_: str) -> str:
    if group is None:
        raise InputError(f"track {id_!r} is not in the metadata. {library.how_to_fetch(dataset)}")
    return str(group)
