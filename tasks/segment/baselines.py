"""Trivial estimates of segments."""

from collections.abc import Sequence

import numpy as np

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.hierarchy import Hierarchy
from ricercar.tasks.scoring import Clip, Estimator
from ricercar.tasks.segment.decoding import alike, segmentation
from ricercar.tasks.segment.novelty import novelty, peaks
from ricercar.tasks.shared.chroma import chroma

_UNTRAINED_S = 15.0  # a section of popular music
_HOP_S = 0.1
_SHORTEST_S = 0.001
_ALIKE = 0.02  # cosine distance of mean chroma


def single(references: Sequence[Annotation]) -> Estimator:
    """One segment."""
    return lambda clip: segmentation(np.array([0.0, clip.duration_s]), ["A"])


def regular(references: Sequence[Annotation]) -> Estimator:
    """Segments of the training data's mean length (15 s without them), as many as fit best, each with its own label."""
    length_s = _mean_length_s(references)

    def estimate(clip: Clip) -> Hierarchy:
        number = max(round(clip.duration_s / length_s), 1)
        return segmentation(np.linspace(0.0, clip.duration_s, number + 1), [str(each + 1) for each in range(number)])

    return estimate


def of_novelty(references: Sequence[Annotation]) -> Estimator:
    """Borders at peaks of the novelty of a chroma that are above its mean, half of a training segment apart or more;
    segments of nearly the same mean chroma have one label.
    """
    width_s = 0.5 * _mean_length_s(references)

    def estimate(clip: Clip) -> Hierarchy:
        features = chroma(clip.audio, clip.sample_rate, _HOP_S)
        frames = max(round(width_s / _HOP_S), 1)
        curve = novelty(features, frames)
        inner = peaks(curve, curve.mean(), frames)
        inner = inner[inner * _HOP_S < clip.duration_s - _SHORTEST_S]
        means = np.add.reduceat(features, np.append(0, np.ceil(inner)).astype(np.int64), axis=0)
        labels = [str(group + 1) for group in alike(means, _ALIKE)]
        return segmentation(np.concatenate([[0.0], inner * _HOP_S, [clip.duration_s]]), labels)

    return estimate


def _mean_length_s(references: Sequence[Annotation]) -> float:
    """Of the coarsest level's segments."""
    lengths = []
    for reference in references:
        assert isinstance(reference, Hierarchy)
        lengths.append(reference.levels[0].end_s - reference.levels[0].start_s)
    return float(np.concatenate(lengths).mean()) if lengths else _UNTRAINED_S
