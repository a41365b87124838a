"""Cached spectrograms: those of the whole track, made once, safely beside other processes, full disks and damage."""

import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from numpy.typing import NDArray
from torch import Tensor

from configs import ROOT, composed
from conftest import Start
from forked_python import Forked
from ricercar.data.audio.store import AudioStore
from ricercar.data.batches import spectrogram_store as spectrogram_store
from ricercar.data.batches.spectrogram_store import Analysis, SpectrogramStore
from ricercar.data.track import Track
from ricercar.errors import InputError

SAMPLE_RATE, HOP = 16000, 160


class Noise:
    """Audio of so many samples, of its own for each number of them."""

    def __init__(self, num_samples: int) -> None:
        self.num_samples = num_samples

    def key(self) -> str:
        return f"noise{self.num_samples}"

    def decode(self, sample_rate: int) -> NDArray[np.float32]:
        return np.random.default_rng(self.num_samples).uniform(-1, 1, self.num_samples).astype(np.float32)


def noise(num_samples: int) -> Track:
    return Track(str(num_samples), "train", "a", Noise(num_samples))


def means(audio: Tensor) -> Tensor:
    """(1, N) -> (1, 2, 3, T): the mean over 2 hops around each frame, written six times."""
    padded = torch.nn.functional.pad(audio, (HOP, HOP))
    return padded.unfold(1, 2 * HOP, HOP).mean(dim=2)[:, None, None].expand(-1, 2, 3, -1)


def spectrograms(
    folder: Path,
    analyse: Callable[[Tensor], Tensor] = means,
    key: str = "means",
    reach: int = HOP,
    limit_bytes: int | None = None,
) -> SpectrogramStore:
    return SpectrogramStore(
        AudioStore(folder, SAMPLE_RATE), HOP, Analysis(key, reach, analyse), limit_bytes=limit_bytes
    )


def whole(store: SpectrogramStore, track: Track) -> NDArray[np.float32]:
    """(C, F, T): analysed at once."""
    audio = store.store.read(track, 0, store.num_samples(track)).astype(np.float32) / 32768.0
    with torch.no_grad():
        return np.asarray(store.blocks.analyse(torch.from_numpy(audio)[None])[0])


