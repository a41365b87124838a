"""What every task is: targets, loss, decoding and scoring of one kind of annotation."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ricercar.data.annotations.annotation import Annotation
from ricercar.models.head import Output


class Task(ABC):
    """Everything the harness knows about a task. `fps` is frames per second, frame t is at t / fps seconds.

    annotation   the annotation a track must have, and the type of an estimate
    clip_level   one output per clip in place of one per frame
    outputs      {name: Output} in the order of the network's heads
    primary      the metric (higher is better) that chooses the best checkpoint
    shown        metrics that a table shows beside the primary one
    protocol     every convention that moves a score; hashed into the result
    decoding     numbers that decode() uses and tune() chooses on the validation split; stored in the checkpoint
    """

    annotation: type[Annotation]
    clip_level: bool
    outputs: dict[str, Output]
    primary: str
    shown: tuple[str, ...]
    protocol: dict[str, Any]
    decoding: dict[str, float]

    @abstractmethod
    def encode(
        self, annotation: Annotation, start_s: float, num_frames: int, fps: float
    ) -> dict[str, NDArray[np.float32]]:
        """-> {name: (T, K)} targets of a window, or {name: (K,)} for a clip-level task."""

    @abstractmethod
    def loss(self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor], valid: Tensor) -> dict[str, Tensor]:
        """{name: (B, T, K) or (B, K)} twice, (B, T) bool -> {part: ()} weighted parts; their sum is minimised."""

    @abstractmethod
    def decode(self, logits: Mapping[str, NDArray[np.float32]], fps: float) -> Annotation:
        """{name: (T, K) or (K,)} of a whole track -> estimate, in seconds."""

    @abstractmethod
    def score(self, reference: Annotation, estimate: Annotation) -> dict[str, float]:
        """-> {metric: score of one track}; NaN where the protocol excludes the track from that metric's mean."""

    def tune(self, examples: Sequence[tuple[Annotation, Mapping[str, NDArray[np.float32]]]], fps: float) -> None:
        """Chooses `decoding` on (reference, logits) of validation tracks. By default there is nothing to choose."""
