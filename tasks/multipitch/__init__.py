"""Several fundamental frequencies at a time."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from ricercar.checks import check_between, check_positive, check_whole
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.frequencies import hz_to_midi, midi_to_hz
from ricercar.data.annotations.multipitch import Multipitch as MultipitchAnnotation
from ricercar.data.annotations.notes import Notes
from ricercar.models.head import Output
from ricercar.tasks.marks import Mark
from ricercar.tasks.multipitch.baselines import constant, spectral_peaks
from ricercar.tasks.multipitch.scoring import f_measure, multipitch_marks, score_multipitch
from ricercar.tasks.multipitch.targets import from_notes, note_targets, row_targets
from ricercar.tasks.protocol import check_protocol, ends_s, of_nothing
from ricercar.tasks.scale import SHARE, Scale
from ricercar.tasks.scoring import Baseline
from ricercar.tasks.shared.frames import row_frames
from ricercar.tasks.shared.options import check_pitches, checked_decoding, checked_tuning
from ricercar.tasks.shared.search import best
from ricercar.tasks.task import Task

MOST_PITCHES = 5

_DECODING = {"threshold": (0.0, 1.0), "tuning_cents": (-100.0, 100.0)}
_PROTOCOL = {
    "window_semitones": None,
    "hop_s": None,
    "pedal": ("extend", "ignore"),
    "empty": ("mir_eval", "one", "exclude"),
}


class Multipitch(Task):
    """A sigmoid per semitone: whether it sounds. Estimated frequencies are those of the semitones.

    The reference is the track's multipitch annotation, or else its notes without drums, every hop_s seconds: a note
    sounds where onset <= t < offset. A network is trained on the notes themselves.

    multipitch/F-measure ranks systems: what papers on transcription call the frame-level F. Precision and recall sum
    over the frames of a track, so that mir_eval's Accuracy, F / (2 - F), ranks the estimates of a track the same way.
    Where no reference and no estimate has a frequency, protocol.empty decides: mir_eval 0, one 1 (errors 0),
    exclude NaN.
    """

    annotation = MultipitchAnnotation
    primary = "multipitch/F-measure"
    shown = (
        "multipitch/Accuracy",
        "multipitch/Precision",
        "multipitch/Recall",
        "multipitch/Chroma_Accuracy",
        "multipitch/Total_Error",
    )
    scales: ClassVar[Mapping[Scale, str]] = {SHARE: "multipitch/F-measure"}
    baselines: ClassVar[Mapping[str, Baseline]] = {"constant": constant, "spectral_peaks": spectral_peaks}

    def __init__(
        self,
        *,
        lowest_pitch: int,
        num_pitches: int,
        prior: float,
        positive_weight: float,
        rows_per_frame: int,
        decoding: Mapping[str, float],
        tuning: Mapping[str, Sequence[float]],
        protocol: Mapping[str, Any],
    ) -> None:
        check_pitches(lowest_pitch, num_pitches)
        check_whole(**{"task.rows_per_frame": rows_per_frame})
        check_between(1e-6, 1 - 1e-6, **{"task.prior": prior})
        check_positive(**{"task.positive_weight": positive_weight})
        check_protocol("multipitch", protocol, _PROTOCOL)
        check_between(0.001, 1, **{"task.protocol.hop_s": protocol["hop_s"]})
        check_between(0, 2, **{"task.protocol.window_semitones": protocol["window_semitones"]})
        self.lowest_pitch = lowest_pitch
        self.num_pitches = num_pitches
        self.outputs = {"frame": Output(size=num_pitches, lowest_pitch=lowest_pitch, prior=prior)}
        self.positive_weight = positive_weight
        self.rows_per_frame = rows_per_frame
        self.decoding = checked_decoding(decoding, _DECODING)
        self.tuning = checked_tuning(tuning, {"threshold": _DECODING["threshold"]})
        self.protocol = dict(protocol)
        self._untuned = dict(self.decoding)

    def reference(self, annotations: Mapping[str, Annotation]) -> MultipitchAnnotation | None:
        found = self.training_annotation(annotations)
        if isinstance(found, Notes):
            return from_notes(found, ends_s(found, self.protocol["pedal"]), self.protocol["hop_s"])
        return found

    def training_annotation(self, annotations: Mapping[str, Annotation]) -> MultipitchAnnotation | Notes | None:
        found = annotations.get(MultipitchAnnotation.name, annotations.get(Notes.name))
        assert found is None or isinstance(found, MultipitchAnnotation | Notes)
        return found

    def encode(
        self, annotation: Annotation, start_s: float, num_frames: int, fps: float
    ) -> dict[str, NDArray[np.float32]]:
        pitches = (self.lowest_pitch, self.num_pitches)
        if isinstance(annotation, Notes):
            near = annotation.between(start_s - 1 / fps, start_s + (num_frames + 1) / fps)
            return {
                "frame": note_targets(near, ends_s(near, self.protocol["pedal"]), start_s, num_frames, fps, *pitches)
            }
        assert isinstance(annotation, MultipitchAnnotation)
        return {"frame": row_targets(annotation, start_s, num_frames, fps, *pitches)}

    def loss(self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor], valid: Tensor) -> dict[str, Tensor]:
        """Mean over valid frames and semitones."""
        output = logits["frame"].float()
        each = binary_cross_entropy_with_logits(
            output, targets["frame"].float(), pos_weight=output.new_tensor(self.positive_weight), reduction="none"
        )
        return {"frame": (each.mean(dim=-1) * valid).sum() / valid.sum().clamp(min=1)}

    def decode(self, logits: Mapping[str, NDArray[np.float32]], fps: float) -> MultipitchAnnotation:
        return self._decoded(self._rows(logits), self.decoding, fps)

    def tune(self, examples: Sequence[tuple[Annotation, Mapping[str, NDArray[np.float32]]]], fps: float) -> None:
        """The threshold by the mean F, then the tuning of the references if that is better; from the configured values.

        Of equally good values the nearest to the configured one. Thresholds that give more than MOST_PITCHES times as
        many pitches as there are stay out: their F is low, and an untrained network would keep validation waiting.
        """
        self.decoding = dict(self._untuned)
        prepared = [(reference, self._rows(logits)) for reference, logits in examples]
        if not prepared:
            return

        most = MOST_PITCHES * np.mean([_pitches_per_row(reference) for reference, _ in examples])

        def mean(decoding: Mapping[str, float]) -> float:
            if np.mean([(rows >= decoding["threshold"]).sum() / len(rows) for _, rows in prepared]) > most:
                return -1.0
            return float(np.mean([self._f(a, self._decoded(rows, decoding, fps)) for a, rows in prepared]))

        found = best(self._untuned, {"threshold": self.tuning["threshold"]}, mean)
        tuned = found | {"tuning_cents": tuning_cents([reference for reference, _ in examples])}
        self.decoding = tuned if mean(tuned) > mean(found) else found

    def score(self, reference: Annotation, estimate: Annotation) -> dict[str, float]:
        assert isinstance(reference, MultipitchAnnotation)
        assert isinstance(estimate, MultipitchAnnotation)
        scores = score_multipitch(reference, estimate, self.protocol["window_semitones"])
        both_empty = not len(reference.frequency_hz) and not len(estimate.frequency_hz)
        return of_nothing(scores, self.protocol["empty"]) if both_empty else scores

    def marks(self, reference: Annotation, estimate: Annotation) -> list[Mark]:
        assert isinstance(reference, MultipitchAnnotation)
        assert isinstance(estimate, MultipitchAnnotation)
        return multipitch_marks(reference, estimate, self.protocol["window_semitones"])

    def _f(self, reference: Annotation, estimate: MultipitchAnnotation) -> float:
        assert isinstance(reference, MultipitchAnnotation)
        return f_measure(reference, estimate, self.protocol["window_semitones"])

    def _rows(self, logits: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """(T, P) logits -> (R, P) probabilities at the rows of an estimate, between frames in proportion."""
        frame = expit(logits["frame"])
        last = len(frame) - 1
        at = np.minimum(row_frames(len(frame), self.rows_per_frame), last)
        before = at.astype(np.int64)
        share = (at - before).astype(np.float32)[:, None]
        between: NDArray[np.float32] = frame[before] * (1 - share) + frame[np.minimum(before + 1, last)] * share
        return between

    def _decoded(self, rows: NDArray[np.float32], decoding: Mapping[str, float], fps: float) -> MultipitchAnnotation:
        row, pitch = np.nonzero(rows >= decoding["threshold"])
        pitches = np.arange(self.lowest_pitch, self.lowest_pitch + self.num_pitches, dtype=np.float64)
        # As written to a file and read back: to the microsecond and the microhertz.
        frequency_hz = np.round(midi_to_hz(pitches + decoding["tuning_cents"] / 100), 6)
        return MultipitchAnnotation(
            time_s=np.round(np.arange(len(rows)) / (self.rows_per_frame * fps), 6),
            count=np.bincount(row, minlength=len(rows)),
            frequency_hz=frequency_hz[pitch],
        )


def _pitches_per_row(annotation: Annotation) -> float:
    assert isinstance(annotation, MultipitchAnnotation)
    return len(annotation.frequency_hz) / max(len(annotation), 1)


def tuning_cents(references: Sequence[Annotation]) -> float:
    """The median deviation of all frequencies from the nearest semitone of A4 = 440 Hz."""
    deviations = [np.zeros(1)]
    for reference in references:
        assert isinstance(reference, MultipitchAnnotation)
        midi = hz_to_midi(reference.frequency_hz)
        deviations.append(midi - np.rint(midi))
    return round(100 * float(np.median(np.concatenate(deviations))), 3)
