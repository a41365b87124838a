"""Probes: small networks that ask what is in the features of an encoder, or of a spectrogram."""

import torch
from torch import Tensor, nn

from ricercar.checks import check_choice, check_whole
from ricercar.models.backbones.backbone import Backbone, InputNorm
from ricercar.models.spectrogram import Spectrogram


class Probe(Backbone):
    """(B, C, F, T) features -> (B, T, 1, D): each frame by itself; what the head adds is a linear map.

    mix          none: all channels side by side; softmax: their mean, with a learned weight for each (a softmax; as in
                 Yang et al. 2021, SUPERB)
    num_layers   of width `width` before the head, 0: a linear probe, D = C * F or F
    pooling      of the frames, for outputs of a whole clip: mean; attentive: weighted by a learned score
    """

    def __init__(
        self,
        *,
        spectrogram: Spectrogram,
        mix: str,
        num_layers: int,
        width: int,
        dropout: float,
        pooling: str,
        input_norm: str,
    ) -> None:
        super().__init__()
        check_choice(("none", "softmax"), mix=mix)
        check_choice(("mean", "attentive"), pooling=pooling)
        check_whole(0, num_layers=num_layers)
        check_whole(width=width)
        self.input_norm = InputNorm(spectrogram, input_norm)
        self.scores = nn.Parameter(torch.zeros(spectrogram.num_channels)) if mix == "softmax" else None
        size = spectrogram.num_bins * (1 if mix == "softmax" else spectrogram.num_channels)
        layers: list[nn.Module] = [nn.Dropout(dropout)]
        for _ in range(num_layers):
            layers += [nn.Linear(size, width), nn.ReLU(), nn.Dropout(dropout)]
            size = width
        self.layers = nn.Sequential(*layers)
        self.attention = nn.Linear(size, 1) if pooling == "attentive" else None
        self.dim = size

    def forward(self, spectrogram: Tensor) -> Tensor:
        features = self.input_norm(spectrogram)
        if self.scores is not None:
            features = torch.einsum("bcft,c->bft", features, self.scores.softmax(dim=0).to(features.dtype))
        else:
            features = features.flatten(1, 2)
        probed: Tensor = self.layers(features.transpose(1, 2))
        return probed.unsqueeze(2)

    def pooled(self, features: Tensor, valid: Tensor | None) -> Tensor:
        if self.attention is None:
            return super().pooled(features, valid)
        score: Tensor = self.attention(features)
        if valid is not None:
            score = score.masked_fill(~valid[:, :, None, None], -1e4)
        return (features * score.softmax(dim=1)).sum(dim=1)

    @property
    def mixed(self) -> list[float] | None:
        """The weight of each channel; None: they are not mixed."""
        return None if self.scores is None else [float(each) for each in self.scores.detach().softmax(dim=0)]
