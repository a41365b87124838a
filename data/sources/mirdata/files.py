"""Annotation files of data sets whose format is their own -> our annotations. InputError names the line and the value.

Times and labels are taken as they are. The library's own loaders are not used where they refuse a file that the data
set has (a key `C#:modal` of the Beatles, a tempo that was never agreed upon), or misread one (sections of Billboard).
"""

import errno
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from ricercar.data.annotations.beats import Beats
from ricercar.data.annotations.formats.rows import read_rows, read_text, require
from ricercar.data.annotations.frequencies import hz_to_midi, midi_to_hz
from ricercar.data.annotations.hierarchy import Hierarchy
from ricercar.data.annotations.key import Key
from ricercar.data.annotations.melody import Melody
from ricercar.data.annotations.notes import Notes
from ricercar.data.annotations.segments import Segments
from ricercar.data.annotations.tempo import Tempo
from ricercar.errors import InputError

# "G:mixolydian", "D phrygian", "C#:modal": keys that are neither major nor minor
_OTHER_MODE = re.compile(
    r"[A-G][b#]?(?:\s+|\s*:\s*)(?:ionian|dorian|phrygian|lydian|mixolydian|aeolian|locrian|modal|other)", re.IGNORECASE
)

_NO_FUNCTION = "no_function"
_RWC_DOWNBEAT, _RWC_NO_BEAT = 384, -1  # ticks: a beat is 48 (Goto 2006, AIST annotation for the RWC music database)
_IKALA_FRAME_S = 0.032


def key_of(text: str) -> Key | None:
    """ "Eb minor", "Eb:minor", "Eb" (major) -> Key; None for another mode. InputError for anything else."""
    text = text.strip()
    if _OTHER_MODE.fullmatch(text):
        return None
    return Key.parse(f"{text} major" if re.fullmatch(r"[A-G][b#]?", text) else text)


def key(path: Path) -> Key | None:
    """A file with one line, the key."""
    lines = [line for line in read_text(path).splitlines() if line.strip()]
    if len(lines) != 1:
        raise InputError(f"{path}: {len(lines)} lines; it takes one, the key, such as 'Eb minor'.")
    with _in(path):
        return key_of(lines[0])


def beatles_key(path: Path) -> Key | None:
    """Rows `start end Key label` or `start end Silence`: the key that lasts longest; None if it is a mode."""
    rows = read_rows(path, str.split)
    rows.check_num_columns({3, 4}, "start end Key label, or start end Silence")
    lasts = rows.numbers(1, "end") - rows.numbers(0, "start")
    total: Counter[str] = Counter()
    for row, cells in enumerate(rows.cells):
        if len(cells) == 4:
            total[cells[3]] += lasts[row]
    with _in(path):
        return key_of(total.most_common(1)[0][0]) if total else None


def beatles_segments(path: Path) -> Segments:
    """Rows `start end number label` with tabulators between them; the number is often empty."""
    rows = read_rows(path, lambda text: text.split("\t"))
    rows.check_num_columns({4}, "start, end, number, label, with tabulators between them")
    with rows.located():
        return Segments(start_s=rows.numbers(0, "start"), end_s=rows.numbers(1, "end"), label=tuple(rows.column(3)))


def salami_functions(path: Path) -> Segments:
    """path: SALAMI's parsed/textfile1_uppercase.txt (large sections); read is its neighbour textfile1_functions.txt.

    `no_function` comes of an error in the parsing: the function of the section before it goes on (Wang, Hung and Smith
    2022, section 4.2). It stays where there is none before it.
    """
    segments = Segments.read(_neighbour(path, "functions"))
    labels: list[str] = []
    for label in segments.label:
        labels.append(labels[-1] if labels and label == _NO_FUNCTION else label)
    return replace(segments, label=tuple(labels))


def salami_hierarchy(path: Path) -> Hierarchy:
    """The large sections of parsed/textfile1_uppercase.txt, and the small ones of its neighbour, ..._lowercase.txt."""
    return Hierarchy((Segments.read(path), Segments.read(_neighbour(path, "lowercase"))))


def _neighbour(path: Path, level: str) -> Path:
    found = path.with_name(path.name.replace("uppercase", level))
    if not found.is_file():
        raise FileNotFoundError(errno.ENOENT, "no such file", str(found))
    return found


