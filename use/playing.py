"""What was heard, as sound: to be listened to beside the recording."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.frequencies import midi_to_hz
from ricercar.data.annotations.key import semitone_of
from ricercar.data.annotations.notes import Notes
from ricercar.data.sources.rendering.renderer import Rendering
from ricercar.data.sources.rendering.soundfont import SoundFont
from ricercar.errors import InputError

Floats = NDArray[np.float32]
_CLICK_S = 0.03
_CLICK_HZ, _DOWNBEAT_HZ = 1000.0, 2000.0
_FADE_S = 0.01  # of tones, at both ends
_LEVEL = 0.4  # peak of clicks and tones
_MIDDLE_C = 60


def beside(recording: NDArray[np.int16], estimate: Annotation, sample_rate: int) -> NDArray[np.int16]:
    """(N,) the recording -> (N, 2) the recording to the left, the estimate to the right."""
    heard = sound_of(estimate, len(recording), sample_rate)
    return np.stack([recording, np.rint(np.clip(heard, -1, 1) * 32767).astype(np.int16)], axis=1)


def sound_of(estimate: Annotation, num_samples: int, sample_rate: int) -> Floats:
    """(N,) notes by a SoundFont, beats and onsets as clicks, pitches and chords as tones. InputError where there is no
    sound for a kind of annotation, or a SoundFont cannot be played.
    """
    if estimate.name not in _SOUNDS:
        raise InputError(f"--play: there is no sound for {estimate.name}. There is for: {', '.join(_SOUNDS)}.")
    return _SOUNDS[estimate.name](estimate, num_samples, sample_rate)


def can_play(kind: type[Annotation]) -> bool:
    """Whether there is a sound for a kind of annotation."""
    return kind.name in _SOUNDS


def _notes(notes: Notes, num_samples: int, sample_rate: int) -> Floats:
    rendering = Rendering(
        notes=notes,
        soundfont=SoundFont(None),
        duration_s=num_samples / sample_rate,
        tuning_cents=0.0,
        levels_db=None,
        reverb_db=None,
        reverb_s=0.0,
        noise_db=None,
        gain_db=20 * float(np.log10(_LEVEL)),
        seed=0,
    )
    return rendering.decode(sample_rate)


def _beats(beats: Any, num_samples: int, sample_rate: int) -> Floats:
    first = beats.position == 1
    low = _clicks(beats.time_s[~first], _CLICK_HZ, num_samples, sample_rate)
    return low + _clicks(beats.time_s[first], _DOWNBEAT_HZ, num_samples, sample_rate)


def _onsets(onsets: Any, num_samples: int, sample_rate: int) -> Floats:
    return _clicks(onsets.time_s, _CLICK_HZ, num_samples, sample_rate)


def _tempo(tempo: Any, num_samples: int, sample_rate: int) -> Floats:
    """Clicks from the beginning on: nothing is known of the beats' place."""
    step_s = 60.0 / tempo.strongest_bpm
    return _clicks(np.arange(0.0, num_samples / sample_rate, step_s), _CLICK_HZ, num_samples, sample_rate)


def _boundaries(segments: Any, num_samples: int, sample_rate: int) -> Floats:
    levels = getattr(segments, "levels", [segments])
    return _clicks(np.unique(levels[-1].start_s), _CLICK_HZ, num_samples, sample_rate)


def _clicks(time_s: NDArray[np.float64], freq_hz: float, num_samples: int, sample_rate: int) -> Floats:
    since_s = np.arange(round(_CLICK_S * sample_rate)) / sample_rate
    click = (_LEVEL * np.sin(2 * np.pi * freq_hz * since_s) * np.exp(-since_s / (_CLICK_S / 5))).astype(np.float32)
    sound = np.zeros(num_samples + len(click), dtype=np.float32)
    for first in np.rint(time_s * sample_rate).astype(np.int64).tolist():
        if 0 <= first < num_samples:
            sound[first : first + len(click)] += click
    return sound[:num_samples]


def _melody(melody: Any, num_samples: int, sample_rate: int) -> Floats:
    """One tone whose frequency follows the melody, silent where there is none."""
    if not len(melody):
        return np.zeros(num_samples, dtype=np.float32)
    at = np.minimum(np.searchsorted(melody.time_s, np.arange(num_samples) / sample_rate, side="right"), len(melody)) - 1
    freq_hz = np.where(at >= 0, np.maximum(melody.frequency_hz[at], 0.0), 0.0)
    tone = np.sin(2 * np.pi * np.cumsum(freq_hz) / sample_rate) * _smoothed(freq_hz > 0, sample_rate)
    return (_LEVEL * tone).astype(np.float32)


