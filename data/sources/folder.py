"""Any folder of recordings with an index.csv."""

from collections.abc import Mapping
from pathlib import Path

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.audio.file import AudioFile
from ricercar.data.sources.index import Row
from ricercar.data.sources.indexed import Indexed
from ricercar.data.track import Track


class Folder(Indexed):
    """The tracks that <root>/index.csv lists, in its order.

    Columns: id, split, group, audio, perhaps work (see Track), and any annotation (`name` of a class in
    data/annotations); an empty cell means that the track does not have it. Other columns (the piano that was played
    ...) are ignored.
    """

    def __init__(self, *, root: str | Path) -> None:
        super().__init__(root)

    def _track(self, row: Row, annotations: Mapping[str, Annotation]) -> Track:
        if "audio" not in row.cells:
            raise row.error(f"track {row.id!r} has MIDI and no audio. Use data=midi, which renders it.")
        return Track(
            row.id, row.split, row.group, AudioFile(row.resolve("audio")), annotations, row.work, fold=row.fold
        )
