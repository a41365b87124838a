"""mir_eval.transcription in time and memory that grow with the number of notes, not with its square.

Parameters that several functions share:

ref_intervals, est_intervals : np.ndarray, shape=(n, 2) and (m, 2)
    Onsets and offsets in seconds
ref_pitches, est_pitches : np.ndarray, shape=(n,) and (m,)
    Fundamental frequencies in Hertz
onset_tolerance : float > 0
    Seconds by which onsets may differ
pitch_tolerance : float > 0
    Cents by which pitches may differ
offset_ratio : float > 0 or None
    Part of the reference note's duration by which offsets may differ; None: offsets do not matter
offset_min_tolerance : float > 0
    Seconds by which offsets may differ at least
strict : bool
    Whether a difference of exactly the tolerance is too much
beta : float > 0
    Weight of recall in the F-measure
"""

from typing import Any

import mir_eval
import numpy as np
from mir_eval.transcription import N_DECIMALS, validate, validate_intervals
from mir_eval.util import filter_kwargs
from numpy.typing import ArrayLike, NDArray

from ricercar.metrics.util import (
    Floats,
    Hits,
    Pairs,
    event_hits,
    match_hits,
    num_matched,
    precision_recall_f1,
)

# Distances are rounded to N_DECIMALS before they are compared: what may be near enough is less than this further away.
_SLACK = 10.0**-N_DECIMALS


def match_note_offsets(
    ref_intervals: Floats,
    est_intervals: Floats,
    offset_ratio: float = 0.2,
    offset_min_tolerance: float = 0.05,
    strict: bool = False,
) -> Pairs:
    """Compute a maximum matching between reference and estimated notes, only taking note offsets into account.

    Returns
    -------
    matching : list of tuples
        ``matching[k] == (i, j)`` where reference note ``i`` matches estimated note ``j``, in rising order
    """
    tolerances = offset_tolerances(ref_intervals, offset_ratio, offset_min_tolerance)
    return match_hits(time_hits(ref_intervals[:, 1], est_intervals[:, 1], tolerances, strict))


def match_note_onsets(
    ref_intervals: Floats, est_intervals: Floats, onset_tolerance: float = 0.05, strict: bool = False
) -> Pairs:
    """Compute a maximum matching between reference and estimated notes, only taking note onsets into account.

    Returns
    -------
    matching : list of tuples
        ``matching[k] == (i, j)`` where reference note ``i`` matches estimated note ``j``, in rising order
    """
    return match_hits(time_hits(ref_intervals[:, 0], est_intervals[:, 0], onset_tolerance, strict))


def match_notes(
    ref_intervals: Floats,
    ref_pitches: Floats,
    est_intervals: Floats,
    est_pitches: Floats,
    onset_tolerance: float = 0.05,
    pitch_tolerance: float = 50.0,
    offset_ratio: float | None = 0.2,
    offset_min_tolerance: float = 0.05,
    strict: bool = False,
) -> Pairs:
    """Compute a maximum matching between reference and estimated notes, subject to onset, pitch and (optionally)
    offset constraints.

    Returns
    -------
    matching : list of tuples
        ``matching[k] == (i, j)`` where reference note ``i`` matches estimated note ``j``, in rising order
    """
    hits = note_hits(
        ref_intervals, ref_pitches, est_intervals, est_pitches, onset_tolerance, pitch_tolerance, strict=strict
    )
    if offset_ratio is not None:
        tolerances = offset_tolerances(ref_intervals, offset_ratio, offset_min_tolerance)
        hits = with_offsets(hits, ref_intervals, est_intervals, tolerances, strict)
    return match_hits(hits)


def precision_recall_f1_overlap(
    ref_intervals: Floats,
    ref_pitches: Floats,
    est_intervals: Floats,
    est_pitches: Floats,
    onset_tolerance: float = 0.05,
    pitch_tolerance: float = 50.0,
    offset_ratio: float | None = 0.2,
    offset_min_tolerance: float = 0.05,
    strict: bool = False,
    beta: float = 1.0,
) -> tuple[float, float, float, float]:
    """Compute the precision, recall and F-measure of correct vs incorrectly transcribed notes, and the average overlap
    ratio for correctly transcribed notes. Correct are the pairs of :func:`match_notes`.

    Returns
    -------
    precision, recall, f_measure, avg_overlap_ratio : float
    """
    validate(ref_intervals, ref_pitches, est_intervals, est_pitches)
    if len(ref_pitches) == 0 or len(est_pitches) == 0:
        return 0.0, 0.0, 0.0, 0.0
    matching = match_notes(
        ref_intervals,
        ref_pitches,
        est_intervals,
        est_pitches,
        onset_tolerance=onset_tolerance,
        pitch_tolerance=pitch_tolerance,
        offset_ratio=offset_ratio,
        offset_min_tolerance=offset_min_tolerance,
        strict=strict,
    )
    return (
        *precision_recall_f1(len(matching), len(ref_pitches), len(est_pitches), beta),
        average_overlap_ratio(ref_intervals, est_intervals, matching),
    )


def average_overlap_ratio(ref_intervals: Floats, est_intervals: Floats, matching: Pairs) -> float:
    """Compute the mean, over the pairs of ``matching``, of the time in which both notes sound divided by the time from
    the earlier onset to the later offset; 0 without pairs.

    Parameters
    ----------
    matching : list of tuples
        As of :func:`match_notes`

    Returns
    -------
    avg_overlap_ratio : float
    """
    if len(matching) == 0:
        return 0
    i, j = np.array(matching).T
    (ref_onset, ref_offset), (est_onset, est_offset) = ref_intervals[i].T, est_intervals[j].T
    both = np.minimum(ref_offset, est_offset) - np.maximum(ref_onset, est_onset)
    either = np.maximum(ref_offset, est_offset) - np.minimum(ref_onset, est_onset)
    mean: float = np.mean(both / either)
    return mean


