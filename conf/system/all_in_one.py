"""Beats, sections or the tempo of a song by All-In-One."""

import os
import tempfile

import allin1


def load(task):
    """-> transcribe(recording, file to write)."""

    def transcribe(recording, output):
        with tempfile.TemporaryDirectory() as folder:
            parts = {name: os.path.join(folder, name) for name in ("demix_dir", "spec_dir")}
            found = allin1.analyze(recording, multiprocess=False, **parts)
        rows = {
            "beat": [f"{time_s}\t{number}" for time_s, number in zip(found.beats, found.beat_positions, strict=True)],
            "segment": [f"{each.start}\t{each.end}\t{each.label}" for each in found.segments],
            "tempo": [str(found.bpm)],
        }[task]
        with open(output, "w") as file:
            file.writelines(f"{row}\n" for row in rows)

    return transcribe
