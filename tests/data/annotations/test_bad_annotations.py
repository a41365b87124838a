"""Annotation files of every kind and ending that are not what they should be: one error that says where."""

from pathlib import Path

import numpy as np
import pytest

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.notes import Notes
from ricercar.data.annotations.sources import Sources
from ricercar.data.sources.index import annotation_kinds
from ricercar.errors import InputError

KINDS = {name: kind for name, kind in annotation_kinds().items() if kind is not Sources}
FILES = [(name, suffix) for name, kind in KINDS.items() for suffix in kind.suffixes]
TEXTS = [(name, suffix) for name, suffix in FILES if suffix not in (".mid", ".midi")]

# A kind of which a track may have none: an empty file is a list of none.
MAY_BE_EMPTY = {"alignment", "beats", "melody", "multipitch", "notes", "onsets", "patterns", "tags"}
NEEDS_A_HEADER = {("notes", ".tsv"), ("tags", ".tsv")}


def message(kind: type[Annotation], path: Path) -> str:
    with pytest.raises(InputError) as error:
        kind.read(path)
    assert str(path) in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(("name", "suffix"), FILES)
def test_empty(name: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"file{suffix}"
    path.write_bytes(b"")
    if name in MAY_BE_EMPTY and suffix not in (".jams", ".mid", ".midi") and (name, suffix) not in NEEDS_A_HEADER:
        assert KINDS[name].read(path).text().count("\n") <= 1
    else:
        message(KINDS[name], path)


@pytest.mark.parametrize(("name", "suffix"), FILES)
def test_bytes_that_are_no_text(name: str, suffix: str, tmp_path: Path) -> None:
    for seed in range(3):
        path = tmp_path / f"file{seed}{suffix}"
        path.write_bytes(b"\xff" + np.random.default_rng(seed).bytes(2000))
        message(KINDS[name], path)


@pytest.mark.parametrize(("name", "suffix"), FILES)
def test_words(name: str, suffix: str, tmp_path: Path) -> None:
    """The second line is what is wrong, where the first one could be a header. A tag may be anything."""
    path = tmp_path / f"file{suffix}"
    path.write_text("# nothing\nIt was a dark and stormy night;\n")
    if (name, suffix) == ("tags", ".txt"):
        path.write_text("dark;;stormy")
    told = message(KINDS[name], path)
    if suffix not in (".mid", ".midi", ".jams") and name != "tags":
        assert ", line 2: " in told
        assert "It" in told


@pytest.mark.parametrize(("name", "suffix"), FILES)
def test_missing_file_and_folder(name: str, suffix: str, tmp_path: Path) -> None:
    message(KINDS[name], tmp_path / f"file{suffix}")
    (tmp_path / f"folder{suffix}").mkdir()
    message(KINDS[name], tmp_path / f"folder{suffix}")


@pytest.mark.parametrize("name", KINDS)
def test_other_ending(name: str, tmp_path: Path) -> None:
    path = tmp_path / "file.docx"
    path.write_text("")
    told = message(KINDS[name], path)
    assert [suffix for suffix in KINDS[name].suffixes if suffix not in told] == []


@pytest.mark.parametrize(
    ("name", "file", "content", "line", "words"),
    [
        # not a number, and no number
        ("alignment", "a.txt", "0.5 a\nnan b\n", 2, ["time nan"]),
        ("alignment", "a.txt", "0.5\n-1\n", 2, ["time -1.0"]),
        ("alignment", "a.txt", "0.5\nsoon\n", 2, ["'soon' is not a number"]),
        ("alignment", "a.txt", "0.5\n1e9\n", 2, ["1e+09"]),
        ("beats", "a.beats", "0.5\nnan\n", 2, ["beat nan"]),
        ("beats", "a.beats", "0.5\ninf\n", 2, ["beat inf"]),
        ("beats", "a.beats", "0.5 nan\n", 1, ["nan"]),
        ("onsets", "a.tsv", "onset\nnan\n", 2, ["onset nan"]),
        ("onsets", "a.txt", "0.5\n-0.5\n", 2, ["onset -0.5"]),
        ("chords", "a.lab", "0 1 C\n1 nan D\n", 2, ["end nan"]),
        ("chords", "a.lab", "0 1 C\n1 2x D\n", 2, ["end '2x' is not a number"]),
        ("segments", "a.lab", "0 1 A\nnan 2 B\n", 2, ["nan"]),
        ("segments", "a.lab", "0 1 A\n1 inf B\n", 2, ["inf"]),
        ("melody", "a.csv", "0,100\nnan,100\n", 2, ["time nan"]),
        ("melody", "a.csv", "0,100\n1,A4\n", 2, ["'A4' is not a number"]),
        ("notes", "a.txt", "0 1 440\n1 2 nan\n", 2, ["frequency nan"]),
        ("notes", "a.txt", "0 1 440\n1 2 A4\n", 2, ["'A4' is not a number"]),
        ("patterns", "a.txt", "pattern1\noccurrence1\nnan, 60\n", 3, ["onset nan"]),
        ("patterns", "a.txt", "pattern1\noccurrence1\n1, 200\n", 3, ["pitch 200"]),
        ("patterns", "a.txt", "pattern1\noccurrence1\n1, C4\n", 3, ["'1, C4' is not two numbers"]),
        ("tempo", "a.txt", "nan\n", 1, ["nan"]),
        ("tempo", "a.txt", "-60 120 0.5\n", 1, ["-60"]),
        ("tempo", "a.txt", "60 120 1.5\n", 1, ["1.5"]),
        ("tags", "a.tsv", "tag\tscore\npiano\tnan\n", 2, ["nan"]),
        # columns
        ("alignment", "a.txt", "0.5 hello\n1\n", 2, ["1 columns", "time event"]),
        ("beats", "a.beats", "0.5 1 1 1\n", 1, ["4 columns"]),
        ("chords", "a.lab", "0 1 C\n1 2\n", 2, ["2 columns", "start end label"]),
        ("melody", "a.csv", "0,100\n1,100,0.5\n", 2, ["3 columns"]),
        ("notes", "a.txt", "0 1\n", 1, ["2 columns", "onset offset frequency_hz"]),
        ("patterns", "a.txt", "pattern1\noccurrence1\n1, 60, 0.5\n", 3, ["3 columns"]),
        ("tempo", "a.txt", "60 120\n", 1, ["2 numbers"]),
        ("tempo", "a.txt", "60 120 0.5\n60 120 0.5\n", 2, ["second line"]),
        # order
        ("alignment", "a.txt", "0.5\n0.25\n", 2, ["0.25", "0.5"]),
        ("beats", "a.beats", "0.5\n1.5\n1\n", 3, ["beat 1 s", "1.5"]),
        ("chords", "a.lab", "0 2 C\n1 3 D\n", 2, ["start 1 s", "2 s"]),
        ("segments", "a.lab", "1 2 A\n0 1 B\n", 2, ["start 0 s", "2 s"]),
        ("segments", "a.lab", "0 2 A\n1.5 3 B\n", 2, ["start 1.5 s", "2 s"]),
        ("hierarchy", "a.lab", "start\tend\tlabel\tlevel\n0\t2\tA\t1\n0\t2\ta\t2\n1\t3\tb\t2\n", 4, ["start 1 s"]),
        ("melody", "a.csv", "0,100\n2,100\n1,100\n", 3, ["time 1 s", "2 s"]),
        ("multipitch", "a.txt", "0 100\n2 100\n1 100\n", 3, ["time 1 s", "2 s"]),
        ("patterns", "a.txt", "occurrence1\n0, 60\n", 1, ["'occurrence1' comes before its heading"]),
        ("patterns", "a.txt", "pattern1\n0, 60\n", 2, ["'0, 60' comes before its heading"]),
        # words that are not known
        ("chords", "a.lab", "0 1 C\n1 2 Cmaj7\n", 2, ["'Cmaj7'", "Harte"]),
        ("chords", "a.lab", "0 1 C\n1 2 C:maj7(b15)\n", 2, ["'C:maj7(b15)'"]),
        ("chords", "a.lab", "0 1 C\n1 2 C/H\n", 2, ["'C/H'"]),
        ("key", "a.txt", "C locrian\n", 1, ["'C locrian' is not a key"]),
        ("key", "a.txt", "H major\n", 1, ["'H major' is not a key"]),
    ],
)  # fmt: skip
def test_error_names_file_line_and_value(
    name: str, file: str, content: str, line: int, words: list[str], tmp_path: Path
) -> None:
    path = tmp_path / file
    path.write_text(content)
    told = message(KINDS[name], path)
    assert f"{path}, line {line}: " in told
    assert [word for word in words if word not in told] == []


@pytest.mark.parametrize(
    "content", ["pattern1\n", "pattern1\noccurrence1\n", "pattern1\npattern2\noccurrence1\n1, 60\n"]
)
def test_patterns_without_notes(content: str, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(content)
    assert "Pattern 1 has no occurrence, or one without notes" in message(KINDS["patterns"], path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_midi_cut_short(share: float, tmp_path: Path) -> None:
    path = tmp_path / "a.mid"
    Notes.make(np.arange(50) / 4, np.arange(50) / 4 + 0.2, np.full(50, 60)).write_midi(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "not a readable MIDI file" in message(Notes, path)
