"""Decoded audio is kept exactly, once, and safely beside other processes, full disks and damage."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from ricercar.data import kept
from ricercar.data.audio.file import AudioFile
from ricercar.data.audio.store import AudioStore
from ricercar.data.track import AudioSource, Track
from ricercar.errors import InputError

SAMPLE_RATE = 16000


def track(audio: AudioSource, name: str = "a") -> Track:
    return Track(name, "train", name, audio)


def counting(num_samples: int) -> NDArray[np.int16]:
    return (np.arange(num_samples) % 30000 + 1).astype(np.int16)


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    """1,000 samples: 1, 2, 3 ..."""
    path = tmp_path / "a.wav"
    soundfile.write(path, counting(1000), SAMPLE_RATE)
    return path


def test_16_bit_samples_are_kept_exactly(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-32768, 32768, 5000).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", samples, SAMPLE_RATE)
    store = AudioStore(tmp_path / "store", SAMPLE_RATE)
    assert store.read(track(AudioFile(tmp_path / "a.wav")), 0, 5000).tolist() == samples.tolist()


@pytest.mark.parametrize(
    ("start", "num_samples"),
    [(0, 1000), (100, 50), (-10, 20), (990, 20), (-10, 1020), (-50, 20), (1000, 5), (5000, 5), (3, 0)],
)
def test_read_has_zeros_beyond_both_ends(start: int, num_samples: int, wav: Path, tmp_path: Path) -> None:
    store = AudioStore(tmp_path / "store", SAMPLE_RATE)
    padded = np.concatenate([np.zeros(100), counting(1000), np.zeros(9000)])
    crop = store.read(track(AudioFile(wav)), start, num_samples)
    assert crop.dtype == np.int16
    assert crop.tolist() == padded[100 + start : 100 + start + num_samples].tolist()


def test_a_crop_can_be_changed(wav: Path, tmp_path: Path) -> None:
    store = AudioStore(tmp_path / "store", SAMPLE_RATE)
    store.read(track(AudioFile(wav)), 0, 10)[:] = 0
    assert store.read(track(AudioFile(wav)), 0, 3).tolist() == [1, 2, 3]


def test_length(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(96000, 0.5), 48000)
    store = AudioStore(tmp_path / "store", SAMPLE_RATE)
    assert store.num_samples(track(AudioFile(tmp_path / "a.wav"))) == 32000
    assert store.duration_s(track(AudioFile(tmp_path / "a.wav"))) == 2.0


@pytest.mark.parametrize(("num_samples", "sample_rate", "kept"), [(1, 16000, 1), (1, 192000, 1), (3, 8000, 6)])
def test_very_short_audio(num_samples: int, sample_rate: int, kept: int, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(num_samples, 0.5), sample_rate)
    store = AudioStore(tmp_path / "store", SAMPLE_RATE)
    short = track(AudioFile(tmp_path / "a.wav"))
    assert store.num_samples(short) == kept
    assert len(store.read(short, 0, 100)) == 100


def test_silent_audio_is_noted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(100), SAMPLE_RATE)
    store = AudioStore(tmp_path / "store", SAMPLE_RATE)
    assert not store.read(track(AudioFile(tmp_path / "a.wav"), "hush"), 0, 100).any()
    assert "'hush' is silent" in caplog.text


def test_a_length_that_does_not_hold_is_told_in_each_run(
    tmp_path: Path, wav: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wav.write_bytes(wav.read_bytes()[:1044])
    for _ in range(2):
        caplog.clear()
        store = AudioStore(tmp_path / "store", SAMPLE_RATE)
        store.prepare([track(AudioFile(wav), "torn")])
        assert f"Track 'torn': Audio file {wav}: is cut short: 0.031 of 0.062 s are there." in caplog.text
        assert store.num_samples(track(AudioFile(wav))) == 500
        assert "cut short" in store.flaw(track(AudioFile(wav)))


def test_a_length_that_does_not_hold_is_told_from_worker_processes(
    tmp_path: Path, wav: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wav.write_bytes(wav.read_bytes()[:1044])
    AudioStore(tmp_path / "store", SAMPLE_RATE).prepare([track(AudioFile(wav), "torn")], num_workers=1)
    assert "Track 'torn'" in caplog.text


def test_what_an_earlier_reading_left_is_not_used(wav: Path, tmp_path: Path) -> None:
    """Entries were once named by the file's key alone; keys are part of fingerprints, and stay."""
    store = AudioStore(tmp_path / "store", SAMPLE_RATE)
    store.folder.mkdir(parents=True)
    np.save(store.folder / f"{AudioFile(wav).key()}.npy", np.zeros(7, np.int16))
    assert store.num_samples(track(AudioFile(wav))) == 1000


