"""The tempo of a track."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from ricercar.checks import check_choice, check_positive, check_whole
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.beats import Beats
from ricercar.data.annotations.tempo import Tempo as TempoAnnotation
from ricercar.errors import InputError
from ricercar.models.head import Output
from ricercar.tasks.beat.decoding import LIMITS, TrackingDecoder
from ricercar.tasks.beat.targets import BeatLoss, BeatTargets
from ricercar.tasks.marks import Mark
from ricercar.tasks.scale import SHARE, Scale
from ricercar.tasks.scoring import Baseline
from ricercar.tasks.shared.options import check_names, check_output, checked_decoding, checked_tuning
from ricercar.tasks.shared.search import best
from ricercar.tasks.task import Task
from ricercar.tasks.tempo import baselines as tempo_baselines
from ricercar.tasks.tempo.decoding import TempoBins, decode_activation
from ricercar.tasks.tempo.scoring import TempoScoring, tempo_of

METHODS = ("activations", "classes")
_DECODING = {name: LIMITS[name] for name in ("threshold", "tempo_inertia")}


class Tempo(Task):
    """One tempo, the stronger one, and where there is reason to a second. For scores see scoring.

    method activations   an output per frame, trained on beats; the tempo is that of the beats in it (see decoding)
    method classes       a softmax over tempi of the whole clip (Schreiber and Mueller 2018, A single-step approach to
                         musical tempo estimation using a convolutional neural network)

    A track without a tempo has that of its beats. The primary metric is Acc1: Acc2 also forgives a network, and an
    autocorrelation, for not knowing the beat from its half or its third, so that it tells few systems apart.
    """

    annotation = TempoAnnotation
    primary = "tempo/Acc1"
    shown = ("tempo/Acc2", "tempo/P-score", "tempo/One-correct", "tempo/Both-correct")
    scales: ClassVar[Mapping[Scale, str]] = {SHARE: "tempo/Acc1 tempo/Acc2"}
    baselines: ClassVar[Mapping[str, Baseline]] = {
        "constant": tempo_baselines.constant,
        "autocorrelation": tempo_baselines.autocorrelation,
    }

    def __init__(
        self,
        *,
        method: str,
        min_bpm: float,
        max_bpm: float,
        activations: Mapping[str, Any],
        classes: Mapping[str, Any],
        decoding: Mapping[str, float],
        tuning: Mapping[str, Sequence[float]],
        protocol: Mapping[str, Any],
    ) -> None:
        check_choice(METHODS, **{"task.method": method})
        check_positive(**{"task.min_bpm": min_bpm, "task.max_bpm": max_bpm})
        if min_bpm >= max_bpm:
            raise InputError(f"task.min_bpm={min_bpm} must be below task.max_bpm={max_bpm}.")
        self.method = method
        self._make_activations(min_bpm, max_bpm, activations)
        self._make_classes(min_bpm, max_bpm, classes)
        self._untuned = checked_decoding(decoding, _DECODING)
        self.tuning = checked_tuning(tuning, _DECODING)
        self.protocol = dict(protocol)
        self.scoring = TempoScoring(self.protocol)
        if method == "activations":
            self.outputs = {"beat": Output(size=1, prior=self.part["prior"])}
            self.decoding = dict(self._untuned)
        else:
            self.outputs = {"tempo": Output(size=self.bins.size, clip_level=True)}
            self.decoding = {}

    def _make_activations(self, min_bpm: float, max_bpm: float, options: Mapping[str, Any]) -> None:
        check_names("task.activations", options, ("half_width_frames", "positive_weight", "prior", "pause_cost"))
        self.part = {"weight": 1.0} | {name: options[name] for name in ("positive_weight", "prior")}
        check_output("task.activations", self.part)
        self.targets = BeatTargets(kind="triangle", half_width_frames=options["half_width_frames"])
        self.criterion = BeatLoss(kind="cross_entropy", tolerance_frames=0, least_at_beat=self.targets.least_at_beat)
        self.tracking = TrackingDecoder(
            {
                "min_bpm": min_bpm,
                "max_bpm": max_bpm,
                "beats_per_bar": [1],
                "metre_change_cost": 0.0,
                "pause_cost": options["pause_cost"],
                "tolerance_frames": 1,
            }
        )

    def _make_classes(self, min_bpm: float, max_bpm: float, options: Mapping[str, Any]) -> None:
        check_names("task.classes", options, ("bins_per_octave", "smoothing_bins"))
        check_whole(**{"task.classes.bins_per_octave": options["bins_per_octave"]})
        check_positive(**{"task.classes.smoothing_bins": options["smoothing_bins"]})
        self.bins = TempoBins(min_bpm=min_bpm, max_bpm=max_bpm, **options)

    def reference(self, annotations: Mapping[str, Annotation]) -> TempoAnnotation | None:
        """The tempo, or else that of the beats."""
        if "tempo" in annotations:
            return tempo_of(annotations["tempo"])
        return tempo_of(annotations["beats"]) if "beats" in annotations else None

    def training_annotation(self, annotations: Mapping[str, Annotation]) -> Annotation | None:
        return annotations.get("beats") if self.method == "activations" else self.reference(annotations)

    def encode(
        self, annotation: Annotation, start_s: float, num_frames: int, fps: float
    ) -> dict[str, NDArray[np.float32]]:
        if self.method == "activations":
            assert isinstance(annotation, Beats)
            return {"beat": self.targets(annotation.time_s, start_s, num_frames, fps)}
        tempo = tempo_of(annotation)
        assert tempo is not None
        return {"tempo": self.bins.encode(tempo)}

    def loss(self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor], valid: Tensor) -> dict[str, Tensor]:
        """Binary cross entropy of valid frames, or cross entropy of the classes."""
        if self.method == "activations":
            return {"beat": self.criterion(logits["beat"], targets["beat"], valid, self.part["positive_weight"])}
        return {"tempo": cross_entropy(logits["tempo"].float(), targets["tempo"].float())}

    def decode(self, logits: Mapping[str, NDArray[np.float32]], fps: float) -> TempoAnnotation:
        return self._decode(logits, fps, self.decoding)

    def tune(self, examples: Sequence[tuple[Annotation, Mapping[str, NDArray[np.float32]]]], fps: float) -> None:
        """The threshold, then the inertia, with the best mean Acc1 and then Acc2, from the configured values on.

        Of equally good values the present one, or the first.
        """
        if self.method == "classes":
            return

        def accuracy(decoding: Mapping[str, float]) -> tuple[float, float]:
            scores = [self.score(reference, self._decode(logits, fps, decoding)) for reference, logits in examples]
            acc1, acc2 = (
                float(np.mean([each[f"tempo/{name}"] for each in scores] or [0.0])) for name in ("Acc1", "Acc2")
            )
            return acc1, acc2

        self.decoding = dict(self._untuned)
        for name in ("threshold", "tempo_inertia"):
            self.decoding = best(self.decoding, {name: self.tuning[name]}, accuracy, nearest=False)

    def score(self, reference: Annotation, estimate: Annotation) -> dict[str, float]:
        """Tempi, or beats, whose tempo is taken."""
        a, b = tempo_of(reference), tempo_of(estimate)
        assert a is not None
        assert b is not None
        return self.scoring(a, b)

    def marks(self, reference: Annotation, estimate: Annotation) -> list[Mark]:
        a, b = tempo_of(reference), tempo_of(estimate)
        assert a is not None
        assert b is not None
        return self.scoring.marks(a, b)

    def _decode(
        self, logits: Mapping[str, NDArray[np.float32]], fps: float, decoding: Mapping[str, float]
    ) -> TempoAnnotation:
        if self.method == "classes":
            return self.bins.decode(logits["tempo"])
        beat = logits["beat"][:, 0].astype(np.float64)
        return decode_activation(beat, fps=fps, tracking=self.tracking, decoding=decoding)
