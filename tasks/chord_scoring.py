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

    time_s   (n + 1,) where either changes, and both ends
    pairs    the different pairs of (reference, estimate), and pair the (n,) place among them of each stretch
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
        self.time_s = np.unique(np.concatenate([self.reference[0].ravel(), self.estimate[0].ravel()]))
        self.duration_s = np.diff(self.time_s)
        pairs = list(zip(_at(self.reference, self.time_s[:-1]), _at(self.estimate, self.time_s[:-1]), strict=True))
        numbers = {pair: number for number, pair in enumerate(dict.fromkeys(pairs))}
        self.pairs = list(numbers)
        self.pair = np.array([numbers[pair] for pair in pairs])

    def of_pairs(self, vocabulary: str) -> NDArray[np.float64]:
        """-> 1 for each pair that is right, 0 for one that is wrong, -1 where the vocabulary cannot compare."""
        scores: NDArray[np.float64] = getattr(mir_eval.chord, vocabulary)(*map(list, zip(*self.pairs, strict=True)))
        return scores

    def compared(self, vocabulary: str) -> tuple[float, float]:
        """-> seconds in which the estimate is right, and seconds in which the vocabulary can compare."""
        right = self.of_pairs(vocabulary)[self.pair]
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
