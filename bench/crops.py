"""Random windows of hours of audio, beside soundfile's; and spectrograms read beside spectrograms made.

    python bench/crops.py [--quick]

Two hours at 16 kHz in FLAC files of five minutes, with ten notes a second. Times are CPU times of one thread, warm.
Where soundfile stands beside, it seeks and reads the very same 8 x 5 s, which the run asserts, without targets. Memory
is what is not in files (RssAnon), of the whole process.
"""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import soundfile
import torch
from hydra import compose, initialize_config_dir
from numpy.typing import NDArray
from rows import Row, Spread, Work, interleaved, text

from ricercar.data.annotations.notes import Notes
from ricercar.data.audio.file import AudioFile
from ricercar.data.audio.store import AudioStore
from ricercar.data.batches.crops import Crops, to_float
from ricercar.data.batches.spectrogram_store import Analysis, SpectrogramStore
from ricercar.data.batches.windows import AudioWindows, Windows
from ricercar.data.track import Track
from ricercar.harness import assemble
from ricercar.tasks.multitask import Multitask

GROUP = "data"
SAMPLE_RATE, HOP, FRAMES, BATCH = 16000, 320, 251, 8  # windows of 5 s
IN_A_ROW = 5  # batches
NUM_BATCHES = 100  # before memory is looked at
TRACK_S = 300
FRONTENDS = ("mel", "hcqt")


