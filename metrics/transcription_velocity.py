"""mir_eval.transcription_velocity in time and memory that grow with the number of notes, not with its square.

Parameters that several functions share, beside those of :mod:`ricercar.metrics.transcription`:

ref_velocities, est_velocities : np.ndarray, shape=(n,) and (m,)
    MIDI velocities, 0 to 127
velocity_tolerance : float > 0
    How far velocities may be apart, where the reference's are scaled to [0, 1], and the estimate's by the line that
    fits them best to those of the notes that they match
"""

from typing import Any

import numpy as np
from mir_eval.transcription_velocity import validate
from mir_eval.util import filter_kwargs
from numpy.typing import NDArray

from ricercar.metrics import transcription
from ricercar.metrics.util import Floats, Pairs, precision_recall_f1

Velocities = NDArray[np.float64] | NDArray[np.int64]


def match_notes(
    ref_intervals: Floats,
    ref_pitches: Floats,
    ref_velocities: Velocities,
    est_intervals: Floats,
    est_pitches: Floats,
    est_velocities: Velocities,
    onset_tolerance: float = 0.05,
    pitch_tolerance: float = 50.0,
    offset_ratio: float | None = 0.2,
    offset_min_tolerance: float = 0.05,
    strict: bool = False,
    velocity_tolerance: float = 0.1,
) -> Pairs:
    """Match notes, taking note velocity into consideration.

    Returns
    -------
    matching : list of tuples
        ``matching[k] == (i, j)`` where reference note ``i`` matches estimated note ``j``, in rising order
    """
    matching = transcription.match_notes(
        ref_intervals,
        ref_pitches,
        est_intervals,
        est_pitches,
        onset_tolerance,
        pitch_tolerance,
        offset_ratio,
        offset_min_tolerance,
        strict,
    )
    return with_velocities(matching, ref_velocities, est_velocities, velocity_tolerance)


def with_velocities(
    matching: Pairs, ref_velocities: Velocities, est_velocities: Velocities, velocity_tolerance: float
) -> Pairs:
    """Those of the pairs of :func:`transcription.match_notes` that agree in velocity."""
    if len(matching) == 0:
        return []
    lowest, highest = np.min(ref_velocities), np.max(ref_velocities)
    i, j = np.array(matching).T
    ref = ((ref_velocities - lowest) / float(max(1, highest - lowest)))[i]
    est = est_velocities[j]
    slope, intercept = np.linalg.lstsq(np.vstack([est, np.ones(len(est))]).T, ref, rcond=None)[0]
    near = np.abs(slope * est + intercept - ref) < velocity_tolerance
    return [pair for pair, kept in zip(matching, near.tolist(), strict=True) if kept]


def precision_recall_f1_overlap(
    ref_intervals: Floats,
    ref_pitches: Floats,
    ref_velocities: Velocities,
    est_intervals: Floats,
    est_pitches: Floats,
    est_velocities: Velocities,
    onset_tolerance: float = 0.05,
    pitch_tolerance: float = 50.0,
    offset_ratio: float | None = 0.2,
    offset_min_tolerance: float = 0.05,
    strict: bool = False,
    velocity_tolerance: float = 0.1,
    beta: float = 1.0,
) -> tuple[float, float, float, float]:
    """Compute the precision, recall and F-measure of correct vs incorrectly transcribed notes, and the average overlap
    ratio for correctly transcribed notes. Correct are the pairs of :func:`match_notes`.

    Returns
    -------
    precision, recall, f_measure, avg_overlap_ratio : float
    """
    validate(ref_intervals, ref_pitches, ref_velocities, est_intervals, est_pitches, est_velocities)
    if len(ref_pitches) == 0 or len(est_pitches) == 0:
        return 0.0, 0.0, 0.0, 0.0
    matching = match_notes(
        ref_intervals,
        ref_pitches,
        ref_velocities,
        est_intervals,
        est_pitches,
        est_velocities,
        onset_tolerance,
        pitch_tolerance,
        offset_ratio,
        offset_min_tolerance,
        strict,
        velocity_tolerance,
    )
    return (
        *precision_recall_f1(len(matching), len(ref_pitches), len(est_pitches), beta),
        transcription.average_overlap_ratio(ref_intervals, est_intervals, matching),
    )


def evaluate(
    ref_intervals: Floats,
    ref_pitches: Floats,
    ref_velocities: Velocities,
    est_intervals: Floats,
    est_pitches: Floats,
    est_velocities: Velocities,
    **kwargs: Any,
) -> dict[str, float]:
    """Compute all metrics for the given reference and estimated annotations.

    Parameters
    ----------
    **kwargs
        Passed to :func:`precision_recall_f1_overlap`. offset_ratio None: without the metrics of offsets

    Returns
    -------
    scores : dict
        {metric: score}
    """
    notes = ref_intervals, ref_pitches, ref_velocities, est_intervals, est_pitches, est_velocities
    names = ("Precision", "Recall", "F-measure", "Average_Overlap_Ratio")
    scores: dict[str, float] = {}
    if kwargs.setdefault("offset_ratio", 0.2) is not None:
        scores |= zip(names, filter_kwargs(precision_recall_f1_overlap, *notes, **kwargs), strict=True)
    values = filter_kwargs(precision_recall_f1_overlap, *notes, **kwargs | {"offset_ratio": None})
    return scores | {f"{name}_no_offset": value for name, value in zip(names, values, strict=True)}
