"""Excerpts: where they are, what they sound and look like, and what is said where there is nothing to show."""

import subprocess
import sys
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from omegaconf import OmegaConf
from PIL import Image

from configs import ROOT, composed
from results_factory import make_run
from ricercar.comparison.board import Board, boards
from ricercar.comparison.collect import collect
from ricercar.comparison.excerpts import Excerpt, cut, excerpts, mp3, pick_tracks, segments, spectrogram, worst_start
from ricercar.comparison.sources import sources_of
from ricercar.data.annotations.notes import Notes
from ricercar.harness import assemble
from ricercar.harness.results import DatasetId, fingerprint_of
from ricercar.tasks.marks import RIGHT, Mark
from ricercar.tasks.protocol import plain

RATE = 16000


def content(uri: str | None, kind: str) -> BytesIO:
    assert uri is not None
    assert uri.startswith(f"data:{kind};base64,")
    return BytesIO(b64decode(uri.partition(",")[2], validate=True))


def decoded(uri: str | None) -> tuple[NDArray[np.float64], int]:
    audio, rate = soundfile.read(content(uri, "audio/mpeg"))
    return audio, rate


def image(uri: str | None) -> NDArray[np.uint8]:
    return np.array(Image.open(content(uri, "image/webp")).convert("L"))


def tone(freq_hz: float, sample_rate: int, seconds: float) -> NDArray[np.float64]:
    return 0.5 * np.sin(2 * np.pi * freq_hz * np.arange(round(seconds * sample_rate)) / sample_rate)


# --- sound ---


@pytest.mark.parametrize("sample_rate", [16000, 22050, 24000, 44100, 8000])
def test_sound_keeps_its_time(sample_rate: int) -> None:
    """An encoder delays by 23 to 46 ms, which players leave out only if the file says so."""
    audio = np.zeros(3 * sample_rate)
    audio[sample_rate] = 0.9
    heard, rate = decoded(mp3(audio, sample_rate))
    assert rate in (16000, 22050)
    assert len(heard) == pytest.approx(3 * rate, abs=1)
    assert np.abs(heard).argmax() == pytest.approx(rate, abs=2)


def test_sound_takes_little_room() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 5 * RATE)
    assert len(mp3(noise, RATE)) < 50_000
    assert len(spectrogram(noise, RATE)[0]) < 20_000


@pytest.mark.parametrize(("sample_rate", "pitch"), [(16000, 69), (16000, 33), (16000, 105), (44100, 60), (8000, 60)])
def test_spectrogram_has_time_and_pitch_in_their_places(sample_rate: int, pitch: int) -> None:
    freq_hz = 440 * 2 ** ((pitch - 69) / 12)
    audio = np.concatenate([np.zeros(2 * sample_rate), tone(freq_hz, sample_rate, 2)])
    uri, low, high = spectrogram(audio, sample_rate)
    grey = image(uri)
    assert grey.shape == (round(3 * (high - low)), 200)
    row = grey[:, 150].argmax()
    assert high - (row + 0.5) * (high - low) / len(grey) == pytest.approx(pitch, abs=0.34)
    assert grey[row, 150] > 200
    assert grey[row, :80].max() < 100


@pytest.mark.parametrize(("seconds", "columns"), [(60, 3000), (700, 11_667)])
def test_spectrogram_of_a_long_recording(seconds: int, columns: int) -> None:
    """The same picture in parts, and fewer columns of more than an image can have."""
    rate = 8000
    time_s = np.arange(seconds * rate) / rate
    audio = 0.5 * np.sin(2 * np.pi * 440 * time_s) * (time_s % 30 < 15)
    uri, low, high = spectrogram(audio, rate)
    picture = image(uri)
    assert picture.shape[1] == columns
    row = len(picture) - 1 - int((69 - low) / (high - low) * len(picture))
    sounding = picture[row].astype(float) > 128
    expected = (np.arange(columns) + 0.5) / columns * seconds % 30 < 15
    assert np.mean(sounding == expected) > 0.99


