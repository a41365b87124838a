"""Trivial estimates of chords."""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import median_filter

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.chords import Chords
from ricercar.tasks.chord.vocabulary import MajMin
from ricercar.tasks.scoring import Clip, Estimator
from ricercar.tasks.shared.chroma import chroma

_UNTRAINED = "C:maj"
_HOP_S = 0.1
_SHORTEST_S = 0.001
_MEDIAN_FRAMES = 11
_SILENCE = 0.02  # of the loudest frame: below it there is no chord


def majority(references: Sequence[Annotation]) -> Estimator:
    """The training label that lasts longest, throughout (C:maj without training data); X does not count."""
    seconds: dict[str, float] = {}
    for reference in references:
        assert isinstance(reference, Chords)
        for label, start_s, end_s in zip(reference.label, reference.start_s, reference.end_s, strict=True):
            seconds[label] = seconds.get(label, 0.0) + float(end_s - start_s)
    seconds.pop("X", None)
    label = max(sorted(seconds), key=lambda each: seconds[each], default=_UNTRAINED)

    def estimate(clip: Clip) -> Chords:
        return Chords(np.zeros(1), np.array([clip.duration_s]), (label,))

    return estimate


def template(references: Sequence[Annotation]) -> Estimator:
    """Of the 24 major and minor triads the one with the most chroma in its notes, N in silence. The chroma is smoothed
    by a median over about a second.
    """
    vocabulary = MajMin()
    majors = np.stack([np.roll([1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0], root) for root in range(12)])
    minors = np.stack([np.roll([1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0], root) for root in range(12)])
    templates = np.concatenate([majors, minors]).astype(np.float64)

    def estimate(clip: Clip) -> Chords:
        smooth = median_filter(chroma(clip.audio, clip.sample_rate, _HOP_S), size=(_MEDIAN_FRAMES, 1), mode="nearest")
        state = (smooth @ templates.T).argmax(axis=1)
        loudness = smooth.sum(axis=1)
        state[loudness <= _SILENCE * loudness.max()] = 24
        first = np.append(0, np.flatnonzero(np.diff(state)) + 1)
        # A frame reaches half a hop to both sides.
        start_s = np.maximum((first - 0.5) * _HOP_S, 0.0)
        kept = (start_s == 0) | (start_s < clip.duration_s - _SHORTEST_S)
        start_s, first = start_s[kept], first[kept]
        return Chords(
            start_s=start_s,
            end_s=np.append(start_s[1:], clip.duration_s),
            label=tuple(vocabulary.label(int(each)) for each in state[first]),
        )

    return estimate
