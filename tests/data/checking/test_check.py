"""The check of a whole data set: what it counts, what it finds odd, and recordings that are there twice."""

import copy
import io
import logging
import os
import runpy
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import midi_examples
from conftest import Command, Here
from ricercar.data.annotations.alignment import Alignment
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.beats import Beats
from ricercar.data.annotations.chords import Chords
from ricercar.data.annotations.key import Key
from ricercar.data.annotations.melody import Melody
from ricercar.data.annotations.notes import Notes
from ricercar.data.annotations.onsets import Onsets
from ricercar.data.annotations.segments import Segments
from ricercar.data.annotations.tags import Tags
from ricercar.data.annotations.tempo import Tempo
from ricercar.data.audio.file import AudioFile
from ricercar.data.audio.store import AudioStore
from ricercar.data.checking.facts import annotated_s, end_s, num_events
from ricercar.data.checking.landmarks import Landmarks
from ricercar.data.checking.near_duplicates import Duplicate, NearDuplicates
from ricercar.data.checking.oddities import oddities
from ricercar.data.checking.report import report
from ricercar.data.checking.survey import Survey, survey
from ricercar.data.sources.folder import Folder
from ricercar.data.sources.mixed import Mixed
from ricercar.data.sources.source import Source
from ricercar.data.track import Track

Audio = NDArray[np.float64]
RATE = 16000


