"""A folder of MIDI files with an index.csv, rendered by SoundFonts."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.data.index import SPLITS, Row, read_index
from ricercar.data.source import Source
from ricercar.data.studio import Studio
from ricercar.data.track import Track
from ricercar.errors import InputError


class Midi(Source):
    """The tracks that <root>/index.csv lists, in its order. The column `midi` stands in place of `audio`.

    The notes are those of the MIDI file, which sounds as long as they do, unless a column `notes` gives others.
    All other columns are as in a folder of recordings.

    studio     renders the files; a track's settings depend on `seed` and the track's id alone
    programs   General MIDI programs, one of which plays all of a track but the drums; None: those in the file
    """

    def __init__(self, *, root: str | Path, studio: Studio, programs: Sequence[int] | None, seed: int) -> None:
        self.root = Path(root).expanduser()
        self.studio = studio
        self.programs = programs
        self.seed = seed
        if programs is not None and (not programs or not all(0 <= program <= 127 for program in programs)):
            raise InputError(f"programs {list(programs)}: it takes General MIDI programs, 0 to 127, or null.")
        self._rows = read_index(self.root)
        self._tracks: dict[str, list[Track]] = {}

    def tracks(self, split: str) -> list[Track]:
        if split not in self._tracks:
            there_are = [name for name in SPLITS if any(row.split == name for row in self._rows)]
            if split not in there_are:
                raise InputError(
                    f"{self.root / 'index.csv'} has no tracks with split {split!r}; it has: {', '.join(there_are)}."
                )
            self._tracks[split] = [self._track(row) for row in self._rows if row.split == split]
        return list(self._tracks[split])

    def _track(self, row: Row) -> Track:
        if "midi" not in row.cells:
            raise row.error(f"track {row.id!r} has audio and no MIDI. Use data=folder.")
        try:
            notes = Notes.read(row.resolve("midi"))
        except InputError as error:
            raise row.error(f"track {row.id!r}, midi: {error}") from error
        digest = hashlib.sha256(f"{self.seed}/{row.id}".encode()).digest()
        random = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))
        if self.programs is not None:
            program = int(random.choice(self.programs))
            notes = replace(notes, program=np.where(notes.program == DRUMS, DRUMS, program))
        return self.studio.track(
            random,
            id=row.id,
            split=row.split,
            group=row.group,
            notes=notes,
            annotations={"notes": notes, **row.annotations()},
            duration_s=None,
            levels_db=None,
        )
