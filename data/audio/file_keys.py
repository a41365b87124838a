"""Content hashes of audio files, remembered while the files stay as they are."""

import json
import logging
from pathlib import Path

from ricercar.data.audio.file import AudioFile
from ricercar.data.files import locked, replaced

_log = logging.getLogger(__name__)
_Known = dict[str, tuple[int, int, str]]


class FileKeys:
    """Keys of audio files. `path` remembers {audio file: [size in bytes, mtime in ns, key]} across runs.

    A damaged memory is forgotten: it only saves time.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: _Known | None = None
        self._new: _Known = {}

    def key(self, audio: AudioFile) -> str:
        if self._known is None:
            self._known = _read(self.path)
        name = str(audio.path.absolute())
        try:
            stat = audio.path.stat()
        except OSError:
            return audio.key()  # raises the error that names the file
        known = self._known.get(name)
        if known is None or known[:2] != (stat.st_size, stat.st_mtime_ns):
            known = self._known[name] = self._new[name] = (stat.st_size, stat.st_mtime_ns, audio.key())
        return known[2]

    def save(self) -> None:
        """Adds what is new to the file, beside what other processes have added."""
        if not self._new:
            return
        try:
            with locked(self.path.with_suffix(".lock")):
                text = json.dumps({**_read(self.path), **self._new}, indent=0)
                with replaced(self.path) as file:
                    file.write(text.encode())
        except OSError as error:
            _log.warning("%s cannot be written (%s): audio files are hashed anew each time.", self.path, error.strerror)
        self._new = {}


def _read(path: Path) -> _Known:
    try:
        content = json.loads(path.read_bytes())
        return {str(name): (int(size), int(mtime), str(key)) for name, (size, mtime, key) in content.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError):
        _log.warning("%s is damaged: audio files are hashed anew.", path)
        return {}
