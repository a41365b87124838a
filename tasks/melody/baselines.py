"""Trivial baselines of melody."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.frequencies import hz_to_midi, midi_to_hz
from ricercar.data.annotations.melody import Melody
from ricercar.tasks.scoring import Clip, Estimator
from ricercar.tasks.shared.harmonic_sum import HOP_S, harmonic_sum

# Without references to learn from.
_MEDIAN_HZ, _LOWEST_HZ, _HIGHEST_HZ, _VOICED_SHARE = 330.0, 110.0, 1200.0, 0.6

_STEP = 0.2  # semitones between the pitches that are tried
_SILENCE = 1e-3  # sum of harmonics below which there is nothing to hear


def constant(references: Sequence[Annotation]) -> Estimator:
    """The median pitch of the training split, always."""
    frequency_hz, _ = _learned(references)
    median_hz = float(np.median(frequency_hz)) if len(frequency_hz) else _MEDIAN_HZ
    return lambda clip: _melody(np.full(_num_rows(clip), median_hz))


def unvoiced(references: Sequence[Annotation]) -> Estimator:
    """No melody at any time."""
    return lambda clip: _melody(np.zeros(_num_rows(clip)))


def salience(references: Sequence[Annotation]) -> Estimator:
    """The pitch with the strongest harmonics in each frame, within the training split's range.

    It sounds in as large a share of the frames, the strongest ones, as melodies of the training split do.
    """
    frequency_hz, share = _learned(references)
    midi = hz_to_midi(frequency_hz if len(frequency_hz) else np.array([_LOWEST_HZ, _HIGHEST_HZ]))
    pitches = np.arange(midi.min(), midi.max() + _STEP, _STEP)

    def estimate(clip: Clip) -> Melody:
        strength = harmonic_sum(clip.audio, clip.sample_rate, pitches)
        best = strength.argmax(axis=1)
        loudness = strength[np.arange(len(best)), best]
        sounds = (loudness >= np.quantile(loudness, 1 - share)) & (loudness > _SILENCE)
        found_hz = midi_to_hz(pitches[best])
        return _melody(np.where(sounds, found_hz, -found_hz))

    return estimate


def _learned(references: Sequence[Annotation]) -> tuple[NDArray[np.float64], float]:
    """-> all frequencies of the references, and the share of their rows that has one."""
    rows = [np.zeros(0)]
    for reference in references:
        assert isinstance(reference, Melody)
        rows.append(reference.frequency_hz)
    frequency_hz = np.concatenate(rows)
    sounding = frequency_hz > 0
    return frequency_hz[sounding], float(sounding.mean()) if len(sounding) else _VOICED_SHARE


def _num_rows(clip: Clip) -> int:
    return 1 + int(clip.duration_s / HOP_S)


def _melody(frequency_hz: NDArray[np.float64]) -> Melody:
    return Melody(time_s=np.round(np.arange(len(frequency_hz)) * HOP_S, 6), frequency_hz=np.round(frequency_hz, 6))