# A fixed CQT cuts off its kernels' spectra, in another place for each length: it is exact to 5e-5.
@pytest.mark.parametrize(("frontend", "error"), [("stft", 1e-6), ("mel", 1e-6), ("cqt", 5e-5), ("chroma", 5e-5)])
@pytest.mark.parametrize("num_samples", [37 * HOP + 11, 1000 * HOP + 1])
def test_frontend_by_blocks_is_that_of_the_whole_track(
    frontend: str, error: float, num_samples: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spectrogram_store, "BLOCK_S", 3.0)
    layer = instantiate(composed(f"frontend={frontend}", f"hop_length={HOP}").frontend)
    store = spectrograms(tmp_path, layer.analyse, reach=layer.reach)
    expected = whole(store, noise(num_samples))
    found = store.read(noise(num_samples), 0, 1 + num_samples // HOP)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=error * expected.max())


@pytest.mark.parametrize("num_samples", [1, HOP - 1, HOP, 5000, 16 * SAMPLE_RATE - 1, 40 * SAMPLE_RATE])
def test_any_length(num_samples: int, tmp_path: Path) -> None:
    store = spectrograms(tmp_path)
    expected = whole(store, noise(num_samples))
    assert expected.shape == (2, 3, 1 + num_samples // HOP)
    np.testing.assert_allclose(store.read(noise(num_samples), 0, expected.shape[2]), expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize(("first", "num_frames"), [(0, 11), (3, 5), (-4, 6), (8, 9), (-2, 20), (-9, 4), (30, 4)])
def test_read_has_zeros_beyond_both_ends(first: int, num_frames: int, tmp_path: Path) -> None:
    store = spectrograms(tmp_path)
    padded = np.pad(whole(store, noise(10 * HOP)), ((0, 0), (0, 0), (50, 50)))
    window = store.read(noise(10 * HOP), first * HOP, num_frames)
    np.testing.assert_allclose(window, padded[:, :, 50 + first : 50 + first + num_frames], rtol=0, atol=1e-7)


def test_memory_does_not_grow_with_the_track(tmp_path: Path) -> None:
    lengths = []

    def noted(audio: Tensor) -> Tensor:
        lengths.append(audio.shape[1])
        return means(audio)

    spectrograms(tmp_path, noted).prepare([noise(60 * SAMPLE_RATE)])
    assert len(lengths) > 4
    assert max(lengths) <= (spectrogram_store.BLOCK_S + 0.02) * SAMPLE_RATE


def counted(folder: Path) -> Callable[[Tensor], Tensor]:
    """Notes in a file each block that is analysed; the first, of zeros, only tells the shape."""

    def analyse(audio: Tensor) -> Tensor:
        if audio.any():
            with (folder / "analysed").open("a") as file:
                file.write("x")
        return means(audio)

    return analyse


def number(folder: Path) -> int:
    return len((folder / "analysed").read_text())


def test_spectrograms_are_made_once(tmp_path: Path) -> None:
    tracks = [noise(1000), noise(1000), noise(2000)]
    for _ in range(2):
        store = spectrograms(tmp_path, counted(tmp_path))
        store.prepare(tracks)
        store.read(tracks[0], 0, 2)
    assert number(tmp_path) == 2
    spectrograms(tmp_path, counted(tmp_path), key="other").prepare(tracks)
    assert number(tmp_path) == 4


@pytest.mark.parametrize("damage", ["shorter", "longer", "empty", "other"])
def test_damaged_spectrogram_is_made_again(damage: str, tmp_path: Path) -> None:
    spectrograms(tmp_path).prepare([noise(1000)])
    [entry] = (tmp_path / "spectrograms" / "means").iterdir()
    good = entry.read_bytes()
    entry.write_bytes({"shorter": good[:-4], "longer": good + b"1234", "empty": b"", "other": b"x" * len(good)}[damage])
    assert spectrograms(tmp_path).read(noise(1000), 0, 3).any()
    assert entry.read_bytes() == good


# --- the limit ---

SIZE = 128 + 4 * 2 * 3 * 7  # of the spectrogram of 1,000 samples: 7 frames; and of up to 1,119


def names(folder: Path) -> list[int]:
    return sorted(int(path.stem.removeprefix("noise")) for path in (folder / "spectrograms").glob("*/*.npy"))


def test_those_unused_for_longest_make_room(tmp_path: Path) -> None:
    for age, num_samples in enumerate((1003, 1001, 1002)):
        spectrograms(tmp_path, key=f"k{age}").prepare([noise(num_samples)])
        [entry] = (tmp_path / "spectrograms" / f"k{age}").iterdir()
        os.utime(entry, (1000 + age, 1000 + age))
    spectrograms(tmp_path, key="k0").prepare([noise(1003)])  # used: now the newest
    spectrograms(tmp_path, limit_bytes=3 * SIZE).prepare([noise(1004)])
    assert names(tmp_path) == [1002, 1003, 1004]


def test_what_the_run_itself_uses_stays(tmp_path: Path) -> None:
    spectrograms(tmp_path, key="old").prepare([noise(1003)])
    store = spectrograms(tmp_path, limit_bytes=2 * SIZE)
    store.prepare([noise(1000)])
    os.utime(tmp_path / "spectrograms" / "means" / "noise1000.npy", (0, 0))
    store.prepare([noise(1001)])
    assert names(tmp_path) == [1000, 1001]


def test_too_many_for_the_limit_are_refused_before_work(tmp_path: Path) -> None:
    store = spectrograms(tmp_path, counted(tmp_path), limit_bytes=2 * SIZE)
    store.prepare([noise(1000)])
    with pytest.raises(InputError, match=r"3 tracks take .* GB, more than spectrogram\.limit_gb=.*spectrogram=fresh"):
        store.prepare([noise(1001), noise(1002)])
    assert number(tmp_path) == 1


@pytest.mark.parametrize("is_open", [True, False])
def test_run_whose_spectrograms_another_removes_goes_on(is_open: bool, tmp_path: Path) -> None:
    store = spectrograms(tmp_path, counted(tmp_path), limit_bytes=SIZE)
    store.prepare([noise(1000)])
    expected = whole(store, noise(1000))
    if is_open:
        store.read(noise(1000), 0, 7)
    spectrograms(tmp_path, key="other", limit_bytes=SIZE).prepare([noise(1001)])
    assert names(tmp_path) == [1001]
    before = number(tmp_path)
    np.testing.assert_allclose(store.read(noise(1000), 0, 7), expected, rtol=0, atol=1e-7)
    assert number(tmp_path) - before == (0 if is_open else 1)


# --- other processes, full disks ---

PREPARE = f"""
import sys
from pathlib import Path
sys.path[:0] = [{str(ROOT / "tests")!r}, {str(Path(__file__).parent)!r}]
from test_spectrogram_store import prepare
prepare(Path(sys.argv[1]), float(sys.argv[2]))
"""
TRACKS = [noise(num_samples) for num_samples in (1000, 1001, 1002, 1003)]


def prepare(folder: Path, seconds: float) -> None:
    """Makes spectrograms, once folder/go is there, that each take `seconds`."""
    (folder / f"ready{os.getpid()}").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)
    noted = counted(folder)

    def slow(audio: Tensor) -> Tensor:
        spectrogram = noted(audio)
        if audio.any():
            time.sleep(seconds)
        return spectrogram

    spectrograms(folder, slow).prepare(TRACKS)


@pytest.fixture
def processes(start: Start, tmp_path: Path, request: pytest.FixtureRequest) -> list[Forked]:
    """Processes that run `prepare`, which have begun together; the parameter: how many, and the seconds."""
    how_many, seconds = request.param
    AudioStore(tmp_path, SAMPLE_RATE).prepare(TRACKS)
    started = [start("-c", PREPARE, str(tmp_path), str(seconds)) for _ in range(how_many)]
    while len(list(tmp_path.glob("ready*"))) < how_many:
        assert all(process.running() for process in started)
        time.sleep(0.01)
    (tmp_path / "go").touch()
    return started


@pytest.mark.parametrize("processes", [(2, 0.1)], indirect=True)
def test_processes_share_the_work(processes: list[Forked], tmp_path: Path) -> None:
    assert [process.wait() for process in processes] == [0, 0]
    assert number(tmp_path) == len(TRACKS)
    assert names(tmp_path) == [1000, 1001, 1002, 1003]


@pytest.mark.parametrize("processes", [(1, 60.0)], indirect=True)
def test_killed_process_leaves_nothing_bad(processes: list[Forked], tmp_path: Path) -> None:
    while not (tmp_path / "analysed").exists():
        time.sleep(0.01)
    processes[0].send(signal.SIGKILL)
    processes[0].wait()
    assert names(tmp_path) == []
    store = spectrograms(tmp_path)
    np.testing.assert_allclose(store.read(TRACKS[0], 0, 7), whole(store, TRACKS[0]), rtol=0, atol=1e-7)
    assert [path.name for path in (tmp_path / "spectrograms" / "means").iterdir()] == ["noise1000.npy"]


@pytest.fixture
def small_files_only(tmp_path: Path) -> Iterator[None]:
    """Writing stops after 1,500 bytes of a file, with an error like that of a full disk."""
    AudioStore(tmp_path, SAMPLE_RATE).prepare([noise(20000)])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_files_only")
def test_full_disk(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Free some space there, or name another folder: cache_dir=") as error:
        spectrograms(tmp_path).prepare([noise(20000)])
    assert str(tmp_path / "spectrograms" / "means") in str(error.value)
    assert list((tmp_path / "spectrograms" / "means").iterdir()) == []
