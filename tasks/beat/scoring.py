"""Scores of beats and downbeats: mir_eval's numbers."""

import warnings
from collections.abc import Mapping
from typing import Any

import mir_eval
import numpy as np
from numpy.typing import NDArray

from ricercar.checks import check_between, check_positive, check_whole
from ricercar.data.annotations.beats import Beats
from ricercar.errors import InputError
from ricercar.metrics import beat
from ricercar.tasks.beat.clips import BeatClips
from ricercar.tasks.marks import UNSCORED, Mark, instants
from ricercar.tasks.protocol import EMPTY, check_protocol
from ricercar.tasks.shared import onset_scoring
from ricercar.tasks.shared.pooling import Counts

Floats = NDArray[np.float64]

PROTOCOL = {
    "skip_s": None,
    "f_tolerance_s": None,
    "cemgil_sigma_s": None,
    "goto_threshold": None,
    "goto_mu": None,
    "goto_sigma": None,
    "p_threshold": None,
    "phase_threshold": None,
    "period_threshold": None,
    "information_gain_bins": None,
    "unknown_positions": ("leave_out", "count"),
    "empty": ("mir_eval", "one", "exclude"),
    "clip_s": None,
    "clip_least_s": None,
    "clip_fps": None,
}
_CONTINUITY = (
    "Correct_Metric_Level_Continuous",
    "Correct_Metric_Level_Total",
    "Any_Metric_Level_Continuous",
    "Any_Metric_Level_Total",
)
NAMES = (
    "F-measure",
    "Cemgil",
    "Cemgil_Best_Metric_Level",
    "Goto",
    "P-score",
    *_CONTINUITY,
    "Information_gain",
)


class BeatScoring:
    """(reference, estimate) -> {beat/<metric>, downbeat/<metric>: score}, mir_eval.beat's with _ for a space.

    downbeat/...   of the beats in position 1; NaN where no position of the reference is known, or the estimate has
                   beats and not one position: it makes no statement about downbeats
    Both sides empty: protocol.empty decides: mir_eval 0, one 1, exclude NaN. One side empty: 0.

    protocol.clip_s   above 0: the recording is cut into clips of so many seconds, the last of which counts from
                      clip_least_s on, and beats are matched within clips (see clips.py). There are then no more than
                      beat/F-measure and downbeat/F-measure, of the numbers of all clips of the track, and
                      beat/pooled_F-measure and downbeat/pooled_F-measure, of those of all tracks (of downbeats those
                      where they are known)
    """

    def __init__(self, protocol: Mapping[str, Any]) -> None:
        check_protocol("beat", protocol, PROTOCOL)
        check_whole(2, **{"task.protocol.information_gain_bins": protocol["information_gain_bins"]})
        check_between(0, 1, **{"task.protocol.p_threshold": protocol["p_threshold"]})
        check_positive(**{"task.protocol.cemgil_sigma_s": protocol["cemgil_sigma_s"]})
        self.protocol = protocol
        self.clips = BeatClips.of(protocol)

    def __call__(self, reference: Beats, estimate: Beats) -> dict[str, float]:
        if self.clips is not None:
            empty = EMPTY[self.protocol["empty"]]
            counts = self.counts(reference, estimate)
            known = {f"{name}/F-measure": each.ratios(empty)["F-measure"] for name, each in counts.items()}
            return dict.fromkeys(("beat/F-measure", "downbeat/F-measure"), np.nan) | known
        scores = {f"beat/{name}": value for name, value in self._scores(*self.beats(reference, estimate)).items()}
        sides = self.downbeats(reference, estimate)
        downbeats = dict.fromkeys(NAMES, np.nan) if sides is None else self._scores(*sides)
        return scores | {f"downbeat/{name}": value for name, value in downbeats.items()}

    def beats(self, reference: Beats, estimate: Beats) -> tuple[Floats, Floats]:
        return self._trimmed(reference.time_s), self._trimmed(estimate.time_s)

    def counts(self, reference: Beats, estimate: Beats) -> dict[str, Counts]:
        """{beat, downbeat: the numbers of all clips together}, without downbeats where they are not known."""
        assert self.clips is not None
        sides = {"beat": self.beats(reference, estimate), "downbeat": self.downbeats(reference, estimate)}
        tolerance_s = self.protocol["f_tolerance_s"]
        return {
            name: self.clips.count(*each, reference.duration_s, tolerance_s)
            for name, each in sides.items()
            if each is not None
        }

    def downbeats(self, reference: Beats, estimate: Beats) -> tuple[Floats, Floats] | None:
        """None where no position of the reference is known, or the estimate has beats, all without a position."""
        if not reference.position.any() or (len(estimate) and not estimate.position.any()):
            return None
        downbeat_s = estimate.downbeat_s
        if self.protocol["unknown_positions"] == "leave_out":
            downbeat_s = downbeat_s[reference.position_known(downbeat_s)]
        return self._trimmed(reference.downbeat_s), self._trimmed(downbeat_s)

    def marks(self, reference: Beats, estimate: Beats) -> list[Mark]:
        """Labelled beat or downbeat. What is trimmed, or has no counterpart of a known position, is not scored."""
        lanes = {"beat": (self.beats(reference, estimate), estimate.time_s)}
        nothing = np.zeros(0), np.zeros(0)
        lanes["downbeat"] = (self.downbeats(reference, estimate) or nothing, estimate.downbeat_s)
        found = []
        for label, ((a, b), every_s) in lanes.items():
            found += instants(np.setdiff1d(every_s, b), UNSCORED, label)
            found += onset_scoring.marks(a, b, self.protocol["f_tolerance_s"], label)
        return found

    def f_measure(self, a: Floats, b: Floats) -> float:
        """F-measure alone, of trimmed times."""
        if not len(a) or not len(b):
            return self._of_empty(a, b)
        return beat.f_measure(a, b, f_measure_threshold=self.protocol["f_tolerance_s"])

    def _trimmed(self, time_s: Floats) -> Floats:
        if len(time_s) and time_s[-1] > mir_eval.beat.MAX_TIME:
            raise InputError(f"A beat at {time_s[-1]:g} s cannot be scored: mir_eval takes {mir_eval.beat.MAX_TIME:g}.")
        return np.asarray(mir_eval.beat.trim_beats(time_s, min_beat_time=self.protocol["skip_s"]))

    def _of_empty(self, a: Floats, b: Floats) -> float:
        """The score where a side is empty."""
        return 0.0 if len(a) or len(b) else EMPTY[self.protocol["empty"]]

    def _scores(self, a: Floats, b: Floats) -> dict[str, float]:
        if not len(a) or not len(b):
            return dict.fromkeys(NAMES, self._of_empty(a, b))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # numpy's, of Goto's statistics of none: the score is 0
            return self._of_beats(a, b)

    def _of_beats(self, a: Floats, b: Floats) -> dict[str, float]:
        protocol = self.protocol
        scores = beat.evaluate(
            a,
            b,
            min_beat_time=protocol["skip_s"],
            f_measure_threshold=protocol["f_tolerance_s"],
            cemgil_sigma=protocol["cemgil_sigma_s"],
            goto_threshold=protocol["goto_threshold"],
            goto_mu=protocol["goto_mu"],
            goto_sigma=protocol["goto_sigma"],
            p_score_threshold=protocol["p_threshold"],
            continuity_phase_threshold=protocol["phase_threshold"],
            continuity_period_threshold=protocol["period_threshold"],
            bins=protocol["information_gain_bins"],
        )
        return {name.replace(" ", "_"): float(value) for name, value in scores.items()}
