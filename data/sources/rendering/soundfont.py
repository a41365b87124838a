"""A SoundFont: a file of sampled instruments."""

import hashlib
import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ricercar.errors import InputError


@dataclass(frozen=True)
class SoundFont:
    """An .sf2 file; `path` None is the General MIDI font that comes with pretty_midi."""

    path: Path | None

    @property
    def file(self) -> Path:
        if self.path is not None:
            return self.path
        package = importlib.util.find_spec("pretty_midi")  # found, not imported
        assert package is not None
        assert package.origin is not None
        return Path(package.origin).parent / "TimGM6mb.sf2"

    def content_hash(self) -> str:
        """sha256 of the file. InputError if it is not there or is no SoundFont."""
        if not self.file.is_file():
            raise InputError(f"SoundFont {self.file} not found: give an .sf2 file, or null for the one in pretty_midi.")
        status = self.file.stat()
        return _content_hash(self.file, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _content_hash(file: Path, mtime_ns: int, size: int) -> str:
    content = file.read_bytes()
    if content[:4] != b"RIFF" or content[8:12] != b"sfbk":
        raise InputError(f"{file} is not a SoundFont (.sf2).")
    return hashlib.sha256(content).hexdigest()