def onset_precision_recall_f1(
    ref_intervals: Floats,
    est_intervals: Floats,
    onset_tolerance: float = 0.05,
    strict: bool = False,
    beta: float = 1.0,
) -> tuple[float, float, float]:
    """Compute the precision, recall and F-measure of note onsets: those of the pairs of :func:`match_note_onsets`.

    Returns
    -------
    precision, recall, f_measure : float
    """
    validate_intervals(ref_intervals, est_intervals)
    hits = time_hits(ref_intervals[:, 0], est_intervals[:, 0], onset_tolerance, strict)
    return precision_recall_f1(num_matched(hits), len(ref_intervals), len(est_intervals), beta)


def offset_precision_recall_f1(
    ref_intervals: Floats,
    est_intervals: Floats,
    offset_ratio: float = 0.2,
    offset_min_tolerance: float = 0.05,
    strict: bool = False,
    beta: float = 1.0,
) -> tuple[float, float, float]:
    """Compute the precision, recall and F-measure of note offsets: those of the pairs of :func:`match_note_offsets`.

    Returns
    -------
    precision, recall, f_measure : float
    """
    validate_intervals(ref_intervals, est_intervals)
    tolerances = offset_tolerances(ref_intervals, offset_ratio, offset_min_tolerance)
    hits = time_hits(ref_intervals[:, 1], est_intervals[:, 1], tolerances, strict)
    return precision_recall_f1(num_matched(hits), len(ref_intervals), len(est_intervals), beta)


def evaluate(
    ref_intervals: Floats, ref_pitches: Floats, est_intervals: Floats, est_pitches: Floats, **kwargs: Any
) -> dict[str, float]:
    """Compute all metrics for the given reference and estimated annotations.

    Parameters
    ----------
    **kwargs
        Passed to the metrics that take them. offset_ratio None: without the metrics of offsets

    Returns
    -------
    scores : dict
        {metric: score}
    """
    notes = ref_intervals, ref_pitches, est_intervals, est_pitches
    intervals = ref_intervals, est_intervals
    kwargs.setdefault("offset_ratio", 0.2)
    without = kwargs | {"offset_ratio": None}
    names = ("Precision", "Recall", "F-measure", "Average_Overlap_Ratio")
    scores: dict[str, float] = {}
    if kwargs["offset_ratio"] is not None:
        scores |= zip(names, filter_kwargs(precision_recall_f1_overlap, *notes, **kwargs), strict=True)
    values = filter_kwargs(precision_recall_f1_overlap, *notes, **without)
    scores |= {f"{name}_no_offset": value for name, value in zip(names, values, strict=True)}
    values = filter_kwargs(onset_precision_recall_f1, *intervals, **kwargs)
    scores |= {f"Onset_{name}": value for name, value in zip(names, values, strict=False)}
    if kwargs["offset_ratio"] is not None:
        values = filter_kwargs(offset_precision_recall_f1, *intervals, **kwargs)
        scores |= {f"Offset_{name}": value for name, value in zip(names, values, strict=False)}
    return scores


def note_hits(
    ref_intervals: Floats,
    ref_pitches: Floats,
    est_intervals: Floats,
    est_pitches: Floats,
    onset_tolerance: float,
    pitch_tolerance: float,
    strict: bool = False,
) -> Hits:
    """Notes that agree in onset and pitch."""
    i, j = time_hits(ref_intervals[:, 0], est_intervals[:, 0], onset_tolerance, strict)
    cents = np.abs(1200 * (np.log2(ref_pitches)[i] - np.log2(est_pitches)[j]))
    near = _compare(strict)(cents, pitch_tolerance)
    return i[near], j[near]


def offset_tolerances(ref_intervals: Floats, offset_ratio: float, offset_min_tolerance: float) -> Floats:
    """(n, 2) intervals -> (n,) seconds by which an offset may differ."""
    durations: Floats = mir_eval.util.intervals_to_durations(ref_intervals)
    return np.maximum(offset_ratio * durations, offset_min_tolerance)


def with_offsets(
    hits: Hits, ref_intervals: Floats, est_intervals: Floats, tolerances: Floats, strict: bool = False
) -> Hits:
    """Those of the hits that agree in offset."""
    i, j = hits
    near = _near(ref_intervals[i, 1], est_intervals[j, 1], tolerances[i], strict)
    return i[near], j[near]


def time_hits(ref: Floats, est: Floats, tolerance: ArrayLike, strict: bool = False) -> Hits:
    """Indices (i, j), ordered by i then j, of times ref[i] and est[j] that differ by at most the tolerance.

    tolerance : float or np.ndarray, shape=(n,)
    """
    tolerance = np.broadcast_to(tolerance, ref.shape)
    # Around 0, whatever the time, an infinite tolerance reaches everything; so it does around infinity.
    middle = np.where(np.isinf(tolerance), 0.0, ref)
    j, i = event_hits(est, middle, tolerance + _SLACK)
    near = _near(ref[i], est[j], tolerance[i], strict)
    i, j = i[near], j[near]
    order = np.lexsort((j, i))
    return i[order], j[order]


def _near(ref: Floats, est: Floats, tolerance: Floats, strict: bool) -> NDArray[np.bool_]:
    near: NDArray[np.bool_] = _compare(strict)(np.around(np.abs(ref - est), decimals=N_DECIMALS), tolerance)
    return near


def _compare(strict: bool) -> np.ufunc:
    return np.less if strict else np.less_equal
