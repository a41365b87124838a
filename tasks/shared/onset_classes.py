"""Onsets of several classes: what the tasks onset and drums share, from targets to the choice of thresholds."""

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
from ricercar.tasks.protocol import EMPTY, check_protocol
from ricercar.tasks.shared.frames import check_targets, in_frames, painted, triangles
from ricercar.tasks.shared.onset_scoring import count, matched
from ricercar.tasks.shared.options import checked_decoding, checked_tuning
from ricercar.tasks.shared.pooling import Counts
from ricercar.tasks.shared.search import Decoding, nearest_first, on_time
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


class OnsetTargets:
    """Times of K classes -> (T, K) float32 in [0, 1].

    kind regression   max(0, 1 - |dt| / J) around the exact time, dt in frames, J = half_width_frames (Kong et al. 2021,
                      High-resolution piano transcription, equation 1); of two onsets the higher value
    kind binary       1 in `label_frames` frames from the one nearest to the onset
    """

    def __init__(self, *, kind: str, half_width_frames: float, label_frames: int) -> None:
        check_targets(kind, half_width_frames, label_frames)
        self.kind = kind
        self.half_width = half_width_frames
        self.label_frames = label_frames

    def __call__(
        self, times_s: Sequence[NDArray[np.float64]], start_s: float, num_frames: int, fps: float
    ) -> NDArray[np.float32]:
        """times_s: one sorted array for each class."""
        target = np.zeros((num_frames, len(times_s)), dtype=np.float32)
        for column, time_s in enumerate(times_s):
            time = in_frames(time_s, start_s, fps)
            if self.kind == "regression":
                frame, height = triangles(time, self.half_width)
            else:
                frame = np.floor(time + 0.5)[:, None] + np.arange(self.label_frames)
                height = np.ones(frame.shape)
            target[:, column] = painted(frame, height, num_frames)
        return target


Ints = NDArray[np.int64]

# Reference times of each class, and (times, heights) of each class's peaks.
Example = tuple[Sequence[Floats], Sequence[tuple[Floats, Floats]]]

_MOST_ROUNDS = 3


def tune(
    examples: Sequence[Example], grid: Sequence[float], num_classes: int, shift_s: float, window_s: float, empty: str
) -> tuple[list[float], float]:
    """-> (threshold of each class, shift) with the best mean F of the tracks, where all classes count together.

    First one threshold of `grid` for all classes, then each class's own in turn while that helps; of equally good ones
    the first. Then the shift that takes the median lateness from all onsets, unless that costs F. Where nothing is
    found, the thresholds are the first of `grid`, and the shift stays.
    """
    counted = [[_counts(each, k, grid, shift_s, window_s) for k in range(num_classes)] for each in examples]
    # (tracks, classes, thresholds, 3); the matched, the reference's and the estimate's number
    numbers = np.array(counted, dtype=np.int64).reshape(len(examples), num_classes, len(grid), 3)

    def mean_f(choice: Ints) -> float:
        return round(_mean_f(numbers[:, np.arange(num_classes), choice].sum(axis=1), empty), 9)

    best = max((np.full(num_classes, number) for number in range(len(grid))), key=mean_f)
    if not mean_f(best) > 0:  # 0, or NaN: no track has a score
        return [grid[0]] * num_classes, shift_s
    for _ in range(_MOST_ROUNDS if num_classes > 1 else 0):
        before = best
        for k in range(num_classes):
            best = max((np.where(np.arange(num_classes) == k, number, best) for number in range(len(grid))), key=mean_f)
        if (best == before).all():
            break
    thresholds = [grid[number] for number in best]

    def moved_f(decoding: Decoding) -> float:
        moved = [_together(each, thresholds, decoding["shift_s"], window_s) for each in examples]
        return _mean_f(np.array([[each.matched, each.reference, each.estimate] for each in moved]), empty)

    pairs = [
        matched(example[0][k], _estimate(example, k, threshold, shift_s), window_s)
        for example in examples
        for k, threshold in enumerate(thresholds)
    ]
    return thresholds, on_time({"shift_s": shift_s}, "shift_s", pairs, moved_f)["shift_s"]


def _mean_f(numbers: Ints, empty: str) -> float:
    """(tracks, 3) -> mean F; 0 where no track has one."""
    matched, both = numbers[:, 0], numbers[:, 1] + numbers[:, 2]
    f_measure = np.where(both > 0, 2 * matched / np.maximum(both, 1), EMPTY[empty])
    scored = f_measure[~np.isnan(f_measure)]
    return float(scored.mean()) if len(scored) else 0.0


def _estimate(example: Example, k: int, threshold: float, shift_s: float) -> Floats:
    peak_s, height = example[1][k]
    return np.maximum(peak_s[height >= threshold] + shift_s, 0.0)


def _counts(example: Example, k: int, thresholds: Sequence[float], shift_s: float, window_s: float) -> list[list[int]]:
    """-> for each threshold, the numbers of one class of one track."""
    found = [count(example[0][k], _estimate(example, k, each, shift_s), window_s) for each in thresholds]
    return [[each.matched, each.reference, each.estimate] for each in found]


def _together(example: Example, thresholds: Sequence[float], shift_s: float, window_s: float) -> Counts:
    estimates = [_estimate(example, k, threshold, shift_s) for k, threshold in enumerate(thresholds)]
    counts = [count(a, b, window_s) for a, b in zip(example[0], estimates, strict=True)]
    return sum(counts, Counts(0, 0, 0))
