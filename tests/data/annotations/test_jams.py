"""JAMS files: every kind that has a namespace, several annotations in a file, and what can be wrong."""

import json
from pathlib import Path
from typing import Any

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
from ricercar.data.annotations.sources import Sources
from ricercar.data.annotations.tags import Tags
from ricercar.data.annotations.tempo import Tempo
from ricercar.data.sources.index import annotation_kinds
from ricercar.errors import InputError

Row = tuple[Any, ...]


def annotation(namespace: str, *rows: Row, source: str = "", annotator: str = "") -> dict[str, Any]:
    """rows: time, duration, value[, confidence]"""
    names = ("time", "duration", "value", "confidence")
    metadata = {"data_source": source, "annotator": {"name": annotator}}
    data = [dict(zip(names, (*row, None)[:4], strict=True)) for row in rows]
    return {"namespace": namespace, "annotation_metadata": metadata, "data": data}


def written(path: Path, *annotations: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"annotations": list(annotations), "file_metadata": {"duration": 9}, "sandbox": {}}))
    return path


def contour(hz: float, index: int = 0, voiced: bool = True) -> dict[str, Any]:
    return {"index": index, "frequency": hz, "voiced": voiced}


def jku(pattern: int, occurrence: int, midi: float) -> dict[str, Any]:
    return {
        "pattern_id": pattern, "occurrence_id": occurrence, "midi_pitch": midi, "morph_pitch": 60, "staff": 0
    }  # fmt: skip


def segments(*rows: tuple[float, float, str]) -> Segments:
    start, end, label = zip(*rows, strict=True)
    return Segments(np.array(start), np.array(end), label)


def position(number: int) -> dict[str, int]:
    return {"position": number, "measure": 1, "num_beats": 4, "beat_units": 4}


LEVELS = ((0, 4, "A", 0), (0, 1, "a", 1), (1, 3, "b", 1))
EXAMPLES: list[tuple[dict[str, Any], Annotation]] = [
    (annotation("note_midi", (1, 0.5, 60.3), (0, 1, 69)), Notes.make([0, 1], [1, 1.5], [69, 60.3])),
    (annotation("note_hz", (0, 1, 440.0)), Notes.make([0], [1], [69])),
    (annotation("beat", (0.5, 0, 1.0), (1, 0, None), (1.5, 0, 2)), Beats.make([0.5, 1, 1.5], [1, 0, 2])),
    (annotation("beat", (0.5, 0, 1.0, float("nan")), (1, 0, 1.0)), Beats.make([0.5, 1])),
    (annotation("beat_position", (0.5, 0, position(4)), (1, 0, position(1))), Beats.make([0.5, 1], [4, 1])),
    (annotation("onset", (0.5, 0, None), (0.25, 0, None)), Onsets.make([0.25, 0.5])),
    (annotation("onset", (0.5, 0, "snare")), Onsets(np.array([0.5]), ("snare",))),
    (
        annotation("chord", (0, 1, "N"), (1, 1, "C:min7/5")),
        Chords(np.array([0, 1]), np.array([1, 2]), ("N", "C:min7/5")),
    ),
    (annotation("chord_harte", (0, 1, "F#")), Chords(np.array([0]), np.array([1]), ("F#",))),
    (annotation("key_mode", (0, 5, "Eb:minor")), Key(3, "minor")),
    (annotation("key", (0, 5, "A major"), (5, 5, "A major")), Key(9, "major")),
    (annotation("tempo", (0, 9, 120.5, 1.0)), Tempo(120.5)),
    (annotation("tempo", (0, 9, 60, 0.3), (0, 9, 120, 0.7)), Tempo(60, 120, 0.3)),
    (annotation("segment_open", (0, 2, "verse one"), (2, 3, "B")), segments((0, 2, "verse one"), (2, 5, "B"))),
    (annotation("segment_salami_function", (0, 2, "Intro")), segments((0, 2, "Intro"))),
    (annotation("tag_gtzan", (0, 30, "blues", 1.0)), Tags(("blues",))),
    (
        annotation("tag_open", (0, 1, "piano", 0.25), (2, 1, "piano", 0.5), (2, 1, "bass")),
        Tags(("bass", "piano"), (1.0, 0.5), partial=True),
    ),
    (annotation("tag_open", (0, 1, "piano")), Tags(("piano",))),
    (annotation("beat", (0.5, 0, float("nan")), (1, 0, 1), (1.5, 0, 2)), Beats.make([0.5, 1, 1.5], [0, 1, 2])),
    (annotation("beat", *((n, 0, float(n % 3 == 0)) for n in range(6))), Beats.make(range(6), [1, 2, 3, 1, 2, 3])),
    (
        annotation(
            "pattern_jku", (8, 1, jku(2, 1, 50)), (5, 1, jku(1, 2, 62)), (0, 1, jku(1, 1, 60)), (1, 1, jku(1, 1, 64))
        ),
        Patterns(((((0, 60), (1, 64)), ((5, 62),)), (((8, 50),),))),
    ),
    (annotation("lyrics", (0.5, 0.2, "hello"), (1, 0.1, "you")), Alignment(np.array([0.5, 1.0]), ("hello", "you"))),
    (
        annotation("multi_segment", *((a, b, {"label": x, "level": n}) for a, b, x, n in LEVELS)),
        Hierarchy((segments((0, 4, "A")), segments((0, 1, "a"), (1, 4, "b")))),
    ),
    (annotation("segment_open", (0, 2, "A")), Hierarchy.flat(segments((0, 2, "A")))),
    (
        annotation(
            "pitch_contour", (0, 0, contour(0.0)), (0.01, 0, contour(220)), (0.02, 0, contour(110, voiced=False))
        ),
        Melody(np.array([0, 0.01, 0.02]), np.array([0, 220, -110.0])),
    ),
    (annotation("pitch_hz", (0, 0, 0.0), (0.01, 0, 220.5)), Melody(np.array([0, 0.01]), np.array([0, 220.5]))),
    (annotation("melody_hz", (0, 0, -220.5)), Melody(np.array([0.0]), np.array([-220.5]))),
    (
        annotation("pitch_contour", (0, 0, contour(110)), (0, 0, contour(220, 1)), (0.01, 0, contour(0))),
        Multipitch.make([0, 0.01], [[110, 220], []]),
    ),
]


