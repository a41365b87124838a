"""Discovery of repeated themes and sections, scored by mir_eval.pattern."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import mir_eval

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.patterns import Patterns
from ricercar.errors import InputError
from ricercar.tasks.protocol import check_protocol, of_nothing
from ricercar.tasks.scoring import Baseline, Clip, Estimator, Scoring

_OCCURRENCE = {"F_occ.5": 0.5, "F_occ.75": 0.75}
_PROTOCOL = {
    "tolerance": None,
    "first_patterns": None,
    "occurrence_thresholds": ("mir_eval", "named"),
    "empty": ("mir_eval", "one", "exclude"),
}


def none(references: Sequence[Annotation]) -> Estimator:
    """No patterns."""
    return lambda clip: Patterns(())


def borrowed(references: Sequence[Annotation]) -> Estimator:
    """The patterns of one track of the training split, drawn for each track; none where there is no such track."""

    def estimate(clip: Clip) -> Annotation:
        return references[int(clip.random.integers(len(references)))] if references else Patterns(())

    return estimate


class Pattern(Scoring):
    """Predictions are scored; no network learns it here.

    pattern/F, P, R                   prototypes of the same shape, transposed or not ("standard")
    pattern/F_est, P_est, R_est       establishment: the best-matching occurrences of each pair of patterns
    pattern/F_occ.75, F_occ.5 ...     occurrences of the patterns that were found
    pattern/F_3, P_3, R_3             three-layer scores
    pattern/FFP, FFTP_est             three-layer precision and establishment recall of the first five patterns

    mir_eval.pattern.evaluate (0.8.2) means to compute F_occ.5 with the threshold 0.5, but passes it under a wrong name:
    both sets of occurrence scores use 0.75. protocol.occurrence_thresholds: `mir_eval` does so too, and its numbers
    are mir_eval's; `named` uses the threshold that the name says.
    """

    annotation = Patterns
    primary = "pattern/F_est"
    shown = ("pattern/F_occ.75", "pattern/F_3", "pattern/F")
    baselines: ClassVar[Mapping[str, Baseline]] = {"none": none, "borrowed": borrowed}

    def __init__(self, *, protocol: Mapping[str, Any]) -> None:
        check_protocol("pattern", protocol, _PROTOCOL)
        first = protocol["first_patterns"]
        if not isinstance(first, int) or first < 1:
            raise InputError(f"task.protocol.first_patterns={first!r} must be a whole number, at least 1.")
        self.protocol = dict(protocol)

    def score(self, reference: Annotation, estimate: Annotation) -> dict[str, float]:
        assert isinstance(reference, Patterns)
        assert isinstance(estimate, Patterns)
        a, b = reference.patterns, estimate.patterns
        scores = mir_eval.pattern.evaluate(a, b, tol=self.protocol["tolerance"], n=self.protocol["first_patterns"])
        if self.protocol["occurrence_thresholds"] == "named":
            for name, threshold in _OCCURRENCE.items():
                values = mir_eval.pattern.occurrence_FPR(a, b, thres=threshold)
                scores |= {f"{letter}{name[1:]}": value for letter, value in zip("FPR", values, strict=True)}
        if not a or not b:  # mir_eval has 0 for all, but (0, 0, 0) for FFP and FFTP_est
            scores = dict.fromkeys(scores, 0.0)
        if not a and not b:
            scores = of_nothing(scores, self.protocol["empty"])
        return {f"pattern/{name}": float(value) for name, value in scores.items()}
