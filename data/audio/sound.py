"""Sound in memory: of a file or an array that belongs to no data set."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import soxr
from numpy.typing import NDArray

from ricercar.data.audio.file import OTHER_UNIT, AudioFile, quantised
from ricercar.data.track import Track
from ricercar.errors import InputError

_MOST_CHANNELS = 64  # of an array: more are samples, and the axes are the wrong way round


@dataclass(frozen=True, eq=False)
class Sound:
    """(N,) int16 mono samples.

    name   what messages call it: its file, or "the array"
    flaw   what does not hold of its file's length, in words that follow the name
    """

    samples: NDArray[np.int16]
    sample_rate: int
    name: str = "the array"
    flaw: str = ""

    @classmethod
    def read(cls, path: str | Path, sample_rate: int, longest_s: float = math.inf) -> Self:
        """The sound of a file, as a track of a data set has it. InputError where it is no audio, or too long."""
        if "://" in str(path):
            raise InputError(f"{path} is an address: download the file first, and give its path.")
        samples, flaw = AudioFile(Path(path).expanduser()).quantised(sample_rate, longest_s)
        return cls(samples, sample_rate, str(path), flaw)

    @classmethod
    def make(cls, samples: Any, given_rate: int | None, sample_rate: int) -> Self:
        """samples: (N,) or (N, channels), as soundfile gives them: floating-point numbers of which 1 is full scale, or
        whole ones of 16 or 32 bits. given_rate: theirs, in Hz.
        """
        if given_rate is None:
            raise InputError("an array has no sample rate: give it, as in model(samples, 44100).")
        if isinstance(given_rate, bool) or not 1_000 <= given_rate <= 1_000_000:
            raise InputError(f"sample_rate={given_rate!r}: give a number of Hz from 1,000 to 1,000,000.")
        floats = _floats(np.asarray(samples))
        if given_rate != sample_rate:
            resampled = soxr.resample(floats, given_rate, sample_rate, quality="HQ")
            floats = resampled if len(resampled) else floats[:1]
        return cls(quantised(np.clip(floats, -1.0, 1.0)), sample_rate)

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.sample_rate

    def track(self) -> Track:
        """What reads windows asks for tracks."""
        return Track(self.name, "", "", self)

    def key(self) -> str:
        """No hash: a sound is kept nowhere."""
        return f"sound-{id(self)}"

    def decode(self, sample_rate: int) -> NDArray[np.float32]:
        assert sample_rate == self.sample_rate
        return self.samples.astype(np.float32) / 32768.0


class Sounds:
    """The samples of tracks whose audio is a Sound, in place of an AudioStore."""

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate

    def prepare(self, tracks: Sequence[Track]) -> None:
        """They are there."""

    def num_samples(self, track: Track) -> int:
        return len(_sound(track).samples)

    def read(self, track: Track, start: int, num_samples: int) -> NDArray[np.int16]:
        return self.view(track, start, num_samples).copy()

    def view(self, track: Track, start: int, num_samples: int) -> NDArray[np.int16]:
        return stretch(_sound(track).samples, start, num_samples)


def stretch(samples: NDArray[np.int16], start: int, num_samples: int) -> NDArray[np.int16]:
    """Samples from `start` on (which may be negative), zeros before and after; to look at only, where it is no copy."""
    first, last = max(start, 0), min(start + num_samples, len(samples))
    if first == start and last == start + num_samples:
        return samples[first:last]
    crop = np.zeros(num_samples, dtype=samples.dtype)
    if first < last:
        crop[first - start : last - start] = samples[first:last]
    return crop


def _sound(track: Track) -> Sound:
    assert isinstance(track.audio, Sound)
    return track.audio


def _floats(samples: NDArray[Any]) -> NDArray[np.float32]:
    """(N,) the mean of the channels. InputError names what is wrong."""
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and samples.shape[1] > _MOST_CHANNELS):
        raise InputError(
            f"the array has the shape {samples.shape}: give (samples,) or (samples, channels), as soundfile.read does; "
            "turn (channels, samples) round by .T."
        )
    if samples.dtype.kind == "f":
        floats = samples.astype(np.float32)
    elif samples.dtype in (np.int16, np.int32):
        floats = (samples / -float(np.iinfo(samples.dtype).min)).astype(np.float32)
    else:
        raise InputError(
            f"the array holds {samples.dtype}: give floating-point numbers, or whole ones of 16 or 32 bits."
        )
    if not samples.size:
        raise InputError("the array has no samples.")
    if not np.isfinite(floats).all():
        raise InputError("the array has NaN or infinite samples.")
    if (peak := float(np.abs(floats).max())) > OTHER_UNIT:
        raise InputError(
            f"the array has samples up to {peak:.6g}, where 1 is full scale: divide them by theirs (32768 for 16 bits)."
        )
    return floats if floats.ndim == 1 else floats.mean(axis=1, dtype=np.float32)
