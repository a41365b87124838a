"""The choice of decoding constants for notes, on validation tracks."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from ricercar.metrics.util import match_hits
from ricercar.tasks.notes.decoding import NoteDecoder
from ricercar.tasks.notes.scoring import NoteScoring, Pitched

ONSET_THRESHOLDS = tuple(np.round(np.arange(0.05, 0.96, 0.05), 2).tolist())
SURVIVAL_EXPONENTS = (0.3, 0.5, 1.0)
OFFSET_WEIGHTS = (0.0, 1.0, 3.0, 6.0)
MIN_DURATIONS_S = (0.02, 0.04, 0.06, 0.1)
# In frames.
OFFSET_SHIFTS = (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
MOST_NOTES = 4

Examples = Sequence[tuple[Pitched, NoteDecoder]]


def tune(examples: Examples, scoring: NoteScoring, start: Mapping[str, float], fps: float) -> dict[str, float]:
    """-> decoding constants with the best mean note F of the tracks, from `start` on.

    First the onset threshold by F without offsets, and a shift that takes the median lateness from all onsets unless
    that costs F; then what ends a note by F with offsets. One step after the other, each over a grid; of equally good
    values the nearest to the present ones.
    Thresholds that give more than MOST_NOTES times as many notes as there are stay out: their F is below 0.4, and an
    untrained network would keep validation waiting. Where nothing is found, the constants stay.
    """

    def mean_f(decoding: Mapping[str, float], *, offsets: bool) -> float:
        scored = [(a, decoder) for a, decoder in examples if len(a)]
        if not scored:
            return 0.0
        return float(
            np.mean(
                [scoring.f_measure(a, scoring.pitched(decoder(decoding)), offsets=offsets) for a, decoder in scored]
            )
        )

    def notes(decoding: Mapping[str, float]) -> float:
        return mean_f(decoding, offsets=False)

    def notes_with_offsets(decoding: Mapping[str, float]) -> float:
        return mean_f(decoding, offsets=True)

    num_notes = sum(len(a) for a, _ in examples)
    thresholds = [
        threshold
        for threshold in (start["onset_threshold"], *ONSET_THRESHOLDS)
        if sum(len(decoder.onsets.above(threshold)) for _, decoder in examples) <= MOST_NOTES * num_notes
    ]
    if not thresholds:
        return dict(start)
    best = {**start, "onset_threshold": thresholds[0]}
    best = _best(best, ({"onset_threshold": threshold} for threshold in thresholds), notes)
    if notes(best) == 0.0:
        return dict(start)
    on_time = best | {"onset_shift_s": start["onset_shift_s"] - _lateness_s(examples, scoring, best)}
    best = on_time if notes(on_time) >= notes(best) else best
    ends = (
        {"survival_exponent": exponent, "offset_weight": weight}
        for exponent in SURVIVAL_EXPONENTS
        for weight in OFFSET_WEIGHTS
    )
    best = _best(best, ends, notes_with_offsets)
    best = _best(best, ({"offset_shift_s": shift / fps} for shift in OFFSET_SHIFTS), notes_with_offsets)
    return _best(best, ({"min_duration_s": value} for value in MIN_DURATIONS_S), notes_with_offsets)


def _best(
    start: dict[str, float], candidates: Iterable[Mapping[str, float]], score: Callable[[Mapping[str, float]], float]
) -> dict[str, float]:
    """The best of `start` and `start` changed by each of the candidates."""

    def rank(decoding: Mapping[str, float]) -> tuple[float, float]:
        return score(decoding), -sum(abs(decoding[name] - value) for name, value in start.items())

    return max([start, *(start | dict(change) for change in candidates)], key=rank)


def _lateness_s(examples: Examples, scoring: NoteScoring, decoding: Mapping[str, float]) -> float:
    """The median by which estimated onsets come after those of the notes they match."""
    late = [np.zeros(0)]
    for a, decoder in examples:
        b = scoring.pitched(decoder(decoding))
        pairs = np.array(match_hits(scoring.hits(a, b)[0]), dtype=np.int64).reshape(-1, 2)
        late.append(b.intervals[pairs[:, 1], 0] - a.intervals[pairs[:, 0], 0])
    together = np.concatenate(late)
    return round(float(np.median(together)), 6) if len(together) else 0.0
