"""The melody: its fundamental frequency, and where there is one."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from ricercar.checks import check_between, check_whole
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.melody import Melody as MelodyAnnotation
from ricercar.models.head import Output
from ricercar.tasks.marks import Mark
from ricercar.tasks.melody.baselines import constant, salience, unvoiced
from ricercar.tasks.melody.decoding import MelodyDecoder
from ricercar.tasks.melody.scoring import MelodyScoring
from ricercar.tasks.melody.targets import melody_targets
from ricercar.tasks.scoring import Baseline
from ricercar.tasks.shared.options import check_pitches, checked_decoding, checked_tuning
from ricercar.tasks.shared.search import best
from ricercar.tasks.task import Task

_DECODING = {"voicing_threshold": (0.0, 1.0), "switch_cost": (0.0, 100.0)}


class Melody(Task):
    """One semitone at most sounds in a frame: a softmax over the semitones and silence, and a deviation for each.

    pitch       logits of the semitones; that of silence is always 0. So there is one output per semitone and nothing
                else, which a network that shares its weights along pitch learns for all pitches at once
    deviation   where the melody is relative to each semitone, learned where it is near (see melody_targets)

    See targets, decoding and scoring beside this.
    """

    annotation = MelodyAnnotation
    primary = "melody/Overall_Accuracy"
    shown = (
        "melody/Raw_Pitch_Accuracy",
        "melody/Raw_Chroma_Accuracy",
        "melody/Voicing_Recall",
        "melody/Voicing_False_Alarm",
    )
    baselines: ClassVar[Mapping[str, Baseline]] = {"constant": constant, "unvoiced": unvoiced, "salience": salience}

    def __init__(
        self,
        *,
        lowest_pitch: int,
        num_pitches: int,
        prior: float,
        deviation_weight: float,
        rows_per_frame: int,
        decoding: Mapping[str, float],
        tuning: Mapping[str, Sequence[float]],
        protocol: Mapping[str, Any],
    ) -> None:
        check_pitches(lowest_pitch, num_pitches)
        check_whole(**{"task.rows_per_frame": rows_per_frame})
        check_between(1e-6, 1 - 1e-6, **{"task.prior": prior})
        check_between(0, float("inf"), **{"task.deviation_weight": deviation_weight})
        self.lowest_pitch = lowest_pitch
        self.num_pitches = num_pitches
        self.outputs = {
            "pitch": Output(size=num_pitches, lowest_pitch=lowest_pitch, prior=prior),
            "deviation": Output(size=num_pitches, lowest_pitch=lowest_pitch),
        }
        self.deviation_weight = deviation_weight
        self.rows_per_frame = rows_per_frame
        self.decoding = checked_decoding(decoding, _DECODING)
        self.tuning = checked_tuning(tuning, _DECODING)
        self.protocol = dict(protocol)
        self.scoring = MelodyScoring(self.protocol)
        self._untuned = dict(self.decoding)

    def encode(
        self, annotation: Annotation, start_s: float, num_frames: int, fps: float
    ) -> dict[str, NDArray[np.float32]]:
        assert isinstance(annotation, MelodyAnnotation)
        return melody_targets(annotation, start_s, num_frames, fps, self.lowest_pitch, self.num_pitches)

    def loss(self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor], valid: Tensor) -> dict[str, Tensor]:
        """Cross entropy, mean over valid frames; of the deviation, mean over valid frames with a melody."""
        target = targets["pitch"].float()
        known = valid & ~target.isnan().any(dim=-1)
        target = target.nan_to_num(0.0) * known[..., None]
        scores = logits["pitch"].float()
        both = torch.cat([torch.zeros_like(scores[..., :1]), scores], dim=-1).log_softmax(dim=-1)
        silence = known.float() - target.sum(dim=-1)
        entropy = -(silence * both[..., 0] + (target * both[..., 1:]).sum(dim=-1))
        deviation = binary_cross_entropy_with_logits(
            logits["deviation"].float(), targets["deviation"].float(), reduction="none"
        )
        return {
            "pitch": entropy.sum() / known.sum().clamp(min=1),
            "deviation": self.deviation_weight * (deviation * target).sum() / target.sum().clamp(min=1.0),
        }

    def decode(self, logits: Mapping[str, NDArray[np.float32]], fps: float) -> MelodyAnnotation:
        return self._decoder(logits, fps)(self.decoding)

    def tune(self, examples: Sequence[tuple[Annotation, Mapping[str, NDArray[np.float32]]]], fps: float) -> None:
        """First the threshold, then the cost, by the mean overall accuracy, from the configured values on each time.

        Of equally good values the nearest to the configured one.
        """
        prepared = [(reference, self._decoder(logits, fps)) for reference, logits in examples]

        def mean(decoding: Mapping[str, float]) -> float:
            return float(np.mean([self._overall_accuracy(a, decoder(decoding)) for a, decoder in prepared]))

        self.decoding = dict(self._untuned)
        if not prepared:
            return
        for name in ("voicing_threshold", "switch_cost"):
            self.decoding = best(self.decoding, {name: self.tuning[name]}, mean)

    def score(self, reference: Annotation, estimate: Annotation) -> dict[str, float]:
        assert isinstance(reference, MelodyAnnotation)
        assert isinstance(estimate, MelodyAnnotation)
        return self.scoring(reference, estimate)

    def marks(self, reference: Annotation, estimate: Annotation) -> list[Mark]:
        assert isinstance(reference, MelodyAnnotation)
        assert isinstance(estimate, MelodyAnnotation)
        return self.scoring.marks(reference, estimate)

    def _overall_accuracy(self, reference: Annotation, estimate: MelodyAnnotation) -> float:
        assert isinstance(reference, MelodyAnnotation)
        return self.scoring.overall_accuracy(reference, estimate)

    def _decoder(self, logits: Mapping[str, NDArray[np.float32]], fps: float) -> MelodyDecoder:
        return MelodyDecoder(logits, fps=fps, lowest_pitch=self.lowest_pitch, rows_per_frame=self.rows_per_frame)
