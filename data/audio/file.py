"""A recording in a file."""

import hashlib
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from ricercar.data import scratch
from ricercar.data.audio.reading import Samples, read
from ricercar.errors import InputError

_log = logging.getLogger(__name__)
OTHER_UNIT = 100.0  # times full scale: 40 dB above it


@dataclass(frozen=True)
class AudioFile:
    """An audio file: WAV, FLAC, OGG, MP3, AIFF ..., with any number of channels and any sample rate."""

    path: Path

    def key(self) -> str:
        """ "file-" and the SHA-256 of the file's bytes."""
        try:
            with self.path.open("rb") as file:
                return "file-" + hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise self._error(f"cannot be read: {error.strerror}.") from error

    def decode(self, sample_rate: int) -> NDArray[np.float32]:
        """-> (N,) the mean of the channels, resampled by soxr (HQ), clipped to [-1, 1].

        InputError where the file is missing, is not audio, or has no or undefined samples, or some in another unit.
        A length that does not hold is a warning: what is there is read. So are samples beyond full scale.
        """
        samples, flaw = self.decoded(sample_rate)
        if flaw:
            _log.warning("Audio file %s: %s. What is there is used.", self.path, flaw)
        return samples

    def decoded(self, sample_rate: int) -> tuple[NDArray[np.float32], str]:
        """-> `decode`, and what does not hold of the file's length, in words that follow its name; empty if nothing."""
        return self._taken(sample_rate, np.asarray)

    def quantised(self, sample_rate: int, longest_s: float = math.inf) -> tuple[NDArray[np.int16], str]:
        """-> as `decoded`, in 16 bits. Of a long file nothing is held in memory.

        TooLongError where it goes on after `longest_s`: no more is read.
        """
        return self._taken(sample_rate, quantised, longest_s)

    def _taken(
        self, sample_rate: int, keep: Callable[[Samples], Samples], longest_s: float = math.inf
    ) -> tuple[Samples, str]:
        mono, kept = Mono(sample_rate, self._error, longest_s), scratch.Growing()

        def take(block: Samples, rate: int) -> Samples:
            kept.add(keep(mono.take(block, rate)))
            return block[:0].copy()

        recording = read(self.path, take)
        kept.add(keep(mono.rest()))
        samples = kept.whole()
        if mono.num_samples == 0:
            raise self._error("has no samples. Leave it out of the index, or replace it.")
        peak = mono.peak if recording.is_float else 0.0
        if peak > OTHER_UNIT:
            raise self._error(
                f"has samples up to {peak:.6g}, where 1 is full scale: integers as floating-point numbers? "
                "Divide them by their full scale (32768 for 16 bits), and export it again."
            )
        if peak > 1.0:
            _log.warning(
                "Audio file %s: is clipped at full scale, which its samples exceed up to %.3g.", self.path, peak
            )
        return (samples if len(samples) else keep(mono.first)), recording.flaw

    def _error(self, problem: str) -> InputError:
        return InputError(f"Audio file {self.path}: {problem}")


def quantised(samples: NDArray[np.floating]) -> NDArray[np.int16]:
    """[-1, 1] -> 16 bits."""
    whole: NDArray[np.int16] = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
    return whole


class TooLongError(InputError):
    """A recording is longer than whoever reads it allows."""


class Mono:
    """Blocks of a recording -> the mean of the channels, resampled, block by block, to what all at once would give.

    num_samples, peak   of all that was taken, before it was resampled. first: (1,) its first sample
    """

    def __init__(self, sample_rate: int, error: Callable[[str], InputError], longest_s: float) -> None:
        self.sample_rate, self.longest_s = sample_rate, longest_s
        self.num_samples, self.peak = 0, 0.0
        self.first: Samples = np.empty(0, dtype=np.float32)
        self._error = error
        self._stream: soxr.ResampleStream | None = None

    def take(self, block: Samples, rate: int) -> Samples:
        mono = _mean(block)
        if not np.isfinite(mono).all():
            at_s = (self.num_samples + int(np.argmin(np.isfinite(mono)))) / rate
            raise self._error(f"has NaN or infinite samples, the first at {at_s:.3f} s. Export it again.")
        if len(mono):
            self.peak = max(self.peak, float(mono.max()), -float(mono.min()))
            self.first = self.first if self.num_samples else np.clip(mono[:1], -1.0, 1.0)
            self.num_samples += len(mono)
        if self.num_samples > self.longest_s * rate:
            raise TooLongError(str(self._error(f"is longer than {self.longest_s:g} s.")))
        if rate != self.sample_rate:
            if self._stream is None:
                self._stream = soxr.ResampleStream(rate, self.sample_rate, 1, dtype="float32", quality="HQ")
            mono = self._stream.resample_chunk(mono)
        return np.clip(mono, -1.0, 1.0)

    def rest(self) -> Samples:
        """What the resampling still holds, once all is taken."""
        empty = np.empty(0, dtype=np.float32)
        return empty if self._stream is None else np.clip(self._stream.resample_chunk(empty, last=True), -1.0, 1.0)


def _mean(block: Samples) -> Samples:
    if block.shape[1] == 1:
        return block[:, 0].copy()
    with np.errstate(invalid="ignore", over="ignore"):  # of infinite samples, which are refused
        return np.asarray(block.mean(axis=1, dtype=np.float32))
