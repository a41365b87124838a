"""Decoded audio on disk, memory-mapped, so that a random crop costs microseconds."""

import errno
import logging
import mmap
import multiprocessing
import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ricercar.data.audio_file import AudioFile
from ricercar.data.file_keys import FileKeys
from ricercar.data.files import locked, replaced
from ricercar.data.track import AudioSource, Track
from ricercar.errors import InputError

_log = logging.getLogger(__name__)
_MAX_MAPS = 256  # each holds a file descriptor; systems allow 1,024 and other things need some


class AudioStore:
    """Mono int16 audio at one sample rate, decoded and resampled once.

    `<root>/<sample_rate>/<key>.npy` holds a track's samples; `key` is a hash of what determines them, so a changed
    file is decoded anew and a copy is not. An entry appears whole or not at all, and processes that want
    the same one wait for it; one that was cut short later is made again.
    """

    def __init__(self, root: Path, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.folder = Path(root) / str(sample_rate)
        self._file_keys = FileKeys(Path(root) / "keys.json")
        self._keys: dict[int, tuple[AudioSource, str]] = {}  # the source is kept, so that its id stays its own
        self._num_samples: dict[str, int] = {}
        self._maps: OrderedDict[str, NDArray[np.int16]] = OrderedDict()

    def prepare(self, tracks: Sequence[Track], num_workers: int = 0) -> None:
        """Decodes what is missing, in `num_workers` processes (0: in this one). InputError names file or folder."""
        missing = {}
        for track in tracks:
            key = self.key(track.audio)
            if key not in self._num_samples and key not in missing:
                num_samples = _entry_length(self._path(key))
                if num_samples is None:
                    missing[key] = track
                else:
                    self._num_samples[key] = num_samples
        self._file_keys.save()
        if not missing:
            return
        jobs = {key: (track.audio, track.id, self._path(key), self.sample_rate) for key, track in missing.items()}
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
        samples = self._samples(track)
        first, last = max(start, 0), min(start + num_samples, len(samples))
        if first == start and last == start + num_samples:
            return samples[first:last].copy()
        crop = np.zeros(num_samples, dtype=np.int16)
        if first < last:
            crop[first - start : last - start] = samples[first:last]
        return crop

    def _samples(self, track: Track) -> NDArray[np.int16]:
        key = self.key(track.audio)
        samples = self._maps.get(key)
        if samples is None:
            num_samples = self.num_samples(track)
            samples = _mapped(self._path(key), num_samples)
            self._maps[key] = samples
            if len(self._maps) > _MAX_MAPS:
                self._maps.popitem(last=False)
        else:
            self._maps.move_to_end(key)
        return samples

    def key(self, audio: AudioSource) -> str:
        known = self._keys.get(id(audio))
        if known is None:
            key = self._file_keys.key(audio) if isinstance(audio, AudioFile) else audio.key()
            known = self._keys[id(audio)] = (audio, key)
        return known[1]

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.npy"


def _build(audio: AudioSource, track_id: str, path: Path, sample_rate: int) -> int:
    """Makes an entry unless another process has made it by now; -> its number of samples."""
    with ExitStack() as lock:
        with _naming(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.enter_context(locked(path.with_suffix(".lock")))
        num_samples = _entry_length(path)
        if num_samples is not None:
            return num_samples
        samples = np.clip(np.rint(audio.decode(sample_rate) * 32768.0), -32768, 32767).astype("<i2")
        if not samples.any():
            _log.warning("Track %r is silent.", track_id)
        with _naming(path.parent), replaced(path) as file:
            np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(samples))
            file.write(samples.tobytes())
        return len(samples)


@contextmanager
def _naming(folder: Path) -> Iterator[None]:
    """Says of an error of the file system which folder it is about, and what to do."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        advice = "Free some space there" if full else "Allow reading and writing there"
        raise InputError(
            f"Decoded audio cannot be kept in {folder}: {error.strerror}. "
            f"{advice}, or name another folder: cache_dir=FOLDER."
        ) from error


def _entry_length(path: Path) -> int | None:
    """Samples in an entry; None where it is missing, or not what was once written."""
    with _naming(path.parent):
        try:
            file = path.open("rb")
        except (FileNotFoundError, NotADirectoryError):
            return None
    with file:
        try:
            np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        except ValueError:
            return None
        whole = dtype == np.dtype("<i2") and os.fstat(file.fileno()).st_size == file.tell() + 2 * shape[0]
    return int(shape[0]) if whole else None


def _mapped(path: Path, num_samples: int) -> NDArray[np.int16]:
    with path.open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(content, dtype="<i2", count=num_samples, offset=len(content) - 2 * num_samples)
