"""Scores of several pitches at a time: mir_eval's numbers, counted for all frames at once.

mir_eval matches the pitches of one frame after the other, which takes it seconds for a long track.
"""

import mir_eval
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import interp1d

from ricercar.data.annotations.frequencies import hz_to_midi
from ricercar.data.annotations.multipitch import Multipitch
from ricercar.metrics.multipitch import Pitches, num_true_positives, pitch_hits
from ricercar.metrics.util import Hits, largest_matching, ranges
from ricercar.tasks.marks import MISSED, RIGHT, SPURIOUS, Mark, frame_runs

Ints = NDArray[np.int64]

_NAMES = ("Precision", "Recall", "Accuracy")
_ERRORS = ("Substitution_Error", "Miss_Error", "False_Alarm_Error", "Total_Error")


def multipitch_scores(correct: Ints, chroma_correct: Ints, num_reference: Ints, num_estimate: Ints) -> dict[str, float]:
    """All (T,) numbers of pitches -> {multipitch/metric: score}, by mir_eval's names with _ for a space.

    multipitch/F-measure, ours: harmonic mean of precision and recall.
    """
    scores: dict[str, float] = {}
    for prefix, both in (("", correct), ("Chroma_", chroma_correct)):
        counts = both.astype(np.float64), num_reference, num_estimate
        accuracy = mir_eval.multipitch.compute_accuracy(*counts)
        errors = mir_eval.multipitch.compute_err_score(*counts)
        scores |= {f"multipitch/{prefix}{name}": float(x) for name, x in zip(_NAMES, accuracy, strict=True)}
        scores |= {f"multipitch/{prefix}{name}": float(x) for name, x in zip(_ERRORS, errors, strict=True)}
    f_measure = mir_eval.util.f_measure(scores["multipitch/Precision"], scores["multipitch/Recall"])
    return scores | {"multipitch/F-measure": float(f_measure)}


def score_multipitch(reference: Multipitch, estimate: Multipitch, window_semitones: float) -> dict[str, float]:
    """As mir_eval.multipitch.evaluate, without its limits to the frequencies (20 to 5,000 Hz)."""
    estimate = at_times_of(reference, estimate)
    correct, chroma_correct = (
        num_correct(reference, estimate, window_semitones, chroma=chroma) for chroma in (False, True)
    )
    return multipitch_scores(correct, chroma_correct, reference.count, estimate.count)


def f_measure(reference: Multipitch, estimate: Multipitch, window_semitones: float) -> float:
    """multipitch/F-measure alone."""
    estimate = at_times_of(reference, estimate)
    both = int(num_correct(reference, estimate, window_semitones, chroma=False).sum())
    total = len(reference.frequency_hz) + len(estimate.frequency_hz)
    return 2 * both / total if total else 0.0


def at_times_of(reference: Multipitch, estimate: Multipitch) -> Multipitch:
    """The estimate at the reference's times: that of the nearest time, none outside of the estimate's times."""
    times_s, own_s = reference.time_s, estimate.time_s
    if times_s.size == own_s.size and np.allclose(own_s, times_s):  # as mir_eval asks it
        return estimate
    if not len(own_s) or not len(times_s):
        return Multipitch.make(times_s, [()] * len(times_s))
    nearest = interp1d(
        own_s, np.arange(len(own_s)), kind="nearest", bounds_error=False, assume_sorted=True, fill_value=len(own_s)
    )
    row = nearest(times_s).astype(np.int64)
    count = np.append(estimate.count, 0)[row]
    first = np.append(np.cumsum(estimate.count) - estimate.count, 0)[row]
    _, index = ranges(first, first + count)
    return Multipitch(time_s=times_s, count=count, frequency_hz=estimate.frequency_hz[index])


def num_correct(reference: Multipitch, estimate: Multipitch, window_semitones: float, *, chroma: bool) -> Ints:
    """-> (T,) sizes of largest matchings between the pitches of both that are at most window_semitones apart.

    Both have the same times. chroma: in any octave.
    """
    return num_true_positives(
        _pitches(reference, chroma=chroma), _pitches(estimate, chroma=chroma), window_semitones, chroma
    )


def multipitch_marks(reference: Multipitch, estimate: Multipitch, window_semitones: float) -> list[Mark]:
    """Of the reference's frames. octave: a pitch without a pair, near one without a pair in another octave, which is
    missed all the same.
    """
    estimate = at_times_of(reference, estimate)
    right = largest_matching(_hits(reference, estimate, window_semitones, chroma=False))
    missed = ~np.isin(np.arange(len(reference.row)), right[0])
    kind = np.full(len(estimate.row), SPURIOUS, dtype=object)
    kind[right[1]] = RIGHT
    i, j = _hits(reference, estimate, window_semitones, chroma=True)
    kept = missed[i] & (kind[j] == SPURIOUS)
    kind[largest_matching((i[kept], j[kept]))[1]] = "octave"
    return frame_runs(
        reference.time_s,
        np.concatenate([estimate.row, reference.row[missed]]),
        hz_to_midi(np.concatenate([estimate.frequency_hz, reference.frequency_hz[missed]])),
        [*kind, *[MISSED] * int(missed.sum())],
    )


def _hits(reference: Multipitch, estimate: Multipitch, window_semitones: float, *, chroma: bool) -> Hits:
    return pitch_hits(_pitches(reference, chroma=chroma), _pitches(estimate, chroma=chroma), window_semitones, chroma)


def _pitches(side: Multipitch, *, chroma: bool) -> Pitches:
    midi = hz_to_midi(side.frequency_hz)
    return Pitches(np.mod(midi, 12) if chroma else midi, side.count)
