"""mir_eval.multipitch for all frames at once, where mir_eval takes one after the other."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mir_eval
import numpy as np
from mir_eval.multipitch import (
    MAX_FREQ,
    MAX_TIME,
    MIN_FREQ,
    compute_accuracy,
    compute_err_score,
    frequencies_to_midi,
    midi_to_chroma,
    resample_multipitch,
)
from mir_eval.util import filter_kwargs

from ricercar.metrics.util import Floats, Hits, Ints, largest_matching, ranges

Frames = Sequence[Floats]

# Pitches are searched for by whole numbers, in the order of frames, then of pitches: steps of 1/64 of a semitone, from
# -8,192 to 8,191 semitones.
_STEPS_PER_SEMITONE = 64
_STEPS_PER_FRAME = 2**20
_FLOAT64 = np.dtype(np.float64)

_NAMES = (
    "Precision",
    "Recall",
    "Accuracy",
    "Substitution Error",
    "Miss Error",
    "False Alarm Error",
    "Total Error",
)


@dataclass(frozen=True)
class Pitches:
    """The values of all frames, one after the other; how many each frame has."""

    value: Floats
    count: Ints

    @property
    def frame(self) -> Ints:
        """The number of each value's frame."""
        return np.repeat(np.arange(len(self.count)), self.count)


def metrics(
    ref_time: Floats, ref_freqs: Frames, est_time: Floats, est_freqs: Frames, **kwargs: Any
) -> tuple[float, ...]:
    """Compute multipitch metrics, of the sums over all frames.

    Parameters
    ----------
    ref_time, est_time : np.ndarray
        Seconds, in rising order. Where they differ, the estimate is taken at the reference's times
    ref_freqs, est_freqs : list of np.ndarray
        Hertz of each time
    **kwargs
        window : float
            Semitones by which pitches may differ (default value = 0.5)

    Returns
    -------
    precision, recall, accuracy, e_sub, e_miss, e_fa, e_tot : float
    precision_chroma, recall_chroma, accuracy_chroma, e_sub_chroma, e_miss_chroma, e_fa_chroma, e_tot_chroma : float
        Of pitches in any octave
    """
    ref, est = _joined(ref_freqs), _joined(est_freqs)
    if ref is None or est is None:
        found: tuple[float, ...] = mir_eval.multipitch.metrics(ref_time, ref_freqs, est_time, est_freqs, **kwargs)
        return found
    if not (_is_good(ref_time, ref) and _is_good(est_time, est)):  # mir_eval looks at every frame, to say which one
        mir_eval.multipitch.validate(ref_time, ref_freqs, est_time, est_freqs)
    if est_time.size != ref_time.size or not np.allclose(est_time, ref_time):
        warnings.warn("Estimate times not equal to reference times. Resampling to common time base.", stacklevel=2)
        est = _joined(resample_multipitch(est_time, est_freqs, ref_time))
        assert est is not None
    midi = frequencies_to_midi([ref.value, est.value])
    ref_chroma, est_chroma = midi_to_chroma(midi)
    sides = Pitches(midi[0], ref.count), Pitches(midi[1], est.count)
    chroma_sides = Pitches(ref_chroma, ref.count), Pitches(est_chroma, est.count)
    correct = filter_kwargs(num_true_positives, *sides, **kwargs)
    chroma_correct = filter_kwargs(num_true_positives, *chroma_sides, chroma=True, **kwargs)
    return tuple(
        value
        for true_positives in (correct, chroma_correct)
        for compute in (compute_accuracy, compute_err_score)
        for value in compute(true_positives, ref.count, est.count)
    )


def evaluate(
    ref_time: Floats, ref_freqs: Frames, est_time: Floats, est_freqs: Frames, **kwargs: Any
) -> dict[str, float]:
    """Evaluate two multipitch (multi-f0) transcriptions: :func:`metrics`, by their names.

    Returns
    -------
    scores : dict
        {metric: score}
    """
    values = metrics(ref_time, ref_freqs, est_time, est_freqs, **kwargs)
    return dict(zip((*_NAMES, *(f"Chroma {name}" for name in _NAMES)), values, strict=True))


