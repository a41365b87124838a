"""mir_eval's chord metrics."""

import mir_eval
import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.chords import Chords
from ricercar.tasks.chord_vocabulary import NO_CHORD

VOCABULARIES = (
    "thirds", "thirds_inv", "triads", "triads_inv", "tetrads", "tetrads_inv", "root", "mirex", "majmin", "majmin_inv",
    "sevenths", "sevenths_inv",
)  # fmt: skip
SEGMENTATION = ("underseg", "overseg", "seg")

Labelled = tuple[NDArray[np.float64], list[str]]


class ChordComparison:
    """A reference and an estimate, cut where either changes.

    The estimate counts where the reference is, from its first start to its last end; where the estimate has nothing
    it is N. In a gap a chord lasts until the next one, on both sides: all of this is mir_eval's.
    """

    def __init__(self, reference: Chords, estimate: Chords) -> None:
        self.reference = _labelled(reference)
        start_s, end_s = reference.start_s[0], reference.end_s[-1]
        # mir_eval fails where it is left with an interval of no length.
        inside = (estimate.end_s > start_s) & (estimate.start_s < end_s)
        intervals, labels = _labelled(estimate)
        self.estimate = mir_eval.util.adjust_intervals(
            intervals[inside],
            [label for label, kept in zip(labels, inside, strict=True) if kept],
            start_s,
            end_s,
            NO_CHORD,
            NO_CHORD,
        )
        times = np.unique(np.concatenate([self.reference[0].ravel(), self.estimate[0].ravel()]))
        self.duration_s = np.diff(times)
        pairs = list(zip(_at(self.reference, times[:-1]), _at(self.estimate, times[:-1]), strict=True))
        numbers = {pair: number for number, pair in enumerate(dict.fromkeys(pairs))}
        self._pairs = list(numbers)
        self._pair = np.array([numbers[pair] for pair in pairs])

    def compared(self, vocabulary: str) -> tuple[float, float]:
        """-> seconds in which the estimate is right, and seconds in which the vocabulary can compare."""
        right = getattr(mir_eval.chord, vocabulary)(*map(list, zip(*self._pairs, strict=True)))[self._pair]
        weight = np.where(right >= 0, self.duration_s, 0.0)
        return float((right * weight).sum()), float(weight.sum())

    def accuracy(self, vocabulary: str) -> float:
        """Share of the time; NaN where the reference has nothing that the vocabulary can compare."""
        right_s, compared_s = self.compared(vocabulary)
        return right_s / compared_s if compared_s > 0 else float("nan")

    def segmentation(self) -> dict[str, float]:
        merged = [mir_eval.chord.merge_chord_intervals(*side) for side in (self.reference, self.estimate)]
        under, over = mir_eval.chord.underseg(*merged), mir_eval.chord.overseg(*merged)
        return dict(zip(SEGMENTATION, (float(under), float(over), float(min(under, over))), strict=True))


def _labelled(chords: Chords) -> Labelled:
    return np.column_stack([chords.start_s, chords.end_s]), list(chords.label)


def _at(side: Labelled, times: NDArray[np.float64]) -> list[str]:
    """The labels of the chords that began last."""
    intervals, labels = side
    return [labels[row] for row in np.searchsorted(intervals[:, 0], times, side="right") - 1]
