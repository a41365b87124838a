"""How a metric is read: which way is better, and between which numbers it lies. Needs no torch and no mir_eval."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

from ricercar.errors import InputError

HIGHER, LOWER = "higher", "lower"


@dataclass(frozen=True)
class Scale:
    """Of one metric.

    better      "higher" or "lower"; None where neither is, as of a number of tags: nothing is the best by it
    low, high   the least and the greatest value that there can be; None where there is no such bound
    """

    better: str | None
    low: float | None
    high: float | None

    @property
    def sign(self) -> float:
        """-1 where lower is better, else 1: of a score times its sign, larger is better."""
        return -1.0 if self.better == LOWER else 1.0

    @property
    def worst(self) -> float | None:
        """The worst value that there can be; None without such a bound."""
        return self.high if self.better == LOWER else self.low

    def gain(self, value: float) -> float:
        """Larger is better: the value, or minus it. An undefined one (NaN) is as bad as can be: a bound, or without one
        a million.
        """
        if math.isnan(value):
            value = -1e6 * self.sign if self.worst is None else self.worst
        return self.sign * value

    def holds(self, value: float, slack: float = 0.0) -> bool:
        """Whether the value is within the bounds; NaN is no value, and so within."""
        low = self.low is not None and value < self.low - slack
        return not low and not (self.high is not None and value > self.high + slack)

    @property
    def bounds(self) -> str:
        """In words."""
        if self.low is None or self.high is None:
            ends = [f"at least {self.low:g}"] * (self.low is not None) + [f"at most {self.high:g}"] * (
                self.high is not None
            )
            return " and ".join(ends) or "any number"
        return f"from {self.low:g} to {self.high:g}"


SHARE = Scale(HIGHER, 0.0, 1.0)
FALSE_ALARMS = Scale(LOWER, 0.0, 1.0)
ERROR = Scale(LOWER, 0.0, None)
COUNT = Scale(None, 0.0, None)
KIND = Scale(None, 0.0, 1.0)  # the share of one kind of outcome among several, of which more is neither good nor bad

# mir_eval's metrics as module/name, with _ for a space and downbeat for the beats in position 1. * stands for anything.
_MIR_EVAL = {
    SHARE: """
        alignment/pc alignment/pcs
        *beat/F-measure *beat/Goto *beat/*_Metric_Level_Continuous *beat/*_Metric_Level_Total *beat/Information_gain
        chord/thirds* chord/triads* chord/tetrads* chord/root chord/mirex chord/majmin* chord/sevenths* chord/*seg
        hierarchy/[TL]-*
        key/Weighted_Score
        melody/Voicing_Recall melody/Raw_*_Accuracy melody/Overall_Accuracy
        multipitch/*Precision multipitch/*Recall multipitch/*Accuracy
        onset/F-measure onset/Precision onset/Recall
        pattern/R pattern/[FPR]_* pattern/FFP pattern/FFTP_est
        segment/Precision@* segment/Recall@* segment/F-measure@* segment/Pairwise_* segment/Rand_Index
        segment/Normalized_Mutual_Information segment/NCE_* segment/V_* segment/V-measure
        tempo/P-score tempo/One-correct tempo/Both-correct
        transcription*/*Precision* transcription*/*Recall* transcription*/*F-measure*
    """,
    FALSE_ALARMS: "melody/Voicing_False_Alarm multipitch/*Substitution_Error multipitch/*Miss_Error",
    ERROR: "alignment/mae alignment/aae multipitch/*False_Alarm_Error multipitch/*Total_Error segment/*_deviation",
    # Of notes that overlap by less than nothing: the onset of the one is after the offset of the other.
    Scale(HIGHER, -1.0, 1.0): "transcription*/Average_Overlap_Ratio* segment/Adjusted_Rand_Index",
    Scale(HIGHER, 0.0, 1.0001): "alignment/perceptual",  # normalised to 1, but for the rounding of its constants
    # One estimated beat may be the nearest of many.
    Scale(HIGHER, 0.0, 2.0): "*beat/Cemgil *beat/Cemgil_Best_Metric_Level",
    # Every pair of close beats counts, and every pattern of one shape.
    Scale(HIGHER, 0.0, None): "*beat/P-score pattern/F pattern/P segment/Mutual_Information",
    Scale(HIGHER, None, 1.0): "segment/Adjusted_Mutual_Information",
    Scale(HIGHER, None, None): "separation/SDR* separation/ISR* separation/SIR* separation/SAR*",
}


@cache
def of_mir_eval(metric: str) -> Scale | None:
    """Of a metric by mir_eval's name, such as melody/Voicing_False_Alarm; None where the name is not mir_eval's."""
    return _find(metric, _MIR_EVAL)


def scale_of(metric: str, own: Mapping[Scale, str]) -> Scale:
    """own: {scale: names, in which * stands for anything} of what is not mir_eval's. InputError without a scale."""
    found = _find(metric, own) or of_mir_eval(metric)
    if found is None:
        raise InputError(f"the metric {metric} has no scale: say in the task's `scales` which way is better.")
    return found


def _find(metric: str, table: Mapping[Scale, str]) -> Scale | None:
    return next((scale for scale, names in table.items() if any(fnmatchcase(metric, x) for x in names.split())), None)
