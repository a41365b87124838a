"""The choice of decoding constants for beats, on validation tracks."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ricercar.data.annotations.beats import Beats
from ricercar.tasks.beat.scoring import BeatScoring
from ricercar.tasks.shared.onset_scoring import matched
from ricercar.tasks.shared.search import Decoding, best, on_time, remembered

Decode = Callable[[Decoding], Beats]
Examples = Sequence[tuple[Beats, Decode]]


def tune(
    examples: Examples, scoring: BeatScoring, start: Decoding, tuning: Mapping[str, Sequence[float]]
) -> dict[str, float]:
    """-> decoding constants with the best mean F-measure of the tracks, from `start` on, one after the other:

    threshold, then tempo_inertia where the decoder has one, then a shift by the median lateness of the beats, each by
    the F-measure of the beats; at last downbeat_threshold by that of the downbeats, of the values that cost no beats.
    Of equally good values the present one, or the first. Where nothing is found, the constants stay.
    """
    references = [reference for reference, _ in examples]
    estimates = remembered(lambda decoding: [decode(decoding) for _, decode in examples])

    def of_beats(decoding: Decoding) -> float:
        """Mean F-measure of the tracks that have beats after trimming."""
        sides = [scoring.beats(a, b) for a, b in zip(references, estimates(decoding), strict=True)]
        return float(np.mean([scoring.f_measure(*each) for each in sides if len(each[0])] or [0.0]))

    def of_downbeats(decoding: Decoding) -> float:
        sides = [scoring.downbeats(a, b) for a, b in zip(references, estimates(decoding), strict=True)]
        scores = [scoring.f_measure(*each) for each in sides if each is not None and len(each[0])]
        return float(np.mean(scores or [0.0]))

    found = best(start, {"threshold": tuning["threshold"]}, of_beats, nearest=False)
    if of_beats(found) == 0.0:
        return dict(start)
    if "tempo_inertia" in tuning:
        found = best(found, {"tempo_inertia": tuning["tempo_inertia"]}, of_beats, nearest=False)
    window_s = scoring.protocol["f_tolerance_s"]
    pairs = [matched(a.time_s, b.time_s, window_s) for a, b in zip(references, estimates(found), strict=True)]
    found = on_time(found, "shift_s", pairs, of_beats)
    least = of_beats(found)

    def of_downbeats_then(decoding: Decoding) -> tuple[bool, float]:
        return of_beats(decoding) >= least, of_downbeats(decoding)

    return best(found, {"downbeat_threshold": tuning["downbeat_threshold"]}, of_downbeats_then, nearest=False)
