"""Beats and downbeats."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ricercar.checks import check_choice, check_whole
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.beats import Beats
from ricercar.models.head import Output
from ricercar.tasks.beat import baselines as beat_baselines
from ricercar.tasks.beat.decoding import LIMITS, TrackingDecoder, decode_by_peaks
from ricercar.tasks.beat.scoring import BeatScoring
from ricercar.tasks.beat.targets import BeatLoss, BeatTargets
from ricercar.tasks.beat.tuning import Decode, tune
from ricercar.tasks.marks import Mark
from ricercar.tasks.scale import SHARE, Scale
from ricercar.tasks.scoring import Baseline
from ricercar.tasks.shared.options import check_names, check_output, checked_decoding, checked_tuning
from ricercar.tasks.shared.pooling import evidence_of, pooled_beats
from ricercar.tasks.task import Task

# What validation tries values of, by decoder.
DECODERS = {
    "tracking": ("threshold", "downbeat_threshold", "tempo_inertia"),
    "peaks": ("threshold", "downbeat_threshold"),
}
_OUTPUTS = ("beat", "downbeat")


class Beat(Task):
    """Two outputs per frame, scored by mir_eval.beat. See targets, decoding, tracking and scoring.

    outputs   {beat, downbeat: {weight, positive_weight, prior}}
    decoder   tracking or peaks; `tracking` and neighbourhood_frames are the options of the one and the other
    tuning    {decoder: {decoding constant: values that validation tries}}

    Where the positions of beats are unknown nothing is learned about downbeats.
    """

    annotation = Beats
    primary = "beat/F-measure"
    shown: tuple[str, ...] = (
        "downbeat/F-measure",
        "beat/Correct_Metric_Level_Total",
        "beat/Any_Metric_Level_Total",
        "beat/Cemgil",
        "beat/Information_gain",
    )
    scales: ClassVar[Mapping[Scale, str]] = {SHARE: "beat/pooled_F-measure downbeat/pooled_F-measure"}
    baselines: ClassVar[Mapping[str, Baseline]] = {
        "grid": beat_baselines.grid,
        "autocorrelation": beat_baselines.autocorrelation,
    }

    def __init__(
        self,
        *,
        outputs: Mapping[str, Mapping[str, float]],
        targets: str,
        half_width_frames: float,
        loss: str,
        tolerance_frames: int,
        decoder: str,
        neighbourhood_frames: int,
        tracking: Mapping[str, Any],
        decoding: Mapping[str, float],
        tuning: Mapping[str, Mapping[str, Sequence[float]]],
        protocol: Mapping[str, Any],
    ) -> None:
        check_names("task.outputs", outputs, _OUTPUTS)
        for name, part in outputs.items():
            check_output(f"task.outputs.{name}", dict(part))
        check_choice(DECODERS, **{"task.decoder": decoder})
        check_whole(1, **{"task.neighbourhood_frames": neighbourhood_frames})
        check_names("task.tuning", tuning, tuple(DECODERS))
        self.parts = {name: dict(outputs[name]) for name in _OUTPUTS}
        self.outputs = {name: Output(size=1, prior=part["prior"]) for name, part in self.parts.items()}
        self.targets = BeatTargets(kind=targets, half_width_frames=half_width_frames)
        self.criterion = BeatLoss(
            kind=loss, tolerance_frames=tolerance_frames, least_at_beat=self.targets.least_at_beat
        )
        self.decoder = decoder
        self.neighbourhood_frames = neighbourhood_frames
        self.tracking = TrackingDecoder(tracking)
        self.decoding = checked_decoding(decoding, LIMITS)
        self.tuning = {
            name: checked_tuning(tuning[name], {each: LIMITS[each] for each in tuned}, f"task.tuning.{name}")
            for name, tuned in DECODERS.items()
        }[decoder]
        self.protocol = dict(protocol)
        self.scoring = BeatScoring(self.protocol)
        if self.scoring.clips is not None:
            self.primary, self.shown = "beat/pooled_F-measure", ("downbeat/pooled_F-measure", "beat/F-measure")
        self._untuned = dict(self.decoding)

    def encode(
        self, annotation: Annotation, start_s: float, num_frames: int, fps: float
    ) -> dict[str, NDArray[np.float32]]:
        """NaN for the downbeat of frames whose nearest beat has an unknown position."""
        assert isinstance(annotation, Beats)
        beat, downbeat = (
            self.targets(time_s, start_s, num_frames, fps) for time_s in (annotation.time_s, annotation.downbeat_s)
        )
        frame_s = np.round(start_s + np.arange(num_frames) / fps, 6)
        downbeat[~annotation.position_known(frame_s)] = np.nan
        return {"beat": beat, "downbeat": downbeat}

    def loss(self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor], valid: Tensor) -> dict[str, Tensor]:
        return {
            name: part["weight"] * self.criterion(logits[name], targets[name], valid, part["positive_weight"])
            for name, part in self.parts.items()
        }

    def decode(self, logits: Mapping[str, NDArray[np.float32]], fps: float) -> Beats:
        return self._decode(logits, fps)(self.decoding)

    def tune(self, examples: Sequence[tuple[Annotation, Mapping[str, NDArray[np.float32]]]], fps: float) -> None:
        """Starts from the configured values each time, so that the choice depends on `examples` alone."""
        prepared = []
        for reference, logits in examples:
            assert isinstance(reference, Beats)
            prepared.append((reference, self._decode(logits, fps)))
        self.decoding = tune(prepared, self.scoring, self._untuned, self.tuning)

    def of_recording(self, reference: Annotation, duration_s: float) -> Annotation:
        assert isinstance(reference, Beats)
        return replace(reference, duration_s=duration_s) if self.scoring.clips is not None else reference

    def evidence(self, reference: Annotation, estimate: Annotation) -> dict[str, float]:
        """-> {matched_beat, reference_beat, estimate_beat and of downbeats: number}, of clips"""
        if self.scoring.clips is None:
            return {}
        assert isinstance(reference, Beats)
        assert isinstance(estimate, Beats)
        return evidence_of(self.scoring.counts(reference, estimate))

    def pooled(self, evidence: Sequence[Mapping[str, float]]) -> dict[str, float]:
        return {} if self.scoring.clips is None else pooled_beats(evidence, self.protocol["empty"])

    def score(self, reference: Annotation, estimate: Annotation) -> dict[str, float]:
        assert isinstance(reference, Beats)
        assert isinstance(estimate, Beats)
        return self.scoring(reference, estimate)

    def marks(self, reference: Annotation, estimate: Annotation) -> list[Mark]:
        assert isinstance(reference, Beats)
        assert isinstance(estimate, Beats)
        return self.scoring.marks(reference, estimate)

    def _decode(self, logits: Mapping[str, NDArray[np.float32]], fps: float) -> Decode:
        beat, downbeat = (logits[name][:, 0].astype(np.float64) for name in _OUTPUTS)
        if self.decoder == "tracking":
            return lambda decoding: self.tracking(beat, downbeat, fps=fps, decoding=decoding)
        return lambda decoding: decode_by_peaks(
            beat, downbeat, fps=fps, neighbourhood_frames=self.neighbourhood_frames, decoding=decoding
        )
