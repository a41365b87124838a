"""Decoded audio on disk, memory-mapped, so that a random crop costs microseconds."""

import logging
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ricercar.data.audio_file import AudioFile
from ricercar.data.file_keys import FileKeys
from ricercar.data.kept import Kept
from ricercar.data.track import AudioSource, Track
from ricercar.errors import InputError

_log = logging.getLogger(__name__)


class AudioStore:
    """Mono int16 audio at one sample rate, decoded and resampled once.

    `<root>/<sample_rate>/<key>.npy` holds a track's samples; `key` is a hash of what determines them, so a changed
    file is decoded anew and a copy is not. Parallel processes share it (see Kept).
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
            key = self.key(track.audio)
            if key not in self._num_samples and key not in missing:
                shape = self._kept.shape(key)
                if shape is None:
                    missing[key] = track
                else:
                    self._num_samples[key] = shape[0]
        self._file_keys.save()
        if not missing:
            return
        jobs = {key: (track.audio, track.id, key, self.folder, self.sample_rate) for key, track in missing.items()}
        with tqdm(total=len(jobs), desc="Decoding audio", unit="track", disable=None) as progress:
            if num_workers == 0:
                for key, job in jobs.items():
                    self._num_samples[key] = _build(*job)
                    progress.update()
                return
            # Spawned, because a fork copies the locks of running threads (torch's, for example).
            with ProcessPoolExecutor(num_workers, mp_context=multiprocessing.get_context("spawn")) as pool:
                futures = {pool.submit(_build, *job): key for key, job in jobs.items()}
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
        key = self.key(track.audio)
        if key not in self._num_samples:
            self.prepare([track])
        return self._num_samples[key]

    def duration_s(self, track: Track) -> float:
        return self.num_samples(track) / self.sample_rate

    def read(self, track: Track, start: int, num_samples: int) -> NDArray[np.int16]:
        """-> (N,) int16 samples from `start` on (which may be negative), zeros before and after the track."""
        return self.view(track, start, num_samples).copy()

    def view(self, track: Track, start: int, num_samples: int) -> NDArray[np.int16]:
        """As `read`, but to look at only: it is not copied where it is all inside the track."""
        samples = self._kept.open(self.key(track.audio), (self.num_samples(track),))
        first, last = max(start, 0), min(start + num_samples, len(samples))
        if first == start and last == start + num_samples:
            return samples[first:last]
        crop = np.zeros(num_samples, dtype=np.int16)
        if first < last:
            crop[first - start : last - start] = samples[first:last]
        return crop

    def key(self, audio: AudioSource) -> str:
        known = self._keys.get(id(audio))
        if known is None:
            key = self._file_keys.key(audio) if isinstance(audio, AudioFile) else audio.key()
            known = self._keys[id(audio)] = (audio, key)
        return known[1]


def _build(audio: AudioSource, track_id: str, key: str, folder: Path, sample_rate: int) -> int:
    """Makes an entry unless another process has made it by now; -> its number of samples."""

    def content() -> tuple[tuple[int, ...], list[NDArray[np.float32]]]:
        samples = np.clip(np.rint(audio.decode(sample_rate) * 32768.0), -32768, 32767)
        if not samples.any():
            _log.warning("Track %r is silent.", track_id)
        return samples.shape, [samples]

    return _kept(folder).make(key, content)[0]


def _kept(folder: Path) -> Kept:
    return Kept(folder, "<i2", "Decoded audio")
