"""Folders with an index.csv: what is read, and the error for everything that can be wrong in one."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hydra.utils import instantiate
from omegaconf import OmegaConf

import ricercar
from configs import make_task
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.notes import Notes
from ricercar.data.annotations.onsets import Onsets
from ricercar.data.sources.folder import Folder
from ricercar.data.sources.index import annotation_kinds, read_index
from ricercar.errors import InputError
from ricercar.harness.benchmark import score
from ricercar.harness.provenance import TrainingData
from ricercar.harness.results import fingerprint_of

HEADER = "id,split,group,audio,notes,tempo\n"
GOOD = HEADER + "a,train,g,a.wav,a.tsv,120\nb,train,g,a.wav,,\nc,test,h,a.wav,a.tsv,\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    root.mkdir()
    soundfile.write(root / "a.wav", np.zeros(100), 16000)
    Notes.make([0.5], [1.0], [60]).write(root / "a.tsv")
    (root / "index.csv").write_text(GOOD)
    return root


def message(make: Callable[[], object]) -> str:
    with pytest.raises(InputError) as error:
        make()
    return str(error.value)


def missing(words: list[str], text: str) -> list[str]:
    return [word for word in words if word not in text]


def test_a_work_is_the_group_unless_a_column_says_otherwise(folder: Path) -> None:
    """Of two splits, too: two players of one piece. A result tells of it, and draws works, not players."""
    (folder / "index.csv").write_text(
        "id,split,group,work,audio\na,train,ann,piece 1,a.wav\nb,test,ben,piece 1,a.wav\nc,test,ben,,a.wav\n"
    )
    source = Folder(root=str(folder))
    training_tracks, scored = source.tracks("train"), source.tracks("test")
    assert [(track.group, track.work) for track in training_tracks + scored] == [
        ("ann", "piece 1"),
        ("ben", "piece 1"),
        ("ben", "ben"),
    ]
    assert TrainingData.of("folder", training_tracks, scored, None).shared == ["piece 1"]
    scoring: Any = make_task("onset")
    nothing = Onsets.make([])
    assert [score(scoring, track, nothing, nothing, 1.0, None).score.work for track in scored] == ["piece 1", "ben"]
    alike = [replace(track, annotations={"onsets": nothing}, group="others") for track in scored]
    known = [replace(track, annotations={"onsets": nothing}) for track in scored]
    hashes = {fingerprint_of(tracks, scoring.reference, lambda audio: "") for tracks in (known, alike)}
    assert len(hashes) == 1
    assert (
        fingerprint_of([replace(track, work="other") for track in known], scoring.reference, lambda audio: "")
        not in hashes
    )


def test_tracks(folder: Path) -> None:
    source = Folder(root=str(folder))
    first, second = source.tracks("train")
    assert (first.id, first.split, first.group, second.id) == ("a", "train", "g", "b")
    assert (list(first.annotations), list(second.annotations)) == (["notes", "tempo"], [])
    assert first.annotations["notes"].text() == Notes.make([0.5], [1.0], [60]).text()
    assert len(first.audio.decode(16000)) == 100
    assert [track.id for track in source.tracks("test")] == ["c"]


def test_annotations_are_read_once_and_for_one_split(folder: Path) -> None:
    (folder / "bad.tsv").write_text("onset")
    (folder / "index.csv").write_text(GOOD + "d,valid,i,a.wav,bad.tsv,\n")
    source = Folder(root=folder)
    tracks = source.tracks("train")
    (folder / "a.tsv").write_text("changed")
    assert source.tracks("train") == tracks
    assert "bad.tsv" in message(lambda: source.tracks("valid"))


def test_split_without_tracks(folder: Path) -> None:
    text = message(lambda: Folder(root=folder).tracks("valid"))
    assert missing([str(folder / "index.csv"), "'valid'", "train, test"], text) == []


def test_other_columns_byte_order_mark_spaces_and_quotes(folder: Path) -> None:
    text = '\ufeffid, split ,group,piano,audio,tags\r\n"a, b",train,g,Steinway, a.wav ,x;y\r\n\r\n'
    (folder / "index.csv").write_text(text, encoding="utf-8", newline="")
    (track,) = Folder(root=folder).tracks("train")
    assert (track.id, list(track.annotations)) == ("a, b", ["tags"])


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("", 1, ["no column id, split, group, audio"]),
        ("id,split,sound\na,train,a.wav\n", 1, ["no column group, audio", "found: id, split, sound"]),
        ("id,split,group,audio,audio\n", 1, ["column audio is there twice"]),
        (HEADER, None, ["lists no tracks", "id, split"]),
        (GOOD + "a,train,g,a.wav,,\n", 5, ["id 'a'", "line 2"]),
        (GOOD + "x/y,train,g,a.wav,,\n", 5, ["id 'x/y'", "name of a file"]),
        (GOOD + ".x,train,g,a.wav,,\n", 5, ["id '.x'"]),
        (GOOD + f"{'x' * 300},train,g,a.wav,,\n", 5, ["200 bytes"]),
        (GOOD + ",train,g,a.wav,,\n", 5, ["cell id is empty"]),
        (GOOD + "d,train,,a.wav,,\n", 5, ["cell group is empty", "repeat the id"]),
        (GOOD + "d,dev,g,a.wav,,\n", 5, ["split 'dev'", "train, valid, test"]),
        (GOOD + "d,test,g,a.wav,,\n", 5, ["group 'g'", "in test here", "in train on line 2"]),
        (GOOD + "d,train,g,,,\n", 5, ["track 'd'", "neither audio nor midi"]),
        (GOOD + "d,train,g,a.wav\n", 5, ["4 cells", "6 columns"]),
        (GOOD + "d,train,g,b.wav,,\n", 5, ["audio 'b.wav'", "no such file"]),
        (GOOD + "d,train,g,a.wav,b.tsv,\n", 5, ["notes 'b.tsv'", "no such file"]),
        (GOOD + "d,train,g,a.wav,,b.txt\n", 5, ["tempo 'b.txt'", "no such file"]),
        (GOOD + "d,train,g,../data/a.wav,,\n", 5, ["'../data/a.wav'", "leaves the folder"]),
        (GOOD + "d,train,g,/etc/passwd,,\n", 5, ["'/etc/passwd'", "leaves the folder"]),
        (GOOD + f"d,train,g,{'x' * 300}.wav,,\n", 5, ["audio 'xxx", "File name too long"]),
        (GOOD + "d,train,g,out.wav,,\n", 5, ["'out.wav'", "outside the folder"]),
        (GOOD + 'd,train,g,"a.wav,,\n', 5, ["not a CSV file"]),
        ("id,split,group,midi\na,train,g,a.wav\n", 2, ["track 'a'", "data=midi"]),
    ],
)
def test_error_in_the_index(content: str, line: int | None, words: list[str], folder: Path) -> None:
    (folder.parent / "secret.wav").write_text("")
    (folder / "out.wav").symlink_to(folder.parent / "secret.wav")
    (folder / "index.csv").write_text(content)
    text = message(lambda: Folder(root=folder).tracks("train"))
    place = str(folder / "index.csv") if line is None else f"{folder / 'index.csv'}, line {line}: "
    assert missing([place, *words], text) == []


def test_index_that_is_not_utf_8(folder: Path) -> None:
    (folder / "index.csv").write_bytes(GOOD.encode() + b"caf\xe9,train,g,a.wav,,\n")
    text = message(lambda: Folder(root=folder).tracks("train"))
    assert missing([str(folder / "index.csv"), "line 5", "0xe9", "UTF-8"], text) == []


@pytest.mark.parametrize("exists", [True, False])
def test_folder_without_an_index_says_what_one_looks_like(exists: bool, tmp_path: Path) -> None:
    root = tmp_path / "data"
    if exists:
        root.mkdir()
    text = message(lambda: Folder(root=root))
    assert missing([str(root), "index.csv", "id, split", "group", "audio", *annotation_kinds()], text) == []


def test_error_in_an_annotation_names_track_file_line_and_value(folder: Path) -> None:
    (folder / "a.tsv").write_text("onset offset pitch velocity\n0 1 60 64\n2 1 60 64\n")
    text = message(lambda: Folder(root=folder).tracks("train"))
    assert missing(["index.csv, line 2", "track 'a', notes", f"{folder / 'a.tsv'}, line 3", "offset 1"], text) == []


def test_error_in_a_value_names_track_and_value(folder: Path) -> None:
    (folder / "index.csv").write_text(HEADER + "a,train,g,a.wav,,fast\n")
    text = message(lambda: Folder(root=folder).tracks("train"))
    assert missing(["index.csv, line 2", "track 'a', tempo", "'fast'"], text) == []


def test_configuration(folder: Path) -> None:
    cfg = OmegaConf.load(Path(ricercar.__file__).parent / "conf" / "data" / "folder.yaml")
    assert OmegaConf.missing_keys(cfg) == {"root"}
    source = instantiate(cfg, root=str(folder))
    assert [track.id for track in source.tracks("train")] == ["a", "b"]


# --- real data ---


def shared(name: str) -> Path:
    root = os.environ.get("RICERCAR_TEST_DATA")
    if not root:
        pytest.skip(f"set RICERCAR_TEST_DATA to a folder with {name}/")
    return Path(root) / name


@pytest.mark.parametrize(
    ("name", "num_tracks", "kinds"),
    [
        ("maps", {"train": 30, "valid": 6, "test": 14}, {"notes", "beats", "chords", "key"}),
        ("pop", {"test": 6}, {"beats", "onsets", "melody", "tags"}),
        ("instruments", {"train": 70, "valid": 30, "test": 30}, {"tags"}),
    ],
)
def test_real_folders(name: str, num_tracks: dict[str, int], kinds: set[str]) -> None:
    source = Folder(root=shared(name))
    tracks = [track for split in num_tracks for track in source.tracks(split)]
    assert {split: len(source.tracks(split)) for split in num_tracks} == num_tracks
    assert {kind for track in tracks for kind in track.annotations} == kinds


@pytest.mark.parametrize(
    ("name", "num_tracks", "kinds"), [("asap", 90, {"beats"}), ("pop909", 72, {"beats", "chords", "key"})]
)
def test_real_folders_of_midi(name: str, num_tracks: int, kinds: set[str]) -> None:
    rows = read_index(shared(name))
    annotations: list[Annotation] = [kind for row in rows for kind in row.annotations().values()]
    assert len(rows) == num_tracks
    assert {annotation.name for annotation in annotations} == kinds
    assert min(len(Notes.read(row.resolve("midi"))) for row in rows) > 100
