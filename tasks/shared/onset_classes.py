"""Onsets of K classes, each an output of its own: what onset detection (K = 1) and drum transcription share."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from ricercar.checks import check_between, check_positive
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.onsets import Onsets
from ricercar.models.head import Output
from ricercar.tasks.notes.decoding import Peaks, find_peaks
from ricercar.tasks.protocol import check_protocol
from ricercar.tasks.shared.onset_targets import OnsetTargets
from ricercar.tasks.shared.onset_tuning import tune
from ricercar.tasks.shared.options import checked_decoding, checked_tuning
from ricercar.tasks.shared.search import nearest_first
from ricercar.tasks.task import Task

Floats = NDArray[np.float64]

_DECODING = {"threshold": (0, 1), "shift_s": (-1, 1), "min_distance_s": (0, 10)}
PROTOCOL: dict[str, Sequence[str] | None] = {
    "window_s": None,
    "merge_s": None,
    "empty": ("mir_eval", "one", "exclude"),
}


class OnsetClasses(Task):
    """One frame-level output with K columns, binary cross entropy; an onset is a peak of its class's column.

    name              of the output
    classes           K names, in the order of the output; "" where there is one class without a name
    choices           {name: choices} of what the protocol has beside PROTOCOL

    options
    targets, half_width_frames, label_frames   see OnsetTargets
    positive_weight   of a label of 1 over one of 0
    prior             expected mean of the labels, where the output's bias starts
    decoding          {threshold, shift_s, min_distance_s}: peaks of at least `threshold` (each class gets its own in
                      validation), the highest within min_distance_s; shift_s is added to every time. With regression
                      targets the time is the tip of the triangle through the peak and its neighbours
    tuning            {threshold: values that validation tries}
    protocol          window_s: by how much matched onsets differ at most; merge_s: see the tasks; empty: score where
                      neither side has an onset, mir_eval (0), one, exclude (NaN)
    """

    annotation = Onsets
    name: ClassVar[str]
    classes: tuple[str, ...] = ("",)
    choices: ClassVar[Mapping[str, Sequence[str]]] = {}

    def __init__(
        self,
        *,
        targets: str,
        half_width_frames: float,
        label_frames: int,
        positive_weight: float,
        prior: float,
        decoding: Mapping[str, float],
        tuning: Mapping[str, Sequence[float]],
        protocol: Mapping[str, Any],
    ) -> None:
        check_positive(**{"task.positive_weight": positive_weight})
        check_between(1e-6, 1 - 1e-6, **{"task.prior": prior})
        check_protocol(self.name, protocol, PROTOCOL | dict(self.choices))
        self.outputs = {self.name: Output(size=len(self.classes), prior=prior)}
        self.targets = OnsetTargets(kind=targets, half_width_frames=half_width_frames, label_frames=label_frames)
        self.positive_weight = positive_weight
        self.protocol = dict(protocol)
        self._thresholds = [f"threshold_{each}" if each else "threshold" for each in self.classes]
        self.start = checked_decoding(decoding, _DECODING)
        self.tuning = checked_tuning(tuning, {"threshold": _DECODING["threshold"]})
        self._untuned = dict.fromkeys(self._thresholds, self.start["threshold"])
        self._untuned |= {name: self.start[name] for name in ("shift_s", "min_distance_s")}
        self.decoding = dict(self._untuned)

    @abstractmethod
    def times(self, onsets: Annotation) -> list[Floats]:
        """-> the sorted times of each class."""

    @abstractmethod
    def onsets(self, times_s: Sequence[Floats]) -> Onsets:
        """The estimate with these times of each class."""

    def encode(
        self, annotation: Annotation, start_s: float, num_frames: int, fps: float
    ) -> dict[str, NDArray[np.float32]]:
        return {self.name: self.targets(self.times(annotation), start_s, num_frames, fps)}

    def loss(self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor], valid: Tensor) -> dict[str, Tensor]:
        """Mean over valid frames and classes."""
        output, target = logits[self.name].float(), targets[self.name].float()
        inside = valid[..., None].expand_as(target).float()
        each = binary_cross_entropy_with_logits(
            output, target, pos_weight=output.new_tensor(self.positive_weight), reduction="none"
        )
        return {self.name: (each * inside).sum() / inside.sum().clamp(min=1.0)}

    def decode(self, logits: Mapping[str, NDArray[np.float32]], fps: float) -> Onsets:
        thresholds = [self.decoding[name] for name in self._thresholds]
        peaks = self._peaks(logits, fps, min(thresholds))
        return self.onsets(
            [
                shifted(peak_s[height >= threshold], self.decoding["shift_s"])
                for (peak_s, height), threshold in zip(peaks, thresholds, strict=True)
            ]
        )

    def tune(self, examples: Sequence[tuple[Annotation, Mapping[str, NDArray[np.float32]]]], fps: float) -> None:
        """Starts from the configured values each time, so that the choice depends on `examples` alone."""
        grid = nearest_first(self.start["threshold"], self.tuning["threshold"])
        prepared = [(self.times(reference), self._peaks(logits, fps, min(grid))) for reference, logits in examples]
        thresholds, shift_s = tune(
            prepared, grid, len(self.classes), self.start["shift_s"], self.protocol["window_s"], self.protocol["empty"]
        )
        self.decoding = self._untuned | dict(zip(self._thresholds, thresholds, strict=True)) | {"shift_s": shift_s}

    def _peaks(
        self, logits: Mapping[str, NDArray[np.float32]], fps: float, threshold: float
    ) -> list[tuple[Floats, Floats]]:
        """-> (times in s, heights) of each class, sorted by time."""
        between = max(1, int(np.ceil(self.decoding["min_distance_s"] * fps - 1e-6)) - 1)
        columns = np.ascontiguousarray(logits[self.name].T)
        peaks: Peaks = find_peaks(columns, threshold, between, self.targets.kind == "regression")
        first = np.searchsorted(peaks.pitch, np.arange(len(self.classes) + 1))
        return [(peaks.time[begin:end] / fps, peaks.height[begin:end]) for begin, end in pairwise(first)]


def shifted(time_s: Floats, shift_s: float) -> Floats:
    """Later by shift_s but not before 0, as written to a file and read back: to the microsecond."""
    times: Floats = np.unique(np.round(np.maximum(time_s + shift_s, 0.0), 6))
    return times
