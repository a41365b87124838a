"""Marks of chords: how each estimated chord is related to the one that was played."""

import mir_eval
import numpy as np
from numpy.typing import NDArray

from ricercar.tasks.chord.scoring import ChordComparison
from ricercar.tasks.chord.vocabulary import NO_CHORD
from ricercar.tasks.marks import MISSED, RIGHT, SPURIOUS, UNSCORED, Mark, joined

_MINOR_THIRD, _MAJOR_THIRD, _FIFTH = 3, 4, 7


def chord_marks(comparison: ChordComparison) -> list[Mark]:
    """Labelled with the estimate, right and wrong as chord/majmin counts them; where that cannot, unscored.

    missed, spurious   the estimate, or the reference, is N
    root               right root, other quality (parallel major and minor among them)
    relative           the relative minor of a major chord, or the other way round
    fifth              the root is a fifth above or below, whatever the quality
    """
    scores = comparison.of_pairs("majmin")
    kinds = {pair: _kind(*pair, score) for pair, score in zip(comparison.pairs, scores.tolist(), strict=True)}
    times = comparison.time_s.tolist()
    stretches = zip(times[:-1], times[1:], comparison.pair.tolist(), strict=True)
    return joined(
        Mark(start_s, end_s, kinds[pair], label=pair[1])
        for start_s, end_s, number in stretches
        for pair in [comparison.pairs[number]]
    )


def _kind(reference: str, estimate: str, score: float) -> str:
    if score:
        return RIGHT if score > 0 else UNSCORED
    if NO_CHORD in (reference, estimate):
        return MISSED if estimate == NO_CHORD else SPURIOUS
    (root, notes, _), (estimated_root, estimated_notes, _) = (
        mir_eval.chord.encode(label, reduce_extended_chords=False) for label in (reference, estimate)
    )
    if estimated_root < 0:  # X
        return "wrong"
    above = (estimated_root - root) % 12
    if above == 0:
        return "root"
    thirds = _is_minor(notes), _is_minor(estimated_notes)
    if (above, *thirds) in ((9, False, True), (3, True, False)):
        return "relative"
    return "fifth" if above in (_FIFTH, 12 - _FIFTH) else "wrong"


def _is_minor(notes: NDArray[np.int64]) -> bool | None:
    """None for a chord without a third."""
    if bool(notes[_MINOR_THIRD]) == bool(notes[_MAJOR_THIRD]):
        return None
    return bool(notes[_MINOR_THIRD])
