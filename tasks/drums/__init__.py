"""Drum transcription: when which kind of drum is struck."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.notes import UNKNOWN_PROGRAM, Notes
from ricercar.data.annotations.onsets import Onsets
from ricercar.tasks.drums import baselines as drum_baselines
from ricercar.tasks.drums.labels import DrumLabels, drums_of
from ricercar.tasks.marks import Mark
from ricercar.tasks.protocol import EMPTY
from ricercar.tasks.scale import SHARE, Scale
from ricercar.tasks.scoring import Baseline
from ricercar.tasks.shared.onset_classes import Floats, OnsetClasses
from ricercar.tasks.shared.onset_scoring import count, marks
from ricercar.tasks.shared.pooling import Counts, evidence_of, pooled_drums

_RATIOS = ("F-measure", "Precision", "Recall")


class Drums(OnsetClasses):
    """Onsets labelled with K classes of drums; each class is scored by mir_eval's onset.

    onset/F-measure_KD, /Precision_KD, /Recall_KD    of one class (KD and so on), as mir_eval.onset
    drums/F-measure, /Precision, /Recall             of the track: matches, onsets of the reference and of the estimate
                                                     are counted class by class (mir_eval.util.match_events: the class
                                                     must agree), and summed over the classes
    drums/F-measure_mean                             mean of the classes' F-measures, without NaN
    drums/pooled_F-measure, onset/pooled_F-measure_KD    of the counts summed over all tracks

    The reference is the track's onsets if they have labels, else its notes of program 128 by General MIDI's drum map
    if the notes' programs are known. Labels are sorted into `classes`; an unknown one is an error. Of one class, onsets
    at most protocol.merge_s after the last one that stays are left out; estimates stay as they are.

    protocol.empty is for a class that neither the reference nor the estimate has (mir_eval scores 0 where one of them
    has it), and for such a track. protocol.no_drums is for tracks whose reference is empty, which teach a network
    silence: exclude leaves them out of all means over tracks, so that any false alarm counts in the pooled metrics
    alone; with score such a track has 0, or what protocol.empty says where the estimate is empty, too.
    """

    name = "drums"
    choices: ClassVar[Mapping[str, Sequence[str]]] = {"no_drums": ("score", "exclude")}
    primary = "drums/F-measure"
    scales: ClassVar[Mapping[Scale, str]] = {
        SHARE: "drums/*F-measure* drums/Precision drums/Recall onset/*F-measure_* onset/Precision_* onset/Recall_*"
    }
    baselines: ClassVar[Mapping[str, Baseline]] = {"majority": drum_baselines.majority, "bands": drum_baselines.bands}

    def __init__(
        self,
        *,
        classes: Mapping[str, Sequence[str] | None],
        ignored: Sequence[str],
        targets: str,
        half_width_frames: float,
        label_frames: int,
        positive_weight: float,
        prior: float,
        decoding: Mapping[str, float],
        tuning: Mapping[str, Sequence[float]],
        protocol: Mapping[str, Any],
    ) -> None:
        self.labels = DrumLabels(classes, ignored)
        self.classes = self.labels.names
        super().__init__(
            targets=targets,
            half_width_frames=half_width_frames,
            label_frames=label_frames,
            positive_weight=positive_weight,
            prior=prior,
            decoding=decoding,
            tuning=tuning,
            protocol=protocol,
        )
        # They decide what is scored as much as the tolerances do.
        self.protocol |= {"classes": self.labels.classes, "ignored": self.labels.ignored}
        self.shown = (
            "drums/Precision",
            "drums/Recall",
            "drums/F-measure_mean",
            "drums/pooled_F-measure",
            *(f"onset/F-measure_{name}" for name in self.classes),
        )

    def reference(self, annotations: Mapping[str, Annotation]) -> Onsets | None:
        onsets, notes = annotations.get(Onsets.name), annotations.get(Notes.name)
        if isinstance(onsets, Onsets) and any(onsets.label):
            found = onsets
        elif isinstance(notes, Notes) and bool((notes.program != UNKNOWN_PROGRAM).any()):
            found = drums_of(notes)
        elif isinstance(onsets, Onsets) and len(onsets) == 0:
            found = onsets
        else:
            return None
        return self.labels.merged(found, self.protocol["merge_s"])

    def times(self, onsets: Annotation) -> list[Floats]:
        assert isinstance(onsets, Onsets)
        return self.labels.times(onsets)

    def onsets(self, times_s: Sequence[Floats]) -> Onsets:
        return self.labels.onsets(times_s)

    def score(self, reference: Annotation, estimate: Annotation) -> dict[str, float]:
        counts = self._counts(reference, estimate)
        each = {name: found.ratios(self._empty) for name, found in counts.items()}
        together = sum(counts.values(), Counts(0, 0, 0)).ratios(self._empty)
        defined = [found["F-measure"] for found in each.values() if not np.isnan(found["F-measure"])]
        scores = {f"drums/{name}": value for name, value in together.items()}
        scores["drums/F-measure_mean"] = float(np.mean(defined)) if defined else float("nan")
        scores |= {f"onset/{ratio}_{name}": each[name][ratio] for name in each for ratio in _RATIOS}
        return scores if self._is_scored(reference) else dict.fromkeys(scores, float("nan"))

    def tune(self, examples: Sequence[tuple[Annotation, Mapping[str, NDArray[np.float32]]]], fps: float) -> None:
        super().tune([each for each in examples if self._is_scored(each[0])], fps)

    def evidence(self, reference: Annotation, estimate: Annotation) -> dict[str, float]:
        """-> {matched_KD, reference_KD, estimate_KD and so on: number}"""
        return evidence_of(self._counts(reference, estimate))

    def pooled(self, evidence: Sequence[Mapping[str, float]]) -> dict[str, float]:
        return pooled_drums(evidence, self.classes, self.protocol["empty"])

    def marks(self, reference: Annotation, estimate: Annotation) -> list[Mark]:
        """Labelled with the class."""
        sides = zip(self.classes, self.times(reference), self.times(estimate), strict=True)
        return [mark for name, a, b in sides for mark in marks(a, b, self.protocol["window_s"], name)]

    @property
    def _empty(self) -> float:
        return EMPTY[self.protocol["empty"]]

    def _is_scored(self, reference: Annotation) -> bool:
        return self.protocol["no_drums"] == "score" or any(map(len, self.times(reference)))

    def _counts(self, reference: Annotation, estimate: Annotation) -> dict[str, Counts]:
        pairs = zip(self.classes, self.times(reference), self.times(estimate), strict=True)
        return {name: count(a, b, self.protocol["window_s"]) for name, a, b in pairs}
