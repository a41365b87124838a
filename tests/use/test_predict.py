"""python predict.py: recordings in, files out, and what may be wrong with either."""

import base64
import io
import json
import os
import re
import resource
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import ricercar
from configs import TINY
from conftest import Command, Here
from ricercar.data import scratch
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.beats import Beats
from ricercar.data.annotations.chords import Chords
from ricercar.data.annotations.key import Key
from ricercar.data.annotations.melody import Melody
from ricercar.data.annotations.multipitch import Multipitch
from ricercar.data.annotations.notes import Notes
from ricercar.data.annotations.onsets import Onsets
from ricercar.data.annotations.segments import Segments
from ricercar.data.annotations.tempo import Tempo
from ricercar.errors import InputError
from ricercar.harness.command import expanded
from ricercar.use import page, playing
from ricercar.use.model import Model
from trainings import SMALL, trained

RATE = 16000


@pytest.fixture(scope="module")
def songs(tones: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with folders: two recordings, and what is none."""
    folder = tmp_path_factory.mktemp("songs")
    (folder / "a" / "b").mkdir(parents=True)
    shutil.copy(tones / "audio" / "t3.wav", folder / "a" / "b" / "song.WAV")
    shutil.copy(tones / "audio" / "t2.wav", folder / "other.wav")
    (folder / "notes.txt").write_text("no audio\n")
    return folder


@pytest.fixture(scope="module")
def model(onset_run: Path) -> Model:
    return ricercar.load(onset_run, "cpu")


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_folder_keeps_its_tree(
    run_here: Here, onset_run: Path, songs: Path, model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--format", "tsv,jams,sonic-visualiser", "--output", "out"]
    assert run_here("predict.py", f"run={onset_run}", str(songs), *options) == (0, "")
    assert "2 of 2 recordings, 0.1 min of audio in" in capsys.readouterr().out
    ends = (".jams", ".sv.csv", ".tsv")
    assert files(tmp_path / "out") == [*(f"a/b/song{end}" for end in ends), *(f"other{end}" for end in ends)]
    onsets = model(songs / "other.wav")
    assert isinstance(onsets, Onsets)
    assert (tmp_path / "out" / "other.tsv").read_text() == onsets.text()
    assert Onsets.read(tmp_path / "out" / "other.jams").text() == onsets.text()
    content = json.loads((tmp_path / "out" / "other.jams").read_text())
    assert content["file_metadata"]["duration"] == 3.2


def test_what_is_there_is_left_alone(
    run_here: Here, onset_run: Path, songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "other.tsv").write_text("mine\n")
    given = [f"run={onset_run}", str(songs), str(songs / "other.wav"), "--skip-existing"]
    assert run_here("predict.py", *given) == (0, "")
    assert "1 of 2 recordings" in (printed := capsys.readouterr().out)
    assert "1 were there already" in printed
    assert (tmp_path / "predictions" / "other.tsv").read_text() == "mine\n"
    assert files(tmp_path / "predictions") == ["a/b/song.tsv", "other.tsv"]


def test_what_fails_is_named_and_the_rest_is_done(
    run_here: Here, onset_run: Path, songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Corrupt, empty, silent, cut short, at 192 kHz, with eight channels, and no audio at all."""
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "corrupt.flac").write_bytes(b"fLaC" + bytes(1000))
    (bad / "empty.wav").write_bytes(b"")
    soundfile.write(bad / "no_samples.wav", np.zeros(0), RATE)
    soundfile.write(bad / "silent.wav", np.zeros(RATE), RATE)
    (bad / "text.mp3").write_text("hello\n")
    soundfile.write(bad / "fast.wav", np.zeros(192_000) + 0.1, 192_000)
    soundfile.write(bad / "wide.wav", np.zeros((RATE, 8)) + 0.1, RATE)
    (bad / "cut.wav").write_bytes((songs / "other.wav").read_bytes()[:30_000])
    code, _ = run_here("predict.py", f"run={onset_run}", str(bad), "--output", "out")
    assert code == 1
    assert files(tmp_path / "out") == ["cut.tsv", "fast.tsv", "silent.tsv", "wide.tsv"]
    printed = capsys.readouterr().out
    assert "4 of 8 recordings" in printed
    assert "There are no frames of MPEG audio" in printed
    for name in ("corrupt.flac", "empty.wav", "no_samples.wav", "text.mp3"):
        assert f"failed: Audio file {bad / name}: " in printed


