"""The recording of a track as a file that a system from elsewhere reads."""

from pathlib import Path

import numpy as np
import soundfile
import soxr

from ricercar.data.audio.file import AudioFile
from ricercar.data.audio.reading import read
from ricercar.data.audio.store import AudioStore
from ricercar.data.track import Track
from ricercar.harness.systems.system import System


def handed_as(system: System, track: Track, store: AudioStore) -> str:
    """Which file a track is handed over as, in a word that counts in what is kept: the track's own, or a WAV."""
    if isinstance(track.audio, AudioFile):
        ending = track.audio.path.suffix.lower()
        if ending in (system.reads or []) and not store.flaw(track):
            return "own"
        return f"wav {system.sample_rate or 'own'}"
    return f"wav {system.sample_rate or store.sample_rate}"


def hand_over(system: System, track: Track, store: AudioStore, folder: Path) -> Path:
    """-> `folder`/<track id>.<ending>: a link to the track's own file, or a WAV of 16 bits.

    A WAV has the channels of the file, at its own rate or at the system's; rendered sound has one channel.
    """
    if isinstance(track.audio, AudioFile) and handed_as(system, track, store) == "own":
        link = folder / f"{track.id}{track.audio.path.suffix}"
        link.symlink_to(track.audio.path.absolute())
        return link
    if isinstance(track.audio, AudioFile):
        recording = read(track.audio.path)
        samples, rate = recording.samples, recording.sample_rate
        if system.sample_rate not in (None, rate):
            samples, rate = soxr.resample(samples, rate, system.sample_rate), system.sample_rate
    else:
        rate = system.sample_rate or store.sample_rate
        samples = track.audio.decode(rate)
    path = folder / f"{track.id}.wav"
    soundfile.write(path, np.clip(samples, -1.0, 1.0), rate, subtype="PCM_16")
    return path
