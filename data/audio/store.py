"""Decoded audio on disk, memory-mapped, so that a random crop costs microseconds."""

import logging
import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ricercar.data.audio.file import AudioFile, quantised
from ricercar.data.audio.file_keys import FileKeys
from ricercar.data.audio.sound import stretch
from ricercar.data.files import write_text
from ricercar.data.kept import Kept
from ricercar.data.track import AudioSource, Track
from ricercar.errors import InputError

_log = logging.getLogger(__name__)
_READING = "read2"  # to be changed with what is read from the same file: entries of other readings stay unused


class AudioStore:
    """Mono int16 audio at one sample rate, decoded and resampled once.

    `<root>/<sample_rate>/<name>.npy` holds a track's samples; the name has a hash of what determines them, so a changed
    file is decoded anew and a copy is not. `<name>.flaw` says what does not hold of a file's length (see
    AudioFile.decoded): a warning in each process. Parallel processes share it (see Kept).
    """

    def __init__(self, root: Path, sample_rate: int) -> None:
        self.root = Path(root)
        self.sample_rate = sample_rate
        self.folder = self.root / str(sample_rate)
        self._file_keys = FileKeys(self.root / "keys.json")
        self._keys: dict[int, tuple[AudioSource, str]] = {}  # the source is kept, so that its id stays its own
        self._num_samples: dict[str, int] = {}
        self._kept = _kept(self.folder)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """In another process the sources are other objects, with other ids."""
        self.__dict__.update(state)
        self._keys = {id(source): (source, key) for source, key in self._keys.values()}

    def prepare(self, tracks: Sequence[Track], num_workers: int = 0) -> None:
        """Decodes what is missing, in `num_workers` processes (0: in this one). InputError names file or folder."""
        missing = {}
        for track in tracks:
            name = self.name(track.audio)
            if name not in self._num_samples and name not in missing:
                shape = self._kept.shape(name)
                if shape is None:
                    missing[name] = track
                else:
                    self._num_samples[name] = shape[0]
                    self._warn(track)
        self._file_keys.save()
        if missing:
            self._decode(missing, num_workers)
            for track in missing.values():
                self._warn(track)

    def _decode(self, missing: Mapping[str, Track], num_workers: int) -> None:
        jobs = {name: (track.audio, track.id, name, self.folder, self.sample_rate) for name, track in missing.items()}
        with tqdm(total=len(jobs), desc="Decoding audio", unit="track", disable=None) as progress:
            if num_workers == 0:
                for name, job in jobs.items():
                    self._num_samples[name] = _build(*job)
                    progress.update()
                return
            # Spawned, because a fork copies the locks of running threads (torch's, for example).
            with ProcessPoolExecutor(num_workers, mp_context=multiprocessing.get_context("spawn")) as pool:
                futures = {pool.submit(_build, *job): name for name, job in jobs.items()}
                try:
                    for future in as_completed(futures):
                        self._num_samples[futures[future]] = future.result()
                        progress.update()
                except BrokenProcessPool as error:
                    raise InputError(
                        f"A process that decodes audio was killed, for want of memory? Use fewer than {num_workers}."
                    ) from error
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise

    def num_samples(self, track: Track) -> int:
        name = self.name(track.audio)
        if name not in self._num_samples:
            self.prepare([track])
        return self._num_samples[name]

    def duration_s(self, track: Track) -> float:
        return self.num_samples(track) / self.sample_rate

    def read(self, track: Track, start: int, num_samples: int) -> NDArray[np.int16]:
        """-> (N,) int16 samples from `start` on (which may be negative), zeros before and after the track."""
        return self.view(track, start, num_samples).copy()

    def view(self, track: Track, start: int, num_samples: int) -> NDArray[np.int16]:
        """As `read`, but to look at only: it is not copied where it is all inside the track."""
        samples = self._kept.open(self.name(track.audio), (self.num_samples(track),))
        return stretch(samples, start, num_samples)

    def flaw(self, track: Track) -> str:
        """What does not hold of the length of the track's file, in words that name it; empty where all does."""
        self.num_samples(track)
        if not isinstance(track.audio, AudioFile):
            return ""
        try:
            text = _flaw_path(self.folder, self.name(track.audio)).read_text("utf-8")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            return f"what does not hold cannot be read ({error})"
        return f"Audio file {track.audio.path}: {text}"

    def name(self, audio: AudioSource) -> str:
        """Of its entry here, and of what is made from it: its key, and how files are read."""
        return f"{self.key(audio)}-{_READING}" if isinstance(audio, AudioFile) else self.key(audio)

    def key(self, audio: AudioSource) -> str:
        """A hash of what determines the samples: what they are, in a fingerprint."""
        known = self._keys.get(id(audio))
        if known is None:
            key = self._file_keys.key(audio) if isinstance(audio, AudioFile) else audio.key()
            known = self._keys[id(audio)] = (audio, key)
        return known[1]

    def _warn(self, track: Track) -> None:
        flaw = self.flaw(track)
        if flaw:
            _log.warning("Track %r: %s. What is there is used.", track.id, flaw)


def _build(audio: AudioSource, track_id: str, name: str, folder: Path, sample_rate: int) -> int:
    """Makes an entry unless another process has made it by now; -> its number of samples."""

    def content() -> tuple[tuple[int, ...], list[NDArray[np.int16]]]:
        samples, flaw = (
            audio.quantised(sample_rate) if isinstance(audio, AudioFile) else (quantised(audio.decode(sample_rate)), "")
        )
        if flaw:
            with _kept(folder).naming():
                write_text(_flaw_path(folder, name), flaw)
        if not samples.any():
            _log.warning("Track %r is silent.", track_id)
        return samples.shape, [samples]

    return _kept(folder).make(name, content)[0]


def _flaw_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.flaw"


def _kept(folder: Path) -> Kept:
    return Kept(folder, "<i2", "Decoded audio")
