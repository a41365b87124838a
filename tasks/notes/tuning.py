"""The choice of decoding constants for notes, on validation tracks."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ricercar.metrics.util import match_hits
from ricercar.tasks.notes.decoding import NoteDecoder
from ricercar.tasks.notes.scoring import NoteScoring, Pitched
from ricercar.tasks.shared.search import Decoding, Floats, best, on_time

MOST_NOTES = 4

Examples = Sequence[tuple[Pitched, NoteDecoder]]


def tune(
    examples: Examples, scoring: NoteScoring, start: Decoding, tuning: Mapping[str, Sequence[float]], fps: float
) -> dict[str, float]:
    """-> decoding constants with the best mean note F of the tracks, from `start` on.

    First the onset threshold by F without offsets, and a shift that takes the median lateness from all onsets unless
    that costs F; then what ends a note by F with offsets: survival_exponent with offset_weight, offset_shift_s,
    min_duration_s. Of equally good values the nearest to the present ones.
    Thresholds that give more than MOST_NOTES times as many notes as there are stay out: their F is below 0.4, and an
    untrained network would keep validation waiting. Where nothing is found, the constants stay.
    """
    num_notes = sum(len(a) for a, _ in examples)
    scored = [(a, decoder) for a, decoder in examples if len(a)]

    def mean_f(decoding: Decoding, *, offsets: bool) -> float:
        scores = [scoring.f_measure(a, scoring.pitched(decoder(decoding)), offsets=offsets) for a, decoder in scored]
        return float(np.mean(scores or [0.0]))

    def notes(decoding: Decoding) -> float:
        num_onsets = sum(len(decoder.onsets.above(decoding["onset_threshold"])) for _, decoder in examples)
        return mean_f(decoding, offsets=False) if num_onsets <= MOST_NOTES * num_notes else -1.0

    def notes_with_offsets(decoding: Decoding) -> float:
        return mean_f(decoding, offsets=True)

    found = best(start, {"onset_threshold": tuning["onset_threshold"]}, notes)
    if notes(found) <= 0.0:
        return dict(start)
    found = on_time(found, "onset_shift_s", _matched(scored, scoring, found), notes)
    ends = {name: tuning[name] for name in ("survival_exponent", "offset_weight")}
    shifts_s = [frames / fps for frames in tuning["offset_shift_frames"]]
    for tried in (ends, {"offset_shift_s": shifts_s}, {"min_duration_s": tuning["min_duration_s"]}):
        found = best(found, tried, notes_with_offsets)
    return found


def _matched(examples: Examples, scoring: NoteScoring, decoding: Decoding) -> Iterator[tuple[Floats, Floats]]:
    """Onsets of notes, and those of the estimates that match them."""
    for a, decoder in examples:
        b = scoring.pitched(decoder(decoding))
        i, j = np.array(match_hits(scoring.hits(a, b)[0]), dtype=np.int64).reshape(-1, 2).T
        yield a.intervals[i, 0], b.intervals[j, 0]
