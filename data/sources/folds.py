"""Cross-validation: the tracks of a data set in folds. One is tested, one chosen by, the others are learnt from."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ricercar.checks import check_between, check_whole
from ricercar.data.sources.index import SPLITS
from ricercar.data.sources.source import Source
from ricercar.data.track import Track
from ricercar.errors import InputError

LEAST = 3  # folds: one to test, one to choose by, one to learn from


@dataclass(frozen=True)
class Fold:
    """The fold that is tested, of `number`. every: the tracks of all folds."""

    fold: int
    number: int
    every: list[Track]


class Folds(Source):
    """All tracks of a data set, dealt anew whatever their split: fold `fold` is test, the one after it (after the last
    the first) is valid, and the others are train.

    The folds are those that the data set names (Track.fold). Where it names none, whole groups are dealt into
    `number` folds: the largest group first, those as large in the order of a hash of their name, each into the fold
    with the fewest tracks. The same groups give the same folds, whatever their order.

    number    of folds; None: as many as the data set names
    """

    def __init__(self, source: Source, fold: int, number: int | None) -> None:
        check_whole(0, fold=fold)
        if number is not None:
            check_whole(LEAST, folds=number)
        self.source, self._fold, self._number = source, fold, number

    @property
    def splits(self) -> tuple[str, ...]:
        return SPLITS

    def tracks(self, split: str) -> list[Track]:
        if split not in SPLITS:
            raise InputError(f"There is no split {split!r}: folds give {', '.join(SPLITS)}.")
        return [track for track in self.fold.every if track.split == split]

    @cached_property
    def fold(self) -> Fold:
        tracks = [track for split in self.source.splits for track in self.source.tracks(split)]
        folds = folds_of(tracks, self._number)
        number = max(folds) + 1
        check_whole(LEAST, folds=number)
        check_between(0, number - 1, fold=self._fold)
        valid = (self._fold + 1) % number
        split_of = {self._fold: "test", valid: "valid"}
        every = [
            replace(track, split=split_of.get(fold, "train"), fold=fold)
            for track, fold in zip(tracks, folds, strict=True)
        ]
        return Fold(self._fold, number, every)


def folds_of(tracks: Sequence[Track], number: int | None) -> list[int]:
    """-> the fold of each track. InputError where folds are named for some of them, or cannot be made."""
    named = {track.fold for track in tracks if track.fold is not None}
    if not named:
        return _dealt([track.group for track in tracks], number)
    without = [track.id for track in tracks if track.fold is None]
    if without:
        raise InputError(
            f"{len(without)} of {len(tracks)} tracks are in no fold, such as {without[0]!r}: name the fold of each "
            "track, or of none."
        )
    if empty := sorted(set(range(max(named) + 1)) - named):
        raise InputError(f"No track is in fold {empty[0]}, but some are in fold {max(named)}: folds count from 0.")
    if number is not None and number != len(named):
        raise InputError(f"folds={number}, but the data set names {len(named)}: give folds={len(named)}, or null.")
    return [track.fold for track in tracks if track.fold is not None]


def _dealt(groups: Sequence[str], number: int | None) -> list[int]:
    """The fold of each group's tracks."""
    if number is None:
        raise InputError("The data set names no folds: say how many its groups are to be dealt into, as in folds=5.")
    sizes = Counter(groups)
    if len(sizes) < number:
        raise InputError(f"folds={number}: there are {len(sizes)} groups, and a group is never in two folds.")
    filled, fold_of = [0] * number, {}
    for group in sorted(sizes, key=lambda group: (-sizes[group], hashlib.sha256(group.encode()).hexdigest())):
        fold_of[group] = filled.index(min(filled))
        filled[fold_of[group]] += sizes[group]
    return [fold_of[group] for group in groups]
