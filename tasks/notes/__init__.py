"""Transcription of pitched notes: onset, offset, pitch, velocity."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.notes import Notes as NotesAnnotation
from ricercar.errors import InputError
from ricercar.models.head import Output
from ricercar.tasks.marks import Mark
from ricercar.tasks.notes.baselines import common_pitches, spectral_peaks
from ricercar.tasks.notes.decoding import NoteDecoder
from ricercar.tasks.notes.scoring import NoteScoring
from ricercar.tasks.notes.targets import NoteTargets
from ricercar.tasks.notes.tuning import tune
from ricercar.tasks.protocol import ends_s
from ricercar.tasks.scale import LOWER, SHARE, Scale
from ricercar.tasks.scoring import Baseline
from ricercar.tasks.shared.options import ABOVE_0, check_output, check_pitches, checked_decoding, checked_tuning
from ricercar.tasks.task import Task

_OUTPUTS = ("onset", "frame", "offset", "velocity")
_DECODING = {
    "onset_threshold": (0, 1),
    "survival_exponent": (0, 1),
    "offset_weight": (0, 1000),
    "min_duration_s": ABOVE_0,
    "max_duration_s": ABOVE_0,
    "onset_shift_s": (-1, 1),
    "offset_shift_s": (-1, 1),
    "neighbourhood_frames": (1, 1000),
}
_TUNING = {
    name: _DECODING[name] for name in ("onset_threshold", "survival_exponent", "offset_weight", "min_duration_s")
} | {"offset_shift_frames": (-100, 100)}
_VELOCITY_LOSSES = ("cross_entropy", "squared_error")


class Notes(Task):
    """Targets as in Kong et al. 2021 or Hawthorne et al. 2018; scored by mir_eval's transcription and multipitch.

    outputs   {onset, frame, offset, velocity: {weight, positive_weight, prior}}; null leaves one out. There must be
              onset, and frame or offset. Without velocity every estimated note has velocity 64.
    Drums (program 128) are neither learned nor scored. For the rest see targets, decoding and scoring.
    """

    annotation = NotesAnnotation
    primary = "transcription/F-measure_no_offset"
    shown = (
        "transcription/F-measure",
        "transcription_velocity/F-measure",
        "multipitch/F-measure",
        "transcription/Precision_no_offset",
        "transcription/Recall_no_offset",
    )
    scales: ClassVar[Mapping[Scale, str]] = {
        SHARE: "multipitch/F-measure",
        Scale(LOWER, 0.0, 127.0): "velocity/mean_absolute_error",
    }
    baselines: ClassVar[Mapping[str, Baseline]] = {"common_pitches": common_pitches, "spectral_peaks": spectral_peaks}

    def __init__(
        self,
        *,
        lowest_pitch: int,
        num_pitches: int,
        outputs: Mapping[str, Mapping[str, float] | None],
        targets: str,
        half_width_frames: float,
        label_frames: int,
        velocity_loss: str,
        decoding: Mapping[str, float],
        tuning: Mapping[str, Sequence[float]],
        protocol: Mapping[str, Any],
    ) -> None:
        check_pitches(lowest_pitch, num_pitches)
        if velocity_loss not in _VELOCITY_LOSSES:
            raise InputError(
                f"task.velocity_loss={velocity_loss!r} is not known: choose {' or '.join(_VELOCITY_LOSSES)}."
            )
        self.lowest_pitch = lowest_pitch
        self.parts = {name: dict(part) for name, part in outputs.items() if part is not None}
        _check_outputs(self.parts)
        self.outputs = {
            name: Output(size=num_pitches, lowest_pitch=lowest_pitch, prior=part["prior"])
            for name, part in self.parts.items()
        }
        self.targets = NoteTargets(
            kind=targets,
            half_width_frames=half_width_frames,
            label_frames=label_frames,
            lowest_pitch=lowest_pitch,
            num_pitches=num_pitches,
        )
        self.velocity_loss = velocity_loss
        self.decoding = checked_decoding(decoding, _DECODING)
        self.tuning = checked_tuning(tuning, _TUNING)
        self.protocol = dict(protocol)
        self.scoring = NoteScoring(self.protocol)
        self._untuned = dict(self.decoding)

    def encode(
        self, annotation: Annotation, start_s: float, num_frames: int, fps: float
    ) -> dict[str, NDArray[np.float32]]:
        assert isinstance(annotation, NotesAnnotation)
        margin_s = (self.targets.reach + 1) / fps
        notes = annotation.between(start_s - margin_s, start_s + num_frames / fps + margin_s)
        targets = self.targets(notes, ends_s(notes, self.protocol["pedal"]), start_s, num_frames, fps)
        return {name: targets[name] for name in self.outputs}

    def loss(self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor], valid: Tensor) -> dict[str, Tensor]:
        """Mean over valid frames and pitches; velocity: over the cells with an onset label."""
        inside = valid[..., None].expand_as(targets["onset"]).float()
        losses = {}
        for name, part in self.parts.items():
            output, target = logits[name].float(), targets[name].float()
            cells = inside if name != "velocity" else inside * (targets["onset"] > 0)
            if name == "velocity" and self.velocity_loss == "squared_error":
                each = mse_loss(output.sigmoid(), target, reduction="none")
            else:
                positive_weight = output.new_tensor(part["positive_weight"])
                each = binary_cross_entropy_with_logits(output, target, pos_weight=positive_weight, reduction="none")
            losses[name] = part["weight"] * (each * cells).sum() / cells.sum().clamp(min=1.0)
        return losses

    def decode(self, logits: Mapping[str, NDArray[np.float32]], fps: float) -> NotesAnnotation:
        return self._decoder(logits, fps, self.decoding["onset_threshold"])(self.decoding)

    def tune(self, examples: Sequence[tuple[Annotation, Mapping[str, NDArray[np.float32]]]], fps: float) -> None:
        """Starts from the configured values each time, so that the choice depends on `examples` alone."""
        prepared = []
        lowest = min([self._untuned["onset_threshold"], *self.tuning["onset_threshold"]])
        for reference, logits in examples:
            assert isinstance(reference, NotesAnnotation)
            decoder = self._decoder(logits, fps, lowest)
            prepared.append((self.scoring.pitched(reference), decoder))
        self.decoding = tune(prepared, self.scoring, self._untuned, self.tuning, fps)

    def score(self, reference: Annotation, estimate: Annotation) -> dict[str, float]:
        assert isinstance(reference, NotesAnnotation)
        assert isinstance(estimate, NotesAnnotation)
        return self.scoring(reference, estimate)

    def marks(self, reference: Annotation, estimate: Annotation) -> list[Mark]:
        assert isinstance(reference, NotesAnnotation)
        assert isinstance(estimate, NotesAnnotation)
        return self.scoring.marks(reference, estimate)

    def _decoder(self, logits: Mapping[str, NDArray[np.float32]], fps: float, onset_threshold: float) -> NoteDecoder:
        return NoteDecoder(
            logits,
            fps=fps,
            lowest_pitch=self.lowest_pitch,
            between_frames=self.targets.kind == "regression",
            neighbourhood_frames=int(self.decoding["neighbourhood_frames"]),
            lowest_onset_threshold=onset_threshold,
        )


def _check_outputs(parts: Mapping[str, Mapping[str, float]]) -> None:
    for name, part in parts.items():
        if name not in _OUTPUTS:
            raise InputError(f"task.outputs.{name} is not known: choose among {', '.join(_OUTPUTS)}.")
        check_output(f"task.outputs.{name}", part)
    if "onset" not in parts or not {"frame", "offset"} & set(parts):
        raise InputError(f"task.outputs has {', '.join(parts) or 'nothing'}: onset, and frame or offset, are needed.")
