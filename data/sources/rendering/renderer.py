"""Audio made from notes by a SoundFont, in a simulated room."""

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from ricercar.data.annotations.notes import DRUMS, UNKNOWN_PROGRAM, Notes
from ricercar.data.sources.rendering.soundfont import SoundFont
from ricercar.errors import InputError

RENDERING_VERSION = 1  # raise it whenever the samples change: cached audio is then made anew

_SYNTHESIS_HZ = 30_000  # at least: at 16 kHz, overtones folded back lie only 16 to 40 dB below the sound
_TAIL_S = 1.0  # after the last note, where no duration is given
_PEAK = 0.95
_NUM_VOICES = 512
_NUM_CHANNELS = 101  # from -50 to 50 cents


@dataclass(frozen=True, kw_only=True, eq=False)
class Rendering:
    """An AudioSource: notes played by a SoundFont. Equal notes and settings give equal bytes.

    A note sounds from its onset to its pedalled offset, exact to the sample, and at its pitch, exact to the cent. An
    unknown program is played as a piano.

    duration_s     length of the audio; None: until a second after the last note
    tuning_cents   added to every pitch but the drums'
    levels_db      {program: level}: RMS while its notes sound, relative to the other programs (a font's instruments
                   differ by up to 15 dB); None, or a program that is left out: as the font has it
    reverb_db      level of the room's energy relative to the direct sound; None: dry
    reverb_s       reverberation time, to -60 dB
    noise_db       level (RMS) of pink noise relative to the peak of the music; None: no noise
    gain_db        peak of the music, relative to 0.95
    seed           of room and noise
    """

    notes: Notes
    soundfont: SoundFont
    duration_s: float | None
    tuning_cents: float
    levels_db: Mapping[int, float] | None
    reverb_db: float | None
    reverb_s: float
    noise_db: float | None
    gain_db: float
    seed: int

    def key(self) -> str:
        """ "rendering-" and the SHA-256 of notes, settings, the SoundFont's content and the renderer's version."""
        notes = self.notes
        levels = None if self.levels_db is None else sorted(self.levels_db.items())
        room = [self.reverb_db, self.reverb_s, self.noise_db, self.gain_db, self.seed]
        versions = [RENDERING_VERSION, synthesiser_version(), self.soundfont.content_hash()]
        digest = hashlib.sha256(json.dumps([versions, self.duration_s, self.tuning_cents, levels, room]).encode())
        for values in (notes.onset_s, notes.pedalled_offset_s, notes.pitch, notes.velocity, notes.program):
            digest.update(values.astype("<f8").tobytes())
        return "rendering-" + digest.hexdigest()

    def decode(self, sample_rate: int) -> NDArray[np.float32]:
        """-> (N,) audio in [-1, 1]. InputError names the SoundFont, or the program it lacks."""
        duration_s = self.duration_s
        if duration_s is None:
            duration_s = float(self.notes.pedalled_offset_s.max(initial=0.0)) + _TAIL_S
        num_samples = round(duration_s * sample_rate)
        oversampling = -(-_SYNTHESIS_HZ // sample_rate)
        music = self._played(num_samples * oversampling, sample_rate * oversampling)
        if oversampling > 1:
            music = soxr.resample(music, oversampling, 1, quality="HQ")
        random = np.random.Generator(np.random.PCG64(self.seed))
        if self.reverb_db is not None:
            music = fftconvolve(music, _room(random, sample_rate, self.reverb_s, self.reverb_db))[:num_samples]
        peak = _PEAK * _amplitude(self.gain_db)
        music = music * np.float32(peak / max(float(np.abs(music).max(initial=0.0)), 1e-6))
        if self.noise_db is not None:
            music = music + _pink_noise(random, num_samples) * np.float32(peak * _amplitude(self.noise_db))
        audio: NDArray[np.float32] = np.clip(music, -1.0, 1.0).astype(np.float32)
        return audio

    def _played(self, num_samples: int, sample_rate: int) -> NDArray[np.float32]:
        """(N,) the dry sum of the programs, played one after the other (so there is no limit of 16 channels)."""
        synth, font = _synthesiser(self.soundfont, sample_rate)
        mix = np.zeros(num_samples, dtype=np.float32)
        programs = np.where(self.notes.program == UNKNOWN_PROGRAM, 0, self.notes.program)
        for program in np.unique(programs).tolist():
            chosen = programs == program
            self._select(synth, font, program, np.unique(self._cents[chosen]).tolist())
            stem = self._stem(synth, chosen, num_samples, sample_rate)
            if self.levels_db is not None and program in self.levels_db:
                energy = stem[self._sounding(chosen, num_samples, sample_rate)].astype(np.float64) ** 2
                rms = float(np.sqrt(energy.mean())) if len(energy) else 0.0
                stem *= np.float32(_amplitude(self.levels_db[program]) / max(rms, 1e-6))
            mix += stem
            synth.sounds_off()
            synth.generate_simple(sample_rate // 4)  # voices take a moment to fall silent
        return mix

    @property
    def _cents(self) -> NDArray[np.int64]:
        """(n,) what notes are above their keys, from -50 to 50: each has a channel of its own, which is tuned so."""
        return np.rint(100 * (self.notes.pitch - self.notes.semitone)).astype(np.int64)

    def _select(self, synth: Any, font: int, program: int, cents: list[int]) -> None:
        is_drums = program == DRUMS
        bank, preset = (DRUMS, 0) if is_drums else (0, program)
        if synth.sfpreset_name(font, bank, preset) is None:
            raise InputError(
                f"SoundFont {self.soundfont.file} has no program {program}: choose other programs or fonts."
            )
        for each in cents:
            synth.program_select(each % _NUM_CHANNELS, font, bank, preset, is_drums)
            synth.set_tuning(each % _NUM_CHANNELS, 0.0 if is_drums else (self.tuning_cents + each) / 100.0)

    def _stem(self, synth: Any, chosen: NDArray[np.bool_], num_samples: int, sample_rate: int) -> NDArray[np.float32]:
        """(N,) the chosen notes, rendered from event to event: every event is exact to the sample."""
        buffer = memoryview(bytearray(num_samples * 8))  # stereo float32
        done = 0
        for sample, channel, key, velocity in self._events(chosen, sample_rate):
            now = min(sample, num_samples)
            if now > done:
                synth.generate_simple(now - done, buffer[done * 8 : now * 8])
                done = now
            if velocity > 0:
                synth.noteon(channel, key, velocity)
            else:
                synth.noteoff(channel, key)
        if num_samples > done:
            synth.generate_simple(num_samples - done, buffer[done * 8 :])
        stereo = np.frombuffer(buffer, dtype=np.float32).reshape(-1, 2)
        mono: NDArray[np.float32] = (stereo[:, 0] + stereo[:, 1]) * np.float32(0.5)
        return mono

    def _events(self, chosen: NDArray[np.bool_], sample_rate: int) -> list[tuple[int, int, int, int]]:
        """(sample, channel, key, velocity) in order; velocity 0 ends a note, before what starts at that sample."""
        start = np.rint(self.notes.onset_s[chosen] * sample_rate).astype(np.int64)
        end = np.maximum(np.rint(self.notes.pedalled_offset_s[chosen] * sample_rate).astype(np.int64), start + 1)
        sample = np.concatenate([start, end])
        channel, key = (np.tile(each[chosen], 2) for each in (self._cents % _NUM_CHANNELS, self.notes.semitone))
        velocity = np.concatenate([self.notes.velocity[chosen], np.zeros_like(end)])
        order = np.lexsort((key, velocity, sample))
        return list(zip(*(each[order].tolist() for each in (sample, channel, key, velocity)), strict=True))

    def _sounding(self, chosen: NDArray[np.bool_], num_samples: int, sample_rate: int) -> NDArray[np.bool_]:
        """(N,) true where at least one of the chosen notes sounds."""
        change = np.zeros(num_samples + 1, dtype=np.int32)
        for step, times_s in ((1, self.notes.onset_s[chosen]), (-1, self.notes.pedalled_offset_s[chosen])):
            np.add.at(change, np.minimum(np.rint(times_s * sample_rate).astype(np.int64), num_samples), step)
        return np.cumsum(change[:-1]) > 0


def synthesiser_version() -> str:
    """Of tinysoundfont. InputError if it is not installed."""
    try:
        return importlib.metadata.version("tinysoundfont")
    except importlib.metadata.PackageNotFoundError:
        raise InputError(
            "Rendering notes needs the package tinysoundfont, which is not installed: "
            "pip install --no-deps tinysoundfont (its dependency pyaudio is not used)."
        ) from None


def _synthesiser(soundfont: SoundFont, sample_rate: int) -> tuple[Any, int]:
    """-> (a tinysoundfont.Synth, the font's number in it)"""
    synthesiser_version()
    soundfont.content_hash()
    import tinysoundfont  # an optional dependency

    synth = tinysoundfont.Synth(gain=0.0, samplerate=sample_rate)
    try:
        return synth, synth.sfload(str(soundfont.file), max_voices=_NUM_VOICES)
    except RuntimeError as error:
        raise InputError(f"{soundfont.file} cannot be read as a SoundFont: {error}.") from error


def _amplitude(level_db: float) -> float:
    return float(10.0 ** (level_db / 20.0))


def _room(random: np.random.Generator, sample_rate: int, reverb_s: float, reverb_db: float) -> NDArray[np.float32]:
    """(N,) impulse response: 1 at time 0, then noise that falls by 60 dB in `reverb_s`."""
    time_s = np.arange(1, max(round(reverb_s * sample_rate), 2)) / sample_rate
    tail = random.standard_normal(len(time_s)) * np.exp(-np.log(1000.0) * time_s / reverb_s)
    tail *= _amplitude(reverb_db) / np.sqrt(np.sum(tail**2))
    response: NDArray[np.float32] = np.concatenate([[1.0], tail]).astype(np.float32)
    return response


def _pink_noise(random: np.random.Generator, num_samples: int) -> NDArray[np.float32]:
    """(N,) noise of RMS 1 whose power falls by 3 dB per octave."""
    spectrum = np.fft.rfft(random.standard_normal(num_samples))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    noise = np.fft.irfft(spectrum, num_samples)
    pink: NDArray[np.float32] = (noise / np.sqrt(np.mean(noise**2))).astype(np.float32)
    return pink
