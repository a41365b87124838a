"""What mir_eval.io reads with any delimiter is read here, to the same values."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mir_eval.io
import numpy as np
import pytest

from ricercar.data.annotations.alignment import Alignment
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.beats import Beats
from ricercar.data.annotations.chords import Chords
from ricercar.data.annotations.hierarchy import Hierarchy
from ricercar.data.annotations.key import Key
from ricercar.data.annotations.melody import Melody
from ricercar.data.annotations.multipitch import Multipitch
from ricercar.data.annotations.notes import Notes
from ricercar.data.annotations.onsets import Onsets
from ricercar.data.annotations.patterns import Patterns
from ricercar.data.annotations.segments import Segments
from ricercar.data.annotations.tempo import Tempo

io = mir_eval.io
Rows = list[tuple[str, ...]]

EVENTS: Rows = [("0.5",), ("1.25e0",), ("1e1",)]
CHORDS: Rows = [("0.0", "1", "C:maj(2,*3)/5"), ("1", "2.5", "N")]
SECTIONS: Rows = [("0", "1", "verse"), ("1", "2.5", "chorus, again")]


def plain(value: Any) -> Any:
    """Arrays as lists, whatever they are in."""
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def multipitch(found: Multipitch) -> Any:
    return found.time_s, [found.frequency_hz[found.row == row] for row in range(len(found))]


# A kind, the rows of a file, mir_eval's loader, and the same values of an annotation.
CASES: list[tuple[type[Annotation], Rows, Callable[..., Any], Callable[[Any], Any]]] = [
    (Onsets, EVENTS, io.load_events, lambda x: x.time_s),
    (Onsets, [("0.5", "snare"), ("1", "hi-hat, open")], io.load_labeled_events, lambda x: (x.time_s, x.label)),
    (Beats, EVENTS, io.load_events, lambda x: x.time_s),
    (
        Beats,
        [("0.5", "4"), ("1", "1")],
        io.load_labeled_events,
        lambda x: (x.time_s, [str(each) for each in x.position]),
    ),
    (Alignment, EVENTS, io.load_events, lambda x: x.time_s),
    (Alignment, [("0.5", "good morning"), ("1", "2 you")], io.load_labeled_events, lambda x: (x.time_s, x.event)),
    (Chords, CHORDS, io.load_labeled_intervals, lambda x: (np.stack([x.start_s, x.end_s], axis=1), x.label)),
    (Segments, SECTIONS, io.load_labeled_intervals, lambda x: (np.stack([x.start_s, x.end_s], axis=1), x.label)),
    (Hierarchy, SECTIONS, io.load_labeled_intervals, lambda x: ([[0, 1], [1, 2.5]], x.levels[0].label)),
    (
        Melody,
        [("0", "0"), ("0.01", "-220.5"), ("0.02", "220.5")],
        io.load_time_series,
        lambda x: (x.time_s, x.frequency_hz),
    ),
    (Multipitch, [("0", "110.5", "220"), ("0.01",), ("0.02", "330")], io.load_ragged_time_series, multipitch),
    (
        Notes,
        [("0", "1", "440.0"), ("1", "2.5", "220")],
        io.load_valued_intervals,
        lambda x: (np.stack([x.onset_s, x.offset_s], axis=1), mir_eval.util.midi_to_hz(x.pitch)),
    ),
    (Key, [("F#", "minor")], io.load_key, lambda x: str(x).replace("Gb", "F#")),
    (Tempo, [("60", "120.5", "0.25")], io.load_tempo, lambda x: ([x.bpm, x.other_bpm], x.strength)),
]


@pytest.mark.parametrize("suffix", [".txt", "other"])
@pytest.mark.parametrize(
    ("delimiter", "pattern"), [("\t", r"\s+"), (" ", r"\s+"), ("    ", r"\s+"), (",", ","), (", ", r",\s*")]
)
@pytest.mark.parametrize(("kind", "rows", "load", "values"), CASES)
def test_mir_eval_reads_the_same(
    kind: type[Annotation],
    rows: Rows,
    load: Callable[..., Any],
    values: Callable[[Any], Any],
    delimiter: str,
    pattern: str,
    suffix: str,
    tmp_path: Path,
) -> None:
    """With comments and any line ends; .tsv of notes has MIDI numbers under a header instead."""
    if suffix == "other":
        suffix = next(
            (each for each in kind.suffixes if each not in (".txt", ".tsv", ".mid", ".midi", ".jams")), ".txt"
        )
    path = tmp_path / f"file{suffix}"
    lines = ["# comment", *(delimiter.join(row) for row in rows)]
    path.write_bytes("\r\n".join(lines).encode() + b"\n")
    assert plain(values(kind.read(path))) == plain(load(str(path), delimiter=pattern))


def test_patterns(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("pattern1\noccurrence1\n-0.5, 60\n1.00000,  64.5\npattern2\noccurrence1\n3,62\n")
    assert plain(Patterns.read(path).patterns) == plain(io.load_patterns(str(path)))