@dataclass(eq=False)
class Counted:
    """Audio that counts how often it is decoded, in a file, for other processes to see."""

    folder: Path
    name: str
    seconds: float = 0.0

    def key(self) -> str:
        return self.name

    def decode(self, sample_rate: int) -> NDArray[np.float32]:
        with (self.folder / "decoded").open("a") as file:
            file.write(self.name + "\n")
        time.sleep(self.seconds)
        return np.full(1000, 0.25, np.float32)


def decoded(folder: Path) -> list[str]:
    return sorted((folder / "decoded").read_text().split())


def test_audio_is_decoded_once(tmp_path: Path) -> None:
    tracks = [track(Counted(tmp_path, "x"), "1"), track(Counted(tmp_path, "x"), "2"), track(Counted(tmp_path, "y"))]
    AudioStore(tmp_path / "store", SAMPLE_RATE).prepare(tracks)
    AudioStore(tmp_path / "store", SAMPLE_RATE).prepare(tracks)
    assert decoded(tmp_path) == ["x", "y"]
    AudioStore(tmp_path / "store", 22050).prepare(tracks[:1])
    assert decoded(tmp_path) == ["x", "x", "y"]


def test_more_tracks_than_files_may_be_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MAX_MAPS", 3)
    tracks = [track(Counted(tmp_path, f"x{number}")) for number in range(10)]
    store = AudioStore(tmp_path / "store", SAMPLE_RATE)
    store.prepare(tracks)
    before = len(os.listdir("/proc/self/fd"))
    assert [store.read(each, 0, 2).tolist() for each in tracks * 2] == [[8192, 8192]] * 20
    assert len(os.listdir("/proc/self/fd")) - before == 3


def test_files_are_hashed_once_while_they_stay_as_they_are(
    wav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = []
    key = AudioFile.key

    def noted(audio: AudioFile) -> str:
        hashed.append(audio.path)
        return key(audio)

    monkeypatch.setattr(AudioFile, "key", noted)

    def first_sample() -> int:
        store = AudioStore(tmp_path / "store", SAMPLE_RATE)
        store.prepare([track(AudioFile(wav))])
        return int(store.read(track(AudioFile(wav)), 0, 1)[0])

    assert (first_sample(), first_sample()) == (1, 1)
    assert hashed == [wav]
    soundfile.write(wav, counting(1000) + 5, SAMPLE_RATE)
    os.utime(wav, ns=(0, 0))
    assert first_sample() == 6
    assert hashed == [wav, wav]


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"a": 1}', '{"a": [1, 2]}', "\xff"])
def test_damaged_memory_of_keys_is_made_again(content: str, wav: Path, tmp_path: Path) -> None:
    memory = tmp_path / "store" / "keys.json"
    memory.parent.mkdir()
    memory.write_text(content, encoding="latin-1")
    AudioStore(tmp_path / "store", SAMPLE_RATE).prepare([track(AudioFile(wav))])
    stat = wav.stat()
    assert json.loads(memory.read_text()) == {str(wav): [stat.st_size, stat.st_mtime_ns, AudioFile(wav).key()]}


@pytest.mark.parametrize("damage", ["shorter", "longer", "empty", "other"])
def test_damaged_entry_is_made_again(damage: str, tmp_path: Path) -> None:
    AudioStore(tmp_path / "store", SAMPLE_RATE).prepare([track(Counted(tmp_path, "x"))])
    (entry,) = (tmp_path / "store" / str(SAMPLE_RATE)).iterdir()
    whole = entry.read_bytes()
    entry.write_bytes({"shorter": whole[:-2], "longer": whole + b"1", "empty": b"", "other": b"x" * len(whole)}[damage])
    store = AudioStore(tmp_path / "store", SAMPLE_RATE)
    assert store.read(track(Counted(tmp_path, "x")), 0, 1000).tolist() == [8192] * 1000
    assert entry.read_bytes() == whole


