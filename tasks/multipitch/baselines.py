"""Trivial baselines of several pitches at a time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.frequencies import hz_to_midi, midi_to_hz
from ricercar.data.annotations.multipitch import Multipitch
from ricercar.tasks.scoring import Clip, Estimator
from ricercar.tasks.shared.harmonic_sum import HOP_S, harmonic_sum

_UNLEARNED = np.array([60, 64, 67])  # C major
_PITCHES = np.arange(21.0, 109.0)

# A pitch is estimated where its harmonics are at least this strong beside the strongest pitch of the frame, and of
# the track.
_OF_FRAME, _OF_TRACK = 0.75, 0.25
_MOST = 6
_SILENCE = 1e-3


def constant(references: Sequence[Annotation]) -> Estimator:
    """The commonest pitches of the training split, always: as many as give the best F there."""
    num_rows, counts = 0, np.zeros(128)
    for reference in references:
        assert isinstance(reference, Multipitch)
        num_rows += len(reference)
        pitch = np.rint(hz_to_midi(reference.frequency_hz)).astype(np.int64)
        counts += np.bincount(pitch.clip(0, 127), minlength=128)
    pitches = commonest(counts, np.arange(1, 129) * num_rows)

    def estimate(clip: Clip) -> Multipitch:
        return _multipitch(np.tile(np.isin(np.arange(128), pitches), (1 + int(clip.duration_s / HOP_S), 1)), lowest=0)

    return estimate


def spectral_peaks(references: Sequence[Annotation]) -> Estimator:
    """The pitches whose harmonics are strong, and stronger than those of their neighbours. Learns nothing."""

    def estimate(clip: Clip) -> Multipitch:
        return _multipitch(strong_pitches(harmonic_sum(clip.audio, clip.sample_rate, _PITCHES)), int(_PITCHES[0]))

    return estimate


def commonest(counts: NDArray[np.float64], num_estimates: NDArray[Any]) -> NDArray[np.int64]:
    """(128,) how often each pitch is there, (128,) estimates that 1, 2 ... pitches make -> those with the best F.

    C major where there are none.
    """
    if not counts.any():
        return _UNLEARNED
    by_count = np.argsort(-counts, kind="stable")
    f = 2 * np.cumsum(counts[by_count]) / (num_estimates + counts.sum())
    return np.sort(by_count[: int(f.argmax()) + 1])


def strong_pitches(strength: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(T, P) harmonic sums -> (T, P): the strongest peaks of each frame, at most _MOST."""
    beside = np.pad(strength, ((0, 0), (1, 1)))
    peaks = np.where((strength > beside[:, :-2]) & (strength >= beside[:, 2:]), strength, 0.0)
    highest = peaks.max(axis=1, keepdims=True)
    least = np.maximum(np.maximum(_OF_FRAME * highest, _OF_TRACK * highest.max(initial=0.0)), _SILENCE)
    last = np.partition(peaks, -_MOST, axis=1)[:, -_MOST, None]
    strong: NDArray[np.bool_] = (peaks >= least) & (peaks >= last)
    return strong


def _multipitch(sounds: NDArray[np.bool_], lowest: int) -> Multipitch:
    """(T, P) frames at HOP_S -> frequencies of the semitones from `lowest` on."""
    row, pitch = np.nonzero(sounds)
    return Multipitch(
        time_s=np.round(np.arange(len(sounds)) * HOP_S, 6),
        count=np.bincount(row, minlength=len(sounds)),
        frequency_hz=np.round(midi_to_hz(pitch + lowest), 6),
    )