def test_silence_is_black() -> None:
    assert image(spectrogram(np.zeros(RATE), RATE)[0]).max() < 5


# --- excerpts ---


@pytest.mark.parametrize(
    ("errors_s", "duration_s", "expected"),
    [
        ([], 60, 0),
        ([5, 31, 33, 55], 60, 14),
        ([5, 31, 33, 34, 55, 56, 57, 58], 60, 39),
        ([59.9, 59.95], 60.5, 40),
        ([60.2, 60.3], 60.5, 40.5),
        ([3], 10, 0),
    ],
)
def test_excerpt_is_where_most_errors_are(errors_s: list[float], duration_s: float, expected: float) -> None:
    marks = [Mark(time_s, time_s, "missed") for time_s in errors_s] + [
        Mark(time_s, time_s, RIGHT) for time_s in range(9)
    ]
    assert worst_start(marks, duration_s, 20.0) == expected


def test_marks_end_with_the_excerpt() -> None:
    marks = [Mark(0, 12, RIGHT), Mark(9, 10, RIGHT), Mark(10, 10, RIGHT), Mark(15, 16, "missed", 60, "x")]
    marks += [Mark(19, 30, RIGHT), Mark(20, 21, RIGHT), Mark(5, 5, RIGHT), Mark(0, np.inf, "wrong", label="key")]
    assert cut(marks, 10.0, 20.0) == [
        Mark(10, 12, RIGHT),
        Mark(10, 10, RIGHT),
        Mark(15, 16, "missed", 60, "x"),
        Mark(19, 20, RIGHT),
        Mark(10, 20, "wrong", label="key"),
    ]


# --- tracks ---


def board_of(folder: Path, **scores: list[float]) -> Board:
    for name, values in scores.items():
        of_tracks = {f"t{i}": {"F-measure": value} for i, value in enumerate(values)}
        make_run(folder / name, backbone=name, scores=of_tracks)
    [board] = boards(collect([folder]))
    return board


def test_picked_tracks_are_the_worst_the_most_disputed_and_the_best(tmp_path: Path) -> None:
    board = board_of(tmp_path, cnn=[0.5, 0.1, 0.9, 0.8, 0.4], lstm=[0.5, 0.2, 0.1, 0.9, 0.6])
    assert pick_tracks(board, 3) == ["t1", "t2", "t3"]
    assert pick_tracks(board, 4) == ["t1", "t2", "t3", "t0"]
    assert sorted(pick_tracks(board, 99)) == ["t0", "t1", "t2", "t3", "t4"]


def test_tracks_that_nobody_is_scored_on_are_not_picked(tmp_path: Path) -> None:
    board = board_of(tmp_path, cnn=[np.nan, 0.3, np.nan], lstm=[np.nan, 0.5, 0.2])
    assert pick_tracks(board, 3) == ["t2", "t1"]


# --- excerpts ---


class Runs:
    """Writes results of note transcription on the test track of the tones, `t3`, which has 12 notes in 3 s."""

    def __init__(self, folder: Path, tones: Path, cache: Path) -> None:
        self.folder, self.cache = folder, cache
        cfg = composed("task=notes", "data=folder", f"data.root={tones}", f"cache_dir={cache}")
        self.config: dict[str, Any] = OmegaConf.to_container(cfg)  # type: ignore[assignment]
        self.task = assemble.make_scorings(cfg)["notes"]
        [self.track] = assemble.make(cfg.data).tracks("test")
        self.fingerprint = fingerprint_of([self.track], self.task.reference, assemble.make_store(cfg).key)
        self.reference = self.task.reference(self.track.annotations)

    def write(self, name: str, estimate: Notes | None, **changes: Any) -> Path:
        scores = {"t3": self.task.score(self.reference, self.reference if estimate is None else estimate)}
        values: dict[str, Any] = {
            "backbone": name,
            "scores": scores,
            "protocol": plain(self.task.protocol),
            "primary": self.task.primary,
            "config": self.config | {"backbone": {"_target_": name}},
            "dataset": DatasetId("folder:tones", "test", self.fingerprint, 1),
        }
        folder = self.folder / name
        make_run(folder, **(values | changes))
        if estimate is not None:
            (folder / "predictions").mkdir()
            estimate.write(folder / "predictions" / "t3.tsv")
        return folder

    def board(self) -> Board:
        [board] = boards(collect([self.folder]))
        return board

    def excerpt(self, seconds: float = 3.2) -> Excerpt:
        return excerpts(self.board(), ["t3"], seconds, self.cache)["t3"]