@pytest.mark.parametrize(("content", "expected"), EXAMPLES, ids=lambda x: x["namespace"] if isinstance(x, dict) else "")
def test_namespaces(content: dict[str, Any], expected: Annotation, tmp_path: Path) -> None:
    path = written(tmp_path / "a.jams", annotation("blob", (0, 0, {})), content)
    read = type(expected).read(path)
    assert read.text() == expected.text()


def test_every_kind_reads_jams() -> None:
    kinds = {kind for kind in annotation_kinds().values() if ".jams" in kind.suffixes}
    assert kinds == set(annotation_kinds().values()) - {Sources} == {type(expected) for _, expected in EXAMPLES}
    assert all(kind.suffixes[0] != ".jams" for kind in kinds)


def test_columns_instead_of_observations(tmp_path: Path) -> None:
    """As GuitarSet has them."""
    data = {"time": [0.0, 0.01], "duration": [0, 0], "value": [contour(220), contour(221)], "confidence": [None, None]}
    path = written(tmp_path / "a.jams", {"namespace": "pitch_contour", "data": data})
    assert Melody.read(path).frequency_hz.tolist() == [220, 221]


def test_first_of_several(tmp_path: Path) -> None:
    chords = [annotation("chord", (0, 1, label)) for label in ("C", "D")]
    path = written(tmp_path / "a.jams", annotation("chord_harte", (0, 1, "E")), *chords)
    assert Chords.read(path).label == ("C",)


def test_levels_of_salami(tmp_path: Path) -> None:
    names = ("function", "lower", "upper", "upper")
    rows = [annotation(f"segment_salami_{name}", (0, 1, f"{name} {n}")) for n, name in enumerate(names)]
    path = written(tmp_path / "a.jams", *rows)
    assert [level.label for level in Hierarchy.read(path).levels] == [("upper 2",), ("lower 1",)]
    assert Segments.read(path).label == ("function 0",)


def test_notes_of_all_strings(tmp_path: Path) -> None:
    strings = [annotation("note_midi", (number, 0.5, 60 + number), source=str(number)) for number in (1, 0)]
    path = written(tmp_path / "a.jams", *strings, annotation("note_midi"))
    assert Notes.read(path).pitch.tolist() == [60, 61]


