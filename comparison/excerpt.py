"""A stretch of a track that is worth hearing."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ricercar.tasks.marks import Mark


def worst_start(marks: Iterable[Mark], duration_s: float, length_s: float) -> float:
    """-> where the excerpt starts in which most errors begin: at a whole second, of equals the first."""
    error_s = np.sort([mark.start_s for mark in marks if mark.is_error])
    start_s = np.arange(0.0, max(duration_s - length_s, 0.0) + 1.0)
    start_s = np.minimum(start_s, max(duration_s - length_s, 0.0))
    num_errors = np.searchsorted(error_s, start_s + length_s) - np.searchsorted(error_s, start_s)
    return float(start_s[num_errors.argmax()])


def cut(marks: Iterable[Mark], start_s: float, end_s: float) -> list[Mark]:
    """The marks of an excerpt, ends cut off; times still count from the start of the track."""
    return [
        replace(mark, start_s=max(mark.start_s, start_s), end_s=min(mark.end_s, end_s))
        for mark in marks
        if (mark.start_s < end_s and mark.end_s > start_s) or start_s <= mark.start_s == mark.end_s <= end_s
    ]