@pytest.fixture
def runs(tmp_path: Path, tones: Path, cache: Path) -> Runs:
    return Runs(tmp_path, tones, cache)


def late(notes: Any, from_s: float) -> Notes:
    """The notes, those from some time on too late by 0.1 s."""
    by_s = np.where(notes.onset_s >= from_s, 0.1, 0.0)
    return Notes.make(notes.onset_s + by_s, notes.offset_s + by_s, notes.pitch)


def test_an_excerpt_has_it_all(runs: Runs, tones: Path) -> None:
    runs.write("cnn", runs.reference)
    runs.write("lstm", late(runs.reference, 2.0))
    excerpt = runs.excerpt(seconds=1.2)
    names = {system.key: system.first.choices["backbone"] for system in runs.board().systems}
    marks = {names[key]: {mark.kind for mark in marks} for key, marks in excerpt.estimates.items()}
    assert marks == {"cnn": {RIGHT}, "lstm": {RIGHT, "missed", "spurious"}}
    assert (excerpt.kind, excerpt.missing) == ("notes", "")
    assert (excerpt.start_s, excerpt.end_s) == (2.0, 3.2)
    inside = [mark for each in (excerpt.reference, *excerpt.estimates.values()) for mark in each]
    assert all(2.0 <= mark.start_s < mark.end_s <= 3.2 for mark in inside)
    assert [round(mark.start_s, 2) for mark in excerpt.reference] == [
        2.0,
        2.1,
        2.35,
        2.6,
        2.85,
    ]  # one goes on from before
    heard, rate = decoded(excerpt.audio)
    original, _ = soundfile.read(tones / "audio" / "t3.wav", start=2 * RATE)
    assert rate == RATE
    assert np.corrcoef(heard, original[: len(heard)])[0, 1] > 0.95
    grey = image(excerpt.spectrogram)
    for mark in excerpt.reference[1:]:  # each note is a bright spot
        column = int((mark.start_s + 0.08 - excerpt.start_s) * 50)
        row = int((excerpt.pitch_high - float(mark.pitch or 0)) / (excerpt.pitch_high - excerpt.pitch_low) * len(grey))
        assert grey[row, column] > 180


def test_errors_at_the_borders_of_segments_are_counted(runs: Runs) -> None:
    """Of a head of tokens: which begin where one of its windows ends and the next one knows nothing of it."""
    tokens = {"head": {"_target_": "ricercar.tasks.heads.Sequences"}, "window_frames": 60, "border_frames": 5}
    config = runs.config | tokens | {"hop_length": 320, "backbone": {"_target_": "lstm"}}
    kept = np.flatnonzero(np.abs(runs.reference.onset_s - 2.1) > 0.01)  # of segments of 1 s, the second ends at 2 s
    runs.write("lstm", runs.reference._taken(kept), config=config)
    runs.write("cnn", runs.reference)
    excerpt = runs.excerpt()
    [told] = excerpt.segments.values()
    assert (told.length_s, told.num_errors, told.num_at_borders) == (1.0, 1, 0)
    near = segments(1.0, [Mark(each, each, "missed") for each in (0.01, 0.96, 1.04, 1.5, 2.0, 2.94)], 3.2)
    assert (near.num_errors, near.num_at_borders) == (6, 3)
    assert near.expected == pytest.approx(6 * 0.3 / 3.2)