def test_annotators_are_not_added_up(tmp_path: Path) -> None:
    """Of several annotators the first; of one annotator's several annotations it must be known that they are parts."""
    notes = [annotation("note_midi", (0, 0.5, 60 + n), source="ear", annotator=name) for n, name in enumerate("ab")]
    assert Notes.read(written(tmp_path / "a.jams", *notes)).pitch.tolist() == [60]
    contours = [annotation("pitch_hz", (0, 0, 100 + n), annotator=name) for n, name in enumerate("ab")]
    assert Multipitch.read(written(tmp_path / "b.jams", *contours)).frequency_hz.tolist() == [100]
    for source in ("", "ear"):
        path = written(tmp_path / "c.jams", *(annotation("note_midi", (0, 1, n), source=source) for n in (60, 61)))
        with pytest.raises(InputError, match=r"annotation 2 .*2 annotations by one annotator.*data_source"):
            Notes.read(path)


def test_annotators_of_tags_are_not_added_up(tmp_path: Path) -> None:
    tags = [annotation("tag_open", (0, 1, each), annotator=each) for each in ("piano", "bass")]
    assert Tags.read(written(tmp_path / "a.jams", *tags)) == Tags(("piano",))


def test_contours_of_all_strings(tmp_path: Path) -> None:
    """Each string has times of its own, only where it sounds; the common grid has steps of 10 ms."""
    low = annotation("pitch_contour", *((n / 100 + 0.001, 0, contour(100 + n)) for n in range(4)), source="0")
    high = annotation("pitch_contour", *((n / 100, 0, contour(200 + n)) for n in (2, 3, 6)), source="1")
    both = Multipitch.read(written(tmp_path / "a.jams", low, high, annotation("pitch_contour")))
    assert both.time_s.tolist() == pytest.approx([0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06])
    assert both.count.tolist() == [1, 1, 2, 2, 0, 0, 1]
    assert both.frequency_hz.tolist() == [100, 101, 102, 202, 103, 203, 206]