def rwc_beats(path: Path) -> Beats:
    """Rows `start end position` in hundredths of a second: 384 is a downbeat, -1 no beat, and other beats count on."""
    rows = read_rows(path, str.split)
    rows.check_num_columns({3}, "start end position, in hundredths of a second")
    time_s, position = rows.numbers(0, "start") / 100, rows.numbers(2, "position")
    beats = position != _RWC_NO_BEAT
    with rows.located():
        return Beats.make(time_s[beats], (position == _RWC_DOWNBEAT)[beats].astype(np.int64))


def rwc_segments(path: Path) -> Segments | None:
    """Rows `start end "label"` in hundredths of a second; None where the file is empty."""
    rows = read_rows(path, lambda text: text.split("\t"))
    if not rows.cells:
        return None
    rows.check_num_columns({3}, "start end label, in hundredths of a second, with tabulators between them")
    with rows.located():
        return Segments(
            start_s=rows.numbers(0, "start") / 100, end_s=rows.numbers(1, "end") / 100, label=tuple(rows.column(2))
        )


def ikala_melody(path: Path) -> Melody:
    """One MIDI number a row, 0 where nobody sings; the frames are 32 ms long, and their middles are meant."""
    rows = read_rows(path, str.split)
    rows.check_num_columns({1}, "a MIDI number, or 0")
    pitch = rows.numbers(0, "pitch")
    with rows.located():
        return Melody(
            time_s=_IKALA_FRAME_S * (np.arange(len(pitch), dtype=np.float64) + 0.5),
            frequency_hz=np.where(pitch > 0, midi_to_hz(np.maximum(pitch, 0)), 0.0),
        )


def vocadito_notes(path: Path) -> Notes:
    """Rows `onset,frequency,duration`: seconds, Hz, seconds."""
    rows = read_rows(path, lambda text: re.split(r"\s*,\s*", text))
    rows.check_num_columns({3}, "onset,frequency,duration")
    onset_s, frequency_hz, duration_s = (
        rows.numbers(column, name) for column, name in enumerate(("onset", "frequency", "duration"))
    )
    with rows.located():
        require(frequency_hz > 0, lambda row: f"frequency {frequency_hz[row]:g} Hz is not above 0 Hz.")
        return Notes.make(onset_s, onset_s + duration_s, hz_to_midi(frequency_hz))


def salami_segments(path: Path) -> Segments:
    """Rows `time<tab>letter, name, | chords | ..., (instrument`: sections begin where there is a letter or a name.

    The label is the name, or where there is none, the letter. Lines that begin with a bar continue the section; the
    last line ends the last one.
    """
    rows = read_rows(path, lambda text: text.split(None, 1))
    rows.check_num_columns({2}, "time, tabulator, and what happens")
    time_s = rows.numbers(0, "time")
    start_s: list[float] = []
    labels: list[str] = []
    for time, (_, text) in zip(time_s.tolist(), rows.cells, strict=True):
        names = [name.strip() for name in text.split("|")[0].split(",")]
        names = [name for name in names if name and not name.startswith("(") and not name.endswith(")")]
        if names:
            start_s.append(time)
            labels.append(names[-1])
    if labels and start_s[-1] == time_s[-1]:
        labels.pop()  # "end"
    else:
        start_s.extend(time_s[-1:])
    with rows.located():
        return Segments(start_s=np.array(start_s[:-1]), end_s=np.array(start_s[1:]), label=tuple(labels))


def melody(path: Path) -> Melody:
    """Rows `time frequency` with a comma or a tabulator between them; 0 where no melody sounds."""
    rows = read_rows(path, lambda text: re.split(r"\s*,\s*|\s+", text))
    rows.check_num_columns({2}, "time frequency")
    with rows.located():
        return Melody(time_s=rows.numbers(0, "time"), frequency_hz=rows.numbers(1, "frequency"))


def tempo_jams(path: Path) -> Tempo | None:
    """The two tempi that listeners tapped; None where they agreed on none."""
    with path.open("rb") as file:
        tapped = json.load(file)["annotations"][0]["data"]
    return Tempo.read(path) if tapped else None


@contextmanager
def _in(path: Path) -> Iterator[None]:
    """Names the file in an InputError raised inside."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
