"""mir_eval.beat with a P-score in time that grows with the number of beats: mir_eval correlates impulse trains, which
takes a track's length squared.
"""

import warnings
from typing import Any

import mir_eval
import numpy as np
from mir_eval.beat import trim_beats, validate
from mir_eval.util import filter_kwargs

from ricercar.metrics.util import Floats, Ints, event_hits, num_matched, precision_recall_f1

_STEPS_PER_S = 100


def f_measure(reference_beats: Floats, estimated_beats: Floats, f_measure_threshold: float = 0.07) -> float:
    """Compute the F-measure of correct vs incorrectly predicted beats. "Correctness" is determined over a small window.

    Parameters
    ----------
    reference_beats, estimated_beats : np.ndarray
        Seconds, in rising order
    f_measure_threshold : float
        Seconds by which beats may differ

    Returns
    -------
    f_score : float
    """
    validate(reference_beats, estimated_beats)
    number = num_matched(event_hits(reference_beats, estimated_beats, f_measure_threshold))
    return precision_recall_f1(number, len(reference_beats), len(estimated_beats))[2]


def p_score(reference_beats: Floats, estimated_beats: Floats, p_score_threshold: float = 0.2) -> float:
    """Get McKinney's P-score: how many pairs of beats, both in steps of 10 ms, are at most a window apart, by the
    number of beats of the side that has more.

    Parameters
    ----------
    reference_beats, estimated_beats : np.ndarray
        Seconds, in rising order
    p_score_threshold : float
        The window, in medians of the time between reference beats

    Returns
    -------
    correlation : float
        0 where a side has less than two beats, and where all reference beats are in one step (mir_eval fails there)
    """
    validate(reference_beats, estimated_beats)
    for side, beats in (("reference", reference_beats), ("estimated", estimated_beats)):
        if beats.size == 1:
            warnings.warn(f"Only one {side} beat was provided, so beat intervals cannot be computed.", stacklevel=2)
    if estimated_beats.size <= 1 or reference_beats.size <= 1:
        return 0.0
    start = min(estimated_beats.min(), reference_beats.min())
    reference, estimate = (_steps(beats - start) for beats in (reference_beats, estimated_beats))
    if len(reference) == 1:
        return 0.0
    window = int(np.round(p_score_threshold * np.median(np.diff(reference))))
    # Of the lags of a correlation of both, as impulse trains, those that mir_eval sums. A window beyond the end of the
    # trains begins with a negative index, which counts from the end.
    last = int(np.ceil(max(estimated_beats.max(), reference_beats.max()) - start)) * _STEPS_PER_S
    first, end, _ = slice(last - window, last + window + 1).indices(2 * last + 1)
    low, high = first - last, end - 1 - last
    number = np.searchsorted(estimate, reference - low, "right") - np.searchsorted(estimate, reference - high, "left")
    return float(np.maximum(number, 0).sum() / max(len(reference_beats), len(estimated_beats)))


def evaluate(reference_beats: Floats, estimated_beats: Floats, **kwargs: Any) -> dict[str, float]:
    """Compute all metrics for the given reference and estimated annotations.

    Parameters
    ----------
    **kwargs
        Passed to the metrics that take them, and to mir_eval.beat.trim_beats

    Returns
    -------
    scores : dict
        {metric: score}
    """
    beats = [filter_kwargs(trim_beats, side, **kwargs) for side in (reference_beats, estimated_beats)]
    scores = {"F-measure": filter_kwargs(f_measure, *beats, **kwargs)}
    scores |= zip(
        ("Cemgil", "Cemgil Best Metric Level"), filter_kwargs(mir_eval.beat.cemgil, *beats, **kwargs), strict=True
    )
    scores["Goto"] = filter_kwargs(mir_eval.beat.goto, *beats, **kwargs)
    scores["P-score"] = filter_kwargs(p_score, *beats, **kwargs)
    levels = ("Correct Metric Level", "Any Metric Level")
    names = tuple(f"{level} {kind}" for level in levels for kind in ("Continuous", "Total"))
    scores |= zip(names, filter_kwargs(mir_eval.beat.continuity, *beats, **kwargs), strict=True)
    scores["Information gain"] = filter_kwargs(mir_eval.beat.information_gain, *beats, **kwargs)
    return scores


def _steps(time_s: Floats) -> Ints:
    return np.unique(np.ceil(time_s * _STEPS_PER_S).astype(np.int64))
