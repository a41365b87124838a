"""Trivial estimates of tags. Without training references there are no tags to give, and all estimates are empty."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.tags import Tags
from ricercar.tasks.scoring import Clip, Estimator
from ricercar.tasks.shared.tag_scoring import known


def prior(references: Sequence[Annotation]) -> Estimator:
    """Every tag of the training split, scored by the share that have it of the tracks of which that is known."""
    counts = _counts(references)
    asked = sum((known(_tags(each), list(counts)).astype(int) for each in references), np.zeros(len(counts), dtype=int))
    estimate = Tags(tuple(counts), tuple(n / of for n, of in zip(counts.values(), asked.tolist(), strict=True)))
    return lambda clip: estimate


def random(references: Sequence[Annotation]) -> Estimator:
    """Every tag of the training split, scored by chance."""
    tags = tuple(_counts(references))

    def estimate(clip: Clip) -> Tags:
        return Tags(tags, tuple(clip.random.random(len(tags)).tolist()))

    return estimate


def _counts(references: Sequence[Annotation]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for reference in references:
        counts.update(_tags(reference).present)
    return dict(sorted(counts.items()))


def _tags(annotation: Annotation) -> Tags:
    assert isinstance(annotation, Tags)
    return annotation
