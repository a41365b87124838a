"""Transcription of several instruments and drums: onset, offset, pitch, program."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from ricercar.checks import check_whole
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.notes import DRUMS, UNKNOWN_PROGRAM, Notes
from ricercar.errors import InputError
from ricercar.models.head import Output
from ricercar.tasks.instruments.baselines import commonest, peaks, silence
from ricercar.tasks.instruments.decoding import DRUM_S, InstrumentDecoder
from ricercar.tasks.instruments.scoring import InstrumentScoring
from ricercar.tasks.instruments.tuning import tune
from ricercar.tasks.marks import Mark
from ricercar.tasks.notes.targets import NoteTargets
from ricercar.tasks.protocol import ends_s
from ricercar.tasks.scale import COUNT, SHARE, Scale
from ricercar.tasks.scoring import Baseline
from ricercar.tasks.shared.options import (
    ABOVE_0,
    check_names,
    check_output,
    check_pitches,
    check_programs,
    checked_decoding,
    checked_tuning,
)
from ricercar.tasks.task import Task

_PARTS = ("onset", "frame", "drums")
_DECODING = {
    "threshold": (0, 1),
    "survival_exponent": (0, 1),
    "min_duration_s": ABOVE_0,
    "max_duration_s": ABOVE_0,
    "onset_shift_s": (-1, 1),
    "neighbourhood_frames": (1, 1000),
}


class Instruments(Task):
    """For each class of instruments the onsets and frames of every pitch, and the onsets of some drum sounds.

    classes   {name: programs}. An estimate has the first program of its class, velocity 64
    drums     General MIDI numbers of drum sounds, an output each; [] leaves drums out
    outputs   {onset, frame, drums: {weight, positive_weight, prior}}: of all classes alike
    Notes of other programs, drum sounds and pitches are not learned, and missed in scoring (see scoring). A
    track with a note of unknown program has no reference. Targets are those of notes (regression), and so is the
    decoding. A class's loss is the mean over valid frames and pitches, and the classes' are summed:
    a note counts as much as in a task of one class.
    """

    annotation = Notes
    primary = "multi_instrument/F-measure_onset"
    shown = (
        "multi_instrument/F-measure_onset_offset",
        "transcription/F-measure_no_offset",
        "drums/F-measure",
        "multi_instrument/Precision_onset",
        "multi_instrument/Recall_onset",
    )
    scales: ClassVar[Mapping[Scale, str]] = {
        SHARE: "multi_instrument/* instrument/F-measure_* instrument/detection_* "
        "drums/F-measure drums/Precision drums/Recall",
        COUNT: "instrument/leakage_ratio",
    }
    baselines: ClassVar[Mapping[str, Baseline]] = {"silence": silence, "commonest": commonest, "peaks": peaks}

    def __init__(
        self,
        *,
        lowest_pitch: int,
        num_pitches: int,
        classes: Mapping[str, Sequence[int]],
        drums: Sequence[int],
        outputs: Mapping[str, Mapping[str, float]],
        half_width_frames: float,
        decoding: Mapping[str, float],
        tuning: Mapping[str, Sequence[float]],
        protocol: Mapping[str, Any],
    ) -> None:
        check_pitches(lowest_pitch, num_pitches)
        _check_classes(classes, drums)
        check_names("task.outputs", outputs, _PARTS)
        for name, part in outputs.items():
            check_output(f"task.outputs.{name}", part)
        self._untuned = checked_decoding(decoding, _DECODING)
        self.tuning = checked_tuning(tuning, {name: _DECODING[name] for name in ("threshold", "survival_exponent")})
        self.parts = {name: dict(part) for name, part in outputs.items()}
        self.classes = {name: tuple(programs) for name, programs in classes.items()}
        self.drums = tuple(drums)
        self.outputs: dict[str, Output] = {
            f"{part}_{name}": Output(size=num_pitches, lowest_pitch=lowest_pitch, prior=self.parts[part]["prior"])
            for part in ("onset", "frame")
            for name in classes
        }
        if drums:
            self.outputs["drums"] = Output(size=len(drums), prior=self.parts["drums"]["prior"])
        shared: dict[str, Any] = {"kind": "regression", "half_width_frames": half_width_frames, "label_frames": 1}
        self.targets = NoteTargets(**shared, lowest_pitch=lowest_pitch, num_pitches=num_pitches)
        self.drum_targets = NoteTargets(**shared, lowest_pitch=0, num_pitches=max(len(drums), 1))
        self.protocol = dict(protocol)
        self.scoring = InstrumentScoring(self.protocol)
        first = {name: programs[0] for name, programs in self.classes.items()}
        self.decoder = InstrumentDecoder(classes=first, drums=drums, lowest_pitch=lowest_pitch)
        threshold = self._untuned.pop("threshold")
        self._untuned |= {f"threshold/{name}": threshold for name in self.decoder.names}
        self.decoding = dict(self._untuned)

    def reference(self, annotations: Mapping[str, Annotation]) -> Notes | None:
        notes = annotations.get(Notes.name)
        assert notes is None or isinstance(notes, Notes)
        return None if notes is None or bool((notes.program == UNKNOWN_PROGRAM).any()) else notes

    def encode(
        self, annotation: Annotation, start_s: float, num_frames: int, fps: float
    ) -> dict[str, NDArray[np.float32]]:
        assert isinstance(annotation, Notes)
        margin_s = (self.targets.reach + 1) / fps
        notes = annotation.between(start_s - margin_s, start_s + num_frames / fps + margin_s)
        offset_s = ends_s(notes, self.protocol["pedal"])
        encoded = {name: np.zeros((num_frames, output.size), dtype=np.float32) for name, output in self.outputs.items()}
        for name, programs in self.classes.items():
            own = np.isin(notes.program, programs)
            if own.any():
                part = Notes.make(notes.onset_s[own], offset_s[own], notes.pitch[own])
                targets = self.targets(part, part.offset_s, start_s, num_frames, fps)
                encoded[f"onset_{name}"], encoded[f"frame_{name}"] = targets["onset"], targets["frame"]
        if self.drums:
            drums = (notes.program == DRUMS)[:, None] & (notes.pitch[:, None] == np.array(self.drums))
            struck, sound = np.nonzero(drums)
            hits = Notes.make(notes.onset_s[struck], notes.onset_s[struck] + DRUM_S, sound)
            encoded["drums"] = self.drum_targets(hits, hits.offset_s, start_s, num_frames, fps)["onset"]
        return encoded

    def loss(self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor], valid: Tensor) -> dict[str, Tensor]:
        """{onset, frame, drums: ()}"""
        losses = {}
        for name, part in self.parts.items():
            keys = [key for key in self.outputs if key.partition("_")[0] == name]
            if not keys:
                continue
            output = torch.stack([logits[key].float() for key in keys], dim=-1)
            target = torch.stack([targets[key].float() for key in keys], dim=-1)
            positive_weight = output.new_tensor(part["positive_weight"])
            each = binary_cross_entropy_with_logits(output, target, pos_weight=positive_weight, reduction="none")
            frames = each.sum(dim=-1).mean(dim=-1)  # (B, T)
            losses[name] = part["weight"] * (frames * valid).sum() / valid.sum().clamp(min=1)
        return losses

    def decode(self, logits: Mapping[str, NDArray[np.float32]], fps: float) -> Notes:
        return self.decoder(logits, fps, self.decoding)

    def tune(self, examples: Sequence[tuple[Annotation, Mapping[str, NDArray[np.float32]]]], fps: float) -> None:
        """Starts from the configured values each time, so that the choice depends on `examples` alone."""
        prepared = []
        for reference, logits in examples:
            assert isinstance(reference, Notes)
            prepared.append((reference, logits))
        self.decoding = tune(prepared, self.decoder, self.scoring, self._untuned, self.tuning, fps)

    def score(self, reference: Annotation, estimate: Annotation) -> dict[str, float]:
        assert isinstance(reference, Notes)
        assert isinstance(estimate, Notes)
        return self.scoring(reference, estimate)

    def marks(self, reference: Annotation, estimate: Annotation) -> list[Mark]:
        assert isinstance(reference, Notes)
        assert isinstance(estimate, Notes)
        return self.scoring.marks(reference, estimate)


def _check_classes(classes: Mapping[str, Sequence[int]], drums: Sequence[int]) -> None:
    if not classes:
        raise InputError("task.classes={} names no instruments: give {name: [programs]}.")
    for name in classes:
        if not re.fullmatch("[a-z0-9_]+", name) or name == "drums":
            raise InputError(f"task.classes.{name}: a name has a-z, 0-9 and _, and drums are in task.drums.")
    check_programs("task.classes", classes)
    for number, pitch in enumerate(drums):
        check_whole(0, **{"task.drums": pitch})
        if pitch > 127 or pitch in drums[:number]:
            raise InputError(
                f"task.drums={list(drums)}: {pitch} {'is above 127' if pitch > 127 else 'is there twice'}."
            )
