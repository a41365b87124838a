"""What a fixed frontend makes of whole tracks, kept on disk for all runs that use it."""

import contextlib
import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from ricercar.data.audio.store import AudioStore
from ricercar.data.batches.windows import Samples
from ricercar.data.kept import Kept, Shape
from ricercar.data.track import Track
from ricercar.errors import InputError

_log = logging.getLogger(__name__)
BLOCK_S = 16.0  # analysed at a time: memory does not grow with a track
_GB = 1e9
_HEADER_BYTES = 128


@dataclass(frozen=True)
class Analysis:
    """What a frontend makes of audio.

    key      hash of what determines it, sample rate and hop length included
    reach    samples to either side of a frame's centre that its values depend on
    make     (1, N) float32 audio in [-1, 1) -> (1, C, F, 1 + N // hop_length), zeros around the audio
    window   samples that are given at once, at most, and none from beyond the ends of a track; None: BLOCK_S, and zeros
             beyond the ends
    dtype    of what is kept
    shape    (C, F); None: it is found out
    """

    key: str
    reach: int
    make: Callable[[Tensor], Tensor]
    window: int | None = None
    dtype: str = "<f4"
    shape: Shape | None = None


class Blocks:
    """A track's spectrogram block by block, each made with its surroundings: (T, C, F), in the dtype of `analysis`."""

    def __init__(self, store: Samples, hop_length: int, analysis: Analysis) -> None:
        self.store = store
        self.hop_length = hop_length
        self.analysis = analysis
        self.analyse = analysis.make
        self._margin = math.ceil(analysis.reach / hop_length)  # frames

    def num_frames(self, track: Track) -> int:
        """Of the whole track."""
        return 1 + self.store.num_samples(track) // self.hop_length

    def size(self, track: Track) -> int:
        """Frames of a block: a power of 2, so that few lengths occur, for each of which a transform may prepare itself;
        or what a window has room for.
        """
        if self.analysis.window is not None:
            return min(self.num_frames(track), max(1, self.analysis.window // self.hop_length - 2 * self._margin))
        longest = int(math.log2(max(1.0, BLOCK_S * self.store.sample_rate / self.hop_length)))
        return 1 << min(longest, (self.num_frames(track) - 1).bit_length())

    def frame_shape(self, track: Track) -> Shape:
        """(C, F)"""
        if self.analysis.shape is not None:
            return self.analysis.shape
        with torch.no_grad():
            return tuple(self.analyse(torch.zeros(1, self._num_samples(track))).shape[1:3])

    def all(self, track: Track) -> Iterator[NDArray[Any]]:
        """In a row."""
        for number in range(math.ceil(self.num_frames(track) / self.size(track))):
            yield self.block(track, number)

    def block(self, track: Track, number: int) -> NDArray[Any]:
        """The frames from number * size on; the last block has those that are left."""
        num_frames, size = self.num_frames(track), self.size(track)
        first = number * size
        start, num_samples = first - self._margin, self._num_samples(track)
        if self.analysis.window is not None:
            num_samples = min((size + 2 * self._margin) * self.hop_length, self.store.num_samples(track))
            start = max(0, min(start, (self.store.num_samples(track) - num_samples) // self.hop_length))
        audio = self.store.read(track, start * self.hop_length, num_samples).astype(np.float32) / 32768.0
        try:
            with torch.no_grad():
                spectrogram = self.analyse(torch.from_numpy(audio)[None])[0]
        except InputError as error:
            raise InputError(f"track {track.id}: {error}") from error
        last = min(first + size, num_frames)
        return self._fitting(track, spectrogram[..., first - start :][..., : last - first])

    def _num_samples(self, track: Track) -> int:
        return (self.size(track) - 1 + 2 * self._margin) * self.hop_length

    def _fitting(self, track: Track, spectrogram: Tensor) -> NDArray[Any]:
        """(C, F, T) -> (T, C, F), in range of what is kept."""
        found: NDArray[Any] = spectrogram.permute(2, 0, 1).cpu().numpy()
        largest = np.finfo(self.analysis.dtype).max
        if self.analysis.dtype != "<f4" and np.abs(found).max(initial=0) > largest:
            channel, value = max(enumerate(np.abs(found).max(axis=(0, 2))), key=lambda each: each[1])
            raise InputError(
                f"track {track.id}: channel {channel} (from 0) of the features reaches {value:.3g}, more than 16 bits "
                f"hold ({largest:g}): leave that layer out, or take spectrogram=fresh."
            )
        return found.astype(self.analysis.dtype)


class PassingSpectrograms:
    """Windows of spectrograms, the same as those of a SpectrogramStore, that are kept nowhere: read from the first to
    the last, each block is made once, and the last few are held.
    """

    on_frames = True

    def __init__(self, store: Samples, hop_length: int, analysis: Analysis) -> None:
        self.store = store
        self.sample_rate = store.sample_rate
        self.hop_length = hop_length
        self.blocks = Blocks(store, hop_length, analysis)
        self._held: dict[tuple[int, int], tuple[Track, NDArray[Any]]] = {}  # the track, so that its id stays its own

    def prepare(self, tracks: Sequence[Track]) -> None:
        """There is nothing to be made before."""

    def num_samples(self, track: Track) -> int:
        return self.store.num_samples(track)

    def read(self, track: Track, start: int, num_frames: int) -> NDArray[Any]:
        assert start % self.hop_length == 0
        start //= self.hop_length
        size = self.blocks.size(track)
        first, last = max(start, 0), min(start + num_frames, self.blocks.num_frames(track))
        shown = range(first // size, math.ceil(last / size) if last > first else first // size)
        while len(self._held) > len(shown):
            del self._held[next(iter(self._held))]
        parts = [self._block(track, number) for number in shown]
        if not parts:
            window: NDArray[Any] = np.zeros((*self.blocks.frame_shape(track), num_frames), self.blocks.analysis.dtype)
            return window
        window = np.zeros((*parts[0].shape[1:], num_frames), dtype=parts[0].dtype)
        for number, part in zip(shown, parts, strict=True):
            begin, end = max(first, number * size), min(last, number * size + len(part))
            window[:, :, begin - start : end - start] = part[begin - number * size : end - number * size].transpose(
                1, 2, 0
            )
        return window

    def _block(self, track: Track, number: int) -> NDArray[Any]:
        key = (id(track), number)
        if key not in self._held:
            self._held[key] = (track, self.blocks.block(track, number))
        return self._held[key][1]


class SpectrogramStore:
    """Windows of spectrograms: (C, F, T), what `analysis` makes of the whole track.

    `spectrograms/<key>/<key of the audio>.npy`, beside the decoded audio, holds a track's spectrogram as (T, C, F), so
    that a window is one stretch. Parallel processes share it (see Kept).

    limit_bytes  how large the folder may grow, over all keys: the spectrograms longest unused are removed first. A run
                 that still has one open reads on; one that comes back to it makes it again. None: no limit
    """

    on_frames = True

    def __init__(self, store: AudioStore, hop_length: int, analysis: Analysis, *, limit_bytes: int | None) -> None:
        self.folder = store.root / "spectrograms"
        self.store = store
        self.sample_rate = store.sample_rate
        self.hop_length = hop_length
        self.analysis = analysis
        self.blocks = Blocks(store, hop_length, analysis)
        self.limit_bytes = limit_bytes
        self._kept = Kept(self.folder / analysis.key, analysis.dtype, "Cached spectrograms")
        self._shapes: dict[str, Shape] = {}

    def num_samples(self, track: Track) -> int:
        return self.store.num_samples(track)

    def prepare(self, tracks: Sequence[Track]) -> None:
        """Makes what is missing. InputError where they take more than limit_bytes, or the disk is full."""
        missing: dict[str, Track] = {}
        for track in tracks:
            name = self.store.name(track.audio)
            if name not in self._shapes and name not in missing:
                shape = self._kept.shape(name)
                if shape is None:
                    missing[name] = track
                else:
                    self._shapes[name] = shape
                    self._touch(name)
        if not missing:
            return
        self.store.prepare(list(missing.values()))
        frame = self.blocks.frame_shape(next(iter(missing.values())))
        shapes = {name: (self.blocks.num_frames(track), *frame) for name, track in missing.items()}
        self._tell(missing, shapes)
        self._make_room(shapes)
        for name, track in tqdm(missing.items(), desc="Analysing audio", unit="track", disable=None):
            self._shapes[name] = self._kept.make(name, partial(self._content, track, shapes[name]))

    def read(self, track: Track, start: int, num_frames: int) -> NDArray[Any]:
        assert start % self.hop_length == 0
        spectrogram = self._spectrogram(track)
        start //= self.hop_length
        first, last = max(start, 0), min(start + num_frames, len(spectrogram))
        window = np.zeros((*spectrogram.shape[1:], num_frames), dtype=spectrogram.dtype)
        if first < last:
            window[:, :, first - start : last - start] = spectrogram[first:last].transpose(1, 2, 0)
        return window

    def _spectrogram(self, track: Track) -> NDArray[Any]:
        """(T, C, F)"""
        name = self.store.name(track.audio)
        for _ in range(10):
            self.prepare([track])
            try:
                return self._kept.open(name, self._shapes[name])
            except FileNotFoundError:  # another process has removed it since
                del self._shapes[name]
        raise InputError(
            f"{self.folder}: parallel runs remove each other's spectrograms. Raise spectrogram.limit_gb, or run "
            "fewer at once."
        )

    def _content(self, track: Track, shape: Shape) -> tuple[Shape, Iterator[NDArray[Any]]]:
        return shape, self.blocks.all(track)

    def _tell(self, tracks: dict[str, Track], shapes: dict[str, Shape]) -> None:
        """What is about to be made, before it is."""
        hours = sum(map(self.store.duration_s, tracks.values())) / 3600
        rows, dtype = " x ".join(map(str, next(iter(shapes.values()))[1:])), np.dtype(self.analysis.dtype)
        total = sum(map(self._num_bytes, shapes.values()))
        _log.info(
            "analysing   %d tracks, %.3g h x %s x %d bytes x %g frames per second: %.3g GB in %s",
            len(tracks), hours, rows, dtype.itemsize, self.sample_rate / self.hop_length, total / _GB, self.folder,
        )  # fmt: skip

    def _make_room(self, shapes: dict[str, Shape]) -> None:
        """Removes what was unused for longest, but nothing that this run uses, until `shapes` fit below the limit."""
        if self.limit_bytes is None:
            return
        needed, kept = (sum(map(self._num_bytes, each.values())) for each in (shapes, self._shapes))
        if needed + kept > self.limit_bytes:
            raise InputError(
                f"The spectrograms of {len(shapes) + len(self._shapes)} tracks take {(needed + kept) / _GB:.3g} GB, "
                f"more than spectrogram.limit_gb={self.limit_bytes / _GB:g}. Raise it, or take spectrogram=fresh."
            )
        own = {self._kept.path(name) for name in self._shapes}
        with self._kept.naming():
            entries = [(path, stat) for path in self.folder.glob("*/*.npy") if (stat := _stat(path)) is not None]
            excess = sum(stat.st_size for _, stat in entries) + needed - self.limit_bytes
            for path, stat in sorted(entries, key=lambda entry: entry[1].st_mtime_ns):
                if excess > 0 and path not in own:
                    path.unlink(missing_ok=True)
                    excess -= stat.st_size

    def _num_bytes(self, shape: Shape) -> int:
        return _HEADER_BYTES + np.dtype(self.analysis.dtype).itemsize * math.prod(shape)

    def _touch(self, name: str) -> None:
        """Marks an entry as used."""
        with contextlib.suppress(OSError):  # another user's, or just removed
            os.utime(self._kept.path(name))


def _stat(path: Path) -> os.stat_result | None:
    with contextlib.suppress(FileNotFoundError):  # another process has removed it since
        return path.stat()
    return None
