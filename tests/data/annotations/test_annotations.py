"""Annotations: files read and written, errors that name file, line and value, shifts of pitch and time."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
import pytest

from ricercar.data.annotations.alignment import Alignment
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.beats import Beats
from ricercar.data.annotations.chords import Chords
from ricercar.data.annotations.frequencies import midi_to_hz
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


def random_notes(num_notes: int, seed: int = 0) -> Notes:
    """Notes at whole microseconds; a third of them held by a pedal."""
    random = np.random.default_rng(seed)
    onset = random.integers(0, 60_000_000, num_notes)
    offset = onset + random.integers(1_000, 3_000_000, num_notes)
    held = random.integers(0, 2_000_000, num_notes) * (random.random(num_notes) < 1 / 3)
    return Notes(
        onset_s=onset / 1e6,
        offset_s=offset / 1e6,
        pitch=random.integers(21, 109, num_notes),
        velocity=random.integers(1, 128, num_notes),
        program=random.choice([0, 40, 128], num_notes),
        pedalled_offset_s=(offset + held) / 1e6,
    )


EXAMPLES: list[Annotation] = [
    random_notes(300),
    Notes.make([0.5, 0.1], [0.6, 0.123456], [60, 61]),
    Notes.make([0.5, 0.1], [0.6, 0.123456], [60 + 1 / 3, 61]),
    Notes.make([], [], []),
    Beats.make([0.1, 0.5, 1.000001], [0, 1, 2]),
    Beats.make([0.1, 0.5]),
    Beats.make([]),
    Onsets(np.array([0.25, 0.25, 0.1]), ("snare drum", "hi-hat", "kick")),
    Onsets.make([0.1, 0.2]),
    Onsets.make([]),
    Chords(np.array([0.0, 1.5]), np.array([1.5, 2.25]), ("N", "F#:min7(9)/b3")),
    Segments(np.array([0.0, 1.5]), np.array([1.5, 2.25]), ("first verse", "chorus")),
    Hierarchy(
        (
            Segments(np.array([0.0]), np.array([2.25]), ("first half",)),
            Segments(np.array([0.0, 1.5]), np.array([1.5, 2.25]), ("a", "b c")),
        )
    ),
    Key.parse("Eb minor"),
    Melody(np.array([0.0, 0.01]), np.array([0.0, 440.123456])),
    Multipitch.make([0.0, 0.01, 0.02], [[440.0, 220.5, 440.0], [], [30.0]]),
    Multipitch.make([], []),
    Patterns(((((-1.0, 60.0), (1 / 3, 64.5)), ((4.0, 60.0),)), (((0.0, 1.0),),))),
    Patterns(()),
    Alignment(np.array([0.5, 0.5, 2.0]), ("good morning", "2", "you")),
    Alignment.make([]),
    Sources.make({"vocals": np.linspace(-1, 1, 9), "drums": np.zeros(9)}, 8000),
    Tempo(117.3),
    Tags(("piano", "bass guitar")),
    Tags(()),
]


def name_of(annotation: Annotation) -> str:
    return type(annotation).__name__


def assert_same(one: Any, other: Any) -> None:
    if isinstance(other, Annotation):
        for field in (each for each in fields(other) if each.compare):  # type: ignore[arg-type]
            assert_same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(other, tuple):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_same(*pair)
    else:
        np.testing.assert_array_equal(one, other, strict=isinstance(other, np.ndarray))


@pytest.mark.parametrize("annotation", EXAMPLES, ids=name_of)
def test_read_gives_back_what_was_written(annotation: Annotation, tmp_path: Path) -> None:
    path = tmp_path / f"file{annotation.suffixes[0]}"
    annotation.write(path)
    again = type(annotation).read(path)
    assert_same(again, annotation)
    assert again.text() == annotation.text()


def _formats() -> list[Any]:
    """Each example in each format but its own."""
    every = [(annotation, ending) for annotation in EXAMPLES for ending in list(annotation.formats().values())[1:]]
    return [pytest.param(*each, id=f"{name_of(each[0])}{each[1]}") for each in every]


@pytest.mark.parametrize(("annotation", "ending"), _formats())
def test_other_formats(annotation: Annotation, ending: str, tmp_path: Path) -> None:
    """What can be read gives the same, but for what a format has no place for; the rest has as many rows."""
    path = tmp_path / f"file{ending}"
    annotation.write(path, duration_s=3.0)
    if ending in annotation.suffixes:
        again = type(annotation).read(path)
        unlike = isinstance(annotation, Notes) and ending in (".jams", ".mid")
        if not unlike and not (isinstance(annotation, Tags) and min(annotation.score, default=1.0) < 1.0):
            assert again.text() == annotation.text()
        elif isinstance(annotation, Notes):
            assert isinstance(again, Notes)
            np.testing.assert_allclose(again.onset_s, annotation.onset_s, atol=1e-4)
            np.testing.assert_allclose(again.pitch, annotation.pitch, atol=0.5 if ending == ".mid" else 0)
    elif isinstance(annotation, Notes | Beats | Onsets | Chords | Segments):
        header = ending == ".csv" and not isinstance(annotation, Beats)
        assert len(path.read_text().splitlines()) == len(annotation) + header


def test_jams_are_as_the_schema_asks(tmp_path: Path) -> None:
    Chords(np.array([0.0]), np.array([1.5]), ("C:min",)).write(tmp_path / "a.jams", duration_s=2.0)
    content = json.loads((tmp_path / "a.jams").read_text())
    assert set(content) == {"annotations", "file_metadata", "sandbox"}
    assert content["file_metadata"]["duration"] == 2.0
    [annotation] = content["annotations"]
    assert annotation["namespace"] == "chord"
    assert annotation["data"] == [{"time": 0.0, "duration": 1.5, "value": "C:min", "confidence": None}]


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"annotations of notes are written to files that end in \.tsv, \.mid"):
        Notes.make([0.0], [1.0], [60]).write(tmp_path / "a.wav")
    with pytest.raises(InputError, match="annotations of patterns are written to files that end in"):
        Patterns(()).write(tmp_path / "a.jams")


@pytest.mark.parametrize("annotation", EXAMPLES, ids=name_of)
def test_shift_of_nothing_changes_nothing(annotation: Annotation) -> None:
    assert annotation.transposed(0).text() == annotation.text()
    assert annotation.stretched(1.0).text() == annotation.text()


def test_every_kind_is_found() -> None:
    names = "alignment beats chords hierarchy key melody multipitch notes onsets patterns segments sources tags tempo"
    assert list(annotation_kinds()) == names.split()
    assert {type(annotation) for annotation in EXAMPLES} == set(annotation_kinds().values())


NOTES_HEADER = "onset offset pitch velocity\n"


@pytest.mark.parametrize(
    ("kind", "file", "content", "line", "words"),
    [
        (Notes, "a.tsv", NOTES_HEADER + "0 1 60 64\n0 90000 60 64\n", 3, ["offset 90000 s", "in seconds"]),
        (Notes, "a.tsv", NOTES_HEADER + "0 1 60 64\n1 0.5 60 64\n", 3, ["offset 0.5", "onset 1", "reversed"]),
        (Notes, "a.tsv", NOTES_HEADER + "1 1 60 64\n", 2, ["empty"]),
        (Notes, "a.tsv", NOTES_HEADER + "\n# comment\n-0.5 1 60 64\n", 4, ["onset -0.5"]),
        (Notes, "a.tsv", NOTES_HEADER + "nan 1 60 64\n", 2, ["onset nan"]),
        (Notes, "a.tsv", NOTES_HEADER + "0 inf 60 64\n", 2, ["offset inf"]),
        (Notes, "a.tsv", "onset offset pitch velocity program\n0 1 60.5 64 128\n", 2, ["pitch 60.5", "drum", "whole"]),
        (Notes, "a.tsv", NOTES_HEADER + "0 1 60 64\n0 1 440 64\n", 3, ["pitch 440", "0 to 127"]),
        (Notes, "a.tsv", NOTES_HEADER + "0 1 nan 64\n", 2, ["pitch nan"]),
        (Notes, "a.tsv", NOTES_HEADER + "0 1 60 0.5\n", 2, ["velocity 0.5", "1 to 127"]),
        (Notes, "a.tsv", NOTES_HEADER + "100 400 60 64\n500 900 60 64\n950 1100 60 9\n", 2, ["milliseconds"]),
        (Notes, "a.txt", "0 1 60\n1 2 62\n2 3 64\n", 1, ["frequency 60", "60 to 64", "MIDI numbers"]),
        (Notes, "a.txt", "# c\n0 1 60\n", 2, ["frequency 60", "MIDI numbers"]),
        (Notes, "a.txt", "0 1 60.1\n1 2 62.05\n2 3 63.92\n", 1, ["frequency 60.1", "MIDI numbers"]),
        (Notes, "a.txt", "0 1 6000\n1 2 6210\n2 3 5950\n", 1, ["frequency 6000", "cents"]),
        (Notes, "a.txt", "0 1 440 0.5\n", 1, ["velocity 0.5", "1 to 127"]),
        (Notes, "a.tsv", NOTES_HEADER + "0 1 128 64\n", 2, ["pitch 128"]),
        (Notes, "a.tsv", NOTES_HEADER + "0 1 60 0\n", 2, ["velocity 0", "1 to 127"]),
        (Notes, "a.tsv", NOTES_HEADER + "0 1 C4 64\n", 2, ["pitch 'C4'", "not a number"]),
        (Notes, "a.tsv", NOTES_HEADER + "0 1 60\n", 2, ["3 columns", "onset offset pitch velocity"]),
        (Notes, "a.tsv", "onset offset pitch\n0 1 60\n", 1, ["onset offset pitch", "velocity"]),
        (Notes, "a.tsv", "onset offset pitch velocity loudness\n", 1, ["loudness", "[program]"]),
        (Notes, "a.tsv", "0 1 261.6\n", 1, [".txt"]),
        (Notes, "a.tsv", "", 1, ["onset offset pitch velocity"]),
        (Notes, "a.tsv", "onset offset pitch velocity program\n0 1 60 64 129\n", 2, ["program 129"]),
        (Notes, "a.txt", "0 1 440\n0 1 0\n", 2, ["frequency 0 Hz"]),
        (Notes, "a.txt", "0 1 440\n0 1 440 64\n", 2, ["4 columns", "onset offset frequency_hz"]),
        (Beats, "a.beats", "0.5 1\n0.5 2\n", 2, ["0.5", "not after"]),
        (Beats, "a.beats", "0.5 1\n0.6\n", 2, ["1 columns"]),
        (Beats, "a.beats", "0.5 1.5\n", 1, ["position in the bar 1.5"]),
        (Onsets, "a.tsv", "onset label\n0.5 KD\n0.7\n", 3, ["onset label"]),
        (Onsets, "a.tsv", "time label\n0.5 KD\n", 1, ["'time label'", "onset [label]"]),
        (Chords, "a.lab", "0 1 C:maj\n1 2 H:maj\n", 2, ["'H:maj'", "Harte"]),
        (Chords, "a.lab", "0 1 C:maj\n0.5 2 C:maj\n", 2, ["start 0.5", "end of the interval before it, 1"]),
        (Segments, "a.lab", "0 1 verse\n2 1 chorus\n", 2, ["end 1 s", "start 2 s"]),
        (Segments, "a.lab", "0 1\n", 1, ["start end label"]),
        (Key, "a.txt", "\nA dorian\n", 2, ["'A dorian'", "major and minor"]),
        (Key, "a.lab", "0 1 A minor\n1 2 C major\n", 2, ["second key", "C major"]),
        (Melody, "a.csv", "time,frequency_hz\n0.0,100\n0.01,65000\n", 3, ["65000 Hz", "0 where no melody"]),
        (Melody, "a.csv", "0.0,100\n0.01,nan\n", 2, ["frequency nan"]),
        (Melody, "a.csv", "0.0,100\n0.0,100\n", 2, ["not after"]),
        (Melody, "a.csv", "time,pitch\n0.0,100\n", 1, ["'time,pitch'", "time,frequency_hz"]),
        (Multipitch, "a.txt", "0.0 100 200\n0.01\n0.01 100\n", 3, ["time 0.01", "not after"]),
        (Multipitch, "a.txt", "0.0 100 200\n0.01\n0.02 100 2\n", 3, ["frequency 2 Hz", "from 5 to 20,000"]),
        (Multipitch, "a.csv", "0.0,100,inf\n", 1, ["frequency inf"]),
        (Multipitch, "a.csv", "0.0\n0.1,nan\n", 2, ["frequency nan"]),
        (Multipitch, "a.tsv", "0.0\t100\tA4\n", 1, ["frequency 'A4'", "not a number"]),
        (Multipitch, "a.f0", "nan 100\n", 1, ["time nan"]),
        (Multipitch, "a.f0", "time,midi\n0 60\n", 1, ["'time,midi'", "time,frequency_hz"]),
    ],
)
def test_error_names_file_line_and_value(
    kind: type[Annotation], file: str, content: str, line: int, words: list[str], tmp_path: Path
) -> None:
    path = tmp_path / file
    path.write_text(content)
    with pytest.raises(InputError) as error:
        kind.read(path)
    message = str(error.value)
    assert f"{path}, line {line}: " in message
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
    ("kind", "file", "content", "words"),
    [
        (Tempo, "a.txt", b"fast", "'fast' is not a number of beats per minute"),
        (Tempo, "a.txt", b"0", "Tempo 0.0 is not"),
        (Tags, "a.txt", b"piano;;bass", "none of them empty"),
        (Tags, "a.txt", b"piano;piano", "'piano' is twice"),
        (Key, "a.txt", b"", "no key in it"),
        (Notes, "a.mid", b"not a MIDI file at all", "not a readable MIDI file"),
        (Notes, "a.json", b"{}", ".tsv, .mid, .midi, .txt"),
        (Beats, "a.beats", b"0.5 1\n\n1.0 \xe9\n", "line 3: byte 0xe9 is not UTF-8"),
        (Beats, "missing.beats", None, "No such file"),
    ],
)
def test_error_names_the_file(
    kind: type[Annotation], file: str, content: bytes | None, words: str, tmp_path: Path
) -> None:
    path = tmp_path / file
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(words)) as error:
        kind.read(path)
    assert str(path) in str(error.value)


def test_columns_may_come_in_any_order_after_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "notes.tsv"
    path.write_bytes(b"\xef\xbb\xbfpitch\tvelocity\tprogram\tonset\toffset\r\n60\t64\t5\t0.5\t1\r\n")
    assert Notes.read(path).text() == Notes.make([0.5], [1], [60], [64], [5]).text()


def test_notes_from_mir_eval_rows(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("0.5 1 440\n0 1 262.5\n")
    notes = Notes.read(path)
    assert (notes.onset_s.tolist(), notes.velocity.tolist()) == ([0, 0.5], [64, 64])
    assert notes.pitch.tolist() == pytest.approx([69 + 12 * np.log2(262.5 / 440), 69], abs=1e-12)
    path.write_text("0.5 1 440 100\n")
    assert Notes.read(path).velocity.tolist() == [100]


@pytest.mark.parametrize(
    "frequencies_hz",
    [
        (41.203, 43.654, 48.999, 61.735),  # the strings of a bass: below 128 Hz, and within 40 of each other
        (41.4, 43.4, 49.2, 62.0),  # the same, up to 10 cents out of tune
        (55, 110),
        (32.703, 4186.009, 2093.005),
    ],
)
def test_frequencies_of_notes_that_are_in_hz(frequencies_hz: tuple[float, ...], tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("".join(f"{onset} {onset + 1} {hz}\n" for onset, hz in enumerate(frequencies_hz)))
    np.testing.assert_allclose(midi_to_hz(Notes.read(path).pitch), frequencies_hz, rtol=1e-12)


def test_whole_frequencies_are_read_where_the_file_says_hz(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("# onset offset frequency_hz\n0 1 60\n1 2 62\n2 3 64\n")
    np.testing.assert_allclose(midi_to_hz(Notes.read(path).pitch), [60, 62, 64], rtol=1e-12)


def test_notes_keep_their_cents(tmp_path: Path) -> None:
    """Read from Hz, shifted and detuned, and written again."""
    path = tmp_path / "notes.txt"
    path.write_text("0 1 450\n1 2 333.3\n")
    notes = Notes.read(path)
    moved = notes.transposed(3).detuned(20)
    np.testing.assert_allclose(moved.pitch, notes.pitch + 3.2, atol=1e-12)
    moved.write(tmp_path / "notes.tsv")
    assert Notes.read(tmp_path / "notes.tsv").pitch.tolist() == moved.pitch.tolist()
    moved.write_midi(tmp_path / "notes.mid")
    assert Notes.read(tmp_path / "notes.mid").pitch.tolist() == moved.semitone.tolist()


def test_mir_eval_reads_what_is_written(tmp_path: Path) -> None:
    Key.parse("A# min").write(tmp_path / "key.txt")
    assert mir_eval.io.load_key(tmp_path / "key.txt") == "Bb minor"
    melody = Melody(np.array([0.0, 0.01]), np.array([0.0, 220.5]))
    melody.write(tmp_path / "melody.csv")
    time_s, frequency_hz = mir_eval.io.load_time_series(tmp_path / "melody.csv", delimiter=",")
    assert (time_s.tolist(), frequency_hz.tolist()) == ([0.0, 0.01], [0.0, 220.5])
    Chords(np.array([0.0]), np.array([1.0]), ("C:min",)).write(tmp_path / "chords.lab")
    intervals, labels = mir_eval.io.load_labeled_intervals(tmp_path / "chords.lab")
    assert (intervals.tolist(), labels) == ([[0.0, 1.0]], ["C:min"])


# --- notes ---


def test_notes_are_sorted_by_onset_and_pitch_and_cannot_be_changed() -> None:
    notes = Notes.make([1, 0, 1], [2, 3, 4], [60, 70, 50], velocity=[1, 2, 3])
    assert notes.pitch.tolist() == [70, 50, 60]
    assert notes.velocity.tolist() == [2, 3, 1]
    with pytest.raises(ValueError, match="read-only"):
        notes.onset_s[0] = 5.0


def test_what_is_given_to_notes_stays_as_it_is() -> None:
    onset = np.array([1.0, 0.5])
    Notes.make(onset, [2, 2], [60, 61])
    onset[0] = 7.0
    assert onset.tolist() == [7.0, 0.5]


@pytest.mark.parametrize("seed", range(5))
def test_between_finds_the_notes_that_sound(seed: int) -> None:
    notes = random_notes(200, seed)
    start_s, end_s = sorted(np.random.default_rng(seed).uniform(-5, 70, 2))
    found = notes.between(start_s, end_s)
    expected = [row for row in range(200) if notes.onset_s[row] < end_s and notes.pedalled_offset_s[row] > start_s]
    assert found.onset_s.tolist() == notes.onset_s[expected].tolist()
    assert found.pitch.tolist() == notes.pitch[expected].tolist()


def test_between_bounds() -> None:
    notes = Notes.make([0, 1, 2], [1, 2, 3], [60, 61, 62])
    assert notes.between(1.0, 2.0).pitch.tolist() == [61]
    assert len(notes.between(3.0, 9.0)) == 0
    assert len(Notes.make([], [], []).between(0.0, 1.0)) == 0


def test_notes_transposed_and_stretched() -> None:
    notes = Notes.make([0, 1, 2], [1, 2, 3], [126, 60, 127], program=[0, 0, 128])
    up = notes.transposed(3).stretched(0.5)
    assert up.pitch.tolist() == [63, 127]
    assert up.onset_s.tolist() == [0.5, 1.0]
    assert up.offset_s.tolist() == [1.0, 1.5]


# --- other kinds ---


QUALITIES = Chords.problem_with_label("?").split("Qualities: ")[1].rstrip(".").split()


@pytest.mark.parametrize("quality", QUALITIES)
def test_chord_qualities_can_be_scored_and_move_as_mir_eval_says(quality: str) -> None:
    chords = Chords(np.array([0.0]), np.array([1.0]), (f"Eb:{quality}/5",))
    root, bitmap, bass = mir_eval.chord.encode(chords.label[0], reduce_extended_chords=True)
    moved_root, moved_bitmap, moved_bass = mir_eval.chord.encode(
        chords.transposed(-4).label[0], reduce_extended_chords=True
    )
    assert (moved_root, moved_bass) == ((root - 4) % 12, bass)
    assert moved_bitmap.tolist() == bitmap.tolist()


@pytest.mark.parametrize("label", ["C", "Cb", "F##", "A:(3,b7)/6", "G:maj(*1,#11)", "D/b7", "N", "X", "Bb:7/3"])
def test_chords_in_harte_syntax(label: str) -> None:
    assert Chords.problem_with_label(label) == ""
    mir_eval.chord.validate_chord_label(label)


@pytest.mark.parametrize("label", ["", "c:maj", "Cm", "C:", "C:major", "C:maj/", "C:maj(14)", "N:maj", "Cb#", "C:aug7"])
def test_chords_in_other_syntax(label: str) -> None:
    assert "Harte" in Chords.problem_with_label(label)


def test_chords_transposed() -> None:
    chords = Chords(np.array([0.0, 1, 2]), np.array([1.0, 2, 3]), ("B:min7/b7", "N", "F##"))
    assert chords.transposed(2).label == ("Db:min7/b7", "N", "A")


@pytest.mark.parametrize(
    ("text", "tonic", "mode"),
    [("C major", 0, "major"), ("eb minor", 3, "minor"), ("A#:min", 10, "minor"), ("Cb maj", 11, "major"),
     ("B minor", 11, "minor"), ("bb major", 10, "major"), ("E#  Major", 5, "major")],
)  # fmt: skip
def test_key_is_parsed(text: str, tonic: int, mode: str) -> None:
    assert Key.parse(text) == Key(tonic, mode)


@pytest.mark.parametrize("text", ["X", "A", "H major", "A other", "A minor B", ""])
def test_other_keys_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="leave the cell empty"):
        Key.parse(text)


def test_literals_in_cells(tmp_path: Path) -> None:
    (tmp_path / "key.lab").write_text("0 10 G major\n10 20 G major\n")
    assert Key.from_cell("key.lab", tmp_path.joinpath) == Key(7, "major")
    assert Key.from_cell("Db minor", tmp_path.joinpath).transposed(-2) == Key(11, "minor")
    assert Tempo.from_cell("90.5", tmp_path.joinpath) == Tempo(90.5)
    assert Tags.from_cell("a; b ;c", tmp_path.joinpath).tags == ("a", "b", "c")


def test_two_sounds_at_once_have_the_notes_and_onsets_of_both() -> None:
    one = Notes.make([0.5, 2.0], [1.0, 3.0], [60, 62], [80, 90], [0, 40], [1.5, 3.0])
    both = one.mixed(Notes.make([0.0, 1.0], [0.5, 2.0], [48, 60]), 0.5)
    assert both.onset_s.tolist() == [0.5, 0.5, 1.5, 2.0]
    assert both.offset_s.tolist() == [1.0, 1.0, 2.5, 3.0]
    assert both.pitch.tolist() == [48, 60, 60, 62]
    assert both.program.tolist() == [-1, 0, -1, 40]
    assert both.pedalled_offset_s.tolist() == [1.0, 1.5, 2.5, 3.0]
    hits = Onsets(np.array([1.0, 2.0]), ("KD", "SD")).mixed(Onsets(np.array([0.0]), ("HH",)), 1.5)
    assert (hits.time_s.tolist(), hits.label) == ([1.0, 1.5, 2.0], ("KD", "HH", "SD"))
    with pytest.raises(InputError, match="annotations of key cannot be united"):
        Key(7, "major").mixed(Key(0, "major"), 0.0)


def test_times_are_stretched() -> None:
    assert Beats.make([1.0, 2.0]).stretched(0.5).time_s.tolist() == [0.5, 1.0]
    assert Onsets.make([1.0]).stretched(2).time_s.tolist() == [2.0]
    assert Tempo(100.0).stretched(2.0) == Tempo(50.0)
    assert Segments(np.array([0.0]), np.array([2.0]), ("a",)).stretched(1.5).end_s.tolist() == [3.0]
    melody = Melody(np.array([1.0, 2.0]), np.array([0.0, 440.0])).stretched(0.25).transposed(-12)
    assert (melody.time_s.tolist(), melody.frequency_hz.tolist()) == ([0.25, 0.5], [0.0, 220.0])
