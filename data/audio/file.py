"""A recording in a file."""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from ricercar.data.audio.reading import Samples, read
from ricercar.errors import InputError

_log = logging.getLogger(__name__)
_OTHER_UNIT = 100.0  # times full scale: 40 dB above it


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
        recording = read(self.path, _mono)
        mono = recording.samples
        if len(mono) == 0:
            raise self._error("has no samples. Leave it out of the index, or replace it.")
        if not np.isfinite(mono).all():
            at_s = int(np.argmin(np.isfinite(mono))) / recording.sample_rate
            raise self._error(f"has NaN or infinite samples, the first at {at_s:.3f} s. Export it again.")
        peak = max(float(mono.max()), -float(mono.min())) if recording.is_float else 0.0
        if peak > _OTHER_UNIT:
            raise self._error(
                f"has samples up to {peak:.6g}, where 1 is full scale: integers as floating-point numbers? "
                "Divide them by their full scale (32768 for 16 bits), and export it again."
            )
        if peak > 1.0:
            _log.warning(
                "Audio file %s: is clipped at full scale, which its samples exceed up to %.3g.", self.path, peak
            )
        if recording.sample_rate != sample_rate:
            resampled = soxr.resample(mono, recording.sample_rate, sample_rate, quality="HQ")
            mono = resampled if len(resampled) else mono[:1]  # shorter than half a sample at the new rate
        clipped = np.clip(mono, -1.0, 1.0).astype(np.float32, copy=False)
        return clipped, recording.flaw

    def _error(self, problem: str) -> InputError:
        return InputError(f"Audio file {self.path}: {problem}")


def _mono(block: Samples) -> Samples:
    if block.shape[1] == 1:
        return block[:, 0].copy()
    with np.errstate(invalid="ignore", over="ignore"):  # of infinite samples, which are refused later
        return np.asarray(block.mean(axis=1, dtype=np.float32))