def measure(quick: bool) -> list[Row]:
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        tracks = recordings(Path(folder), 2 * 3600 // TRACK_S)
        store = AudioStore(Path(folder) / "cache", SAMPLE_RATE)
        store.prepare(tracks)
        turns = 12 if quick else 60
        rows = [*beside_soundfile(tracks, store, turns), *growth(tracks, store, turns)]
        rows.append(shifted(tracks, store, turns // 2))
        for name in FRONTENDS[:1] if quick else FRONTENDS:
            rows.append(spectrograms(name, tracks[:3], store, turns // 2))
        if not quick:
            rows.append(many_tracks(Path(folder), turns))
    return rows


def beside_soundfile(tracks: Sequence[Track], store: AudioStore, turns: int) -> Iterator[Row]:
    """With targets, and, as soundfile has none, without."""
    noted = Noted(store, HOP)
    bare = crops(tracks, noted, targets=False)
    ahead = []
    for number in range((turns + 1) * IN_A_ROW):
        audio, windows = bare.batch(items(number))["input"].numpy(), noted.taken()
        assert number > 2 or np.array_equal(audio, np.stack(list(by_soundfile(windows))))
        ahead.append(windows)
    works = {
        "ricercar": in_a_row(batches(crops(tracks, AudioWindows(store, HOP)))),
        "without targets": in_a_row(batches(crops(tracks, AudioWindows(store, HOP), targets=False))),
        "soundfile": in_a_row(list(by_soundfile(windows)) for windows in ahead),
    }
    warm_up(tracks, store)
    figures = {who: spread.per(IN_A_ROW) for who, spread in interleaved(works, turns, time.process_time).items()}
    without, soundfiles = figures.pop("without targets"), figures["soundfile"]
    work = f"batch of {BATCH} x 5 s from 2 h"
    yield Row(GROUP, f"{work}, with note targets", "ms CPU", figures, at_most=2.0)
    figures = {"ricercar": without, "soundfile": soundfiles}
    yield Row(GROUP, f"{work}, the audio alone", "ms CPU", figures, {"soundfile": 20.0})


def growth(tracks: Sequence[Track], store: AudioStore, turns: int) -> Iterator[Row]:
    """Batches from half an hour, one, and two."""
    hours = {f"{share / 2:g} h": tracks[: share * len(tracks) // 4] for share in (1, 2, 4)}
    own = {name: crops(some, AudioWindows(store, HOP)) for name, some in hours.items()}
    figures = in_turn(own, turns)
    yield Row(GROUP, f"batch of {BATCH} x 5 s, by hours", "ms CPU", {"ricercar": figures.pop("2 h"), **figures})
    memory = {}
    for name, some in hours.items():
        stream = batches(crops(some, AudioWindows(AudioStore(store.root, SAMPLE_RATE), HOP)))
        for _ in range(NUM_BATCHES):
            next(stream)
        memory[name] = Spread.of([anonymous_mb()])
    work = f"memory of the process after {NUM_BATCHES} batches, by hours"
    yield Row(GROUP, work, "MB", {"ricercar": memory.pop("2 h"), **memory})


def shifted(tracks: Sequence[Track], store: AudioStore, turns: int) -> Row:
    own = {
        name: crops(tracks, AudioWindows(store, HOP), semitones=each)
        for name, each in (("ricercar", 4), ("not shifted", 0))
    }
    work = f"batch of {BATCH} x 5 s, pitch shifted by up to 4 semitones"
    return Row(GROUP, work, "ms CPU", in_turn(own, turns))


def spectrograms(name: str, tracks: Sequence[Track], store: AudioStore, turns: int) -> Row:
    """A batch with its spectrograms: read, and made from the audio."""
    frontend = assemble.make(composed(f"frontend={name}").frontend)
    kept = SpectrogramStore(store, HOP, Analysis(name, frontend.reach, frontend.analyse), limit_bytes=None)
    kept.prepare(tracks)
    read, fresh = (batches(crops(tracks, each, targets=False)) for each in (kept, AudioWindows(store, HOP)))
    with torch.no_grad():
        works = {
            "ricercar": in_a_row(frontend.arrange(batch["input"]) for batch in read),
            "made anew": in_a_row(frontend(to_float(batch["input"])) for batch in fresh),
        }
        taken = interleaved(works, turns, time.process_time)
    figures = {who: spread.per(IN_A_ROW) for who, spread in taken.items()}
    return Row(GROUP, f"batch of {BATCH} spectrograms of 5 s, {name}, from the cache, no targets", "ms CPU", figures)


def many_tracks(folder: Path, turns: int) -> Row:
    """Recordings of 6 s: more than can be open at once."""
    store = AudioStore(folder / "short", SAMPLE_RATE)
    notes = played(np.random.default_rng(0), 6)
    tracks = [Track(str(number), "train", "", Short(number), {"notes": notes}) for number in range(2000)]
    store.prepare(tracks)
    own = {
        "ricercar": crops(tracks, AudioWindows(store, HOP)),
        "100 tracks": crops(tracks[:100], AudioWindows(store, HOP)),
    }
    return Row(GROUP, f"batch of {BATCH} x 5 s, 2,000 tracks", "ms CPU", in_turn(own, turns))


class Short:
    """Six seconds of noise."""

    def __init__(self, number: int) -> None:
        self.number = number

    def key(self) -> str:
        return str(self.number)

    def decode(self, sample_rate: int) -> NDArray[np.float32]:
        return np.random.default_rng(self.number).uniform(-1, 1, 6 * sample_rate).astype(np.float32)


class Noted(AudioWindows):
    """Windows that remember where they were read."""

    def __init__(self, store: AudioStore, hop_length: int) -> None:
        super().__init__(store, hop_length)
        self.windows: list[tuple[Path, int]] = []

    def read(self, track: Track, start: int, num_frames: int) -> NDArray[np.int16]:
        assert isinstance(track.audio, AudioFile)
        self.windows.append((track.audio.path, start))
        return super().read(track, start, num_frames)

    def taken(self) -> list[tuple[Path, int]]:
        taken, self.windows = self.windows, []
        return taken


def by_soundfile(windows: Sequence[tuple[Path, int]]) -> Iterator[NDArray[np.int16]]:
    for path, start in windows:
        with soundfile.SoundFile(path) as file:
            file.seek(start)
            yield file.read((FRAMES - 1) * HOP, dtype="int16")


def crops(tracks: Sequence[Track], windows: Windows, *, targets: bool = True, semitones: int = 0) -> Crops:
    task = Multitask(parts={"notes": assemble.make(composed("task=notes").task)}, weights={})
    return Crops(
        tracks=tracks,
        training_annotations=task.training_annotations,
        encode=task.encode if targets else lambda *window: {},
        windows=windows,
        num_frames=FRAMES,
        seed=0,
        pitch_shift_semitones=semitones,
        detune_cents=0.0,
        mix_examples=1,
        mix_db=(0.0, 0.0),
        balance=1.0,
    )


def batches(own: Crops) -> Iterator[dict[str, Any]]:
    return (own.batch(items(number)) for number in count())


def in_a_row(stream: Iterator[object]) -> Work:
    """Several steps of a stream: the first finds the caches full of what was done in between."""

    def work() -> None:
        for _ in range(IN_A_ROW):
            next(stream)

    return work


def in_turn(own: Mapping[str, Crops], turns: int) -> dict[str, Spread]:
    """{name: crops} -> CPU time of a batch."""
    works = {name: in_a_row(batches(each)) for name, each in own.items()}
    return {who: spread.per(IN_A_ROW) for who, spread in interleaved(works, turns, time.process_time).items()}


def items(number: int) -> range:
    return range(number * BATCH, (number + 1) * BATCH)


def warm_up(tracks: Sequence[Track], store: AudioStore) -> None:
    """All samples are read once, from both places."""
    for track in tracks:
        assert isinstance(track.audio, AudioFile)
        track.audio.path.read_bytes()
        store.read(track, 0, store.num_samples(track))


def recordings(folder: Path, number: int) -> list[Track]:
    """Coloured noise, another in each file."""
    random = np.random.default_rng(0)
    noise = random.standard_normal(TRACK_S * SAMPLE_RATE).astype(np.float32)
    noise[1:] += 0.9 * noise[:-1]
    tracks = []
    for name in map(str, range(number)):
        path = folder / f"{name}.flac"
        sound = np.roll(noise, random.integers(len(noise))) * random.uniform(500, 3000)
        soundfile.write(path, sound.astype(np.int16), SAMPLE_RATE)
        tracks.append(Track(name, "train", name, AudioFile(path), {"notes": played(random, TRACK_S)}))
    return tracks


def played(random: np.random.Generator, seconds: float) -> Notes:
    onset_s = random.uniform(0, seconds, int(10 * seconds))
    return Notes.make(
        onset_s, onset_s + 0.05 + random.exponential(0.4, len(onset_s)), random.integers(21, 109, len(onset_s))
    )


def composed(*overrides: str) -> Any:
    given = [f"sample_rate={SAMPLE_RATE}", f"hop_length={HOP}", *overrides]
    with initialize_config_dir(str(Path(__file__).parents[1] / "conf"), version_base="1.3"):
        return compose("config", overrides=given)


def anonymous_mb() -> float:
    [line] = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    print(text(measure("--quick" in sys.argv[1:])))
