"""mir_eval.onset, which needs the number of matches and not the matches themselves."""

from typing import Any

from mir_eval.onset import validate
from mir_eval.util import filter_kwargs

from ricercar.metrics.util import Floats, event_hits, num_matched, precision_recall_f1


def f_measure(reference_onsets: Floats, estimated_onsets: Floats, window: float = 0.05) -> tuple[float, float, float]:
    """Compute the F-measure of correct vs incorrectly predicted onsets. "Correctness" is determined over a small
    window.

    Parameters
    ----------
    reference_onsets, estimated_onsets : np.ndarray
        Seconds, in rising order
    window : float
        Seconds by which onsets may differ

    Returns
    -------
    f_measure, precision, recall : float
    """
    validate(reference_onsets, estimated_onsets)
    number = num_matched(event_hits(reference_onsets, estimated_onsets, window))
    precision, recall, f = precision_recall_f1(number, len(reference_onsets), len(estimated_onsets))
    return f, precision, recall


def evaluate(reference_onsets: Floats, estimated_onsets: Floats, **kwargs: Any) -> dict[str, float]:
    """Compute all metrics for the given reference and estimated annotations.

    Parameters
    ----------
    **kwargs
        Passed to :func:`f_measure`

    Returns
    -------
    scores : dict
        {metric: score}
    """
    values = filter_kwargs(f_measure, reference_onsets, estimated_onsets, **kwargs)
    return dict(zip(("F-measure", "Precision", "Recall"), values, strict=True))
