"""mir_eval's metrics of segments, flat and on several levels."""

import re
import warnings
from collections.abc import Mapping
from typing import Any

import mir_eval
import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.hierarchy import Hierarchy
from ricercar.data.annotations.segments import Segments
from ricercar.errors import InputError
from ricercar.metrics.hierarchy import hierarchy_scores
from ricercar.tasks.marks import UNSCORED, Mark
from ricercar.tasks.protocol import EMPTY, check_protocol
from ricercar.tasks.segment.functions import RULES, with_functions
from ricercar.tasks.shared import onset_scoring

LEVELS = ("coarsest", "finest")
HIERARCHY = (
    "T-Precision reduced", "T-Recall reduced", "T-Measure reduced", "T-Precision full", "T-Recall full",
    "T-Measure full", "L-Precision", "L-Recall", "L-Measure",
)  # fmt: skip
_CLUSTERING = (
    "Pairwise Precision", "Pairwise Recall", "Pairwise F-measure", "Rand Index", "Adjusted Rand Index",
    "Mutual Information", "Adjusted Mutual Information", "Normalized Mutual Information", "NCE Over", "NCE Under",
    "NCE F-measure", "V Precision", "V Recall", "V-measure",
)  # fmt: skip
LABEL_ACCURACY = "Label accuracy"  # ours
_NMI = "Normalized Mutual Information"
_NUMBER = re.compile(r" \d+$")  # behind a label that the decoder gives to several groups of sections

Floats = NDArray[np.float64]
Labelled = tuple[Floats, list[str]]


