"""What a network says of a task: numbers for each frame, or one token after the other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ricercar.checks import check_between, check_positive
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.notes import Notes
from ricercar.errors import InputError
from ricercar.models.tokens.output import Tokens
from ricercar.models.tokens.vocabulary import PAD, UNK
from ricercar.tasks.marks import Mark
from ricercar.tasks.scale import FALSE_ALARMS, Scale
from ricercar.tasks.shared.tokens.codec import Codec
from ricercar.tasks.shared.tokens.decoding import Decoded
from ricercar.tasks.task import Task


@dataclass(frozen=True)
class Window:
    """What a network is fed: frames, of which those at both ends are heard but not told of."""

    num_frames: int
    border_frames: int
    fps: float

    @property
    def segment_s(self) -> float:
        return (self.num_frames - 2 * self.border_frames) / self.fps


class Frames:
    """The task as it is: its outputs are numbers for each frame, or for a clip."""

    def of(self, name: str, task: Task, window: Window) -> Task:
        return task


class Sequences:
    """The annotations of a task of notes as tokens.

    codec            see tasks/shared/tokens; makes one for segments of so many seconds
    decoder          see models/tokens/decoder.py
    token_weight     of the mean cross-entropy of the tokens
    kind_weights     {kind of token: its weight within that mean}, 1 where a kind is not named
    label_smoothing  share of the targets that is spread over all tokens
    frame_weight     of the losses of the task's own outputs, which the backbone then learns, too; 0: there are none
    """

    def __init__(
        self,
        *,
        codec: Callable[..., Codec],
        decoder: Callable[..., nn.Module],
        token_weight: float,
        kind_weights: Mapping[str, float],
        label_smoothing: float,
        frame_weight: float,
    ) -> None:
        check_positive(token_weight=token_weight)
        check_between(0, 0.999, label_smoothing=label_smoothing)
        check_between(0, 1e6, frame_weight=frame_weight)
        self.codec, self.decoder = codec, decoder
        self.token_weight, self.kind_weights = token_weight, dict(kind_weights)
        self.label_smoothing, self.frame_weight = label_smoothing, frame_weight

    def of(self, name: str, task: Task, window: Window) -> Task:
        if task.annotation is not Notes:
            raise InputError(
                f"head=tokens tells of notes, and task={name} is about {task.annotation.name}: head=frames"
            )
        return SequenceTask(task, self, window)


class SequenceTask(Task):
    """A task of notes whose network says tokens; scored, shown and fitted as the task itself.

    outputs   those of the task, if they are learnt beside (frame_weight), and `tokens`
    Metrics beside the task's: tokens/invalid, the share of events that were no use (shared/tokens/decoding.py says
    which), and tokens/cut, the share of windows that reached max_tokens before their end.
    """

    def __init__(self, task: Task, said: Sequences, window: Window) -> None:
        self.task, self.said, self.window = task, said, window
        self.annotation, self.primary = task.annotation, task.primary
        self.shown = (*task.shown, "tokens/invalid")
        self.protocol = task.protocol
        try:
            self.codec = codec = said.codec(segment_s=window.segment_s)
        except InputError as error:
            raise InputError(f"codec.{error}") from error
        self.weights = _weights(codec, said.kind_weights)
        self.tokens = Tokens(
            vocabulary=codec.vocabulary,
            grammar=codec.grammar,
            max_tokens=codec.max_tokens,
            num_frames=window.num_frames,
            border_frames=window.border_frames,
            steps_per_frame=codec.steps_per_s / window.fps,
            last_step=codec.last_step(0.0, codec.segment_s),
            decoder=said.decoder,
        )
        self.decoding = {}

    @property
    def outputs(self) -> dict[str, Any]:  # type: ignore[override]  # a task may learn its own from the training split
        own = self.task.outputs if self.said.frame_weight else {}
        return {**own, "tokens": self.tokens}

    @property
    def baselines(self) -> Any:  # type: ignore[override]
        return self.task.baselines

    @property
    def vocabulary(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.task.vocabulary

    def encode(self, annotation: Annotation, start_s: float, num_frames: int, fps: float) -> dict[str, NDArray[Any]]:
        assert isinstance(annotation, Notes)
        own = self.task.encode(annotation, start_s, num_frames, fps) if self.said.frame_weight else {}
        first_s = start_s + self.window.border_frames / fps
        tokens = self.codec.encode(annotation, first_s, first_s + self.codec.segment_s)
        padded = self.tokens.nothing(num_frames)
        padded[: len(tokens)] = tokens
        return {**own, "tokens": padded}

    def loss(self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor], valid: Tensor) -> dict[str, Tensor]:
        """The task's own parts, and `tokens`: the mean over tokens."""
        said = self.said
        losses = {}
        if said.frame_weight:
            own = self.task.loss(logits, targets, valid)
            losses = {name: said.frame_weight * part for name, part in own.items()}
        told = targets["tokens"] != PAD
        target = targets["tokens"][told]
        weight = self.weights.to(target.device)[target]
        each = cross_entropy(
            logits["tokens"][told].float(), target, label_smoothing=said.label_smoothing, reduction="none"
        )
        losses["tokens"] = said.token_weight * (each * weight).sum() / weight.sum().clamp(min=1.0)
        return losses

    def decode(self, logits: Mapping[str, NDArray[Any]], fps: float) -> Annotation:
        """{tokens: (W, S)} of the windows of a whole track -> notes."""
        return self._decoded(logits["tokens"]).notes

    def diagnosis(self, logits: Mapping[str, NDArray[Any]]) -> dict[str, float]:
        tokens = logits["tokens"]
        num_events = int((tokens > UNK).sum())
        cut = float(np.mean([self.codec.is_cut(each[each != PAD]) for each in tokens]))
        return {"tokens/invalid": self._decoded(tokens).num_invalid / max(num_events, 1), "tokens/cut": cut}

    def _decoded(self, tokens: NDArray[np.int64]) -> Decoded:
        """(W, S)"""
        segment_s = self.codec.segment_s
        return self.codec.decode(
            [(each, number * segment_s) for number, each in enumerate(tokens)], len(tokens) * segment_s
        )

    # All else is the task's.

    def training_annotation(self, annotations: Mapping[str, Annotation]) -> Annotation | None:
        return self.task.training_annotation(annotations)

    def fit(self, annotations: Sequence[Annotation]) -> None:
        self.task.fit(annotations)

    def restore(self, vocabulary: Sequence[str]) -> None:
        self.task.restore(vocabulary)

    def score(self, reference: Annotation, estimate: Annotation) -> dict[str, float]:
        return self.task.score(reference, estimate)

    def scale(self, metric: str) -> Scale:
        return FALSE_ALARMS if metric.startswith("tokens/") else self.task.scale(metric)

    def reference(self, annotations: Mapping[str, Annotation]) -> Annotation | None:
        return self.task.reference(annotations)

    def of_recording(self, reference: Annotation, duration_s: float) -> Annotation:
        return self.task.of_recording(reference, duration_s)

    def given(self, reference: Annotation) -> Annotation | None:
        return self.task.given(reference)

    def evidence(self, reference: Annotation, estimate: Annotation) -> dict[str, float]:
        return self.task.evidence(reference, estimate)

    def pooled(self, evidence: Sequence[Mapping[str, float]]) -> dict[str, float]:
        return self.task.pooled(evidence)

    def marks(self, reference: Annotation, estimate: Annotation) -> list[Mark]:
        return self.task.marks(reference, estimate)

    def reference_marks(self, reference: Annotation) -> list[Mark]:
        return self.task.reference_marks(reference)


def _weights(codec: Codec, of_kinds: Mapping[str, float]) -> Tensor:
    """(V,) of each token by its kind; 0 for padding."""
    kinds = codec.vocabulary.kinds[1:]
    for kind, weight in of_kinds.items():
        if kind not in kinds:
            raise InputError(f"head.kind_weights.{kind}: the codec's kinds of token are {', '.join(kinds)}")
        check_between(0, 1e6, **{f"head.kind_weights.{kind}": weight})
    weights = np.array([0.0, *(of_kinds.get(kind, 1.0) for kind in kinds)], dtype=np.float32)
    return torch.from_numpy(weights[codec.vocabulary.kind])
