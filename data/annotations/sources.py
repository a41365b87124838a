"""The sources that a mixture is made of: voice, drums, bass ..."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import soundfile
from numpy.typing import ArrayLike, NDArray

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.audio import reading as audio_reading
from ricercar.errors import InputError

Floats = NDArray[np.float64]

_ENDINGS = (".wav", ".flac", ".aiff", ".aif", ".ogg")
_MIXTURE = "mixture"
_LAYOUT = f"A folder of sources has one audio file for each ({', '.join(_ENDINGS)}), named after it, and nothing else"


@dataclass(frozen=True, eq=False)
class Sources(Annotation):
    """The sounds of one track's sources, at the sample rate and with the channels of their files.

    names          in alphabetical order, at least one
    num_samples    of each source: all have the same length
    num_channels   of each source
    sounds         the file or the (num_samples, num_channels) samples of each source

    File: a folder, one audio file for each source, named after it (vocals.wav, drums.wav ...). A file mixture.wav may
    lie there too and is no source. Samples are read only when they are needed; damaged ones are found only then.
    """

    names: tuple[str, ...]
    sample_rate: int
    num_samples: int
    num_channels: int
    sounds: Mapping[str, Path | Floats] = field(compare=False, repr=False)

    name: ClassVar[str] = "sources"
    suffixes: ClassVar[tuple[str, ...]] = ("",)

    @classmethod
    def make(cls, sounds: Mapping[str, ArrayLike], sample_rate: int) -> Self:
        """Sources from samples, (N,) or (N, channels) each."""
        arrays: dict[str, Path | Floats] = {}
        shapes = {}
        for name in sorted(sounds):
            samples = np.array(sounds[name], dtype=np.float64)
            samples = samples[:, None] if samples.ndim == 1 else samples
            samples.setflags(write=False)
            arrays[name], shapes[name] = samples, (sample_rate, *samples.shape)
        return cls._checked(arrays, shapes, "Sources")

    @classmethod
    def read(cls, path: Path) -> Self:
        if not path.is_dir():
            raise InputError(f"{path}: there is no such folder. {_LAYOUT}.")
        files: dict[str, Path | Floats] = {}
        shapes = {}
        for file in sorted(path.iterdir()):
            if file.name.startswith(".") or file.stem.lower() == _MIXTURE:
                continue
            if file.suffix.lower() not in _ENDINGS or not file.is_file():
                raise InputError(f"{file}: is not one of the audio files of this folder. {_LAYOUT}.")
            if file.stem in files:
                raise InputError(f"{file}: source {file.stem!r} is already in {files[file.stem]}.")
            files[file.stem], shapes[file.stem] = file, audio_reading.length(file)
        return cls._checked(files, shapes, str(path))

    @classmethod
    def _checked(
        cls, sounds: Mapping[str, Path | Floats], shapes: Mapping[str, tuple[int, int, int]], where: str
    ) -> Self:
        """shapes: sample rate, samples, channels of each source"""
        if not sounds:
            raise InputError(f"{where}: no sources. {_LAYOUT}.")
        first = next(iter(sounds))
        for name, shape in shapes.items():
            if shape != shapes[first]:
                raise InputError(
                    f"{where}: source {name!r} has {_told(shape)}, but {first!r} has {_told(shapes[first])}. "
                    "All sources of a track have the same."
                )
        sample_rate, num_samples, num_channels = shapes[first]
        if not num_samples:
            raise InputError(f"{where}: source {first!r} has no samples.")
        return cls(tuple(sounds), sample_rate, num_samples, num_channels, dict(sounds))

    def __len__(self) -> int:
        return len(self.names)

    def where(self, name: str) -> str:
        """How a message names a source: its file, or its name where it has none."""
        sound = self.sounds[name]
        return str(sound) if isinstance(sound, Path) else name

    def samples(self, name: str) -> Floats:
        """(num_samples, num_channels) of a source. InputError where its file is damaged or has NaN in it."""
        sound = self.sounds[name]
        if not isinstance(sound, Path):
            return sound
        recording = audio_reading.read(sound, dtype="float64")
        samples = recording.samples
        if recording.flaw or len(samples) != self.num_samples:
            problem = recording.flaw or f"has {len(samples)} samples, where its header says {self.num_samples}"
            raise InputError(f"{sound}: {problem}. Copy it again.")
        if not np.isfinite(samples).all():
            raise InputError(f"{sound}: has NaN or infinite samples. Export it again.")
        return samples

    def _write(self, path: Path) -> None:
        """Writes a folder of WAV files with 32-bit floating-point samples. A file of another name in it stays."""
        path.mkdir(parents=True, exist_ok=True)
        for name in self.names:
            soundfile.write(path / f"{name}.wav", self.samples(name), self.sample_rate, subtype="FLOAT")

    def text(self) -> str:
        """Names and hashes of the samples as 32-bit floats: the same for any lossless kind of file."""
        lines = [f"{self.sample_rate} Hz, {self.num_channels} channels\n"]
        for name in self.names:
            content = np.ascontiguousarray(self.samples(name), dtype="<f4")
            lines.append(f"{name}\t{hashlib.sha256(content.tobytes()).hexdigest()}\n")
        return "".join(lines)


def _told(shape: tuple[int, int, int]) -> str:
    return f"{shape[1]} samples at {shape[0]} Hz in {shape[2]} channels"