def test_gaps_of_a_melody_are_silence(tmp_path: Path) -> None:
    rows = ((n / 100, 0, contour(220)) for n in (0, 1, 2, 50, 51))
    melody = Melody.read(written(tmp_path / "a.jams", annotation("pitch_contour", *rows)))
    assert melody.time_s.tolist() == pytest.approx([0, 0.01, 0.02, 0.03, 0.49, 0.5, 0.51])
    assert melody.frequency_hz.tolist() == [220, 220, 220, 0, 0, 220, 220]


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        (Beats, annotation("onset", (0, 0, None)), ["beat_position or beat", "the file has: onset"]),
        (Beats, annotation("beat", (1, 0, 1), (0.5, 0, 2), (0.5, 0, 3)), ["annotation 1 (beat), observation 3", "0.5"]),
        (Beats, annotation("beat", (-1, 0, 1)), ["observation 1", "-1.0 s"]),
        (Beats, annotation("beat", (float("nan"), 0, 1)), ["observation 1", "nan"]),
        (Beats, annotation("beat", (1, 0, "one")), ["observation 1", "'one' is not a number"]),
        (Beats, annotation("beat", ("1", 0, 1)), ["observation 1", "time '1' is not a number"]),
        (Beats, annotation("beat", (1, 0, 10**400)), ["observation 1", "too large"]),
        (Beats, annotation("beat_position", (1, 0, {"measure": 1})), ["observation 1", "'position'"]),
        (Chords, annotation("chord", (0, 1, "C"), (1, 1, "H")), ["observation 2", "'H' is not a chord"]),
        (Chords, annotation("chord", (0, 1, 5)), ["observation 1", "value 5 is not a text"]),
        (Chords, annotation("chord"), ["annotation 1 (chord)", "no chords"]),
        (Segments, annotation("segment_open", (0, 0, "A")), ["observation 1", "reversed or empty"]),
        (Hierarchy, annotation("multi_segment", (0, 1, {"label": "A", "level": 0}), (0, 0, {"label": "B", "level": 1})),
         ["observation 2", "reversed or empty"]),
        (Key, annotation("key_mode", (0, 1, "C:dorian")), ["observation 1", "'C:dorian' is not a key"]),
        (Key, annotation("key_mode", (0, 1, "C:major"), (1, 1, "D:major")), ["observation 2", "second key"]),
        (Key, annotation("key_mode"), ["no key"]),
        (Notes, annotation("note_hz", (0, 1, 440), (0, 1, 0)), ["observation 2", "0 Hz"]),
        (Notes, annotation("note_hz", (0, 1, 60.1), (1, 1, 62.0), (2, 1, 64.1)), ["observation 1", "60.1", "MIDI"]),
        (Notes, annotation("note_midi", (0, 300, 60), (400, 300, 60), (800, 300, 60)), ["observation 1", "millisec"]),
        (Notes, annotation("note_midi", (0, 1, 200)), ["observation 1", "pitch 200"]),
        (Notes, annotation("note_midi", (0, None, 60)), ["observation 1", "reversed or empty"]),
        (Tempo, annotation("tempo", (0, 1, 60), (0, 1, 60), (0, 1, 60)), ["3 tempi"]),
        (Tempo, annotation("tempo", (0, 1, 60), (0, 1, 120)), ["observation 1", "confidence None"]),
        (Tempo, annotation("tempo", (0, 1, 0)), ["Tempo 0.0"]),
        (Tags, annotation("tag_open", (0, 1, "a", 5)), ["observation 1", "confidence 5"]),
        (Melody, annotation("pitch_contour", (0, 0, 220)), ["observation 1", "value 220 has no 'frequency'"]),
        (Melody, annotation("pitch_hz", (0, 0, 220), (0, 0, 221)), ["observation 2", "not after"]),
        (Multipitch, annotation("pitch_hz", (0, 0, 220), (1, 0, 1e6)), ["observation 2", "1e+06 Hz"]),
        (Multipitch, annotation("pitch_hz", (0, 0, 220), (1e6, 0, 220)), ["observation 2", "1e+06 s"]),
        (Patterns, annotation("pattern_jku", (0, 0, {"pattern_id": 1})), ["observation 1", "'midi_pitch'"]),
        (Alignment, annotation("lyrics", (0, 0, "a"), (1, 0, " ")), ["observation 2", "no event"]),
        (Onsets, {"namespace": "onset", "data": None}, ["annotation 1 (onset)", "no list of observations"]),
        (Onsets, {"namespace": "onset", "data": {"time": [1], "value": []}}, ["different lengths"]),
        (Onsets, {"namespace": "onset", "data": [{"time": 1}]}, ["observation 1", "no value"]),
        (Onsets, {"namespace": "onset", "data": [5]}, ["observation 1"]),
        (Onsets, {"namespace": 5}, ["the file has: 5"]),
    ],
)  # fmt: skip
def test_error_names_file_observation_and_value(
    kind: type[Annotation], content: dict[str, Any], words: list[str], tmp_path: Path
) -> None:
    path = written(tmp_path / "a.jams", content)
    with pytest.raises(InputError) as error:
        kind.read(path)
    assert [word for word in [str(path), *words] if word not in str(error.value)] == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["line 1", "cut short"]),
        (b'{"annotations": [\n{"namespace": "on', ["line 2", "cut short"]),
        (b"[1, 2]", ["no list of annotations"]),
        (b'{"beat": []}', ["no list of annotations"]),
        (b'{"annotations": []}', ["the file has: no annotations"]),
        (b'{"annotations": [5, null]}', ["the file has: 5, None"]),
        (b"[" * 100_000, ["not JSON that can be read"]),
        (b"\x00\xff\x93", ["0xff"]),
    ],
    ids=range(8),
)
def test_files_that_are_no_jams(content: bytes, words: list[str], tmp_path: Path) -> None:
    path = tmp_path / "a.jams"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        Onsets.read(path)
    assert [word for word in [str(path), *words] if word not in str(error.value)] == []


def test_in_an_index(tmp_path: Path) -> None:
    """A kind that also takes short values knows a file by its ending."""
    path = written(tmp_path / "a.jams", *(content for content, _ in EXAMPLES if "t" in content["namespace"]))
    assert Tempo.from_cell("a.jams", tmp_path.joinpath) == Tempo.read(path)
    assert Tags.from_cell("a.jams", tmp_path.joinpath) == Tags.read(path)
