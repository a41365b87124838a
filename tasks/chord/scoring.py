"""mir_eval's chord metrics."""

import mir_eval
import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.chords import Chords
from ricercar.tasks.chord.vocabulary import NO_CHORD

VOCABULARIES = (
    "thirds", "thirds_inv", "triads", "triads_inv", "tetrads", "tetrads_inv", "root", "mirex", "majmin", "majmin_inv",
    "sevenths", "sevenths_inv",
)  # fmt: skip
SEGMENTATION = ("underseg", "overseg", "seg")

GAPS = ("exclude", "no_chord", "hold")
GAP_S = 0.01
UNKNOWN = "X"

Labelled = tuple[NDArray[np.float64], list[str]]


class ChordComparison:
    """A reference and an estimate, cut where either changes.

    The estimate counts where the reference is, from its first start to its last end; before and after it, it is N.
    gaps: what a stretch without a label, of either side, is that lasts longer than GAP_S (shorter ones are rounding,
    and belong to the chord before them).

    exclude    of the reference: does not count, as X; of the estimate: N
    no_chord   N, on both sides
    hold       the chord before it lasts until the next one, on both sides: mir_eval
    time_s   (n + 1,) where either changes, and both ends
    pairs    the different pairs of (reference, estimate), and pair the (n,) place among them of each stretch
    """

    def __init__(self, reference: Chords, estimate: Chords, gaps: str) -> None:
        self.gap_s = _gaps(reference) if gaps == "exclude" else np.zeros((0, 2))
        reference = _filled(reference, {"exclude": UNKNOWN, "no_chord": NO_CHORD, "hold": None}[gaps])
        estimate = _filled(estimate, None if gaps == "hold" else NO_CHORD)
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
        """Of the time without the gaps that do not count."""
        sides = (self.reference, self.estimate)
        merged = [mir_eval.chord.merge_chord_intervals(*_without(self.gap_s, side)) for side in sides]
        under, over = mir_eval.chord.underseg(*merged), mir_eval.chord.overseg(*merged)
        return dict(zip(SEGMENTATION, (float(under), float(over), float(min(under, over))), strict=True))


def _labelled(chords: Chords) -> Labelled:
    return np.column_stack([chords.start_s, chords.end_s]), list(chords.label)


def _at(side: Labelled, times: NDArray[np.float64]) -> list[str]:
    """The labels of the chords that began last."""
    intervals, labels = side
    return [labels[row] for row in np.searchsorted(intervals[:, 0], times, side="right") - 1]


def _gaps(chords: Chords) -> NDArray[np.float64]:
    """(g, 2) start and end of the stretches between two chords, in seconds."""
    between = np.column_stack([chords.end_s[:-1], chords.start_s[1:]])
    return between[between[:, 1] - between[:, 0] > GAP_S]


def _filled(chords: Chords, label: str | None) -> Chords:
    """With the label in each gap; None: as they are."""
    gap_s = _gaps(chords)
    if label is None or not len(gap_s):
        return chords
    start_s = np.concatenate([chords.start_s, gap_s[:, 0]])
    order = np.argsort(start_s, kind="stable")
    labels = [*chords.label, *[label] * len(gap_s)]
    end_s = np.concatenate([chords.end_s, gap_s[:, 1]])
    return Chords(start_s[order], end_s[order], tuple(labels[row] for row in order.tolist()))


def _without(gap_s: NDArray[np.float64], side: Labelled) -> Labelled:
    """The intervals as if the gaps had never been; those that lie in a gap are left out."""
    if not len(gap_s):
        return side
    intervals, labels = side
    before_s = np.concatenate([[0.0], np.cumsum(gap_s[:, 1] - gap_s[:, 0])])
    number = np.searchsorted(gap_s[:, 0], intervals, side="right")  # of the gaps that have begun
    inside_s = np.maximum(gap_s[np.maximum(number - 1, 0), 1] - intervals, 0.0) * (number > 0)
    moved = intervals - before_s[number] + inside_s
    kept = moved[:, 1] > moved[:, 0]
    return moved[kept], [label for label, each in zip(labels, kept, strict=True) if each]
