"""A folder of MIDI files with an index.csv, rendered by SoundFonts."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.data.sources.index import Row
from ricercar.data.sources.indexed import Indexed
from ricercar.data.sources.melody_track import melody_of_track
from ricercar.data.sources.rendering.studio import Studio
from ricercar.data.track import Track
from ricercar.errors import InputError


class Midi(Indexed):
    """The tracks that <root>/index.csv lists, in its order. The column `midi` stands in place of `audio`.

    The notes are those of the MIDI file, which sounds as long as they do, unless a column `notes` gives others.
    The melody is that of the MIDI file's track that the column `melody_track` names, unless a column `melody` gives
    another; its frequencies are those that sound, tuning included. All other columns are as in a folder of recordings.

    studio     renders the files; a track's settings depend on `seed` and the track's id alone
    programs   General MIDI programs, one of which plays all of a track but the drums; None: those in the file
    """

    def __init__(self, *, root: str | Path, studio: Studio, programs: Sequence[int] | None, seed: int) -> None:
        super().__init__(root)
        self.studio = studio
        self.programs = programs
        self.seed = seed
        if programs is not None and (not programs or not all(0 <= program <= 127 for program in programs)):
            raise InputError(f"programs {list(programs)}: it takes General MIDI programs, 0 to 127, or null.")

    def _track(self, row: Row, annotations: Mapping[str, Annotation]) -> Track:
        if "midi" not in row.cells:
            raise row.error(f"track {row.id!r} has audio and no MIDI. Use data=folder.")
        path = row.resolve("midi")
        derived: dict[str, Annotation] = {}
        try:
            derived["notes"] = notes = Notes.read(path)
            if "melody_track" in row.cells and "melody" not in annotations:
                until_s = float(notes.pedalled_offset_s.max(initial=0.0))
                derived["melody"] = melody_of_track(path, row.cells["melody_track"], until_s)
        except InputError as error:
            raise row.error(f"track {row.id!r}, midi: {error}") from error
        digest = hashlib.sha256(f"{self.seed}/{row.id}".encode()).digest()
        random = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))
        if self.programs is not None:
            program = int(random.choice(self.programs))
            notes = replace(notes, program=np.where(notes.program == DRUMS, DRUMS, program))
            derived["notes"] = notes
        track = self.studio.track(
            random,
            id=row.id,
            split=row.split,
            group=row.group,
            work=row.work,
            notes=notes,
            annotations={**derived, **annotations},
            duration_s=None,
            levels_db=None,
        )
        return replace(track, fold=row.fold)
