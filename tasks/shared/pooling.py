"""Metrics of all tracks together, which are made of sums over the tracks. Needs no torch and no mir_eval."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ricercar.tasks.protocol import EMPTY

Evidence = Sequence[Mapping[str, float]]

# What MIREX reports of all tracks together.
CHORD_VOCABULARIES = ("root", "majmin", "majmin_inv", "sevenths", "sevenths_inv")


@dataclass(frozen=True)
class Counts:
    """Matched pairs, onsets of the reference, onsets of the estimate."""

    matched: int
    reference: int
    estimate: int

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.matched + other.matched, self.reference + other.reference, self.estimate + other.estimate)

    def ratios(self, empty: float) -> dict[str, float]:
        """-> {F-measure, Precision, Recall} as mir_eval.onset.f_measure; `empty` where both sides have no onset."""
        if not self.reference and not self.estimate:
            return dict.fromkeys(("F-measure", "Precision", "Recall"), empty)
        precision = self.matched / self.estimate if self.estimate else 0.0
        recall = self.matched / self.reference if self.reference else 0.0
        f_measure = 2 * precision * recall / (precision + recall) if self.matched else 0.0
        return {"F-measure": f_measure, "Precision": precision, "Recall": recall}


def evidence_of(counts: Mapping[str, Counts]) -> dict[str, float]:
    """{class: counts of one track} -> {matched_KD, reference_KD, estimate_KD and so on: number}"""
    return {f"{part}_{name}": float(value) for name, each in counts.items() for part, value in vars(each).items()}


def _summed(evidence: Evidence, name: str) -> Counts:
    """Of one class, over all tracks."""
    return Counts(*(int(sum(each[f"{part}_{name}"] for each in evidence)) for part in vars(Counts(0, 0, 0))))


def pooled_beats(evidence: Evidence, empty: str) -> dict[str, float]:
    """beat/pooled_F-measure and downbeat/pooled_F-measure, of the tracks whose evidence has them; NaN where none has.

    empty: protocol.empty
    """
    scores = {}
    for name in ("beat", "downbeat"):
        known = [each for each in evidence if f"matched_{name}" in each]
        f_measure = _summed(known, name).ratios(EMPTY[empty])["F-measure"] if known else math.nan
        scores[f"{name}/pooled_F-measure"] = f_measure
    return scores


def pooled_drums(evidence: Evidence, classes: Iterable[str], empty: str) -> dict[str, float]:
    """drums/pooled_F-measure, onset/pooled_F-measure_KD and so on. empty: protocol.empty"""
    counts = {f"onset/pooled_F-measure_{name}": _summed(evidence, name) for name in classes}
    together = {"drums/pooled_F-measure": sum(counts.values(), Counts(0, 0, 0))}
    return {name: each.ratios(EMPTY[empty])["F-measure"] for name, each in (together | counts).items()}


def pooled_chords(evidence: Evidence) -> dict[str, float]:
    """Weighted chord symbol recall: Harte 2010, Towards automatic extraction of harmony information. And, where frames
    were counted (tasks/chord/clips.py), the share of them that are right.
    """
    scores = {}
    for name in CHORD_VOCABULARIES:
        right_s, compared_s = (sum(each[f"{name}/{part}"] for each in evidence) for part in ("right_s", "compared_s"))
        scores[f"chord/WCSR_{name}"] = right_s / compared_s if compared_s > 0 else math.nan
    if any("frames/compared" in each for each in evidence):  # as the protocol says, of all tracks or none
        right, compared = (sum(each[f"frames/{part}"] for each in evidence) for part in ("right", "compared"))
        scores["chord/pooled_frame_accuracy"] = right / compared if compared > 0 else math.nan
    return scores