def test_worker_processes(tmp_path: Path, wav: Path) -> None:
    soundfile.write(tmp_path / "b.wav", counting(500), SAMPLE_RATE)
    files = [track(AudioFile(wav)), track(AudioFile(tmp_path / "b.wav"), "b")]
    store = AudioStore(tmp_path / "store", SAMPLE_RATE)
    store.prepare(files, num_workers=2)
    assert [store.num_samples(each) for each in files] == [1000, 500]


def test_error_in_a_worker_process_reaches_the_user(tmp_path: Path) -> None:
    (tmp_path / "b.wav").write_text("not audio")
    with pytest.raises(InputError, match=r"b\.wav.* not audio"):
        AudioStore(tmp_path / "store", SAMPLE_RATE).prepare([track(AudioFile(tmp_path / "b.wav"))], num_workers=1)


# --- other processes, full disks ---

NUM_TRACKS = 4
PREPARE = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_store import prepare
prepare(Path(sys.argv[1]), float(sys.argv[2]))
"""


def prepare(folder: Path, seconds: float) -> None:
    """Fills a store, when a line comes in, with tracks that each take `seconds` to decode."""
    print("ready", flush=True)
    sys.stdin.readline()
    tracks = [track(Counted(folder, f"x{number}", seconds)) for number in range(NUM_TRACKS)]
    AudioStore(folder / "store", SAMPLE_RATE).prepare(tracks)


@pytest.fixture
def processes(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[list["subprocess.Popen[str]"]]:
    """Processes that run `prepare`, all ready to go; the parameter: how many, and the seconds."""
    number, seconds = request.param
    command = [sys.executable, "-c", PREPARE, str(tmp_path), str(seconds)]
    pipe = subprocess.PIPE
    started = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(number)]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    yield started
    for process in started:
        process.kill()
        process.communicate()


def go(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.parametrize("processes", [(3, 0.1)], indirect=True)
def test_processes_that_fill_one_store_together(processes: list["subprocess.Popen[str]"], tmp_path: Path) -> None:
    entries = tmp_path / "store" / str(SAMPLE_RATE)
    for process in processes:
        go(process)
    seen = set()
    while any(process.poll() is None for process in processes):
        for entry in entries.glob("*.npy"):
            seen.add(entry.name)
            assert np.load(entry).tolist() == [8192] * 1000
    assert [process.returncode for process in processes] == [0] * len(processes)
    assert len(seen) == NUM_TRACKS
    assert decoded(tmp_path) == [f"x{number}" for number in range(NUM_TRACKS)]
    assert sorted(path.name for path in entries.iterdir()) == [f"x{number}.npy" for number in range(NUM_TRACKS)]


@pytest.mark.parametrize("processes", [(1, 60.0)], indirect=True)
def test_killed_process_leaves_nothing_bad(processes: list["subprocess.Popen[str]"], tmp_path: Path) -> None:
    entries = tmp_path / "store" / str(SAMPLE_RATE)
    go(processes[0])
    while not (tmp_path / "decoded").exists():
        time.sleep(0.01)
    assert (entries / "x0.lock").exists()  # it is in the middle
    processes[0].send_signal(signal.SIGKILL)
    processes[0].wait()
    (entries / "x0.npy.tmp").write_bytes(b"half an entry")
    assert not list(entries.glob("*.npy"))

    store = AudioStore(tmp_path / "store", SAMPLE_RATE)
    assert store.read(track(Counted(tmp_path, "x0")), 0, 1000).tolist() == [8192] * 1000
    assert [path.name for path in entries.iterdir()] == ["x0.npy"]


@pytest.fixture
def small_files_only() -> Iterator[None]:
    """Writing stops after 1,500 bytes of a file, with an error like that of a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_files_only")
def test_full_disk(tmp_path: Path) -> None:
    store = AudioStore(tmp_path / "store", SAMPLE_RATE)
    with pytest.raises(InputError, match="Free some space there, or name another folder: cache_dir=") as error:
        store.prepare([track(Counted(tmp_path, "x"))])
    assert str(tmp_path / "store" / "16000") in str(error.value)
    assert list((tmp_path / "store" / "16000").iterdir()) == []


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    with pytest.raises(InputError, match=r"cannot be kept in .*cache_dir="):
        AudioStore(tmp_path / "store", SAMPLE_RATE).prepare([track(Counted(tmp_path, "x"))])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir(mode=0o555)
    with pytest.raises(InputError, match=r"Allow reading and writing there, or .*cache_dir="):
        AudioStore(tmp_path / "store", SAMPLE_RATE).prepare([track(Counted(tmp_path, "x"))])