class SegmentScoring:
    """Scores by mir_eval.segment and mir_eval.hierarchy.

    protocol
    level                  of a hierarchy on either side: the one whose segments are compared
    functions              what labels become on both sides: none, as they are; wang_2022, one of seven (functions.py)
    borders                all, or without the first and the last (mir_eval's trim)
    window_s, wide_window_s   how far a border may be off
    frame_size_s           of the metrics of labels
    hierarchy_window_s, hierarchy_frame_size_s   of the T-measures (the L-measures have the frames only)
    empty                  border metrics where neither side has a border: mir_eval (0), one, exclude (NaN)
    The estimate counts from 0 s to the end of the reference; what is missing is a segment of its own (mir_eval's).
    segment/Label_accuracy   ours: the share of frames whose label is that of the reference, whatever the case and the
                             number that the decoder puts behind it (verse 2): for labels of functions, such as verse
                             and chorus, which mean the same in every track
    A reference of fewer than two frames has no metrics of labels (NaN), one of a single level none of hierarchy.
    """

    def __init__(self, protocol: Mapping[str, Any]) -> None:
        check_protocol(
            "segment",
            protocol,
            {
                "level": LEVELS,
                "functions": RULES,
                "borders": ("all", "inner"),
                "window_s": None,
                "wide_window_s": None,
                "frame_size_s": None,
                "hierarchy_window_s": None,
                "hierarchy_frame_size_s": None,
                "empty": ("mir_eval", "one", "exclude"),
            },
        )
        for name in ("frame_size_s", "hierarchy_frame_size_s"):
            if not protocol[name] > 0:
                raise InputError(f"task.protocol.{name}={protocol[name]} must be above 0.")
        for low, high in (("window_s", "wide_window_s"), ("hierarchy_frame_size_s", "hierarchy_window_s")):
            if not protocol[low] < protocol[high]:
                raise InputError(f"task.protocol.{low}={protocol[low]} must be below {high}={protocol[high]}.")
        self.protocol = dict(protocol)
        self.of_functions = protocol.get("functions", "none") != "none"
        self.trim = protocol["borders"] == "inner"
        self.windows_s = (float(protocol["window_s"]), float(protocol["wide_window_s"]))

    def flat(self, hierarchy: Hierarchy) -> Segments:
        """The segments that are compared, with the labels that are."""
        segments = hierarchy.levels[0 if self.protocol["level"] == "coarsest" else -1]
        return with_functions(segments) if self.of_functions else segments

    def __call__(self, reference: Hierarchy, estimate: Hierarchy) -> dict[str, float]:
        with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)  # numpy's, of labels in no frame
            sides = _aligned(self.flat(reference), self.flat(estimate))
            scores = self._borders(*(intervals for intervals, _ in sides)) | self._labels(*sides)
            found = {f"segment/{name}": value for name, value in scores.items()}
            found |= {f"hierarchy/{name}": value for name, value in self._levels(reference, estimate).items()}
            return {name.replace(" ", "_"): value for name, value in found.items()}

    def marks(self, reference: Hierarchy, estimate: Hierarchy) -> list[Mark]:
        """Borders, within window_s, and the sections between them: no label is right or wrong by itself."""
        (ref, _), (est, labels) = _aligned(self.flat(reference), self.flat(estimate))
        sections = zip(est.tolist(), labels, strict=True)
        found = [Mark(start_s, end_s, UNSCORED, label=label) for (start_s, end_s), label in sections]
        return found + onset_scoring.marks(*self._borders_s(ref, est), self.windows_s[0])

    def border_f(self, reference: Hierarchy, estimate: Segments) -> float:
        """F-measure@<window_s> alone."""
        (ref, _), (est, _) = _aligned(self.flat(reference), estimate)
        return self._detection(ref, est, self.windows_s[0])[2]

    def v_measure(self, reference: Hierarchy, estimate: Hierarchy) -> float:
        """V-measure alone."""
        ref, est = _aligned(self.flat(reference), self.flat(estimate))
        if ref[0].max() < 2 * self.protocol["frame_size_s"]:
            return float("nan")
        return float(mir_eval.segment.vmeasure(*ref, *est, frame_size=self.protocol["frame_size_s"])[2])

    def _borders(self, ref: Floats, est: Floats) -> dict[str, float]:
        scores: dict[str, float] = {}
        for window_s in self.windows_s:
            names = [f"{name}@{window_s}" for name in ("Precision", "Recall", "F-measure")]
            scores |= dict(zip(names, self._detection(ref, est, window_s), strict=True))
        there, back = mir_eval.segment.deviation(ref, est, trim=self.trim)
        return scores | {"Ref-to-est deviation": float(there), "Est-to-ref deviation": float(back)}

    def _detection(self, ref: Floats, est: Floats, window_s: float) -> list[float]:
        """Precision, recall and F-measure, as mir_eval.segment.detection."""
        counts = onset_scoring.count(*self._borders_s(ref, est), window_s)
        found = counts.ratios(EMPTY[self.protocol["empty"]])
        return [found[name] for name in ("Precision", "Recall", "F-measure")]

    def _borders_s(self, ref: Floats, est: Floats) -> tuple[Floats, Floats]:
        inner = slice(1, -1) if self.trim else slice(None)
        wanted_s, given_s = (mir_eval.util.intervals_to_boundaries(side)[inner] for side in (ref, est))
        return wanted_s, given_s

    def _labels(self, ref: Labelled, est: Labelled) -> dict[str, float]:
        frame_size = self.protocol["frame_size_s"]
        if ref[0].max() < 2 * frame_size:
            return dict.fromkeys((*_CLUSTERING, LABEL_ACCURACY), float("nan"))
        values = [
            *mir_eval.segment.pairwise(*ref, *est, frame_size=frame_size),
            mir_eval.segment.rand_index(*ref, *est, frame_size=frame_size),
            mir_eval.segment.ari(*ref, *est, frame_size=frame_size),
            *mir_eval.segment.mutual_information(*ref, *est, frame_size=frame_size),
            *mir_eval.segment.nce(*ref, *est, frame_size=frame_size),
            *mir_eval.segment.vmeasure(*ref, *est, frame_size=frame_size),
        ]
        scores = dict(zip(_CLUSTERING, map(float, values), strict=True)) | {LABEL_ACCURACY: _same(ref, est, frame_size)}
        # mir_eval's comes out as -1e-5 where a side has one segment.
        return scores | {_NMI: max(scores[_NMI], 0.0)}

    def _levels(self, reference: Hierarchy, estimate: Hierarchy) -> dict[str, float]:
        frame_size, end_s = self.protocol["hierarchy_frame_size_s"], reference.end_s
        if len(reference.levels) == 1 or end_s < 2 * frame_size:
            return dict.fromkeys(HIERARCHY, float("nan"))
        return hierarchy_scores(
            [_spanning(level, end_s) for level in reference.levels],
            [_spanning(level, end_s) for level in estimate.levels],
            self.protocol["hierarchy_window_s"],
            frame_size,
        )


def _aligned(reference: Segments, estimate: Segments) -> tuple[Labelled, Labelled]:
    """Both from 0 s to the end of the reference, as mir_eval.segment.evaluate does it."""
    end_s = float(reference.end_s[-1])
    return _spanning(reference, end_s), _spanning(estimate, end_s)


def _spanning(segments: Segments, end_s: float) -> Labelled:
    inside = segments.start_s < end_s  # mir_eval fails where it is left with an interval of no length
    intervals = np.column_stack([segments.start_s, segments.end_s])[inside]
    labels = [label for label, kept in zip(segments.label, inside, strict=True) if kept]
    found: Labelled = mir_eval.util.adjust_intervals(intervals, labels, t_min=0.0, t_max=end_s)
    return found


def _same(reference: Labelled, estimate: Labelled, frame_size: float) -> float:
    """The share of frames, as mir_eval takes them, with equal labels."""
    sides = [
        mir_eval.util.intervals_to_samples(intervals, labels, sample_size=frame_size)[1]
        for intervals, labels in (reference, estimate)
    ]
    return float(np.mean([_says(b, a) for a, b in zip(*sides, strict=False)]))


def _says(estimate: str | None, reference: str | None) -> bool:
    """None: in no section."""
    if estimate is None or reference is None:
        return estimate is reference
    told, wanted = estimate.casefold(), reference.casefold()
    return told == wanted or _NUMBER.sub("", told) == wanted
