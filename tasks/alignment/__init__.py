"""Alignment of a known sequence of events (lyrics, a score) with a recording, scored by mir_eval.alignment."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import mir_eval
import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.alignment import Alignment as AlignmentAnnotation
from ricercar.data.annotations.annotation import Annotation
from ricercar.errors import InputError
from ricercar.tasks.protocol import check_protocol
from ricercar.tasks.scoring import Baseline, Clip, Estimator, Scoring

_PROTOCOL = {
    "window_s": None,
    "duration": ("events", "recording"),
    "empty": ("one", "exclude"),
}
_ERRORS = ("mae", "aae")
_ROUNDING_S = 0.001

Floats = NDArray[np.float64]


def linear(references: Sequence[Annotation]) -> Estimator:
    """The events at equal distances over the whole recording.

    A system is told how many events there are (`given`: the events, without their times). Where it is not,
    the number is the median of the training references: right only where all tracks have the same events.
    """
    usual = int(np.median([len(reference) for reference in references])) if references else 0  # type: ignore[arg-type]

    def estimate(clip: Clip) -> Annotation:
        given = clip.given
        num_events = len(given) if isinstance(given, AlignmentAnnotation) else usual
        return AlignmentAnnotation.make((np.arange(num_events) + 0.5) * clip.duration_s / max(1, num_events))

    return estimate


class Alignment(Scoring):
    """Predictions are scored; no network learns it here. Reference and estimate have the same number of events.

    alignment/pc           share of events that are within window_s of the reference
    alignment/mae, aae     median (!) and average absolute error in seconds: lower is better
    alignment/pcs          share of the time in which reference and estimate are between the same two events;
                           duration=events: of the time from the first to the last reference event (MIREX 2020),
                           NaN where all come at one time; duration=recording: of all the recording, with the stretches
                           before the first and after the last event
    alignment/perceptual   how synchronous listeners find it (Lize-Masclef et al. 2021); a perfect alignment has 0.96
    """

    annotation = AlignmentAnnotation
    primary = "alignment/pc"
    shown = ("alignment/mae", "alignment/aae", "alignment/pcs", "alignment/perceptual")
    baselines: ClassVar[Mapping[str, Baseline]] = {"linear": linear}

    def __init__(self, *, protocol: Mapping[str, Any]) -> None:
        check_protocol("alignment", protocol, _PROTOCOL)
        self.protocol = dict(protocol)

    def given(self, reference: Annotation) -> Annotation:
        """What a system is told: the events, without their times."""
        assert isinstance(reference, AlignmentAnnotation)
        return replace(reference, time_s=np.zeros(len(reference)))

    def of_recording(self, reference: Annotation, duration_s: float) -> Annotation:
        assert isinstance(reference, AlignmentAnnotation)
        return replace(reference, duration_s=duration_s)

    def score(self, reference: Annotation, estimate: Annotation) -> dict[str, float]:
        """InputError where the numbers of events differ, or with duration=recording an event comes after its end."""
        assert isinstance(reference, AlignmentAnnotation)
        assert isinstance(estimate, AlignmentAnnotation)
        if len(reference) != len(estimate):
            raise InputError(
                f"the estimate has {len(estimate)} events, the reference {len(reference)}: an alignment gives each "
                "event of the reference its time, in the same order."
            )
        a, b = reference.time_s, estimate.time_s
        if not len(a):
            return self._of_nothing()
        mae, aae = mir_eval.alignment.absolute_error(a, b)
        scores = {
            "pc": mir_eval.alignment.percentage_correct(a, b, window=self.protocol["window_s"]),
            "mae": mae,
            "aae": aae,
            "pcs": self._pcs(reference, b),
            "perceptual": mir_eval.alignment.karaoke_perceptual_metric(a, b),
        }
        return {f"alignment/{name}": float(value) for name, value in scores.items()}

    def _pcs(self, reference: AlignmentAnnotation, estimate_s: Floats) -> float:
        reference_s = reference.time_s
        if self.protocol["duration"] == "events":
            if reference_s[0] == reference_s[-1]:
                return np.nan
            return float(mir_eval.alignment.percentage_correct_segments(reference_s, estimate_s))
        if reference.duration_s is None:
            raise InputError("task.protocol.duration=recording, but how long the recording lasts is not known.")
        duration_s = reference.duration_s
        for side, time_s in (("reference", reference_s), ("estimate", estimate_s)):
            if time_s[-1] > duration_s + _ROUNDING_S:
                raise InputError(
                    f"the last event of the {side}, at {time_s[-1]:g} s, is after the end of the recording, at "
                    f"{duration_s:g} s, which task.protocol.duration=recording counts."
                )
        sides = (np.minimum(time_s, duration_s) for time_s in (reference_s, estimate_s))
        return float(mir_eval.alignment.percentage_correct_segments(*sides, duration=duration_s))

    def _of_nothing(self) -> dict[str, float]:
        names = ("pc", "mae", "aae", "pcs", "perceptual")
        if self.protocol["empty"] == "exclude":
            return {f"alignment/{name}": np.nan for name in names}
        return {f"alignment/{name}": 0.0 if name in _ERRORS else 1.0 for name in names}
