"""The network: frontend, compression, normalisation, backbone, and a head for each output."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from ricercar.models.backbones.backbone import Backbone
from ricercar.models.frontends.frontend import Frontend
from ricercar.models.head import Head, Output


class Net(nn.Module):
    """(B, N) audio -> {output: (B, T, K)} logits, or {output: (B, K)} for a clip-level output.

    The frontend, the compression and the normalisation run in float32, outside autocast, and without
    gradients unless one of them has something to train.

    analysed   the network is fed (B, C', F', T), what frontend.analyse has made of the audio before, not audio
    """

    def __init__(
        self,
        *,
        frontend: Frontend,
        compression: nn.Module,
        normalisation: nn.Module,
        backbone: Backbone,
        outputs: Mapping[str, Output],
        analysed: bool,
    ) -> None:
        super().__init__()
        self.analysed = analysed
        self.frontend = frontend
        self.compression = compression
        self.normalisation = normalisation
        self.backbone = backbone
        self.clip_level = [name for name, output in outputs.items() if output.clip_level]
        self.heads = nn.ModuleDict(
            {
                name: Head(output, backbone.num_pitches, backbone.dim, backbone.lowest_pitch)
                for name, output in outputs.items()
            }
        )
        self.trains_spectrogram = any(
            parameter.requires_grad
            for stage in (frontend, compression, normalisation)
            for parameter in stage.parameters()
        )

    def magnitudes(self, sound: Tensor) -> Tensor:
        """What the network is fed -> (B, C, F, T)"""
        with torch.autocast(sound.device.type, enabled=False), torch.set_grad_enabled(self._gradients()):
            spectrogram: Tensor = self.frontend.arrange(sound) if self.analysed else self.frontend(sound.float())
            return spectrogram

    def compressed(self, sound: Tensor) -> Tensor:
        """What the network is fed -> (B, C, F, T) spectrogram before normalisation: what a whitening is fitted on."""
        magnitudes = self.magnitudes(sound)
        with torch.autocast(sound.device.type, enabled=False), torch.set_grad_enabled(self._gradients()):
            spectrogram: Tensor = self.compression(magnitudes)
            return spectrogram

    def forward(
        self, sound: Tensor, valid: Tensor | None = None, augment: Callable[[Tensor], Tensor] | None = None
    ) -> dict[str, Tensor]:
        """valid: (B, T) bool, frames inside the track, for clip-level pooling. augment: spectrogram -> spectrogram."""
        spectrogram = self.compressed(sound)
        with torch.autocast(sound.device.type, enabled=False), torch.set_grad_enabled(self._gradients()):
            spectrogram = self.normalisation(spectrogram)
            if augment is not None:
                spectrogram = augment(spectrogram)
        return self.body(spectrogram, valid)

    def body(self, spectrogram: Tensor, valid: Tensor | None) -> dict[str, Tensor]:
        """(B, C, F, T) normalised spectrogram -> logits."""
        features = self.backbone(spectrogram)
        mean = _mean_over_time(features, valid) if self.clip_level else None
        return {name: head(mean if name in self.clip_level else features).float() for name, head in self.heads.items()}

    def _gradients(self) -> bool:
        return self.trains_spectrogram and torch.is_grad_enabled()


def _mean_over_time(features: Tensor, valid: Tensor | None) -> Tensor:
    """(B, T, P, D), (B, T) -> (B, P, D)"""
    if valid is None:
        return features.mean(dim=1)
    weight = valid[:, :, None, None].to(features.dtype)
    return (features * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
