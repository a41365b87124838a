"""The key of a clip: one of 24."""

from collections.abc import Mapping
from typing import Any, ClassVar

import mir_eval
import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.key import Key as KeyAnnotation
from ricercar.errors import InputError
from ricercar.models.head import Output
from ricercar.tasks.key.baselines import majority, template
from ricercar.tasks.marks import RIGHT, Mark, of_track
from ricercar.tasks.protocol import check_protocol
from ricercar.tasks.scale import KIND, SHARE, Scale
from ricercar.tasks.scoring import Baseline
from ricercar.tasks.task import Task

MODES = ("major", "minor")
NUM_KEYS = 12 * len(MODES)

# The weighted score names the relation: mir_eval.key.weighted_score.
_RELATIONS = {"fifth": 0.5, "relative": 0.3, "parallel": 0.2, "other": 0.0}
_MARKS = {1.0: RIGHT, 0.5: "fifth", 0.3: "relative", 0.2: "parallel", 0.0: "wrong"}


class Key(Task):
    """Softmax over 24 keys: C major to B major, then C minor to B minor; a transposition rotates each dozen.

    key/Weighted_Score                            mir_eval's: 1, or 0.5, 0.3, 0.2, 0 for the relations below
    key/Symmetric_Score                           the same, but a fifth below counts 0.5, too, as in MIREX since 2026
    key/accuracy                                  1 where tonic and mode are right
    key/fifth, /relative, /parallel, /other       1 where the estimate is wrong in this way, as mir_eval defines them:
                                                  a fifth above, relative key, other mode of the tonic, anything else
    """

    annotation = KeyAnnotation
    primary = "key/Weighted_Score"
    shown = ("key/Symmetric_Score", "key/accuracy", *(f"key/{name}" for name in _RELATIONS))
    scales: ClassVar[Mapping[Scale, str]] = {
        SHARE: "key/accuracy key/Symmetric_Score",
        KIND: " ".join(f"key/{name}" for name in _RELATIONS),
    }
    baselines: ClassVar[Mapping[str, Baseline]] = {"majority": majority, "template": template}

    def __init__(self, *, label_smoothing: float, protocol: Mapping[str, Any]) -> None:
        if not 0.0 <= label_smoothing < 1.0:
            raise InputError(f"task.label_smoothing={label_smoothing} must be at least 0 and below 1.")
        check_protocol("key", protocol, {})
        self.outputs = {"key": Output(size=NUM_KEYS, clip_level=True, pitch_classes=True)}
        self.label_smoothing = label_smoothing
        self.decoding = {}
        self.protocol = dict(protocol)

    def encode(
        self, annotation: Annotation, start_s: float, num_frames: int, fps: float
    ) -> dict[str, NDArray[np.float32]]:
        assert isinstance(annotation, KeyAnnotation)
        target = np.zeros(NUM_KEYS, dtype=np.float32)
        target[12 * MODES.index(annotation.mode) + annotation.tonic] = 1.0
        return {"key": target}

    def loss(self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor], valid: Tensor) -> dict[str, Tensor]:
        """Cross entropy; `valid` does not matter to a clip's key."""
        return {
            "key": cross_entropy(logits["key"].float(), targets["key"].float(), label_smoothing=self.label_smoothing)
        }

    def decode(self, logits: Mapping[str, NDArray[np.float32]], fps: float) -> KeyAnnotation:
        mode, tonic = divmod(int(logits["key"].argmax()), 12)
        return KeyAnnotation(tonic=tonic, mode=MODES[mode])

    def score(self, reference: Annotation, estimate: Annotation) -> dict[str, float]:
        weighted = float(mir_eval.key.weighted_score(str(reference), str(estimate)))
        shares = {f"key/{name}": float(weighted == score) for name, score in _RELATIONS.items()}
        turned = float(mir_eval.key.weighted_score(str(estimate), str(reference)))
        symmetric = max(weighted, turned)  # of these relations the fifth alone is another one the other way round
        return {
            "key/Weighted_Score": weighted,
            "key/Symmetric_Score": symmetric,
            "key/accuracy": float(weighted == 1.0),
        } | shares

    def marks(self, reference: Annotation, estimate: Annotation) -> list[Mark]:
        weighted = float(mir_eval.key.weighted_score(str(reference), str(estimate)))
        return [of_track(_MARKS[weighted], str(estimate))]
