"""From a backbone's features to the outputs that a task asked for."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ricercar.models.backbones.backbone import Backbone

_BASS_BELOW = 52  # MIDI number, E3: where basses, left hands and roots mostly are


@dataclass(frozen=True)
class Output:
    """One output of the network: K numbers per frame, or per clip.

    size           K
    lowest_pitch   MIDI number of output 0 where there is one output per semitone, else None
    prior          expected mean of the targets, after a sigmoid; the bias starts at its logit. None: bias 0
    clip_level     K numbers per clip, from features averaged over time, in place of K per frame
    pitch_classes  the K numbers are of 12 pitch classes each: number 12 * i + c is the i-th of pitch class c (C is 0)
    """

    size: int
    lowest_pitch: int | None = None
    prior: float | None = None
    clip_level: bool = False
    pitch_classes: bool = False

    @property
    def sequence(self) -> bool:
        """Whether it is tokens (models/tokens/output.py)."""
        return False

    def head(self, backbone: Backbone) -> nn.Module:
        """What makes the output from the backbone's features."""
        return Head(self, backbone.num_pitches, backbone.dim, backbone.lowest_pitch)

    def nothing(self, num_frames: int) -> NDArray[np.float32]:
        """The target of a window that has no labels: zeros."""
        shape = (self.size,) if self.clip_level else (num_frames, self.size)
        return np.zeros(shape, dtype=np.float32)


class Head(nn.Module):
    """(..., P, D) features -> (..., K) logits.

    P = 1: a linear map D -> K.
    P > 1 and one output per semitone: one map D -> 1 shared by all pitches, and a bias for each.
    P > 1 and pitch classes: octaves are averaged (those of the bass once more by themselves), and one map of all
    twelve pitch classes, seen from each in turn, is shared: transposed music gives the same numbers, rotated.
    P > 1 and any other output: a linear map of all P x D features, so that the pitch itself stays visible, and of
    their maximum and mean over P, for what is the same at any pitch, such as an onset.
    """

    def __init__(self, output: Output, num_pitches: int, dim: int, lowest_pitch: int | None) -> None:
        super().__init__()
        self.per_pitch = num_pitches > 1 and output.lowest_pitch is not None
        self.per_pitch_class = num_pitches > 1 and output.pitch_classes
        bias = 0.0 if output.prior is None else math.log(output.prior / (1.0 - output.prior))
        if self.per_pitch:
            assert output.lowest_pitch is not None
            assert lowest_pitch is not None
            self.first = output.lowest_pitch - lowest_pitch
            assert 0 <= self.first <= num_pitches - output.size, (output, num_pitches, lowest_pitch)
            self.linear = nn.Linear(dim, 1, bias=False)
            self.bias = nn.Parameter(torch.full((output.size,), bias))
            self.size = output.size
        elif self.per_pitch_class:
            assert lowest_pitch is not None
            assert output.size % 12 == 0, output
            self.register_buffer("folding", _folding(num_pitches, lowest_pitch), persistent=False)
            self.rotated = nn.Conv1d(2 * dim, output.size // 12, 12, padding=0)
            nn.init.constant_(self.rotated.bias, bias)  # type: ignore[arg-type]
        else:
            self.linear = nn.Linear(num_pitches * dim, output.size)
            nn.init.constant_(self.linear.bias, bias)
            if num_pitches > 1:
                self.pooled = nn.Linear(2 * dim, output.size, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        if self.per_pitch:
            scores: Tensor = self.linear(features[..., self.first : self.first + self.size, :])
            return scores.squeeze(-1) + self.bias
        if self.per_pitch_class:
            folded = torch.einsum("...pd,cpr->...rdc", features, self.folding)  # of all octaves, of the bass
            around = torch.cat([folded, folded[..., :11]], dim=-1).flatten(-3, -2)
            rotated: Tensor = self.rotated(around.flatten(0, -3)).flatten(-2)
            return rotated.reshape(*features.shape[:-2], -1)
        mixed: Tensor = self.linear(features.flatten(-2))
        if hasattr(self, "pooled"):
            mixed = mixed + self.pooled(torch.cat([features.amax(dim=-2), features.mean(dim=-2)], dim=-1))
        return mixed


def _folding(num_pitches: int, lowest_pitch: int) -> Tensor:
    """(12, P, 2) weights that average the octaves of a pitch class: all of them, and those below _BASS_BELOW."""
    pitches = torch.arange(lowest_pitch, lowest_pitch + num_pitches)
    same = (pitches % 12)[None] == torch.arange(12)[:, None]
    weights = torch.stack([same, same & (pitches < _BASS_BELOW)], dim=-1).float()
    return weights / weights.sum(dim=1, keepdim=True).clamp(min=1.0)
