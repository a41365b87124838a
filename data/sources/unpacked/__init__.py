"""Data sets that mirdata lacks, as their archives unpack."""

from collections.abc import Sequence
from pathlib import Path

from ricercar.data.sources import entries
from ricercar.data.sources.entries import UNFIT_FOR_A_NAME, Entries, Entry, check_options, in_folds
from ricercar.data.sources.index import SPLITS
from ricercar.data.sources.splitting import (
    RULE_SHARES,
    UNSPLIT,
    by_rule,
    valid_from_train,
    warn_of_crossing,
)
from ricercar.data.sources.unpacked.datasets import DATASETS, Dataset, Item
from ricercar.errors import InputError

VALID_SHARE = 0.1  # of train, where a data set has no validation split
_OF_FOLD = {0: "test", 1: "valid"}  # where folds are all that a data set has: the splits of fold=0


class Unpacked(Entries):
    """The tracks of one of the data sets in datasets.py, in the order of their ids.

    Splits are the data set's own, with a validation split from train by the rule (see splitting) where it has none;
    where papers go by folds, the first is test, the second valid; where it has neither, all are by the rule.

    dataset        its name: docs/unpacked.md lists them
    home           the folder that its archive was unpacked in
    recordings     the folder with the recordings, where they come by another way; None: in `home`
    folds_file     rows `id fold`, folds from 0, in place of those of the data set: tracks that are not in it are left
                   out, and counted in the log; None: its own
    as_one_split   train, valid or test: all tracks are in this split, whatever the lists say; None: as they say
    missing_audio  error; or leave_out: tracks whose audio is not in the folder are left out, and counted in the log
    seed           of the rule
    """

    def __init__(
        self,
        *,
        dataset: str,
        home: str | Path,
        recordings: str | Path | None,
        folds_file: str | Path | None,
        as_one_split: str | None,
        missing_audio: str,
        seed: int,
    ) -> None:
        check_options(as_one_split, missing_audio, seed)
        name = entries.known(dataset, DATASETS, {})
        kind = DATASETS[name]
        folder = Path(home).expanduser()
        sound = folder if recordings is None else Path(recordings).expanduser()
        for option, place in (("home", folder), ("recordings", sound)):
            if not place.is_dir():
                raise InputError(f"data.{option}={place}: there is no such folder. {kind.get}")
        if kind.elsewhere and recordings is None:
            raise InputError(
                f"{name} comes without recordings: say where yours are, data.recordings=FOLDER. {kind.get}"
            )
        items = sorted(kind.items(folder, sound), key=lambda item: item.id)
        if not items:
            raise InputError(f"{folder} has nothing of {name} in it. {kind.get}")
        places = _splits(name, kind, items, seed)
        if as_one_split is not None:
            places = dict.fromkeys(places, as_one_split)
        found = [
            Entry(
                UNFIT_FOR_A_NAME.sub("_", item.id),
                places[item.id],
                item.group,
                item.files,
                item.annotations,
                item.work or item.group,
                item.fold,
                item.gains,
            )
            for item in items
            if places.get(item.id) in SPLITS
        ]
        if as_one_split is None:
            warn_of_crossing(name, kind.groups, [(entry.group, entry.split) for entry in found])
        if folds_file is not None:
            found = in_folds(name, found, Path(folds_file).expanduser())
        super().__init__(name, str(sound), kind.get, found, missing_audio)


def _splits(name: str, kind: Dataset, items: Sequence[Item], seed: int) -> dict[str, str]:
    """{id: split}"""
    salt = f"{name.removesuffix('_alone')}/{seed}"  # the drums of a mixture are where the mixture is
    groups = {item.id: item.group for item in items}
    if kind.split_by_folds:
        return {item.id: UNSPLIT if item.fold is None else _OF_FOLD.get(item.fold, "train") for item in items}
    if all(item.split is None for item in items):
        split_of = by_rule(list(groups.values()), RULE_SHARES, salt)
        return {id_: split_of[group] for id_, group in groups.items()}
    splits = {item.id: item.split or UNSPLIT for item in items}
    return splits if "valid" in splits.values() else valid_from_train(splits, groups, VALID_SHARE, salt)
