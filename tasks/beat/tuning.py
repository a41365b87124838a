"""The choice of decoding constants for beats, on validation tracks."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ricercar.data.annotations.beats import Beats
from ricercar.tasks.beat.scoring import BeatScoring

# Tracking takes a fifth of a second for five minutes of sound, peaks a hundredth of that.
THRESHOLDS = {
    "tracking": (0.05, 0.1, 0.15, 0.25, 0.35, 0.5),
    "peaks": tuple(np.round(np.arange(0.05, 0.96, 0.05), 2).tolist()),
}
DOWNBEAT_THRESHOLDS = {"tracking": (0.2, 0.4, 0.6), "peaks": THRESHOLDS["peaks"]}
TEMPO_INERTIAS = {"tracking": (10.0, 20.0, 40.0, 80.0), "peaks": ()}
_NEAR_S = 0.07

Decode = Callable[[Mapping[str, float]], Beats]
Examples = Sequence[tuple[Beats, Decode]]


def tune(examples: Examples, scoring: BeatScoring, start: Mapping[str, float], *, decoder: str) -> dict[str, float]:
    """-> decoding constants with the best mean F-measure of the tracks, from `start` on, one after the other:

    threshold, then tempo_inertia where the decoder has one, then a shift by the median lateness of the beats, each by
    the F-measure of the beats; at last downbeat_threshold by that of the downbeats, of the values that cost no beats.
    Of equally good values the first, which is the present one. Where nothing is found, the constants stay.
    """
    best = _Best(examples, scoring, start)
    for threshold in THRESHOLDS[decoder]:
        best.offer({"threshold": threshold})
    if best.beats == 0.0:
        return dict(start)
    for inertia in TEMPO_INERTIAS[decoder]:
        best.offer({"tempo_inertia": inertia})
    best.offer({"shift_s": round(best.decoding["shift_s"] - best.lateness_s(), 6)}, even_if_equal=True)
    for threshold in DOWNBEAT_THRESHOLDS[decoder]:
        best.offer({"downbeat_threshold": threshold}, downbeats=True)
    return best.decoding


class _Best:
    """The best constants so far, and what they give."""

    def __init__(self, examples: Examples, scoring: BeatScoring, start: Mapping[str, float]) -> None:
        self.examples = examples
        self.scoring = scoring
        self.decoding = dict(start)
        self.estimates = [decode(self.decoding) for _, decode in examples]
        self.beats, self.downbeats = self._mean_f(self.estimates)

    def offer(self, change: Mapping[str, float], *, even_if_equal: bool = False, downbeats: bool = False) -> None:
        changed = {**self.decoding, **change}
        if changed == self.decoding:
            return
        estimates = [decode(changed) for _, decode in self.examples]
        f, downbeat_f = self._mean_f(estimates)
        if downbeats:
            better = f >= self.beats and downbeat_f > self.downbeats
        else:
            better = f > self.beats or (even_if_equal and f == self.beats)
        if better:
            self.decoding, self.estimates, self.beats, self.downbeats = changed, estimates, f, downbeat_f

    def lateness_s(self) -> float:
        """The median by which beats come after the nearest reference beat, of those that are near one."""
        late = [np.zeros(0)]
        for (reference, _), estimate in zip(self.examples, self.estimates, strict=True):
            if len(reference) and len(estimate):
                middle_s = (reference.time_s[:-1] + reference.time_s[1:]) / 2
                nearest_s = reference.time_s[np.searchsorted(middle_s, estimate.time_s)]
                late.append(estimate.time_s - nearest_s)
        together = np.concatenate(late)
        together = together[np.abs(together) <= _NEAR_S]
        return float(np.median(together)) if len(together) else 0.0

    def _mean_f(self, estimates: Sequence[Beats]) -> tuple[float, float]:
        """Mean F-measure of beats and of downbeats, of the tracks that have any after trimming."""
        beats, downbeats = [], []
        for (reference, _), estimate in zip(self.examples, estimates, strict=True):
            sides = self.scoring.beats(reference, estimate)
            if len(sides[0]):
                beats.append(self.scoring.f_measure(*sides))
            first = self.scoring.downbeats(reference, estimate)
            if first is not None and len(first[0]):
                downbeats.append(self.scoring.f_measure(*first))
        return float(np.mean(beats or [0.0])), float(np.mean(downbeats or [0.0]))
