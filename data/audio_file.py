"""A recording in a file."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from ricercar.errors import InputError

# libsndfile's note on a header that announces more bytes of samples than the file has.
_SHORT = re.compile(r"^\s*(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_UNKNOWN_LENGTH = 0x7FFFFFFF  # programs that write to a pipe announce this much or more


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

        InputError where the file is missing, is not audio, is damaged or cut short, or has no or undefined samples.
        """
        audio, file_rate = self._read()
        if len(audio) == 0:
            raise self._error("has no samples. Leave it out of the index, or replace it.")
        mono = audio[:, 0] if audio.shape[1] == 1 else audio.mean(axis=1, dtype=np.float32)
        if not np.isfinite(mono).all():
            sample = int(np.argmin(np.isfinite(mono)))
            raise self._error(f"has NaN or infinite samples, the first at {sample / file_rate:.3f} s. Export it again.")
        if file_rate != sample_rate:
            resampled = soxr.resample(mono, file_rate, sample_rate, quality="HQ")
            mono = resampled if len(resampled) else mono[:1]  # shorter than half a sample at the new rate
        clipped: NDArray[np.float32] = np.clip(mono, -1.0, 1.0).astype(np.float32, copy=False)
        return clipped

    def _read(self) -> tuple[NDArray[np.float32], int]:
        """(num_frames, num_channels), sample rate"""
        if not self.path.is_file():
            raise self._error("there is no such file.")
        announced, audio = 0, np.zeros((0, 1), np.float32)
        try:
            with soundfile.SoundFile(self.path) as file:
                announced, file_rate, notes = file.frames, file.samplerate, file.extra_info
                audio = file.read(dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, OSError, RuntimeError) as error:
            what = "is damaged or cut short" if announced else "is not audio that libsndfile reads"
            raise self._error(f"{what} ({error}). Copy or download it again, or convert it to FLAC.") from error
        short = _SHORT.search(notes)
        if short and int(short[2]) < int(short[1]) < _UNKNOWN_LENGTH:
            raise self._error(f"is cut short: {short[2]} of {short[1]} bytes are there. Copy or download it again.")
        if len(audio) < announced:
            raise self._error(f"is cut short: {len(audio)} of {announced} frames are there. Copy or download it again.")
        return audio, file_rate

    def _error(self, problem: str) -> InputError:
        return InputError(f"Audio file {self.path}: {problem}")
