"""What every task is: targets, loss, decoding and scoring of one kind of annotation."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from ricercar.data.annotations.annotation import Annotation
from ricercar.models.head import Output
from ricercar.models.tokens.output import Tokens
from ricercar.tasks.scoring import Scoring


class Task(Scoring):
    """Everything the harness knows about a task. `fps` is frames per second, frame t is at t / fps seconds.

    outputs      {name: Output} in the order of the network's heads
    decoding     numbers that decode() uses and tune() chooses on the validation split; stored in the checkpoint
    vocabulary   words that fit() took from the training split, in the order of an output; stored in the checkpoint
    """

    outputs: Mapping[str, Output | Tokens]
    decoding: dict[str, float]
    vocabulary: tuple[str, ...] = ()

    def training_annotation(self, annotations: Mapping[str, Annotation]) -> Annotation | None:
        """What the network learns from, where that is not the reference; None where a track has it not."""
        return self.reference(annotations)

    def fit(self, annotations: Sequence[Annotation]) -> None:
        """Chooses what the outputs depend on, such as a vocabulary, from the training split. By default nothing."""

    def restore(self, vocabulary: Sequence[str]) -> None:
        """Takes the vocabulary that fit() chose in training. By default there is none."""
        assert not vocabulary

    @abstractmethod
    def encode(self, annotation: Annotation, start_s: float, num_frames: int, fps: float) -> dict[str, NDArray[Any]]:
        """-> {name: (T, K)} targets of a window, or (K,) for a clip-level output: exactly the names of `outputs`."""

    @abstractmethod
    def loss(self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor], valid: Tensor) -> dict[str, Tensor]:
        """{name: (B, T, K) or (B, K)} twice, (B, T) bool -> {part: ()} weighted parts; their sum is minimised."""

    @abstractmethod
    def decode(self, logits: Mapping[str, NDArray[Any]], fps: float) -> Annotation:
        """{name: (T, K) or (K,)} of a whole track -> estimate, in seconds."""

    def diagnosis(self, logits: Mapping[str, NDArray[Any]]) -> dict[str, float]:
        """As decode() is given -> {metric: of one track} about the network's output itself, kept beside the track's
        scores; by default nothing. Predictions that are scored later, from their files, have none.
        """
        return {}

    def tune(self, examples: Sequence[tuple[Annotation, Mapping[str, NDArray[Any]]]], fps: float) -> None:
        """Chooses `decoding` on (reference, logits) of validation tracks. By default there is nothing to choose."""
