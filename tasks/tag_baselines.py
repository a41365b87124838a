"""Trivial estimates of tags. Without training references there are no tags to give, and all estimates are empty."""

from collections import Counter
from collections.abc import Sequence

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.tags import Tags
from ricercar.tasks.scoring import Clip, Estimator


def prior(references: Sequence[Annotation]) -> Estimator:
    """Every tag of the training split, scored by the share of training tracks that have it."""
    counts = _counts(references)
    estimate = Tags(tuple(counts), tuple(count / len(references) for count in counts.values()))
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
        assert isinstance(reference, Tags)
        counts.update(reference.present)
    return dict(sorted(counts.items()))
