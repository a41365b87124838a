"""The network: frontend, compression, normalisation, backbone, and a head for each output."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from ricercar.models.backbones.backbone import Backbone
from ricercar.models.frontends.frontend import Frontend
from ricercar.models.head import Output
from ricercar.models.tokens.output import Tokens


class Net(nn.Module):
    """(B, N) audio -> {output: (B, T, K)} logits, or {output: (B, K)} for a clip-level output.

    An output of tokens is (B, S, V) logits where the tokens are given, else (B, S) tokens.

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
        outputs: Mapping[str, Output | Tokens],
        analysed: bool,
    ) -> None:
        super().__init__()
        self.analysed = analysed
        self.frontend = frontend
        self.compression = compression
        self.normalisation = normalisation
        self.backbone = backbone
        self.clip_level = [name for name, output in outputs.items() if output.clip_level]
        self.sequences = {name: output.max_tokens for name, output in outputs.items() if isinstance(output, Tokens)}
        self.heads = nn.ModuleDict({name: output.head(backbone) for name, output in outputs.items()})
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
        self,
        sound: Tensor,
        valid: Tensor | None = None,
        augment: Callable[[Tensor], Tensor] | None = None,
        said: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """valid: (B, T) bool, frames inside the track, for clip-level pooling. augment: spectrogram -> spectrogram.

        said: {output: (B, S)} the tokens of outputs that are tokens, in training; None: the network says them
        """
        spectrogram = self.compressed(sound)
        with torch.autocast(sound.device.type, enabled=False), torch.set_grad_enabled(self._gradients()):
            spectrogram = self.normalisation(spectrogram)
            if augment is not None:
                spectrogram = augment(spectrogram)
        return self.body(spectrogram, valid, said)

    def body(
        self, spectrogram: Tensor, valid: Tensor | None, said: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """(B, C, F, T) normalised spectrogram -> logits."""
        features = self.backbone(spectrogram)
        pooled = self.backbone.pooled(features, valid) if self.clip_level else None
        found = {}
        for name, head in self.heads.items():
            if name in self.sequences:
                found[name] = head(features, None if said is None else said[name])
            else:
                found[name] = head(pooled if name in self.clip_level else features).float()
        return found

    def _gradients(self) -> bool:
        return self.trains_spectrogram and torch.is_grad_enabled()
