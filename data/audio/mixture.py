"""Several recordings that sound together."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ricercar.data.audio.file import AudioFile


@dataclass(frozen=True)
class Mixture:
    """An AudioSource: recordings added, each times its gain; the shorter ones end in silence."""

    files: tuple[AudioFile, ...]
    gains: tuple[float, ...]

    def key(self) -> str:
        """ "mixture-" and a hash of the files' bytes and the gains."""
        parts = "/".join(f"{file.key()}*{gain!r}" for file, gain in zip(self.files, self.gains, strict=True))
        return "mixture-" + hashlib.sha256(parts.encode()).hexdigest()

    def decode(self, sample_rate: int) -> NDArray[np.float32]:
        """-> (N,) mono, clipped to [-1, 1]. InputError names the file."""
        parts = [file.decode(sample_rate) for file in self.files]
        mixed = np.zeros(max(map(len, parts)), np.float32)
        for part, gain in zip(parts, self.gains, strict=True):
            mixed[: len(part)] += np.float32(gain) * part
        return np.clip(mixed, -1.0, 1.0)
