"""Trivial estimates of notes with instruments."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.tasks.scoring import Clip, Estimator

_LOWEST, _HIGHEST = 36, 96  # the pitches that `peaks` looks for
_WINDOW_S = 0.128
_STEP_S = 0.02
_HARMONICS = 6
_ONE_CHORD_S = 0.03  # notes that start within this time are one chord


@dataclass(frozen=True)
class _Habits:
    """What the notes of the training split have in common, drums apart. Without training: a piano at 2 Hz.

    step_s       median time from chord to chord
    duration_s   median duration
    pitches      the commonest, as many as there are notes in the mean chord
    """

    program: int = 0
    step_s: float = 0.5
    duration_s: float = 0.5
    pitches: tuple[int, ...] = (60,)

    @classmethod
    def of(cls, references: Sequence[Annotation]) -> "_Habits":
        onsets, durations, pitches, programs = [], [], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for notes in references:
            assert isinstance(notes, Notes)
            kept = notes.program != DRUMS
            onsets.append(notes.onset_s[kept])
            durations.append((notes.pedalled_offset_s - notes.onset_s)[kept])
            pitches.append(notes.semitone[kept])
            programs.append(notes.program[kept])
        pitch = np.concatenate(pitches)
        if not len(pitch):
            return cls()
        gaps = np.concatenate([np.diff(each) for each in onsets])
        chords = gaps[gaps > _ONE_CHORD_S]
        num_chords = len(chords) + sum(len(each) > 0 for each in onsets)
        counts = np.bincount(pitch, minlength=128)
        most = max(round(len(pitch) / num_chords), 1)
        return cls(
            program=int(np.bincount(np.concatenate(programs)).argmax()),
            step_s=max(float(np.median(chords)), 0.05) if len(chords) else cls.step_s,
            duration_s=max(float(np.median(np.concatenate(durations))), 0.01),
            pitches=tuple(np.argsort(-counts, kind="stable")[:most].tolist()),
        )


def silence(references: Sequence[Annotation]) -> Estimator:
    """No notes."""
    return lambda clip: Notes.make([], [], [])


def commonest(references: Sequence[Annotation]) -> Estimator:
    """The commonest pitches of training, by the commonest instrument, at the usual pace."""
    habits = _Habits.of(references)

    def estimate(clip: Clip) -> Notes:
        onset_s = np.round(np.arange(0.0, clip.duration_s, habits.step_s), 6)
        each = np.repeat(onset_s, len(habits.pitches))
        return Notes.make(
            onset_s=each,
            offset_s=np.round(each + habits.duration_s, 6),
            pitch=np.tile(habits.pitches, len(onset_s)),
            program=habits.program,
        )

    return estimate


def peaks(references: Sequence[Annotation]) -> Estimator:
    """Pitches whose harmonics suddenly become louder, by the commonest instrument of training."""
    habits = _Habits.of(references)

    def estimate(clip: Clip) -> Notes:
        loudness = _salience(clip)
        rise = np.zeros_like(loudness)
        rise[3:] = np.maximum(loudness[3:] - loudness[:-3], 0.0)
        # The highest of its neighbours in time and pitch, and among the greatest rises of the track.
        top = (rise > 0) & (rise >= 0.35 * np.max(rise, initial=0.0))
        for axis, reach in ((0, 4), (1, 1)):
            for shift in range(1, reach + 1):
                top &= (rise > _shifted(rise, shift, axis)) & (rise >= _shifted(rise, -shift, axis))
        frame, pitch = np.nonzero(top)
        onset_s = np.round(np.maximum(frame - 1, 0) * _STEP_S, 6)
        return Notes.make(
            onset_s=onset_s,
            offset_s=np.round(onset_s + habits.duration_s, 6),
            pitch=pitch + _LOWEST,
            program=habits.program,
        )

    return estimate


def _salience(clip: Clip) -> NDArray[np.float32]:
    """-> (frames, pitches): the mean log magnitude of a pitch's harmonics."""
    size, step = round(_WINDOW_S * clip.sample_rate), round(_STEP_S * clip.sample_rate)
    window = np.hanning(size).astype(np.float32)
    audio = np.pad(clip.audio, size // 2)
    windows = np.lib.stride_tricks.sliding_window_view(audio, size)[::step]
    freq_hz = 440.0 * 2.0 ** ((np.arange(_LOWEST, _HIGHEST + 1) - 69) / 12.0)
    bins = np.rint(np.outer(np.arange(1, _HARMONICS + 1), freq_hz) * size / clip.sample_rate).astype(np.int64)
    inside = bins <= size // 2
    weight = inside / inside.sum(axis=0)
    salience = np.zeros((len(windows), len(freq_hz)), dtype=np.float32)
    for first in range(0, len(windows), 500):  # bounds the memory
        magnitude = np.abs(np.fft.rfft(windows[first : first + 500] * window, axis=1))
        log_magnitude = np.log1p(magnitude).astype(np.float32)
        for harmonic, share in zip(np.minimum(bins, size // 2), weight, strict=True):
            salience[first : first + 500] += log_magnitude[:, harmonic] * share.astype(np.float32)
    return salience


def _shifted(values: NDArray[np.float32], shift: int, axis: int) -> NDArray[np.float32]:
    """`values` of `shift` places before, -1 beyond the borders."""
    moved = np.full_like(values, -1.0)
    after, before = [slice(None)] * 2, [slice(None)] * 2
    after[axis], before[axis] = (
        (slice(shift, None), slice(None, -shift)) if shift > 0 else (slice(None, shift), slice(-shift, None))
    )
    moved[tuple(after)] = values[tuple(before)]
    return moved
