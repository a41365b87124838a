"""Scores of several pitches at a time: mir_eval's numbers, counted for all frames at once.

mir_eval matches the pitches of one frame after the other, which takes it seconds for a long track.
"""

import warnings

import mir_eval
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import interp1d
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from ricercar.data.annotations.frequencies import hz_to_midi
from ricercar.data.annotations.multipitch import Multipitch
from ricercar.tasks.marks import MISSED, RIGHT, SPURIOUS, Mark, frame_runs

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NAMES = ("Precision", "Recall", "Accuracy")
_ERRORS = ("Substitution_Error", "Miss_Error", "False_Alarm_Error", "Total_Error")

# Between the pitches of one frame and the next where all frames are searched at once, in semitones.
_SPAN = 1024.0
# Wider than the rounding of what is searched, so that no candidate is missed.
_SLACK = 1e-6


def multipitch_scores(correct: Ints, chroma_correct: Ints, num_reference: Ints, num_estimate: Ints) -> dict[str, float]:
    """All (T,) numbers of pitches -> {multipitch/metric: score}, by mir_eval's names with _ for a space.

    multipitch/F-measure, ours: harmonic mean of precision and recall.
    """
    scores: dict[str, float] = {}
    for prefix, both in (("", correct), ("Chroma_", chroma_correct)):
        counts = both.astype(np.float64), num_reference, num_estimate
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".* are all empty", category=UserWarning)
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
    index = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    return Multipitch(time_s=times_s, count=count, frequency_hz=estimate.frequency_hz[index])


def num_correct(reference: Multipitch, estimate: Multipitch, window_semitones: float, *, chroma: bool) -> Ints:
    """-> (T,) sizes of largest matchings between the pitches of both that are at most window_semitones apart.

    Both have the same times. chroma: in any octave.
    """
    i, _ = _largest(*_near(reference, estimate, window_semitones, chroma=chroma))
    return np.bincount(reference.row[i], minlength=len(reference))


def multipitch_marks(reference: Multipitch, estimate: Multipitch, window_semitones: float) -> list[Mark]:
    """Of the reference's frames. octave: a pitch without a pair, near one without a pair in another octave, which is
    missed all the same.
    """
    estimate = at_times_of(reference, estimate)
    right = _largest(*_near(reference, estimate, window_semitones, chroma=False))
    missed = ~np.isin(np.arange(len(reference.row)), right[0])
    kind = np.full(len(estimate.row), SPURIOUS, dtype=object)
    kind[right[1]] = RIGHT
    i, j = _near(reference, estimate, window_semitones, chroma=True)
    kept = missed[i] & (kind[j] == SPURIOUS)
    kind[_largest(i[kept], j[kept])[1]] = "octave"
    return frame_runs(
        reference.time_s,
        np.concatenate([estimate.row, reference.row[missed]]),
        hz_to_midi(np.concatenate([estimate.frequency_hz, reference.frequency_hz[missed]])),
        [*kind, *[MISSED] * int(missed.sum())],
    )


def _largest(i: Ints, j: Ints) -> tuple[Ints, Ints]:
    """Candidates for pairs -> the pairs of a largest matching."""
    num_i, num_j = np.bincount(i), np.bincount(j)
    alone = (num_i[i] == 1) & (num_j[j] == 1)
    pairs = [(i[alone], j[alone])]
    i, j = i[~alone], j[~alone]
    if len(i):
        references, i = np.unique(i, return_inverse=True)
        estimates, j = np.unique(j, return_inverse=True)
        # Frames have no pitches in common: one matching of all is the matching of each.
        graph = csr_matrix((np.ones(len(i), dtype=np.int8), (i, j)))
        partner = maximum_bipartite_matching(graph, perm_type="column")
        pairs.append((references[partner >= 0], estimates[partner[partner >= 0]]))
    return np.concatenate([each[0] for each in pairs]), np.concatenate([each[1] for each in pairs])


def _near(reference: Multipitch, estimate: Multipitch, window: float, *, chroma: bool) -> tuple[Ints, Ints]:
    """Indices (i, j) of pitches in the same row that are near. The comparisons are mir_eval's, rounding included."""
    assert len(reference) == len(estimate)
    assert window < 6  # or a pitch could be near another one in two ways
    a, b = (hz_to_midi(side.frequency_hz) for side in (reference, estimate))
    if chroma:
        a, b = (np.mod(np.mod(pitch, 12), 12) for pitch in (a, b))
    index = np.arange(len(b))
    places = estimate.row * _SPAN + b
    if chroma:  # once more an octave away, where that is near the border between B and C
        up, down = b <= window + _SLACK, b >= 12 - window - _SLACK
        index = np.concatenate([index, index[up], index[down]])
        places = np.concatenate([places, places[up] + 12, places[down] - 12])
    order = np.argsort(places, kind="stable")
    index, places = index[order], places[order]
    own = reference.row * _SPAN + a
    first = np.searchsorted(places, own - window - _SLACK, side="left")
    count = np.searchsorted(places, own + window + _SLACK, side="right") - first
    i = np.repeat(np.arange(len(a)), count)
    j = index[np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)]
    if chroma:
        distance = np.abs(a[i] - b[j])
        near = np.minimum(distance, 12 - distance) <= window
    else:
        near = (a[i] >= b[j] - window) & (a[i] <= b[j] + window)
    return i[near], j[near]
