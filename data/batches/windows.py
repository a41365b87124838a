"""What a network is fed: windows of a track's audio, or of a spectrogram of it."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import soxr
from numpy.typing import NDArray

from ricercar.data.track import Track


class Windows(Protocol):
    """Windows of T frames, hop_length samples apart, of tracks at `sample_rate` Hz.

    on_frames   whether a window must begin on a frame, as those of spectrograms do; audio begins at any sample
    """

    sample_rate: int
    hop_length: int
    on_frames: bool

    def prepare(self, tracks: Sequence[Track]) -> None:
        """Makes now what reading needs; otherwise it is made when a track is first read."""
        ...

    def num_samples(self, track: Track) -> int:
        """The length of the track's audio."""
        ...

    def read(self, track: Track, start: int, num_frames: int) -> NDArray[Any]:
        """-> (N,) int16 audio, N = (T - 1) * hop_length, or a (C, F, T) float spectrogram, from sample `start` on.

        `start` may be negative. What lies outside the track is zero. The window may be looked at, not written to.
        """
        ...


class Samples(Protocol):
    """Where the samples of tracks are: in a store, or in memory."""

    sample_rate: int

    def prepare(self, tracks: Sequence[Track]) -> None: ...

    def num_samples(self, track: Track) -> int: ...

    def read(self, track: Track, start: int, num_samples: int) -> NDArray[np.int16]:
        """-> (N,) samples from `start` on (which may be negative), zeros before and after the track."""
        ...

    def view(self, track: Track, start: int, num_samples: int) -> NDArray[np.int16]:
        """As `read`, but to look at only."""
        ...


class AudioWindows:
    """Windows of the audio itself."""

    on_frames = False

    def __init__(self, store: Samples, hop_length: int) -> None:
        self.store = store
        self.sample_rate = store.sample_rate
        self.hop_length = hop_length

    def prepare(self, tracks: Sequence[Track]) -> None:
        self.store.prepare(tracks)

    def num_samples(self, track: Track) -> int:
        return self.store.num_samples(track)

    def read(self, track: Track, start: int, num_frames: int) -> NDArray[np.int16]:
        return self.store.view(track, start, (num_frames - 1) * self.hop_length)

    def read_faster(self, track: Track, start: int, num_frames: int, faster: float) -> NDArray[np.int16]:
        """As `read`, with the sound played `faster` times as fast, and as much higher."""
        num_samples = (num_frames - 1) * self.hop_length
        audio = self.store.view(track, start, int(np.ceil(num_samples * faster)))
        audio = soxr.resample(audio, faster, 1.0, quality="MQ")[:num_samples]
        return np.pad(audio, (0, num_samples - len(audio)))
