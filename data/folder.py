"""Any folder of recordings with an index.csv."""

from pathlib import Path

from ricercar.data.audio_file import AudioFile
from ricercar.data.index import SPLITS, read_index
from ricercar.data.source import Source
from ricercar.data.track import Track
from ricercar.errors import InputError


class Folder(Source):
    """The tracks that <root>/index.csv lists, in its order.

    Columns: id, split, group, audio, and any annotation (`name` of a class in data/annotations); an empty cell means
    that the track does not have it. Other columns (the piano that was played ...) are ignored. The index is checked
    as a whole at once, annotations are read for the split that is asked for.
    """

    def __init__(self, *, root: str | Path) -> None:
        self.root = Path(root).expanduser()
        self._rows = read_index(self.root)
        for row in self._rows:
            if "audio" not in row.cells:
                raise row.error(f"track {row.id!r} has MIDI and no audio. Use data=midi, which renders it.")
        self._tracks: dict[str, list[Track]] = {}

    def tracks(self, split: str) -> list[Track]:
        if split not in self._tracks:
            there_are = [name for name in SPLITS if any(row.split == name for row in self._rows)]
            if split not in there_are:
                raise InputError(
                    f"{self.root / 'index.csv'} has no tracks with split {split!r}; it has: {', '.join(there_are)}."
                )
            self._tracks[split] = [
                Track(row.id, row.split, row.group, AudioFile(row.resolve("audio")), row.annotations())
                for row in self._rows
                if row.split == split
            ]
        return list(self._tracks[split])
