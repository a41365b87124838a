"""What can be scored: one kind of annotation, an estimate of it, and the conventions that move a score."""

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.annotation import Annotation
from ricercar.errors import InputError
from ricercar.tasks.marks import FOUND, REFERENCE, Mark
from ricercar.tasks.scale import Scale, scale_of


@dataclass(frozen=True)
class Clip:
    """The sound of one track, for a trivial baseline.

    audio   (N,) float32 mono in [-1, 1]
    given   what a system is told beside the sound (Scoring.given), or None
    """

    id: str
    audio: NDArray[np.float32]
    sample_rate: int
    given: Annotation | None = None

    @property
    def duration_s(self) -> float:
        return len(self.audio) / self.sample_rate

    @cached_property
    def random(self) -> np.random.Generator:
        """Random numbers that depend on the track's id alone."""
        return np.random.default_rng(zlib.crc32(self.id.encode()))


Estimator = Callable[[Clip], Annotation]
Baseline = Callable[[Sequence[Annotation]], Estimator]


class Scoring(ABC):
    """Everything that scoring an estimate needs. A task that a network can learn is a Task, which is more.

    annotation   the type of references and estimates
    primary      the metric that ranks systems: one of which either higher or lower is better
    shown        metrics that a table shows beside the primary one
    scales       {scale: names of metrics, in which * stands for anything} of what is not mir_eval's
    protocol     every convention that moves a score; hashed into the result
    baselines    {name: trivial baseline}: given the references of the training split (there may be none), it gives
                 the function that estimates from a track's sound
    """

    annotation: type[Annotation]
    primary: str
    shown: tuple[str, ...]
    scales: ClassVar[Mapping[Scale, str]] = {}
    protocol: dict[str, Any]
    baselines: ClassVar[Mapping[str, Baseline]] = {}

    @abstractmethod
    def score(self, reference: Annotation, estimate: Annotation) -> dict[str, float]:
        """-> {metric: score of one track}; NaN where the protocol excludes the track from that metric's mean."""

    def rank(self) -> None:
        """Makes the metric that protocol.ranked_by names, if any, the primary one. InputError where there is none."""
        name = self.protocol.get("ranked_by")
        if name is None or name == self.primary:
            return
        if not isinstance(name, str):
            raise InputError(f"task.protocol.ranked_by={name!r}: give the name of a metric, such as {self.primary}.")
        try:
            better = self.scale(name).better
        except InputError as error:
            known = ", ".join([self.primary, *self.shown])
            raise InputError(f"task.protocol.ranked_by={name}: there is no such metric. Some are {known}.") from error
        if better is None:
            raise InputError(f"task.protocol.ranked_by={name}: neither higher nor lower is better.")
        self.shown = (self.primary, *(each for each in self.shown if each != name))
        self.primary = name

    def scale(self, metric: str) -> Scale:
        """Which way the metric is better, and its bounds. InputError where `scales` lacks it."""
        return scale_of(metric, self.scales)

    def reference(self, annotations: Mapping[str, Annotation]) -> Annotation | None:
        """What estimates are scored against, from all that is known of a track; None where that is not enough."""
        return annotations.get(self.annotation.name)

    def of_recording(self, reference: Annotation, duration_s: float) -> Annotation:
        """The reference of a recording that lasts so long; by default that does not matter."""
        return reference

    def given(self, reference: Annotation) -> Annotation | None:
        """What a system is told of a track beside its sound, such as the words to align; by default nothing."""
        return None

    def evidence(self, reference: Annotation, estimate: Annotation) -> dict[str, float]:
        """-> what `pooled` needs to know of one track, kept in the result beside the track's metrics."""
        return {}

    def pooled(self, evidence: Sequence[Mapping[str, float]]) -> dict[str, float]:
        """-> {metric: score of all tracks together} for metrics that are no mean over tracks, such as ROC-AUC."""
        return {}

    def marks(self, reference: Annotation, estimate: Annotation) -> list[Mark]:
        """-> what the estimate got right and wrong, by the protocol; by default nothing, and scores have to do."""
        return []

    def reference_marks(self, reference: Annotation) -> list[Mark]:
        """-> what there is to find: all that an estimate like the reference would have right."""
        return [replace(mark, kind=REFERENCE) for mark in self.marks(reference, reference)]

    def estimate_marks(self, estimate: Annotation) -> list[Mark]:
        """-> what was found, where there is no reference to judge it by."""
        return [replace(mark, kind=FOUND) for mark in self.marks(estimate, estimate)]
