"""Several tasks at once: one network with the outputs of all."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from numpy.typing import NDArray
from torch import Tensor

from ricercar.checks import check_positive
from ricercar.data.annotations.annotation import Annotation
from ricercar.errors import InputError
from ricercar.models.head import Output
from ricercar.models.tokens.output import Tokens
from ricercar.tasks.task import Task

T = TypeVar("T")
Annotations = Mapping[str, Annotation | None]


class Multitask(Mapping[str, Task]):
    """{name: task}. What a task knows only by its own outputs is here "<task>/<output>".

    parts     {name: task}, at least one
    weights   {name: weight of the task's loss}, 1 where a task is not named
    A track need not have all annotations: the loss of a task sees only those that have its annotation.
    """

    def __init__(self, *, parts: Mapping[str, Task], weights: Mapping[str, float]) -> None:
        if not parts:
            raise InputError("task=multitask has no tasks: name them, as in task=[beat,chord].")
        for name, task in parts.items():
            if not isinstance(task, Task):
                raise InputError(
                    f"task={name} cannot be trained: no network predicts it here. eval.py predictions=... scores it."
                )
        unknown = sorted(set(weights) - set(parts))
        if unknown:
            raise InputError(f"task.weights has {', '.join(unknown)}; the tasks are: {', '.join(parts)}.")
        check_positive(**{f"task.weights.{name}": weight for name, weight in weights.items()})
        self.parts = dict(parts)
        self.weights = {name: float(weights.get(name, 1.0)) for name in parts}

    def __getitem__(self, name: str) -> Task:
        return self.parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts)

    def __len__(self) -> int:
        return len(self.parts)

    @property
    def outputs(self) -> dict[str, Output | Tokens]:
        return {f"{name}/{key}": output for name, task in self.items() for key, output in task.outputs.items()}

    @property
    def decoding(self) -> dict[str, dict[str, float]]:
        return {name: dict(task.decoding) for name, task in self.items()}

    @property
    def vocabulary(self) -> dict[str, list[str]]:
        return {name: list(task.vocabulary) for name, task in self.items()}

    def training_annotations(self, annotations: Mapping[str, Annotation]) -> dict[str, Annotation | None]:
        return {name: task.training_annotation(annotations) for name, task in self.items()}

    def fit(self, annotations: Sequence[Annotations]) -> None:
        for name, task in self.items():
            task.fit([annotation for each in annotations if (annotation := each[name]) is not None])

    def restore(self, vocabulary: Mapping[str, Sequence[str]]) -> None:
        for name, task in self.items():
            task.restore(vocabulary[name])

    def encode(self, annotations: Annotations, start_s: float, num_frames: int, fps: float) -> dict[str, NDArray[Any]]:
        """-> {"<task>/<output>": (T, K) or (K,)}, zeros for a task that the track has nothing for."""
        targets: dict[str, NDArray[Any]] = {}
        for name, task in self.items():
            annotation = annotations[name]
            if annotation is not None:
                own = task.encode(annotation, start_s, num_frames, fps)
            else:
                own = {key: output.nothing(num_frames) for key, output in task.outputs.items()}
            targets |= {f"{name}/{key}": target for key, target in own.items()}
        return targets

    def loss(
        self,
        logits: Mapping[str, Tensor],
        targets: Mapping[str, Tensor],
        valid: Tensor,
        labelled: Mapping[str, Tensor],
    ) -> dict[str, Tensor]:
        """-> {"<task>/<part>": ()}. labelled: {task: (B,) bool on the CPU}, the items that have its annotation."""
        losses = {}
        for name, task in self.items():
            own_logits, own_targets = self.of(name, logits), self.of(name, targets)
            own_valid = valid
            if not bool(labelled[name].any()):
                # Part of the sum all the same: a gradient is due to every parameter, in every process.
                losses[name] = sum((each.sum() for each in own_logits.values()), valid.new_zeros(()).float()) * 0.0
                continue
            if not bool(labelled[name].all()):
                kept = labelled[name].nonzero().squeeze(1).to(valid.device)
                own_logits = {key: each[kept] for key, each in own_logits.items()}
                own_targets = {key: each[kept] for key, each in own_targets.items()}
                own_valid = valid[kept]
            parts = task.loss(own_logits, own_targets, own_valid)
            losses |= {f"{name}/{key}": self.weights[name] * part for key, part in parts.items()}
        return losses

    def of(self, name: str, outputs: Mapping[str, T]) -> dict[str, T]:
        """The outputs of one task, by its own names."""
        return {key: outputs[f"{name}/{key}"] for key in self[name].outputs}
