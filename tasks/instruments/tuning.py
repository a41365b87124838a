"""The choice of decoding constants for instruments, on validation tracks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.notes import Notes
from ricercar.metrics.util import match_hits, num_matched
from ricercar.tasks.instruments.decoding import DRUM_S, InstrumentDecoder
from ricercar.tasks.instruments.scoring import InstrumentScoring, Sounds
from ricercar.tasks.shared.search import Decoding, best, nearest_first, on_time

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
    start: Decoding,
    tuning: Mapping[str, Sequence[float]],
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
    names = [f"threshold/{name}" for name in decoder.names]
    grid = nearest_first(start[names[0]], tuning["threshold"])  # of every class
    tracks = [
        _track(scoring.sounds(reference), logits, decoder, scoring, start, min(grid), fps)
        for reference, logits in examples
        if len(scoring.sounds(reference))
    ]
    if not tracks:
        return dict(start)

    def mean_f(thresholds: Floats, shift_s: float = 0.0) -> float:
        scores = [scoring.f_measure(t.reference, t.estimate(thresholds, shift_s), offsets=False) for t in tracks]
        return float(np.mean(scores))

    before = np.full(len(names), grid[0])
    thresholds = _thresholds(tracks, scoring, np.array(grid), len(names))
    thresholds = thresholds if mean_f(thresholds) >= mean_f(before) else before
    if mean_f(thresholds) == 0.0:
        return dict(start)

    def moved_f(decoding: Decoding) -> float:
        return mean_f(thresholds, decoding["onset_shift_s"] - start["onset_shift_s"])

    def f_with_offsets(decoding: Decoding) -> float:
        pairs = ((scoring.sounds(a), scoring.sounds(decoder(logits, fps, decoding))) for a, logits in examples)
        return sum(scoring.f_measure(a, b, offsets=True) for a, b in pairs)

    chosen = dict(start) | dict(zip(names, thresholds.tolist(), strict=True))
    matched = [_matched(track.reference, track.estimate(thresholds), scoring) for track in tracks]
    chosen = on_time(chosen, "onset_shift_s", matched, moved_f)
    return best(chosen, {"survival_exponent": tuning["survival_exponent"]}, f_with_offsets)


def _track(
    reference: Sounds,
    logits: Logits,
    decoder: InstrumentDecoder,
    scoring: InstrumentScoring,
    start: Decoding,
    threshold: float,
    fps: float,
) -> _Track:
    columns = []
    for number, name in enumerate(decoder.names):
        peaks = decoder.peaks(name, logits, threshold, start)
        onset_s, size = decoder.onset_s(peaks, fps, start), len(peaks)
        program = np.full(size, decoder.program(name))
        columns.append((onset_s, decoder.pitch(name, peaks), program, peaks.height, np.full(size, number)))
    onset_s, pitch, program, height, number_of = (np.concatenate(column) for column in zip(*columns, strict=True))
    onsets, counts = scoring.sounds_of(np.stack([onset_s, onset_s + DRUM_S], axis=1), pitch, program)
    return _Track(reference, onsets.of(counts), height[counts], number_of[counts])


def _thresholds(tracks: Sequence[_Track], scoring: InstrumentScoring, grid: Floats, num_classes: int) -> Floats:
    """-> (num_classes,) one of `grid` each; of equally good ones the first."""
    allowed = np.array([_allowed(tracks, number, grid) for number in range(num_classes)])
    # (tracks, classes, thresholds) right estimates, and all
    right = np.zeros((len(tracks), num_classes, len(grid)))
    given = np.zeros_like(right)
    lowest = np.array([grid[each].min() for each in allowed])
    for row, track in enumerate(tracks):
        kept = track.height >= lowest[track.number]
        height, number = track.height[kept], track.number[kept]
        i, j = scoring.hits(track.reference, track.onsets.of(kept))
        for of, place in np.argwhere(allowed).tolist():
            high = (number[j] == of) & (height[j] >= grid[place])
            right[row, of, place] = num_matched((i[high], j[high]))
            given[row, of, place] = (height[number == of] >= grid[place]).sum()
    num_reference = np.array([[len(track.reference)] for track in tracks])
    choice = allowed.argmax(axis=1)
    for of in [*range(num_classes)] * 2:
        others = [(other, choice[other]) for other in range(num_classes) if other != of]
        total_right = right[:, of] + sum((right[:, other, [place]] for other, place in others), np.zeros(1))
        total_given = given[:, of] + sum((given[:, other, [place]] for other, place in others), np.zeros(1))
        f_measure = (2.0 * total_right / (num_reference + total_given)).mean(axis=0)
        choice[of] = int(np.where(allowed[of], f_measure, -1.0).argmax())
    chosen: Floats = grid[choice]
    return chosen


def _allowed(tracks: Sequence[_Track], number: int, thresholds: Floats) -> NDArray[np.bool_]:
    """Which thresholds give the class few enough notes; the highest one where none does."""
    most = MOST_NOTES * sum(len(track.reference) for track in tracks)
    heights = np.concatenate([track.height[track.number == number] for track in tracks])
    allowed = np.array([(heights >= threshold).sum() <= most for threshold in thresholds])
    allowed[int(np.argmax(thresholds))] |= not allowed.any()
    return allowed


def _matched(a: Sounds, b: Sounds, scoring: InstrumentScoring) -> tuple[Floats, Floats]:
    """Onsets of notes, and those of the estimates that match them."""
    i, j = np.array(match_hits(scoring.hits(a, b)), dtype=np.int64).reshape(-1, 2).T
    return a.intervals[i, 0], b.intervals[j, 0]