def test_missing_predictions_are_named(runs: Runs) -> None:
    runs.write("cnn", runs.reference)
    runs.write("lstm", None)
    broken = runs.write("dense", runs.reference)
    (broken / "predictions" / "t3.tsv").write_text("onset\toffset\tpitch\tvelocity\n1\tx\t60\t80\n")
    excerpt = runs.excerpt()
    assert len(excerpt.estimates) == 1
    assert excerpt.audio is not None
    assert "No predictions beside the results of: mel lstm." in excerpt.missing
    assert "The prediction of mel dense cannot be read" in excerpt.missing
    assert "line 2" in excerpt.missing


def test_other_data_are_not_shown(runs: Runs) -> None:
    runs.write("cnn", runs.reference, dataset=DatasetId("folder:tones", "test", "0" * 16, 1))
    excerpt = runs.excerpt(seconds=2.0)
    assert (excerpt.audio, excerpt.spectrogram, excerpt.reference, excerpt.estimates) == (None, None, [], {})
    assert (excerpt.start_s, excerpt.end_s) == (0.0, 2.0)
    assert "not those that were scored" in excerpt.missing


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, "none of them has a configuration"),
        ({"data": {"root": "/nowhere"}}, "/nowhere"),
        ({"data": {"split": "${nothing}"}}, "nothing"),
        ({"task": {"_target_": "ricercar.tasks.key.Key"}}, "task: "),
        ({"data": {"_target_": "os.system"}}, "is not a class of"),
        ({"data": {"_target_": "ricercar.data.sources.folder.os.system"}}, "is not a class of"),
        ({"data": {"_target_": "ricercar.data.sources.folder.Path"}}, "is not a class of"),
        ({"data": {"_target_": "ricercar.train.Path"}}, "is not a class of"),
        ({"data": {"root": {"deep": [{"_target_": "os.getcwd"}]}}}, "is not a class of"),
    ],
)
def test_a_configuration_that_leads_nowhere_is_told(runs: Runs, config: dict[str, Any] | None, expected: str) -> None:
    merged = config and OmegaConf.to_container(OmegaConf.merge(runs.config, config))
    runs.write("cnn", runs.reference, config=merged)
    excerpt = runs.excerpt()
    assert excerpt.missing.startswith("Neither sound nor reference: ")
    assert expected in excerpt.missing


def test_one_configuration_that_leads_there_is_enough(runs: Runs) -> None:
    elsewhere = OmegaConf.to_container(OmegaConf.merge(runs.config, {"data": {"root": "/nowhere"}}))
    runs.write("cnn", runs.reference, config=elsewhere)
    runs.write("lstm", late(runs.reference, 2.0))
    excerpt = runs.excerpt()
    assert (len(excerpt.estimates), excerpt.missing) == (2, "")


def test_data_that_were_moved(runs: Runs, tones: Path) -> None:
    moved = OmegaConf.to_container(OmegaConf.merge(runs.config, {"data": {"root": "/nowhere"}}))
    runs.write("cnn", runs.reference, config=moved)
    excerpt = excerpts(runs.board(), ["t3"], 1.0, runs.cache, str(tones))["t3"]
    assert excerpt.missing == ""
    assert excerpt.audio is not None


def test_a_run_that_was_scored_on_other_data_leads_to_these(runs: Runs) -> None:
    """eval.py run=... data=... leaves the configuration of the training in the result."""
    trained = OmegaConf.to_container(OmegaConf.merge(runs.config, {"data": {"root": "/nowhere"}}))
    folder = runs.write("cnn", runs.reference, config=trained)
    (folder / ".hydra").mkdir()
    OmegaConf.save({"data": runs.config["data"]}, folder / ".hydra" / "config.yaml")
    assert runs.excerpt().missing == ""


def test_tags_lead_to_their_tracks(cache: Path) -> None:
    """What claims a tag stands in the protocol of the result, and not in task.protocol."""
    [board] = boards(collect([ROOT / "docs" / "results" / "synth" / "tag"]))
    assert len(sources_of(board, cache).tracks) == 16


def test_tables_need_no_torch() -> None:
    code = "import sys, ricercar.comparison.excerpts; sys.exit('torch' in sys.modules or 'hydra' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
