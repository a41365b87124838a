"""Several networks, one after the other; or one."""

from collections.abc import Sequence

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from ricercar.data.batches.augmentation import Augmentation
from ricercar.data.batches.crops import to_float
from ricercar.harness.learners.learner import Batch, Learner, Losses, OptimizerState, draw_from
from ricercar.models.net import Net
from ricercar.tasks.multitask import Multitask


class Sequential(Learner):
    """Each network learns to the last bit what it would learn alone."""

    def __init__(
        self, fabric: Fabric, nets: Sequence[Net], tasks: Sequence[Multitask], augmentation: Augmentation
    ) -> None:
        super().__init__(fabric, nets, tasks, augmentation)
        self.parameters = [[parameter for parameter in net.parameters() if parameter.requires_grad] for net in nets]
        self._models = [fabric.setup_module(net) for net in nets]

    def add_gradients(self, batches: Sequence[Batch], seeds: Sequence[int], share: float, last: bool) -> list[Losses]:
        found = []
        for model, tasks, batch, seed in zip(self._models, self.tasks, batches, seeds, strict=True):
            draw_from(seed, self.fabric.device)
            audio = self.augmentation.audio(to_float(batch["input"]))
            with self.fabric.no_backward_sync(model, enabled=not last):
                logits = model(audio, batch["valid"], self.augmentation.spectrogram)
                losses = tasks.loss(logits, batch["targets"], batch["valid"], batch["labelled"])
                self.fabric.backward(share * torch.stack(list(losses.values())).sum())
            found.append({name: loss.detach() for name, loss in losses.items()})
        return found

    def clip(self, limit: float) -> list[Tensor]:
        return [nn.utils.clip_grad_norm_(own, limit) for own in self.parameters]

    def split(self, states: Sequence[OptimizerState]) -> list[OptimizerState]:
        return list(states)

    def joined(self, states: Sequence[OptimizerState]) -> list[OptimizerState]:
        return list(states)

    def compile(self, mode: str) -> None:
        for net in self.nets:
            net.backbone.compile(mode=mode)