@cache
def music(seed: int, seconds: float, jitter_s: float = 0.0, timbre: int = 0) -> Audio:
    """Notes of one instrument: decaying tones with overtones, one about every eighth of a second."""
    random = np.random.default_rng(seed)
    phases = np.random.default_rng(timbre)
    player = np.random.default_rng(99)
    audio = np.zeros(round(seconds * RATE))
    for start_s in np.cumsum(random.exponential(0.12, round(seconds * 10))):
        freq_hz = 440 * 2 ** ((random.integers(45, 80) - 69) / 12)
        level = random.uniform(0.3, 1.0)
        start_s += jitter_s * player.uniform()
        time_s = np.arange(max(min(len(audio) - round(start_s * RATE), RATE // 2), 0)) / RATE
        tone = sum(
            np.sin(2 * np.pi * freq_hz * n * time_s + phases.uniform(0, 6) * timbre) / n ** (1 + 0.5 * timbre)
            for n in (1, 2, 3)
        )
        audio[round(start_s * RATE) :][: len(time_s)] += level * tone * np.exp(-6 * time_s)
    audio *= 0.8 / np.abs(audio).max()
    audio.setflags(write=False)  # the same for every test
    return audio


def int16(audio: Audio) -> NDArray[np.int16]:
    return np.rint(audio.clip(-1, 1) * 32767).astype(np.int16)


class Clips(NearDuplicates):
    """Of clips that are in memory."""

    def __init__(self) -> None:
        self.samples: list[NDArray[np.int16]] = []
        super().__init__(RATE, self.read)

    def put(self, clip: Audio) -> None:
        self.samples.append(int16(clip))
        self.add(self.samples[-1])

    def read(self, track: int, start: int, num_samples: int) -> NDArray[np.int16]:
        padded = np.pad(self.samples[track], RATE + num_samples)
        return padded[start + RATE + num_samples :][:num_samples]


def found(*clips: Audio) -> list[Duplicate]:
    near = Clips()
    for clip in clips:
        near.put(clip)
    return near.found()


@cache
def three() -> Clips:
    """Of which the second is music(0, 40)."""
    near = Clips()
    for clip in (music(1, 30), music(0, 40), music(2, 30)):
        near.put(clip)
    return near


def coded(audio: Audio, kind: str, subtype: str) -> Audio:
    file = io.BytesIO()
    soundfile.write(file, audio, RATE, format=kind, subtype=subtype, compression_level=0.7)
    file.seek(0)
    return np.asarray(soundfile.read(file)[0], dtype=np.float64)


def noisy(audio: Audio) -> Audio:
    noise = np.random.default_rng(9).standard_normal(len(audio))
    return audio + 0.1 * np.sqrt(np.mean(audio**2)) * noise


# --- recordings that are there twice ---


@pytest.mark.parametrize(
    "changed",
    [
        lambda audio: 0.1 * audio,
        lambda audio: -audio,
        lambda audio: coded(audio, "MP3", "MPEG_LAYER_III"),
        lambda audio: coded(audio, "OGG", "VORBIS"),
        noisy,
        lambda audio: np.convolve(audio, [1.0, -0.9])[: len(audio)],
    ],
    ids=["volume", "polarity", "mp3", "ogg", "noise", "filter"],
)
@pytest.mark.parametrize(
    ("start_s", "seconds"), [(0.0, 40.0), (7.307, 32.0), (21.511, 10.0)], ids=["all", "offset", "excerpt"]
)
def test_the_same_recording_is_found(start_s: float, seconds: float, changed: Callable[[Audio], Audio]) -> None:
    whole = music(0, 40)
    part = changed(whole[round(start_s * RATE) :][: round(seconds * RATE)])
    near = copy.deepcopy(three())
    near.put(part)
    [duplicate] = near.found()
    assert (duplicate.first, duplicate.second) == (1, 3)
    assert duplicate.start_s == pytest.approx(start_s, abs=0.1)
    assert duplicate.second_start_s == pytest.approx(0.0, abs=0.1)
    assert duplicate.seconds == pytest.approx(seconds, abs=0.2)


def test_excerpt_that_comes_first_with_silence_around_it() -> None:
    whole = music(0, 40)
    [duplicate] = found(np.pad(whole[20 * RATE : 28 * RATE], 5 * RATE), whole)
    assert duplicate.start_s - duplicate.second_start_s == pytest.approx(5.0 - 20.0, abs=0.05)


def test_two_excerpts_that_overlap() -> None:
    whole = music(0, 40)
    [duplicate] = found(whole[: 25 * RATE], whole[15 * RATE :])
    assert (duplicate.start_s, duplicate.seconds) == (pytest.approx(15.0, abs=0.05), pytest.approx(10.0, abs=0.05))


def test_place_of_an_excerpt_in_music_that_repeats() -> None:
    """The second time, the bass is another: only the first time is the same recording."""
    once = music(0, 15)
    again = 0.6 * once + 0.6 * music(5, 15)
    [duplicate] = found(np.concatenate([again, once, again]), once)
    assert duplicate.start_s == pytest.approx(15.0, abs=0.05)


@pytest.mark.parametrize(
    "clips",
    [
        [music(seed, 30) for seed in range(8)],
        [music(0, 30), music(0, 30, jitter_s=0.03)],
        [music(0, 30), music(0, 30, timbre=1)],
        [np.zeros(30 * RATE), 1e-4 * music(0, 30).clip(-0.1, 0.1), np.zeros(10)],
        [np.concatenate([music(0, 4), music(1, 26)]), np.concatenate([music(0, 4), music(2, 26)])],
    ],
    ids=["other pieces", "another performance", "other instrument", "silence", "the same beginning"],
)
def test_other_recordings_are_not_found(clips: list[Audio]) -> None:
    assert found(*clips) == []


def test_short_clips() -> None:
    """Of 3 s, which have few landmarks; one stroke of a drum is like another, and proves nothing."""
    clips = [music(seed, 3) for seed in range(20)]
    stroke = np.sin(2 * np.pi * 60 * np.arange(2 * RATE) / RATE) * np.exp(-20 * np.arange(2 * RATE) / RATE)
    pairs = found(*clips, stroke, 0.9 * stroke, noisy(clips[3][1000:]))
    assert [(pair.first, pair.second) for pair in pairs] == [(3, 22)]


def test_landmarks_that_are_everywhere_are_left_out() -> None:
    """Tracks of one tone, again and again, must not take minutes or gigabytes."""
    clicks = int16((np.arange(20 * RATE) % (RATE // 4) < 400) * np.sin(np.arange(20 * RATE)))
    landmarks = Landmarks()
    for _ in range(40):
        landmarks.add(clicks, RATE)
    assert len(list(landmarks.pairs())) <= 40 * 50


@pytest.mark.parametrize("rate", [8000, 22050, 44100])
def test_other_sample_rates(rate: int) -> None:
    time_s = np.arange(20 * rate) / rate
    whole = int16(np.interp(time_s, np.arange(20 * RATE) / RATE, music(0, 20)))
    clips = [whole, whole[5 * rate : 15 * rate] // 2]
    near = NearDuplicates(rate, lambda track, start, num: np.pad(clips[track], 3 * rate)[start + 3 * rate :][:num])
    for clip in clips:
        near.add(clip)
    [duplicate] = near.found()
    assert duplicate.start_s == pytest.approx(5.0, abs=0.05)


# --- annotations ---


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Notes.make([0, 1], [2.5, 2], [60, 62], pedalled_offset_s=[9, 9]), (2, None, 2.5)),
        (Notes.make([], [], []), (0, None, None)),
        (Beats.make([0.5, 1.5]), (2, None, 1.5)),
        (Onsets.make([0.5]), (1, None, 0.5)),
        (Alignment.make([0.5, 3.0]), (2, None, 3.0)),
        (Chords(np.array([1.0, 3]), np.array([2.0, 5]), ("C", "N")), (2, 3.0, 5.0)),
        (Segments(np.array([0.0]), np.array([2.0]), ("A",)), (1, 2.0, 2.0)),
        (Melody(np.array([0, 0.1, 0.2, 0.3]), np.array([0, 200.0, 200, 0])), (4, 0.2, 0.2)),
        (Tags(("a", "b"), (1.0, 0.1)), (1, None, None)),
        (Key(0, "major"), (1, None, None)),
        (Tempo(120), (1, None, None)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_facts(annotation: Annotation, expected: tuple[int, float | None, float | None]) -> None:
    assert (num_events(annotation), annotated_s(annotation), end_s(annotation)) == pytest.approx(expected)


STEADY = np.arange(0, 20, 0.5)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Notes.make([0, 1], [1, 20.05], [60, 62]), []),
        (
            Notes.make([0, 1], [1, 20.5], [60, 62]),
            [("notes that go on after the audio", "until 20.50 s, the audio ends at 20.00 s")],
        ),
        (Notes.make([], [], []), [("notes without an event", "empty")]),
        (Tags(()), [("tags without an event", "empty")]),
        (
            Notes.make([0, 1, 2], [0.5, 1.001, 2.003], [60, 60, 60]),
            [("notes: shorter than 5 ms", "2 of 3, the first at 1.000 s: 0.001 s")],
        ),
        (
            Notes.make([1, 1, 1, 2], [3, 4, 3, 3], [60, 60, 61, 60]),
            [("notes: twice at the same time, pitch and program", "1 of 4, the first at 1.000 s: 60 MIDI")],
        ),
        (
            Notes.make(np.arange(12), np.arange(12) + 1, [60] * 12, 80),
            [("notes: all of one velocity", "12 notes of velocity 80")],
        ),
        (Beats.make(STEADY), []),
        (
            Beats.make(np.delete(STEADY, [8, 9])),
            [("beats: intervals above 2.5 of those around", "1 of 37, the first at 3.500 s: 1.5 s")],
        ),
        (
            Beats.make(np.sort(np.append(STEADY, 4.1))),
            [("beats: intervals below 0.4 of those around", "1 of 40, the first at 4.000 s: 0.1 s")],
        ),
        (Beats.make([0, 4, 8, 12]), [("beats: tempo outside 20 to 400 beats per minute", "15.0")]),
        (Beats.make([0, 1, 2, 3, 4, 5], [0, 3, 4, 1, 2, 1]), []),
        (
            Beats.make([0, 1, 2, 3], [1, 2, 4, 1]),
            [("beats: positions in the bar that skip", "1 of 3, the first at 2.000 s: 4")],
        ),
        (Tempo(500), [("tempo: tempo outside 20 to 400 beats per minute", "500.0")]),
        (
            Onsets(np.array([1, 1, 1]), ("a", "a", "b")),
            [("onsets: twice at the same time", "1 of 3, the first at 1.000 s: 1 s")],
        ),
        (Melody(np.array([0, 1]), np.array([0, 0])), [("melody: none sounds", "2 frames of 0 Hz")]),
        (
            Melody(np.array([0, 1, 2, 3]), np.array([0, 20, 440, 9000])),
            [("melody: frequencies outside 30 to 5,000 Hz", "2 of 3, the first at 1.000 s: 20 Hz")],
        ),
        (Chords(np.array([0, 19]), np.array([19, 20]), ("C", "X")), []),
        (
            Chords(np.array([0, 5]), np.array([5, 20]), ("X", "C")),
            [("chords: more than 10% is X (cannot be named)", "25%")],
        ),
        (Key(0, "major"), []),
    ],
    ids=lambda value: getattr(value, "name", str(len(value)) if isinstance(value, list) else ""),
)
def test_oddities(annotation: Annotation, expected: list[tuple[str, str]]) -> None:
    assert list(oddities(annotation.name, annotation, 20.0)) == expected


def test_long_note() -> None:
    [(what, where)] = oddities("notes", Notes.make([0], [70], [60]), 80.0)
    assert (what, where) == ("notes: longer than 60 s", "1 of 1, the first at 0.000 s: 70 s")


# --- whole data sets ---


def surveyed(source: Source, tmp_path: Path) -> Survey:
    return survey(source, AudioStore(tmp_path / "cache", RATE))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three sound tracks, with notes and tags."""
    root = tmp_path / "data"
    root.mkdir()
    for number, name in enumerate(("a", "b", "c")):
        soundfile.write(root / f"{name}.wav", music(number, 4), RATE)
        onset_s = 0.1 * np.arange(20) + 0.01 * number
        Notes.make(onset_s, onset_s + 0.1, 60 + np.arange(20), 60 + np.arange(20)).write(root / f"{name}.tsv")
    (root / "index.csv").write_text(
        "id,split,group,audio,notes,tags\na,train,g,a.wav,a.tsv,x;y\nb,train,g,b.wav,b.tsv,x;y\nc,test,h,c.wav,c.tsv,x;y\n"
    )
    return root


def with_rows(folder: Path, *rows: str) -> Folder:
    with (folder / "index.csv").open("a") as file:
        file.writelines(f"{row}\n" for row in rows)
    return Folder(root=folder)


def test_nothing_wrong(folder: Path, tmp_path: Path) -> None:
    result = surveyed(Folder(root=folder), tmp_path)
    assert (dict(result.problems), dict(result.odd)) == ({}, {})
    assert result.seconds == [4.0, 4.0, 4.0]
    total = result.kinds["notes", "train"]
    assert (total.tracks, total.events, total.seconds) == (2, 40, None)
    lines = [line.split() for line in report(result, 10).splitlines()]
    assert ["train", "2", "1", "0.00", "4.0", "to", "4.0"] in lines
    assert ["notes", "train", "2", "40"] in lines
    assert ["tags", "test", "1", "2"] in lines
    assert report(result, 10).endswith("\nno problems, nothing worth a look\n")


def broken(folder: Path) -> None:
    (folder / "broken.wav").write_bytes((folder / "a.wav").read_bytes()[: 44 + 4 * RATE])
    (folder / "wrong.tsv").write_text("onset offset pitch velocity\n2 1 60 64\n")
    (folder / "zero.wav").write_bytes(b"")


def test_a_work_in_several_splits_is_worth_a_look(folder: Path, tmp_path: Path) -> None:
    """Where players are the groups, and play the same piece. Those that are groups are problems already."""
    lines = (folder / "index.csv").read_text().splitlines()
    works = ["work", "piece 1", "", "piece 1"]
    (folder / "index.csv").write_text(
        "\n".join(f"{line},{work}" for line, work in zip(lines, works, strict=True)) + "\n"
    )
    result = surveyed(Folder(root=folder), tmp_path)
    assert result.problems == {}
    assert result.odd["a work in several splits, which results tell of"] == ["work 'piece 1': train: a; test: c"]


@pytest.mark.parametrize(
    ("row", "heading", "words"),
    [
        (
            "d,train,g,broken.wav,,",
            "audio that is not as long as its header says",
            ["d (train)", "/broken.wav: is cut short: 2.000 of 4.000 s"],
        ),
        ("d,train,g,zero.wav,,", "cannot be read", ["d (train)", "zero.wav"]),
        ("d,train,g,none.wav,,", "cannot be read", ["line 5", "none.wav", "no such file"]),
        ("d,train,g,d.wav,wrong.tsv,", "cannot be read", ["line 5", "'d', notes", "wrong.tsv, line 2"]),
        ("d,train,g,d.wav,midi.txt,", "cannot be read", ["line 5", "'d', notes", "midi.txt, line 1", "MIDI numbers"]),
        ("d,train,g,d.wav,none.tsv,", "cannot be read", ["line 5", "none.tsv", "no such file"]),
        ("a,train,g,d.wav,,", "cannot be read", ["line 5", "id 'a' is already on line 2"]),
        ("d,dev,g,d.wav,,", "cannot be read", ["line 5", "'dev'"]),
        ("d,test,g,d.wav,,", "a group in several splits", ["group 'g'", "train: a, b", "test: d"]),
        ("d,test,d,a.wav,,", "the same audio in several splits", ["a (train", "d (test", "a.wav", "sample for sample"]),
        ("d,test,d,loud.wav,,", "the same audio in several splits", ["a (train", "d (test", "loud.wav", "4.0 s"]),
        ("d,test,d,d.wav,a.tsv,", "the same notes in several splits", ["a (train", "d (test", "20 notes"]),
    ],
    ids=lambda value: value if isinstance(value, str) and "," in value else "",
)
def test_problems(row: str, heading: str, words: list[str], folder: Path, tmp_path: Path) -> None:
    broken(folder)
    soundfile.write(folder / "d.wav", music(7, 4), RATE)
    (folder / "midi.txt").write_text("0 1 60\n1 2 61\n")
    soundfile.write(folder / "loud.wav", 0.9 * music(0, 4), RATE)
    result = surveyed(with_rows(folder, row), tmp_path)
    assert list(result.problems) == [heading]
    [text] = result.problems[heading]
    assert [word for word in words if word not in text] == []
    assert text in report(result, 0)
    assert "1 problem, " in report(result, 0)


@pytest.mark.parametrize("kind", ["FLAC", "OGG", "MP3", "AIFF"])
def test_length_that_does_not_hold_is_a_problem_each_time(kind: str, folder: Path, tmp_path: Path) -> None:
    """Also of audio that has been decoded long since."""
    soundfile.write(folder / "d", music(7, 4), RATE, format=kind)
    (folder / "d").write_bytes((folder / "d").read_bytes()[:-3000])
    with_rows(folder, "d,train,g,d,,")
    for _ in range(2):
        result = surveyed(Folder(root=folder), tmp_path)
        [text] = result.problems["audio that is not as long as its header says"]
        assert "d (train): " in text
        assert "cut short" in text


def test_all_problems_are_told(folder: Path, tmp_path: Path) -> None:
    """And a track with one annotation that cannot be read is looked at all the same."""
    broken(folder)
    soundfile.write(folder / "quiet.wav", np.zeros(RATE), RATE)
    source = with_rows(
        folder,
        "d,dev,g,a.wav,,",
        "e,train,g,zero.wav,,",
        "f,train,g,quiet.wav,wrong.tsv,",
        "g,train,g,b.wav,wrong.tsv,",
    )
    result = surveyed(Mixed(parts={"x": source}, balance=1.0), tmp_path)
    assert len(result.problems["cannot be read"]) == 4
    assert [track.id for track in result.tracks] == ["x.a", "x.b", "x.c", "x.f", "x.g"]
    assert len(result.odd["silent"]) == len(result.odd["the same audio twice in a split"]) == 1


@pytest.mark.parametrize(
    ("row", "heading", "words"),
    [
        ("d,train,g,zeros.wav,,", "silent", ["d (train)", "zeros.wav", "0.0%"]),
        ("d,train,g,clipped.wav,,", "clipped", ["d (train)", "clipped.wav", "full scale"]),
        ("d,train,g,short.wav,,", "shorter than 1 s", ["d (train)", "0.500 s"]),
        ("d,train,g,d.wav,late.tsv,", "notes that go on after the audio", ["d (train)", "9.00 s", "4.00 s"]),
        (
            "d,train,g,d.wav,open.mid,",
            "notes: without an end in the MIDI file: they last to the end of its track",
            ["d (train)", "1 of 2, the first at 1.000 s: 64 MIDI"],
        ),
        ("A,train,g,d.wav,,", "ids that differ in case alone (one file on some systems)", ["a, A"]),
        ("d,train,g,d.wav,,z", "tags that one track alone has", ["d (train)", "'z'"]),
        ("d,train,g,a.wav,,", "the same audio twice in a split", ["a (train", "d (train"]),
    ],
    ids=lambda value: value if isinstance(value, str) and "," in value else "",
)
def test_worth_a_look(row: str, heading: str, words: list[str], folder: Path, tmp_path: Path) -> None:
    soundfile.write(folder / "d.wav", music(7, 4), RATE)
    soundfile.write(folder / "zeros.wav", np.zeros(4 * RATE), RATE)
    soundfile.write(folder / "clipped.wav", 4 * music(7, 4), RATE)
    soundfile.write(folder / "short.wav", music(7, 0.5), RATE)
    Notes.make([1.0], [9.0], [60]).write(folder / "late.tsv")
    opened = [*midi_examples.note(500, 900, 60), midi_examples.on(1000, 64)]
    midi_examples.written(folder / "open.mid", opened, ends=[2000])
    result = surveyed(with_rows(folder, row), tmp_path)
    assert (dict(result.problems), list(result.odd)) == ({}, [heading])
    [text] = result.odd[heading]
    assert [word for word in words if word not in text] == []
    assert text in report(result, None)


def test_tags_of_the_test_alone(folder: Path, tmp_path: Path) -> None:
    for number in (8, 9):
        soundfile.write(folder / f"{number}.wav", music(number, 2), RATE)
    result = surveyed(with_rows(folder, "d,test,d,8.wav,,z", "e,test,e,9.wav,,z"), tmp_path)
    assert dict(result.odd) == {"tags that no track of train has": ["'z': d, e"]}


def test_oddities_are_cut_off_and_counted() -> None:
    result = Survey(odd={"silent": [f"t{number} (test): zeros" for number in range(12)]}, problems={"x": ["y"] * 12})
    text = report(result, 10)
    assert text.count("zeros") == 10
    assert "... and 2 more" in text
    assert text.count("\n  y") == 12
    assert text.endswith("12 problems, 12 worth a look\n")


# --- the command ---


def test_command(folder: Path, run_command: Command, tmp_path: Path) -> None:
    soundfile.write(folder / "d.wav", 0.5 * music(0, 4)[RATE:], RATE)
    with_rows(folder, "d,test,d,d.wav,,")
    arguments = ["data=folder", "data.root=data", "cache_dir=cache", "lines=0"]
    done = run_command("-m", "ricercar.data.check", *arguments)
    text = done.stdout
    assert (done.returncode, done.stderr) == (1, "")
    assert "the same audio in several splits (1)\n  a (train, data/a.wav) and d (test, data/d.wav): 3.0 s" in text
    assert text.endswith("\n1 problem, nothing worth a look\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "data"]


def test_command_on_what_is_in_order(folder: Path, run_here: Here, capsys: pytest.CaptureFixture[str]) -> None:
    assert folder.name == "data"
    data = ["data=[folder]", "data.parts.folder.root=data", "cache_dir=cache"]
    assert run_here("data/check.py", *data) == (0, "")
    assert capsys.readouterr().out.endswith("\nno problems, nothing worth a look\n")


def test_command_says_what_it_needs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["check"])
    monkeypatch.setattr(logging, "raiseExceptions", True)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    with pytest.raises(SystemExit, match="1"):
        runpy.run_module("ricercar.data.check", run_name="__main__")
    assert capsys.readouterr().err.startswith("error: data= is needed: say which data set is to be checked")


# --- real data ---


class Excerpts(Source):
    """The tracks of another source, and ten seconds of each in another split, as MP3."""

    def __init__(self, source: Source, split: str, folder: Path) -> None:
        self._tracks = source.tracks(split)[:4]
        self._folder = folder

    splits = ("train", "test")

    def tracks(self, split: str) -> list[Track]:
        if split == "test":
            return self._tracks
        excerpts = []
        for number, track in enumerate(self._tracks):
            audio = track.audio.decode(RATE)
            start = np.random.default_rng(number).integers(len(audio) - 10 * RATE)
            path = self._folder / f"{track.id}.mp3"
            soundfile.write(path, 0.5 * audio[start : start + 10 * RATE], RATE)
            excerpts.append(Track(f"{track.id}_excerpt", split, f"{track.group}_excerpt", AudioFile(path)))
        return excerpts


@pytest.mark.parametrize(("name", "split"), [("pop", "test"), ("maps", "valid")])
def test_excerpts_of_real_recordings(name: str, split: str, tmp_path: Path) -> None:
    """Each is found, and nothing else: not other pieces on the same piano."""
    if "RICERCAR_TEST_DATA" not in os.environ:
        pytest.skip(f"set RICERCAR_TEST_DATA to the folder that holds {name}")
    source = Folder(root=Path(os.environ["RICERCAR_TEST_DATA"]) / name)
    excerpts = Excerpts(source, split, tmp_path)
    tracks = excerpts.tracks("test")
    result = surveyed(excerpts, tmp_path)
    assert list(result.problems) == ["the same audio in several splits"]
    pairs = result.problems["the same audio in several splits"]
    assert sorted(text.split()[0] for text in pairs) == sorted(f"{track.id}_excerpt" for track in tracks)
    assert all(f" and {text.split()[0].removesuffix('_excerpt')} (" in text for text in pairs)
