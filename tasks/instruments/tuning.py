"""The choice of decoding constants for instruments, on validation tracks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.notes import Notes
from ricercar.metrics.util import match_hits, num_matched
from ricercar.tasks.instruments.decoding import DRUM_S, InstrumentDecoder
from ricercar.tasks.instruments.scoring import InstrumentScoring, Sounds

THRESHOLDS = tuple(np.round(np.arange(0.05, 0.96, 0.05), 2).tolist())
SURVIVAL_EXPONENTS = (0.3, 0.5, 1.0)
MOST_NOTES = 4

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Logits = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class _Track:
    """The reference, and the onsets of all classes together, from the lowest threshold on. All arrays are (n,).

    onsets   as if each lasted DRUM_S
    height   of the peak, 0 to 1
    number   of the class
    """

    reference: Sounds
    onsets: Sounds
    height: Floats
    number: Ints

    def estimate(self, thresholds: Floats, shift_s: float = 0.0) -> Sounds:
        """What scoring by onsets sees. thresholds: (number of classes,)"""
        kept = self.onsets.of(self.height >= thresholds[self.number])
        onset_s = np.round(np.maximum(kept.intervals[:, 0] + shift_s, 0.0), 6)
        return Sounds(np.stack([onset_s, onset_s + DRUM_S], axis=1), kept.pitch, kept.group)


def tune(
    examples: Sequence[tuple[Notes, Logits]],
    decoder: InstrumentDecoder,
    scoring: InstrumentScoring,
    start: Mapping[str, float],
    fps: float,
) -> dict[str, float]:
    """-> decoding constants with the best mean F of the tracks, from `start` on.

    First the thresholds of the classes by multi_instrument/F-measure_onset: one class after the other, twice, from
    counts of right and of all estimates that are made once. The counts are exact where each class has a group of its
    own; a choice that in truth is worse than `start` is given up. Then a shift that takes the median lateness from
    all onsets, unless that costs F; then survival_exponent by F with offsets. Of equally good values the nearest to
    the present one. Thresholds that give one class more than MOST_NOTES times as many notes as all have together
    stay out: an untrained network would keep validation waiting. Where nothing is found, the constants stay.
    """
    tracks = [
        _track(scoring.sounds(reference), logits, decoder, scoring, start, fps)
        for reference, logits in examples
        if len(scoring.sounds(reference))
    ]
    if not tracks:
        return dict(start)

    def mean_f(thresholds: Floats, shift_s: float = 0.0) -> float:
        scores = [scoring.f_measure(t.reference, t.estimate(thresholds, shift_s), offsets=False) for t in tracks]
        return float(np.mean(scores))

    names = [f"threshold/{name}" for name in decoder.names]
    before = np.array([start[name] for name in names])
    thresholds = _thresholds(tracks, scoring, before)
    thresholds = thresholds if mean_f(thresholds) >= mean_f(before) else before
    found = mean_f(thresholds)
    if found == 0.0:
        return dict(start)
    chosen = dict(start) | dict(zip(names, thresholds.tolist(), strict=True))
    late = [_lateness_s(t.reference, t.estimate(thresholds), scoring) for t in tracks]
    shift_s = -float(np.median(np.concatenate(late)))
    if mean_f(thresholds, shift_s) >= found:
        chosen["onset_shift_s"] = round(start["onset_shift_s"] + shift_s, 6)
    return chosen | {"survival_exponent": _exponent(examples, decoder, scoring, chosen, fps)}


def _track(
    reference: Sounds,
    logits: Logits,
    decoder: InstrumentDecoder,
    scoring: InstrumentScoring,
    start: Mapping[str, float],
    fps: float,
) -> _Track:
    columns = []
    for number, name in enumerate(decoder.names):
        peaks = decoder.peaks(name, logits, min(*THRESHOLDS, start[f"threshold/{name}"]), start)
        onset_s, size = decoder.onset_s(peaks, fps, start), len(peaks)
        group = scoring.group_of(np.full(size, decoder.program(name)))
        columns.append((onset_s, decoder.pitch(name, peaks), group, peaks.height, np.full(size, number)))
    onset_s, pitch, group, height, number_of = (np.concatenate(column) for column in zip(*columns, strict=True))
    inside = scoring.inside(pitch)
    onsets = Sounds(np.stack([onset_s, onset_s + DRUM_S], axis=1), pitch, group)
    return _Track(reference, onsets.of(inside), height[inside], number_of[inside])


def _thresholds(tracks: Sequence[_Track], scoring: InstrumentScoring, start: Floats) -> Floats:
    """(number of classes,) -> the same, chosen."""
    candidates = [sorted((least, *THRESHOLDS), key=lambda each: abs(each - least)) for least in start.tolist()]
    allowed = [_allowed(tracks, number, each) for number, each in enumerate(candidates)]
    # (tracks, classes, candidates) right estimates, and all
    right = np.zeros((len(tracks), len(start), len(THRESHOLDS) + 1))
    given = np.zeros_like(right)
    for row, track in enumerate(tracks):
        lowest = np.array([min(np.array(each)[kept]) for each, kept in zip(candidates, allowed, strict=True)])
        kept = track.height >= lowest[track.number]
        height, number = track.height[kept], track.number[kept]
        i, j = scoring.hits(track.reference, track.onsets.of(kept))
        for of, values in enumerate(candidates):
            own = number[j] == of
            for place in np.flatnonzero(allowed[of]):
                high = own & (height[j] >= values[place])
                right[row, of, place] = num_matched((i[high], j[high]))
                given[row, of, place] = (height[number == of] >= values[place]).sum()
    num_reference = np.array([[len(track.reference)] for track in tracks])
    choice = np.array([int(each.argmax()) for each in allowed])
    for of in [*range(len(start))] * 2:
        others = [(other, choice[other]) for other in range(len(start)) if other != of]
        total_right = right[:, of] + sum((right[:, other, [place]] for other, place in others), np.zeros(1))
        total_given = given[:, of] + sum((given[:, other, [place]] for other, place in others), np.zeros(1))
        f_measure = (2.0 * total_right / (num_reference + total_given)).mean(axis=0)
        choice[of] = int(np.where(allowed[of], f_measure, -1.0).argmax())
    return np.array([each[place] for each, place in zip(candidates, choice, strict=True)])


def _allowed(tracks: Sequence[_Track], number: int, thresholds: Sequence[float]) -> NDArray[np.bool_]:
    """Which thresholds give the class few enough notes; the highest one where none does."""
    most = MOST_NOTES * sum(len(track.reference) for track in tracks)
    heights = np.concatenate([track.height[track.number == number] for track in tracks])
    allowed = np.array([(heights >= threshold).sum() <= most for threshold in thresholds])
    allowed[int(np.argmax(thresholds))] |= not allowed.any()
    return allowed


def _lateness_s(a: Sounds, b: Sounds, scoring: InstrumentScoring) -> Floats:
    """By how much matched estimates come after their notes."""
    pairs = np.array(match_hits(scoring.hits(a, b)), dtype=np.int64).reshape(-1, 2)
    late: Floats = b.intervals[pairs[:, 1], 0] - a.intervals[pairs[:, 0], 0]
    return late


def _exponent(
    examples: Sequence[tuple[Notes, Logits]],
    decoder: InstrumentDecoder,
    scoring: InstrumentScoring,
    decoding: Mapping[str, float],
    fps: float,
) -> float:
    present = decoding["survival_exponent"]
    candidates = sorted({present, *SURVIVAL_EXPONENTS}, key=lambda exponent: abs(exponent - present))
    scores = np.zeros(len(candidates))
    for reference, logits in examples:
        a = scoring.sounds(reference)
        for place, exponent in enumerate(candidates):
            b = scoring.sounds(decoder(logits, fps, {**decoding, "survival_exponent": exponent}))
            scores[place] += scoring.f_measure(a, b, offsets=True)
    return candidates[int(scores.argmax())]
