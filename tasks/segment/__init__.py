"""The sections of a piece: where they begin, and which are alike."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from ricercar.checks import check_between, check_choice, check_positive, check_whole
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.hierarchy import Hierarchy
from ricercar.data.annotations.segments import Segments
from ricercar.models.head import Output
from ricercar.tasks.marks import Mark
from ricercar.tasks.scale import SHARE, Scale
from ricercar.tasks.scoring import Baseline
from ricercar.tasks.segment.baselines import of_novelty, regular, single
from ricercar.tasks.segment.decoding import DECODERS, SegmentDecoder
from ricercar.tasks.segment.scoring import SegmentScoring
from ricercar.tasks.shared.frames import class_shares, in_frames, painted, share_cross_entropy, triangles
from ricercar.tasks.shared.options import ABOVE_0, check_names, checked_decoding, checked_tuning
from ricercar.tasks.shared.search import best
from ricercar.tasks.task import Task

_DECODING = {"threshold": (0, 1), "window_s": ABOVE_0, "kernel_s": ABOVE_0, "label_distance": (0, 1)}
_SPLIT_S = 1e-3  # borders that are nearer to each other, or to 0 s, are one


class Segment(Task):
    """Borders and labels per frame; the label's words are those of the training split.

    boundary   triangle around each inner border, as a widened target (Ullrich, Schlueter and Grill 2014, Boundary
               detection in music structure analysis using convolutional neural networks)
    label      softmax over the `num_labels` labels with the most time in training, whatever their case

    References are hierarchies, of one level where a track has segments only; the protocol's level is learned.
    segment/...     mir_eval's, of that level. The primary one is the F-measure within 0.5 s: within 3 s a regular grid
                    finds most borders where sections are short
    hierarchy/...   mir_eval's, of all levels; NaN where the reference has one. An estimate may have any number
    """

    annotation = Hierarchy
    scales: ClassVar[Mapping[Scale, str]] = {SHARE: "segment/Label_accuracy"}
    baselines: ClassVar[Mapping[str, Baseline]] = {"single": single, "regular": regular, "novelty": of_novelty}

    def __init__(
        self,
        *,
        num_labels: int,
        half_width_s: float,
        weights: Mapping[str, float],
        positive_weight: float,
        prior: float,
        decoder: str,
        decoding: Mapping[str, float],
        tuning: Mapping[str, Sequence[float]],
        protocol: Mapping[str, Any],
    ) -> None:
        check_whole(**{"task.num_labels": num_labels})
        check_positive(**{"task.half_width_s": half_width_s, "task.positive_weight": positive_weight})
        check_between(1e-6, 1 - 1e-6, **{"task.prior": prior})
        check_choice(DECODERS, **{"task.decoder": decoder})
        check_names("task.weights", weights, ("boundary", "label"))
        check_between(0, float("inf"), **{f"task.weights.{name}": weight for name, weight in weights.items()})
        self.num_labels = num_labels
        self.half_width_s = half_width_s
        self.weights = dict(weights)
        self.positive_weight = positive_weight
        self.decoder = decoder
        self.decoding = checked_decoding(decoding, _DECODING)
        self.tuning = checked_tuning(tuning, _DECODING)
        self.scoring = SegmentScoring(protocol)
        self.protocol = self.scoring.protocol
        window_s, wide_s = self.scoring.windows_s
        self.primary = f"segment/F-measure@{window_s}"
        self.shown = (f"segment/F-measure@{wide_s}", "segment/Pairwise_F-measure", "segment/V-measure")
        self._boundary = Output(size=1, prior=prior)
        self._untuned = dict(self.decoding)
        self.restore(())

    def reference(self, annotations: Mapping[str, Annotation]) -> Hierarchy | None:
        """The track's hierarchy, or its segments as the only level; these also where functions are asked for."""
        hierarchy, segments = annotations.get("hierarchy"), annotations.get("segments")
        assert hierarchy is None or isinstance(hierarchy, Hierarchy)
        assert segments is None or isinstance(segments, Segments)
        wanted = hierarchy is None or self.scoring.of_functions
        return Hierarchy.flat(segments) if wanted and segments is not None else hierarchy

    def fit(self, annotations: Sequence[Annotation]) -> None:
        seconds: dict[str, float] = {}
        for annotation in annotations:
            segments = self._segments(annotation)
            for label, duration_s in zip(segments.label, segments.end_s - segments.start_s, strict=True):
                seconds[label.casefold()] = seconds.get(label.casefold(), 0.0) + float(duration_s)
        self.restore(sorted(seconds, key=lambda label: (-seconds[label], label))[: self.num_labels])

    def restore(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = tuple(vocabulary)
        self.outputs: dict[str, Output] = {
            "boundary": self._boundary,
            "label": Output(size=max(len(self.vocabulary), 1)),
        }

    def encode(
        self, annotation: Annotation, start_s: float, num_frames: int, fps: float
    ) -> dict[str, NDArray[np.float32]]:
        """boundary is NaN, unknown, after the end of the last segment."""
        segments = self._segments(annotation)
        words = {word: number for number, word in enumerate(self.vocabulary)}
        classes = np.array([words.get(label.casefold(), -1) for label in segments.label])
        borders = in_frames(_inner_borders_s(segments), start_s, fps)
        target = painted(*triangles(borders, self.half_width_s * fps), num_frames)
        target[np.arange(num_frames) > in_frames(segments.end_s[-1:], start_s, fps)] = np.nan
        labels = class_shares(segments, classes, self.outputs["label"].size, start_s, num_frames, fps)
        return {"boundary": target[:, None], "label": labels}

    def loss(self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor], valid: Tensor) -> dict[str, Tensor]:
        """Mean over the valid frames in which a border, or a label, is known to be or not to be."""
        target = targets["boundary"].float()
        known = valid[..., None] & ~target.isnan()
        each = binary_cross_entropy_with_logits(
            logits["boundary"].float(),
            torch.where(known, target, 0.0),
            pos_weight=target.new_tensor(self.positive_weight),
            reduction="none",
        )
        boundary = torch.where(known, each, 0.0).sum() / known.sum().clamp(min=1)
        label = share_cross_entropy(logits["label"], targets["label"], valid)
        return {"boundary": self.weights["boundary"] * boundary, "label": self.weights["label"] * label}

    def decode(self, logits: Mapping[str, NDArray[np.float32]], fps: float) -> Hierarchy:
        return self._decoder(logits, fps)(self.decoding)

    def tune(self, examples: Sequence[tuple[Annotation, Mapping[str, NDArray[np.float32]]]], fps: float) -> None:
        """Borders by their mean F-measure, one constant after the other, then labels by their mean V-measure. Of
        equally good values the nearest to the present one. Starts from the configured values each time.
        """
        prepared = []
        for reference, logits in examples:
            assert isinstance(reference, Hierarchy)
            prepared.append((reference, self._decoder(logits, fps)))
        self.decoding = dict(self._untuned)
        if not prepared:
            return

        def border_f(decoding: Mapping[str, float]) -> float:
            scores = []
            for reference, decoder in prepared:
                borders_s = np.round(decoder.borders(decoding) / fps, 6)
                segments = Segments(borders_s[:-1], borders_s[1:], ("-",) * (len(borders_s) - 1))
                scores.append(self.scoring.border_f(reference, segments))
            return _mean(scores)

        def v_measure(decoding: Mapping[str, float]) -> float:
            return _mean([self.scoring.v_measure(reference, decoder(decoding)) for reference, decoder in prepared])

        kernel = () if self.decoder == "network" else ("kernel_s",)
        for name in ("threshold", *kernel, "window_s", "threshold"):
            self.decoding = best(self.decoding, {name: self.tuning[name]}, border_f)
        self.decoding = best(self.decoding, {"label_distance": self.tuning["label_distance"]}, v_measure)

    def score(self, reference: Annotation, estimate: Annotation) -> dict[str, float]:
        assert isinstance(reference, Hierarchy)
        assert isinstance(estimate, Hierarchy)
        return self.scoring(reference, estimate)

    def marks(self, reference: Annotation, estimate: Annotation) -> list[Mark]:
        assert isinstance(reference, Hierarchy)
        assert isinstance(estimate, Hierarchy)
        return self.scoring.marks(reference, estimate)

    def _segments(self, annotation: Annotation) -> Segments:
        assert isinstance(annotation, Hierarchy)
        return self.scoring.flat(annotation)

    def _decoder(self, logits: Mapping[str, NDArray[np.float32]], fps: float) -> SegmentDecoder:
        return SegmentDecoder(logits, fps=fps, vocabulary=self.vocabulary or ("A",), decoder=self.decoder)


def _inner_borders_s(segments: Segments) -> NDArray[np.float64]:
    """Where segments begin, and where they end before a gap; neither the start of the track nor its end."""
    times_s = np.unique(np.concatenate([segments.start_s, segments.end_s]))[:-1]
    return times_s[np.diff(times_s, prepend=0.0) > _SPLIT_S]


def _mean(scores: Sequence[float]) -> float:
    """Of those that are not NaN; 0 without any."""
    return float(np.mean([score for score in scores if not np.isnan(score)] or [0.0]))
