"""Files of these data sets whose format is their own -> annotations. InputError names file, line and value."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.formats.rows import Rows, cells, read_rows, read_text, require
from ricercar.data.annotations.frequencies import hz_to_midi
from ricercar.data.annotations.multipitch import Multipitch
from ricercar.data.annotations.notes import UNKNOWN_VELOCITY, Notes
from ricercar.data.annotations.onsets import DRUM_LABELS, Onsets, drum_label
from ricercar.errors import InputError

_SAMPLE_RATE = 44100  # of MusicNet's recordings, in whose samples it gives times
_SAME_NOTE_S = 0.01  # how far a note of MAPS' text may begin from that of its MIDI file

# URMP's parts, as General MIDI programs; it does not say which saxophone (here alto) or horn (French) plays.
_URMP_PROGRAMS = {
    "vn": 40, "va": 41, "vc": 42, "db": 43, "fl": 73, "ob": 68, "cl": 71, "sax": 65, "bn": 70,
    "tpt": 56, "hn": 60, "tbn": 57, "tba": 58,
}  # fmt: skip

# ENST-Drums' labels without their numbers, as notes of General MIDI: bass, snare (also on its rim), side stick, toms,
# hi-hat, cymbals, cowbell. Brush sweeps and rims of toms have none (so also in Vogl et al. 2017).
_ENST_PITCHES = {
    "bd": 36, "sd": 38, "rs": 38, "cs": 37, "lft": 41, "lt": 45, "lmt": 47, "mt": 48,
    "chh": 42, "ohh": 46, "c": 57, "cr": 49, "rc": 51, "ch": 52, "spl": 55, "cb": 56,
}  # fmt: skip
_ENST_OTHERS = ("sticks", "sweep", "mtr", "ltr")


def there(read: Callable[[Path], Annotation | None], path: Path) -> Annotation | None:
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    return read(path)


def maps_notes(path: Path) -> Notes:
    """Rows `OnsetTime OffsetTime MidiPitch`; offsets include the sustain pedal.

    The MIDI file of the same name has the velocities and when keys are released. Where it has as many notes of each
    pitch, which begin at the same times, they are taken from there; otherwise velocities are unknown, and keys are
    released when the sound ends.
    """
    rows = _with_header(path, ("OnsetTime", "OffsetTime", "MidiPitch"), cells)
    onset_s, offset_s, pitch = (rows.numbers(column, name) for column, name in enumerate(("onset", "offset", "pitch")))
    with rows.located():
        notes = Notes.make(onset_s, offset_s, pitch)
    midi = path.with_suffix(".mid")
    played = Notes.read(midi) if midi.is_file() else None
    if played is None or len(played) != len(notes):
        return notes
    mine, other = (np.lexsort((each.onset_s, each.semitone)) for each in (notes, played))
    same = notes.semitone[mine] == played.semitone[other]
    if not (same & (np.abs(notes.onset_s[mine] - played.onset_s[other]) <= _SAME_NOTE_S)).all():
        return notes
    velocity, released = np.full(len(notes), UNKNOWN_VELOCITY), notes.offset_s.copy()
    velocity[mine] = played.velocity[other]
    released[mine] = np.minimum(notes.offset_s[mine], played.offset_s[other])
    released = np.where(released > notes.onset_s, released, notes.offset_s)
    return Notes.make(notes.onset_s, released, notes.pitch, velocity, None, notes.offset_s)


def musicnet_notes(path: Path) -> Notes:
    """Rows `start_time,end_time,instrument,note,...`: samples, and General MIDI programs counted from 1."""
    rows = _with_header(path, ("start_time", "end_time", "instrument", "note"), lambda text: text.split(","))
    start, end, instrument, note = (
        rows.numbers(column, name) for column, name in enumerate(("start_time", "end_time", "instrument", "note"))
    )
    with rows.located():
        return Notes.make(start / _SAMPLE_RATE, end / _SAMPLE_RATE, note, None, instrument - 1)


def _with_header(path: Path, columns: Sequence[str], split: Callable[[str], list[str]]) -> Rows:
    """The rows under a header, each with the cells of these columns."""
    rows = read_rows(path, split)
    header = [cell.strip() for cell in rows.cells[0]] if rows.cells else []
    if missing := [name for name in columns if name not in header]:
        raise InputError(f"{path}: no column {', '.join(missing)} in its first line, {' '.join(header)!r}.")
    rows = rows.without_header()
    rows.check_num_columns({len(header)}, " ".join(header))
    chosen = [header.index(name) for name in columns]
    return Rows(rows.path, rows.lines, [[row[column] for column in chosen] for row in rows.cells])


def urmp_notes(paths: Sequence[Path]) -> Notes:
    """Of each part, Notes_<number>_<instrument>_...txt: rows `onset frequency duration` in seconds and Hz."""
    parts = [_urmp_part(path) for path in paths]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.mixed(part, 0.0)
    return whole


def _urmp_part(path: Path) -> Notes:
    instrument = path.stem.split("_")[2]
    if instrument not in _URMP_PROGRAMS:
        raise InputError(f"{path}: the instrument {instrument!r} is not one of {', '.join(_URMP_PROGRAMS)}.")
    rows = read_rows(path, cells)
    rows.check_num_columns({3}, "onset frequency duration")
    onset_s, frequency_hz, duration_s = (
        rows.numbers(column, name) for column, name in enumerate(("onset", "frequency", "duration"))
    )
    with rows.located():
        require(frequency_hz > 0, lambda row: f"frequency {frequency_hz[row]:g} Hz is not above 0 Hz.")
        return Notes.make(onset_s, onset_s + duration_s, hz_to_midi(frequency_hz), None, _URMP_PROGRAMS[instrument])


def urmp_multipitch(paths: Sequence[Path]) -> Multipitch:
    """Of each part, F0s_...txt: rows `time frequency` in seconds and Hz, 0 where it is silent, at the same times."""
    at: dict[float, list[float]] = {}
    for path in paths:
        rows = read_rows(path, cells)
        rows.check_num_columns({2}, "time frequency")
        time_s, frequency_hz = rows.numbers(0, "time"), rows.numbers(1, "frequency")
        with rows.located():
            Multipitch.make(time_s, [[each] if each else [] for each in frequency_hz.tolist()])
        for time, frequency in zip(time_s.round(4).tolist(), frequency_hz.tolist(), strict=True):
            at.setdefault(time, []).extend([frequency] if frequency else [])
    return Multipitch.make(sorted(at), [at[time] for time in sorted(at)])


def drum_onsets(path: Path) -> Onsets:
    """Rows `time label`, with the six classes of MDB Drums."""
    return _struck(path, lambda label: label if label in DRUM_LABELS else None)


def enst_onsets(path: Path) -> Onsets:
    """Rows `time label`, with the twenty labels of ENST-Drums and their variants (rc2, sd-) -> the six classes."""

    def of(label: str) -> str | None:
        drum = re.sub(r"[^a-z]", "", label)
        return drum_label(_ENST_PITCHES[drum]) if drum in _ENST_PITCHES else "OT" if drum in _ENST_OTHERS else None

    return _struck(path, of)


def _struck(path: Path, class_of: Callable[[str], str | None]) -> Onsets:
    rows = read_rows(path, str.split)
    rows.check_num_columns({2}, "time label")
    labels = [class_of(label) for label in rows.column(1)]
    for row, label in enumerate(labels):
        if label is None:
            raise rows.error(row, f"{rows.cells[row][1]!r} is no drum that is known here.")
    with rows.located():
        return Onsets(time_s=rows.numbers(0, "time"), label=tuple(label for label in labels if label is not None))


def mirex_2017_split(path: Path) -> dict[str, str]:
    """{track: train or test} of MDB Drums' MIREX2017.md: names under the headings Training Set and Test Set."""
    if not path.is_file():
        raise InputError(f"There is no file {path}, which has the split of MIREX 2017: take the whole repository.")
    split_of: dict[str, str] = {}
    split = None
    for line in read_text(path).splitlines():
        if line.startswith("#"):
            split = "train" if "training set" in line.lower() else "test" if "test set" in line.lower() else None
        elif line.strip() and split is not None:
            name = line.strip()
            split_of["MusicDelta_Zeppelin" if name == "MusicDelta_Zepplin" else name] = split  # a slip in the list
    return split_of