def _smoothed(sounding: NDArray[np.bool_], sample_rate: int) -> NDArray[np.float64]:
    """0 and 1 with ramps between them, which do not click."""
    width = max(1, round(_FADE_S * sample_rate))
    return np.convolve(sounding, np.full(width, 1 / width), mode="same")


def _multipitch(pitches: Any, num_samples: int, sample_rate: int) -> Floats:
    """Each frequency for as long as its frame, faded into the next."""
    sound = np.zeros(num_samples + 1, dtype=np.float32)
    if not len(pitches.frequency_hz):
        return sound[:num_samples]
    step_s = pitches.usual_step_s if np.isfinite(pitches.usual_step_s) else 0.1
    length = max(2, round(2 * step_s * sample_rate))
    window = np.hanning(length).astype(np.float32) * np.float32(_LEVEL / 4)
    ends = np.cumsum(pitches.count)
    for time_s, count, end in zip(pitches.time_s, pitches.count, ends, strict=True):
        first = round(time_s * sample_rate) - length // 2
        inside = slice(max(first, 0), min(first + length, num_samples))
        if count and inside.start < inside.stop:
            at_s = np.arange(inside.start, inside.stop) / sample_rate
            tones = np.sin(2 * np.pi * at_s[:, None] * pitches.frequency_hz[end - count : end]).sum(axis=1)
            sound[inside] += window[inside.start - first : inside.stop - first] * tones
    return np.clip(sound[:num_samples], -1, 1)


# Semitones above the root of a chord's quality; extensions in parentheses and the bass are not played.
_QUALITIES = {
    "min": (0, 3, 7), "dim": (0, 3, 6), "aug": (0, 4, 8), "1": (0,), "5": (0, 7), "sus2": (0, 2, 7), "sus4": (0, 5, 7),
    "maj6": (0, 4, 7, 9), "min6": (0, 3, 7, 9), "7": (0, 4, 7, 10), "maj7": (0, 4, 7, 11), "min7": (0, 3, 7, 10),
    "dim7": (0, 3, 6, 9), "hdim7": (0, 3, 6, 10), "minmaj7": (0, 3, 7, 11), "9": (0, 4, 7, 10), "maj9": (0, 4, 7, 11),
    "min9": (0, 3, 7, 10), "11": (0, 4, 7, 10), "min11": (0, 3, 7, 10), "13": (0, 4, 7, 10), "maj13": (0, 4, 7, 11),
    "min13": (0, 3, 7, 10),
}  # fmt: skip
_MAJOR = (0, 4, 7)


def _chords(chords: Any, num_samples: int, sample_rate: int) -> Floats:
    sound = np.zeros(num_samples, dtype=np.float32)
    for start_s, end_s, label in zip(chords.start_s, chords.end_s, chords.label, strict=True):
        root = re.match(r"[A-G][b#]*", label)
        if root is not None:
            quality = re.match(r":([a-z]*\d*)", label[root.end() :])
            semitones = _QUALITIES.get(quality[1], _MAJOR) if quality else _MAJOR
            first, last = round(start_s * sample_rate), min(round(end_s * sample_rate), num_samples)
            _add_tones(sound, first, last, [_MIDDLE_C + semitone_of(root[0]) + each for each in semitones], sample_rate)
    return sound


def _key(key: Any, num_samples: int, sample_rate: int) -> Floats:
    """Its tonic triad all the time."""
    third = 4 if key.mode == "major" else 3
    sound = np.zeros(num_samples, dtype=np.float32)
    _add_tones(sound, 0, num_samples, [_MIDDLE_C + key.tonic + each for each in (0, third, 7)], sample_rate)
    return sound


def _add_tones(sound: Floats, first: int, last: int, pitches: list[int], sample_rate: int) -> None:
    if last <= first:
        return
    at_s = np.arange(first, last) / sample_rate
    tones: Any = sum(np.sin(2 * np.pi * float(midi_to_hz(np.array(float(pitch)))) * at_s) for pitch in pitches)
    fade = np.minimum(np.minimum(at_s - at_s[0], at_s[-1] - at_s) / _FADE_S, 1.0)
    sound[first:last] += (_LEVEL / len(pitches) * tones * fade).astype(np.float32)


_SOUNDS: Mapping[str, Callable[[Any, int, int], Floats]] = {
    "notes": _notes,
    "beats": _beats,
    "onsets": _onsets,
    "tempo": _tempo,
    "segments": _boundaries,
    "hierarchy": _boundaries,
    "melody": _melody,
    "multipitch": _multipitch,
    "chords": _chords,
    "key": _key,
}
