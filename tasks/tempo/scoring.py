"""Scores of a tempo: mir_eval's, and the accuracies of Gouyon et al. 2006."""

from collections.abc import Mapping
from typing import Any

import mir_eval
import numpy as np
from numpy.typing import NDArray

from ricercar.checks import check_between
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.beats import Beats
from ricercar.data.annotations.tempo import Tempo
from ricercar.tasks.marks import RIGHT, Mark, of_track
from ricercar.tasks.protocol import check_protocol

PROTOCOL = {
    "tolerance": None,
    "accuracy_tolerance": None,
    "single_tempo": ("exclude", "mir_eval"),
}
_FACTORS = (1.0, 2.0, 3.0, 1.0 / 2.0, 1.0 / 3.0)


class TempoScoring:
    """(reference, estimate) -> {metric: score}.

    tempo/P-score, /One-correct, /Both-correct   mir_eval.tempo's. Where the reference has one tempo, P-score and
                                                 One-correct are 1 where one of the estimated tempi hits it, and
                                                 Both-correct is NaN; with protocol.single_tempo=mir_eval P-score is
                                                 the strength of that tempo, Both-correct 0
    tempo/Acc1                                   1 where the stronger tempi of both sides agree within the tolerance
    tempo/Acc2                                   1 where they agree up to a factor of 1, 2, 3, 1/2 or 1/3
                                                 (Gouyon et al. 2006, An experimental comparison of audio tempo
                                                 induction algorithms)
    """

    def __init__(self, protocol: Mapping[str, Any]) -> None:
        check_protocol("tempo", protocol, PROTOCOL)
        for name in ("tolerance", "accuracy_tolerance"):
            check_between(1e-6, 1, **{f"task.protocol.{name}": protocol[name]})
        self.protocol = protocol

    def __call__(self, reference: Tempo, estimate: Tempo) -> dict[str, float]:
        tempi, estimated = (np.array([side.bpm, side.other_bpm or 0.0]) for side in (reference, estimate))
        excluded = reference.other_bpm is None and self.protocol["single_tempo"] == "exclude"
        strength = 1.0 if excluded else reference.strength
        p_score, one, both = mir_eval.tempo.detection(tempi, strength, estimated, tol=self.protocol["tolerance"])
        near = self._near(reference, estimate)
        return {
            "tempo/P-score": float(p_score),
            "tempo/One-correct": float(one),
            "tempo/Both-correct": np.nan if excluded else float(both),
            "tempo/Acc1": float(near[0]),
            "tempo/Acc2": float(near.any()),
        }

    def marks(self, reference: Tempo, estimate: Tempo) -> list[Mark]:
        """octave: right up to a factor of 2, 3, 1/2 or 1/3."""
        near = self._near(reference, estimate)
        kind = RIGHT if near[0] else "octave" if near.any() else "wrong"
        return [of_track(kind, f"{estimate.strongest_bpm:g} bpm")]

    def _near(self, reference: Tempo, estimate: Tempo) -> NDArray[np.bool_]:
        """(5,) whether the stronger tempi agree up to each of the factors."""
        expected = reference.strongest_bpm * np.array(_FACTORS)
        error = np.abs(estimate.strongest_bpm - expected) / expected
        return np.asarray(error <= self.protocol["accuracy_tolerance"])


def tempo_of(annotation: Annotation) -> Tempo | None:
    """A tempo as it is; of beats the median tempo, None where there are fewer than two."""
    if isinstance(annotation, Tempo):
        return annotation
    assert isinstance(annotation, Beats)
    if len(annotation) < 2:
        return None
    return Tempo(bpm=60.0 / float(np.median(np.diff(annotation.time_s))))
