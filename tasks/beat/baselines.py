"""Trivial estimates of beats: bars of equal beats through the whole track."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.beats import Beats
from ricercar.tasks.scoring import Clip, Estimator
from ricercar.tasks.shared import pulse

# Without training references: four beats a bar, 120 to the minute.
_BPM, _BEATS_PER_BAR = 120.0, 4
_MIN_BPM, _MAX_BPM = 40.0, 240.0


def grid(references: Sequence[Annotation]) -> Estimator:
    """Beats at the median tempo of the training split from 0 s on, in its most frequent bar."""
    interval_s, beats_per_bar = 60.0 / _median_bpm(references), _most_frequent_bar(references)

    def estimate(clip: Clip) -> Beats:
        time_s = np.arange(0.0, max(clip.duration_s, interval_s / 2), interval_s)
        return _bars(time_s, 0, beats_per_bar)

    return estimate


def autocorrelation(references: Sequence[Annotation]) -> Estimator:
    """Beats at the tempo and the phase that the spectral flux shows most, in the training split's most frequent bar."""
    beats_per_bar = _most_frequent_bar(references)

    def estimate(clip: Clip) -> Beats:
        strength, fps = pulse.onset_strength(clip)
        bpm = pulse.strongest_tempo(pulse.autocorrelation(strength), fps, _MIN_BPM, _MAX_BPM)
        interval = 60.0 * fps / bpm
        num_beats = max(1, int(len(strength) / interval))
        start = np.arange(0.0, interval, 0.5)
        frame = start[:, None] + interval * np.arange(num_beats)
        at = np.interp(frame, np.arange(len(strength)), strength, right=0.0)
        best = int(at.sum(axis=1).argmax())
        by_beat = [float(at[best, first::beats_per_bar].sum()) for first in range(beats_per_bar)]
        return _bars(frame[best] / fps, int(np.argmax(by_beat)), beats_per_bar)

    return estimate


def _bars(time_s: NDArray[np.float64], first_downbeat: int, beats_per_bar: int) -> Beats:
    position = (np.arange(len(time_s)) - first_downbeat) % beats_per_bar + 1
    return Beats(time_s=np.round(time_s, 6), position=position)


def _median_bpm(references: Sequence[Annotation]) -> float:
    tempi = []
    for reference in references:
        assert isinstance(reference, Beats)
        if len(reference) > 1:
            tempi.append(60.0 / float(np.median(np.diff(reference.time_s))))
    return float(np.median(tempi)) if tempi else _BPM


def _most_frequent_bar(references: Sequence[Annotation]) -> int:
    counts: Counter[int] = Counter()
    for reference in references:
        assert isinstance(reference, Beats)
        counts.update(np.diff(np.flatnonzero(reference.position == 1)).tolist())
    return max(counts, key=lambda beats: (counts[beats], beats)) if counts else _BEATS_PER_BAR
