"""Several data sets as one."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from ricercar.checks import check_between
from ricercar.data.sources.index import SPLITS
from ricercar.data.sources.source import Source
from ricercar.data.track import Track
from ricercar.errors import InputError


class Mixed(Source):
    """The tracks of several data sets, which may have annotations of different kinds.

    A split has the tracks of all parts that have the split, part after part. Ids, groups and works become <part>.<id>
    and so on, so that those of different parts are never the same.

    parts    {name: data set}
    balance  windows of training are drawn from a part in proportion to its length to this power: 1 takes all alike, 0
             each part as often as the others; MT3 takes 0.3 (Gardner et al. 2022, section 3.3)
    """

    def __init__(self, *, parts: Mapping[str, Source], balance: float) -> None:
        check_between(0, 1, balance=balance)
        if not parts:
            raise InputError("data=mixed has no parts: name them, as in data=[synth,midi]")
        for name, part in parts.items():
            if not re.fullmatch(r"\w+", name):
                raise InputError(f"parts: {name!r} is not a name of letters, digits and _, as the part of a file name.")
            if not isinstance(part, Source):
                raise InputError(f"parts.{name}={part!r} is not a data set: name the parts, as in data=[synth,midi]")
        self.parts = dict(parts)
        self.balance = balance

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(split for split in SPLITS if any(split in part.splits for part in self.parts.values()))

    def tracks(self, split: str) -> list[Track]:
        if split not in self.splits:
            there_are = "; ".join(f"{name}: {', '.join(part.splits)}" for name, part in self.parts.items())
            raise InputError(f"No part of the data has a split {split!r}. They have: {there_are}.")
        return [
            _of_part(name, track)
            for name, part in self.parts.items()
            if split in part.splits
            for track in part.tracks(split)
        ]

    def inspect(self) -> Iterator[Track | InputError]:
        for name, part in self.parts.items():
            for each in part.inspect():
                yield _of_part(name, each) if isinstance(each, Track) else each


def _of_part(part: str, track: Track) -> Track:
    return replace(
        track, id=f"{part}.{track.id}", group=f"{part}.{track.group}", work=f"{part}.{track.work}", part=part
    )
