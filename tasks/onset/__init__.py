"""Onset detection: when something begins to sound."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.notes import Notes
from ricercar.data.annotations.onsets import Onsets
from ricercar.tasks.marks import Mark
from ricercar.tasks.onset import baselines as onset_baselines
from ricercar.tasks.protocol import EMPTY
from ricercar.tasks.scoring import Baseline
from ricercar.tasks.shared.onset_classes import Floats, OnsetClasses
from ricercar.tasks.shared.onset_scoring import count, marks, merged


class Onset(OnsetClasses):
    """Onsets of anything, without labels; scored by mir_eval's onset.

    onset/F-measure, /Precision, /Recall    as mir_eval.onset

    The reference is the track's onsets; where it has none, those of its notes (drums included). Of notes, and of onsets
    with labels (drums), those at most protocol.merge_s after the last one that stays are left out: what is struck
    together is one onset, as in Boeck, Krebs and Schedl 2012, Evaluating the online capabilities of onset detection
    methods. Onsets without labels, and estimates, stay as they are: those are mir_eval's scores.
    """

    name = "onset"
    primary = "onset/F-measure"
    shown = ("onset/Precision", "onset/Recall")
    baselines: ClassVar[Mapping[str, Baseline]] = {
        "grid": onset_baselines.grid,
        "energy_peaks": onset_baselines.energy_peaks,
    }

    def reference(self, annotations: Mapping[str, Annotation]) -> Onsets | None:
        onsets, notes = annotations.get(Onsets.name), annotations.get(Notes.name)
        if isinstance(onsets, Onsets):
            if not any(onsets.label):
                return onsets
            time_s = onsets.time_s
        elif isinstance(notes, Notes):
            time_s = notes.onset_s
        else:
            return None
        return Onsets.make(merged(time_s, self.protocol["merge_s"]))

    def times(self, onsets: Annotation) -> list[Floats]:
        assert isinstance(onsets, Onsets)
        return [onsets.time_s]

    def onsets(self, times_s: Sequence[Floats]) -> Onsets:
        return Onsets.make(times_s[0])

    def score(self, reference: Annotation, estimate: Annotation) -> dict[str, float]:
        (reference_s,), (estimate_s,) = self.times(reference), self.times(estimate)
        counts = count(reference_s, estimate_s, self.protocol["window_s"])
        return {f"onset/{name}": value for name, value in counts.ratios(EMPTY[self.protocol["empty"]]).items()}

    def marks(self, reference: Annotation, estimate: Annotation) -> list[Mark]:
        (reference_s,), (estimate_s,) = self.times(reference), self.times(estimate)
        return marks(reference_s, estimate_s, self.protocol["window_s"])