def compute_num_true_positives(
    ref_freqs: Frames, est_freqs: Frames, window: float = 0.5, chroma: bool = False
) -> Floats:
    """Compute the number of true positives in an estimate given a reference: the size of the largest matching of each
    frame.

    Parameters
    ----------
    ref_freqs, est_freqs : list of np.ndarray
        MIDI numbers
    window : float
        Semitones by which pitches may differ
    chroma : bool
        If True, in any octave

    Returns
    -------
    true_positives : np.ndarray
        One for each of ref_freqs
    """
    num_frames = min(len(ref_freqs), len(est_freqs))
    ref, est = _joined(ref_freqs[:num_frames]), _joined(est_freqs[:num_frames])
    if ref is None or est is None:
        found: Floats = mir_eval.multipitch.compute_num_true_positives(ref_freqs, est_freqs, window, chroma)
        return found
    number = num_true_positives(ref, est, window, chroma)
    return np.pad(number, (0, len(ref_freqs) - num_frames)).astype(np.float64)


def num_true_positives(ref: Pitches, est: Pitches, window: float = 0.5, chroma: bool = False) -> Ints:
    """As :func:`compute_num_true_positives`, of finite MIDI numbers."""
    i, _ = largest_matching(pitch_hits(ref, est, window, chroma))
    return np.bincount(ref.frame[i], minlength=len(ref.count))


def pitch_hits(ref: Pitches, est: Pitches, window: float, chroma: bool) -> Hits:
    """Indices (i, j) of values of the same frame that are at most the window apart. chroma: modulo 12."""
    a, b = (np.mod(side.value, 12) if chroma else side.value for side in (ref, est))
    j, places = np.arange(len(b)), b
    if chroma:  # once more an octave away
        up, down = np.flatnonzero(b <= window + 1), np.flatnonzero(b >= 11 - window)
        j, places = np.concatenate([j, up, down]), np.concatenate([b, b[up] + 12, b[down] - 12])
    keys = _keys(est.frame[j], places)
    order = np.argsort(keys, kind="stable")
    first = np.searchsorted(keys[order], _keys(ref.frame, a - window) - 1, side="left")
    end = np.searchsorted(keys[order], _keys(ref.frame, a + window) + 1, side="right")
    i, place = ranges(first, end)
    j = j[order[place]]
    if chroma:
        apart = np.abs(a[i] - b[j])
        near = np.minimum(apart, 12 - apart) <= window
    else:
        near = (b[j] - window <= a[i]) & (a[i] <= b[j] + window)
    return i[near], j[near]


def _keys(frame: Ints, value: Floats) -> Ints:
    """Rising with the frame, then with the value. One less and one more belong to the same frame."""
    end = _STEPS_PER_FRAME // 2
    steps = np.clip(np.floor(value * _STEPS_PER_SEMITONE), 1 - end, end - 2)
    return frame * _STEPS_PER_FRAME + steps.astype(np.int64)


def _joined(frames: Frames) -> Pitches | None:
    """None where joined frames are not compared as each by itself: some have less digits, or values are not finite."""
    if any(frame.ndim != 1 or frame.dtype != _FLOAT64 for frame in frames):
        return None
    value = np.concatenate([np.zeros(0), *frames])
    return Pitches(value, np.array([*map(len, frames)], dtype=np.int64)) if np.isfinite(value).all() else None


def _is_good(time: Floats, freqs: Pitches) -> bool:
    """Whether mir_eval.multipitch.validate has nothing to warn of and no error to raise."""
    if time.ndim != 1 or len(time) == 0 or len(time) != len(freqs.count):
        return False
    inside = (freqs.value >= MIN_FREQ) & (freqs.value <= MAX_FREQ)
    return bool(inside.all() and (time <= MAX_TIME).all() and (np.diff(time) >= 0).all())
