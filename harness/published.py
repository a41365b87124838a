"""Figures of papers, docs/published/*.csv: what they are of has to be the same before they stand beside a result."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ricercar.data.annotations.formats.rows import read_text
from ricercar.errors import InputError
from ricercar.harness.results import DatasetId

FOLDER = Path(__file__).parents[1] / "docs" / "published"
COLUMNS = ["id", "system", "data", "split", "num_tracks", "protocol", "metric", "value", "source"]


@dataclass(frozen=True)
class Published:
    """The figures of one system on one data set.

    id           by which an experiment names it
    data         name of the data set, without what it is read by: maps is folder:maps, and unpacked:maps
    num_tracks   how many the paper scored: fewer or more are another data set
    protocol     the preset, <task>/<name>
    metrics      {name: value}
    source       where it was read
    """

    id: str
    system: str
    data: str
    split: str
    num_tracks: int
    protocol: str
    metrics: dict[str, float]
    source: str

    def apart(self, dataset: DatasetId, protocol: str | None) -> list[str]:
        """In what a result is of something else, in words; nothing: they can be compared."""
        pairs = {
            "data": (_plain(dataset.name), self.data),
            "split": (dataset.split, self.split),
            "tracks": (str(dataset.num_tracks), str(self.num_tracks)),
            "protocol": (protocol or "that of no preset", self.protocol),
        }
        return [f"{what} {here} here, {there} there" for what, (here, there) in pairs.items() if here != there]


def published_beside(dataset: DatasetId, protocol: str | None) -> list[Published]:
    """What was published of the same data, split and protocol."""
    return [each for each in published().values() if not each.apart(dataset, protocol)]


@cache
def published() -> dict[str, Published]:
    """{id: figures} of docs/published."""
    found: dict[str, Published] = {}
    for path in sorted(FOLDER.glob("*.csv")):
        found |= read(path)
    return found


def named(ids: Sequence[str]) -> list[Published]:
    """InputError names an id that there is not."""
    every = published()
    if unknown := [name for name in ids if name not in every]:
        raise InputError(
            f"reproduces={unknown[0]}: there are no such published figures. There are: {', '.join(every)}."
        )
    return [every[name] for name in ids]


def read(path: Path) -> dict[str, Published]:
    """{id: figures} of a file. InputError names the line."""
    header, *rows = csv.reader(read_text(path).splitlines(), strict=True)
    if header != COLUMNS:
        raise InputError(f"{path}, line 1: the columns are {','.join(COLUMNS)}.")
    found: dict[str, Published] = {}
    for line, row in enumerate(rows, 2):
        try:
            id, system, data, split, num_tracks, protocol, metric, value, source = row
            own = Published(id, system, data, split, int(num_tracks), protocol, {}, source)
            before = found.setdefault(id, own)
            if vars(before) | {"metrics": {}} != vars(own):
                raise ValueError(f"{id} is of something else above")
            before.metrics[metric] = float(value)
        except ValueError as error:
            raise InputError(f"{path}, line {line}: {error}.") from error
    return found


def _plain(name: str) -> str:
    """folder:maps -> maps, mirdata:slakh:baby -> slakh:baby"""
    return name.partition(":")[2] or name