def test_processes_do_the_same(run_here: Here, onset_run: Path, songs: Path, tmp_path: Path) -> None:
    for jobs, output in (("1", "one"), ("2", "two")):
        assert run_here("predict.py", f"run={onset_run}", str(songs), "--jobs", jobs, "--output", output)[0] == 0
    assert files(tmp_path / "one") == files(tmp_path / "two")
    for name in files(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_several_tasks_have_folders(
    run_here: Here, tones: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A format is written by those tasks that have it."""
    tasks = expanded("task=[notes,key]")
    trained(tmp_path / "run", *SMALL, *TINY, *tasks, "data=folder", f"data.root={tones}", f"cache_dir={cache}")
    song = str(tones / "audio" / "t3.wav")
    capsys.readouterr()
    assert run_here("predict.py", "run=run", song, "--format", "mid,lab,jams", "--play", "--page") == (0, "")
    assert files(tmp_path / "predictions") == [
        "key/t3.jams", "key/t3.lab", "key/t3.play.wav",
        "notes/t3.jams", "notes/t3.lab", "notes/t3.mid", "notes/t3.play.wav", "t3.html",
    ]  # fmt: skip
    assert (tmp_path / "predictions" / "key" / "t3.lab").read_text().startswith("0.000000\t3.200000\t")
    sound, rate = soundfile.read(tmp_path / "predictions" / "key" / "t3.play.wav")
    original, _ = soundfile.read(song)
    assert (rate, sound.shape) == (RATE, (len(original), 2))
    np.testing.assert_allclose(sound[:, 0], original, atol=1e-4)
    assert np.abs(sound[:, 1]).max() > 0.1


def test_a_page_has_all_in_itself(
    run_here: Here, onset_run: Path, songs: Path, model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside the prediction; left alone where both are there. Of a recording, not even its folder is told."""
    given = [f"run={onset_run}", str(songs), "--page", "--skip-existing"]
    assert run_here("predict.py", *given) == (0, "")
    written = tmp_path / "predictions"
    assert files(written) == ["a/b/song.html", "a/b/song.tsv", "other.html", "other.tsv"]
    heard, text = heard_in(written / "other.html")
    assert (heard["name"], heard["model"], heard["seconds"]) == ("other.wav", model.name, 3.2)
    onsets = model(songs / "other.wav")
    assert isinstance(onsets, Onsets)
    [drawn] = heard["view"]["tasks"].values()
    assert [mark[0] for mark in drawn["marks"]] == np.round(onsets.time_s, 3).tolist()
    sound, rate = soundfile.read(io.BytesIO(base64.b64decode(heard["audio"].split(",")[1])))
    assert (rate, len(sound)) == (RATE, 3.2 * RATE)
    assert str(songs) not in text
    (written / "other.html").unlink()
    capsys.readouterr()
    assert run_here("predict.py", *given) == (0, "")
    assert "1 were there already" in capsys.readouterr().out
    assert (written / "other.html").exists()


def test_a_page_shows_the_beginning_of_a_long_recording(
    run_here: Here,
    onset_run: Path,
    songs: Path,
    model: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The prediction itself has all."""
    monkeypatch.setattr(page, "LONGEST_S", 1.5)
    assert run_here("predict.py", f"run={onset_run}", str(songs / "other.wav"), "--page")[0] == 0
    assert "other.wav: 3.2 s are too long for a page, which shows the first 1.5" in caplog.text
    heard, _ = heard_in(tmp_path / "predictions" / "other.html")
    assert (heard["seconds"], heard["view"]["end_s"]) == (3.2, 1.5)
    [drawn] = heard["view"]["tasks"].values()
    onsets = model(songs / "other.wav")
    assert isinstance(onsets, Onsets)
    assert [mark[0] for mark in drawn["marks"]] == np.round(onsets.time_s[onsets.time_s <= 1.5], 3).tolist()
    assert (tmp_path / "predictions" / "other.tsv").read_text() == onsets.text()


@pytest.mark.parametrize("samples", [np.zeros(RATE), np.full(3, 0.1)], ids=["silent", "three samples"])
def test_a_page_of_next_to_nothing(run_here: Here, onset_run: Path, tmp_path: Path, samples: Any) -> None:
    soundfile.write(tmp_path / "little.wav", samples, RATE)
    assert run_here("predict.py", f"run={onset_run}", "little.wav", "--page")[0] == 0
    heard, _ = heard_in(tmp_path / "predictions" / "little.html")
    assert heard["view"]["spectrogram"].startswith("data:image/webp")


def heard_in(path: Path) -> tuple[dict[str, Any], str]:
    """What a page has of a recording, and the page."""
    text = path.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="heard">(.*?)</script>', text)
    assert found is not None
    return json.loads(found[1]), text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run=RUN"], "give one run and what to predict"),
        (["SONG"], "give one run and what to predict"),
        (["run=no/such", "SONG"], "no/such: there is no such folder"),
        (["run=RUN", "no_such.wav"], "no_such.wav: there is no such file or folder"),
        (["run=RUN", "https://example.org/a.wav"], "is an address: download the file first"),
        (["run=RUN", "empty"], "empty: there is no audio in this folder"),
        (["run=RUN", "SONG", "--format", "mid"], "--format mid: onsets writes tsv, jams, sonic-visualiser, csv, lab"),
        (["run=RUN", "SONG", "--jobs", "0"], "--jobs 0: give 1 or more"),
        (["run=RUN", "SONG", "--output", "a_file"], "cannot write a_file: File exists"),
        (["run=RUN", "SONG", "same/other.wav"], "the estimates of both would be called other"),
        (["run=RUN", "SONG", "--channels", "2"], "--channels: with --stream alone"),
        (["run=RUN", "--stream", "--page", "--jobs", "0"], "--jobs, --page: not with --stream, which writes no files"),
        (["run=RUN", "--stream", "SONG"], "give one run, and sound on standard input"),
        (["run=RUN", "--stream", "--sample-rate", "3"], "sound of 1 channels at 3 Hz"),
    ],
)
def test_what_cannot_be_is_one_message(
    run_here: Here, onset_run: Path, songs: Path, tmp_path: Path, arguments: list[str], told: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a_file").write_text("")
    (tmp_path / "same").mkdir()
    shutil.copy(songs / "other.wav", tmp_path / "same")
    given = [each.replace("RUN", str(onset_run)).replace("SONG", str(songs / "other.wav")) for each in arguments]
    code, printed = run_here("predict.py", *given)
    assert (code, printed.count("\n")) == (1, 1)
    assert told in printed


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may have more than 20 bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_files")
def test_a_full_disk_leaves_no_part_of_a_file(run_here: Here, onset_run: Path, songs: Path, tmp_path: Path) -> None:
    code, printed = run_here("predict.py", f"run={onset_run}", str(songs), "--output", "out")
    assert code == 1
    assert "cannot write out/a/b/song.tsv: File too large. Make room; what is written stays" in printed
    assert files(tmp_path / "out") == []


@pytest.mark.usefixtures("small_files")
def test_no_room_for_long_recordings(
    run_here: Here, onset_run: Path, songs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scratch, "IN_MEMORY", 1000)
    assert run_here("predict.py", f"run={onset_run}", str(songs / "other.wav"), "--output", "out")[0] == 1
    told = rf"failed: {songs / 'other.wav'}: no room for .* in {tempfile.gettempdir()}: File too large. Make room there"
    assert re.search(told, capsys.readouterr().out)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_where_writing_is_not_allowed(run_here: Here, onset_run: Path, songs: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o500)
    code, printed = run_here("predict.py", f"run={onset_run}", str(songs), "--output", "out")
    assert code == 1
    assert "writing there is not allowed" in printed


def test_a_folder_of_yamls_has_to_be_there(run_here: Here, onset_run: Path) -> None:
    code, printed = run_here("predict.py", f"run={onset_run}", "x.wav", "--config-dir", "no/such")
    assert (code, "--config-dir: no/such: there is no such folder" in printed) == (2, True)


def test_as_an_installed_command(run_command: Command, onset_run: Path, songs: Path, tmp_path: Path) -> None:
    done = run_command("-m", "ricercar", "predict", f"run={onset_run}", str(songs / "other.wav"))
    assert (done.returncode, done.stderr) == (0, "")
    assert files(tmp_path / "predictions") == ["other.tsv"]


# --- what was heard, as sound ---

_A4 = [Notes.make([0.5], [1.0], [69]), Melody(np.arange(100) / 100, np.where(np.arange(100) >= 50, 440.0, 0.0)),
       Multipitch.make(np.arange(100) / 100, [[440.0] if row >= 50 else [] for row in range(100)])]  # fmt: skip


@pytest.mark.parametrize("heard", _A4, ids=lambda each: each.name)
def test_pitches_sound_where_they_are(heard: Annotation) -> None:
    sound = playing.sound_of(heard, RATE, RATE)
    assert np.abs(sound[: int(0.45 * RATE)]).max() < 1e-3
    spectrum = np.abs(np.fft.rfft(sound[int(0.55 * RATE) : int(0.95 * RATE)]))
    assert spectrum.argmax() * RATE / (0.4 * RATE) == pytest.approx(440, abs=4)


@pytest.mark.parametrize(
    ("heard", "at_s"),
    [
        (Beats.make([0.25, 0.5], [1, 2]), [0.25, 0.5]),
        (Onsets.make([0.1, 0.7]), [0.1, 0.7]),
        (Tempo(120.0), [0.0, 0.5]),
        (Segments(np.array([0.0, 0.4]), np.array([0.4, 0.9]), ("a", "b")), [0.0, 0.4]),
    ],
)
def test_instants_are_clicks(heard: Annotation, at_s: list[float]) -> None:
    sound = np.abs(playing.sound_of(heard, RATE, RATE)) > 0.01
    begins = np.flatnonzero(sound & ~np.convolve(sound, np.ones(400, dtype=bool))[: len(sound)].astype(bool).take(
        np.arange(len(sound)) - 1, mode="clip")) / RATE  # fmt: skip
    np.testing.assert_allclose(begins, at_s, atol=0.002)


@pytest.mark.parametrize(
    ("heard", "pitches"),
    [
        (Chords(np.array([0.0]), np.array([1.0]), ("A:min7/b3",)), [69, 72, 76, 79]),
        (Chords(np.array([0.0]), np.array([1.0]), ("Eb",)), [63, 67, 70]),
        (Chords(np.array([0.0]), np.array([1.0]), ("N",)), []),
        (Key.parse("C minor"), [60, 63, 67]),
    ],
)
def test_chords_are_their_tones(heard: Annotation, pitches: list[int]) -> None:
    spectrum = np.abs(np.fft.rfft(playing.sound_of(heard, RATE, RATE) * np.hanning(RATE)))
    found = np.flatnonzero((spectrum[1:-1] > spectrum[:-2]) & (spectrum[1:-1] > spectrum[2:]) & (spectrum[1:-1] > 200))
    np.testing.assert_allclose(69 + 12 * np.log2((found + 1) / 440), pitches, atol=0.1)


def test_tags_have_no_sound() -> None:
    from ricercar.data.annotations.tags import Tags

    with pytest.raises(InputError, match="there is no sound for tags"):
        playing.sound_of(Tags(("piano",)), RATE, RATE)
