"""Chords: which one sounds, and over which bass."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ricercar.checks import check_between
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.chords import Chords
from ricercar.errors import InputError
from ricercar.tasks.chord.baselines import majority, template
from ricercar.tasks.chord.clips import ChordClips
from ricercar.tasks.chord.decoding import decode_chords
from ricercar.tasks.chord.marks import chord_marks
from ricercar.tasks.chord.scoring import GAPS, VOCABULARIES, ChordComparison
from ricercar.tasks.chord.vocabulary import ChordVocabulary, MajMin, Structured
from ricercar.tasks.marks import Mark
from ricercar.tasks.protocol import check_protocol
from ricercar.tasks.scale import SHARE, Scale
from ricercar.tasks.scoring import Baseline
from ricercar.tasks.shared.frames import class_shares, share_cross_entropy
from ricercar.tasks.shared.options import check_names, checked_decoding, checked_tuning
from ricercar.tasks.shared.pooling import CHORD_VOCABULARIES, pooled_chords
from ricercar.tasks.shared.search import best
from ricercar.tasks.task import Task

_DECODING = {"self_transition": (0.5, 1 - 1e-12)}
_PROTOCOL = {
    "incomparable": ("exclude", "mir_eval"),
    "gaps": GAPS,
    "clip_s": None,
    "clip_least_s": None,
    "clip_fps": None,
}


class Chord(Task):
    """A softmax per frame over majmin's 25 chords, or one each over root, quality and bass; see vocabulary.

    Labels X, and what the vocabulary cannot hold, are not learned.
    chord/thirds ... /sevenths_inv              mir_eval's, each by its own rules for comparing two chords
    chord/underseg, /overseg, /seg              mir_eval's, of borders alone
    chord/WCSR_majmin and others                over the time of all tracks together: longer tracks count for more
    chord/frame_accuracy, /pooled_frame_accuracy  where protocol.clip_s says so, of a track and of all tracks: the share
                                                of frames that are right among majmin's 25 chords (see clips.py)
    """

    annotation = Chords
    primary = "chord/majmin"
    shown = ("chord/root", "chord/majmin_inv", "chord/sevenths", "chord/tetrads", "chord/mirex", "chord/seg")
    scales: ClassVar[Mapping[Scale, str]] = {SHARE: "chord/WCSR_* chord/frame_accuracy chord/pooled_frame_accuracy"}
    baselines: ClassVar[Mapping[str, Baseline]] = {"majority": majority, "template": template}

    def __init__(
        self,
        *,
        vocabulary: str,
        qualities: Sequence[str],
        weights: Mapping[str, float],
        label_smoothing: float,
        decoding: Mapping[str, float],
        tuning: Mapping[str, Sequence[float]],
        protocol: Mapping[str, Any],
    ) -> None:
        check_protocol("chord", protocol, _PROTOCOL)
        if not 0.0 <= label_smoothing < 1.0:
            raise InputError(f"task.label_smoothing={label_smoothing} must be at least 0 and below 1.")
        self.chords = _vocabulary(vocabulary, qualities)
        self.outputs = {name: part for parts in self.chords.softmaxes.values() for name, part in parts.items()}
        self.weights = _weights(weights)
        self.label_smoothing = label_smoothing
        self.decoding = checked_decoding(decoding, _DECODING)
        self.tuning = checked_tuning(tuning, _DECODING)
        self.protocol = dict(protocol)
        self.clips = ChordClips.of(protocol)
        self._untuned = dict(self.decoding)

    def encode(
        self, annotation: Annotation, start_s: float, num_frames: int, fps: float
    ) -> dict[str, NDArray[np.float32]]:
        assert isinstance(annotation, Chords)
        known = {label: self.chords.classes(label) for label in set(annotation.label)}
        targets: dict[str, NDArray[np.float32]] = {}
        for name, parts in self.chords.softmaxes.items():
            classes = np.array([known[label][name] for label in annotation.label])
            shares = class_shares(annotation, classes, self.chords.size(name), start_s, num_frames, fps)
            ends = np.cumsum([part.size for part in parts.values()])[:-1]
            targets |= dict(zip(parts, np.split(shares, ends, axis=1), strict=True))
        return targets

    def loss(self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor], valid: Tensor) -> dict[str, Tensor]:
        """Cross entropy of each softmax, mean over the frames that have a target of it."""
        losses = {}
        for name, parts in self.chords.softmaxes.items():
            output, target = (torch.cat([each[part] for part in parts], dim=-1) for each in (logits, targets))
            losses[name] = self.weights[name] * share_cross_entropy(output, target, valid, self.label_smoothing)
        return losses

    def decode(self, logits: Mapping[str, NDArray[np.float32]], fps: float) -> Chords:
        return decode_chords(self.chords, logits, self.decoding["self_transition"], fps)

    def tune(self, examples: Sequence[tuple[Annotation, Mapping[str, NDArray[np.float32]]]], fps: float) -> None:
        """The self-transition with the best mean majmin; of equally good ones the nearest to the configured."""

        def mean(decoding: Mapping[str, float]) -> float:
            scores = []
            for reference, logits in examples:
                assert isinstance(reference, Chords)
                estimate = decode_chords(self.chords, logits, decoding["self_transition"], fps)
                scores.append(self._comparison(reference, estimate).accuracy("majmin"))
            return float(np.mean([score for score in scores if not np.isnan(score)] or [0.0]))

        self.decoding = dict(self._untuned)
        if examples:
            self.decoding = best(self._untuned, self.tuning, mean)

    def score(self, reference: Annotation, estimate: Annotation) -> dict[str, float]:
        comparison = self._comparison(reference, estimate)
        scores = {name: comparison.accuracy(name) for name in VOCABULARIES}
        if self.protocol["incomparable"] == "mir_eval":
            scores = {name: 0.0 if np.isnan(score) else score for name, score in scores.items()}
        scores |= comparison.segmentation()
        if self.clips is not None:
            right, compared = self.clips.count(*_chords(reference, estimate))
            scores["frame_accuracy"] = right / compared if compared else float("nan")
        return {f"chord/{name}": score for name, score in scores.items()}

    def evidence(self, reference: Annotation, estimate: Annotation) -> dict[str, float]:
        comparison = self._comparison(reference, estimate)
        found = {}
        for name in CHORD_VOCABULARIES:
            found[f"{name}/right_s"], found[f"{name}/compared_s"] = comparison.compared(name)
        if self.clips is not None:
            right, compared = self.clips.count(*_chords(reference, estimate))
            found |= {"frames/right": float(right), "frames/compared": float(compared)}
        return found

    def marks(self, reference: Annotation, estimate: Annotation) -> list[Mark]:
        return chord_marks(self._comparison(reference, estimate))

    def pooled(self, evidence: Sequence[Mapping[str, float]]) -> dict[str, float]:
        return pooled_chords(evidence)

    def _comparison(self, reference: Annotation, estimate: Annotation) -> ChordComparison:
        return ChordComparison(*_chords(reference, estimate), self.protocol["gaps"])


def _chords(reference: Annotation, estimate: Annotation) -> tuple[Chords, Chords]:
    assert isinstance(reference, Chords)
    assert isinstance(estimate, Chords)
    return reference, estimate


def _vocabulary(name: str, qualities: Sequence[str]) -> ChordVocabulary:
    if name == "majmin":
        return MajMin()
    if name == "structured":
        return Structured([str(quality) for quality in qualities])
    raise InputError(f"task.vocabulary={name!r} is not known: choose majmin or structured.")


def _weights(weights: Mapping[str, float]) -> dict[str, float]:
    check_names("task.weights", weights, ("chord", "root", "quality", "bass"))
    for name, weight in weights.items():
        check_between(0, float("inf"), **{f"task.weights.{name}": weight})
    return dict(weights)
