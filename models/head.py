"""From a backbone's features to the outputs that a task asked for."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Output:
    """One output of the network: K numbers per frame, or per clip where the task is clip-level.

    size           K
    lowest_pitch   MIDI number of output 0 where there is one output per semitone, else None
    prior          expected mean of the targets, after a sigmoid; the bias starts at its logit. None: bias 0
    """

    size: int
    lowest_pitch: int | None = None
    prior: float | None = None


class Head(nn.Module):
    """(..., P, D) features -> (..., K) logits.

    P = 1: a linear map D -> K.
    P > 1 and one output per semitone: one map D -> 1 shared by all pitches, and a bias for each.
    P > 1 and any other output: a linear map of all P x D features, so that the pitch itself stays visible
    (averaged over P, a network with weights shared along pitch could not tell one key from another).
    """

    def __init__(self, output: Output, num_pitches: int, dim: int, lowest_pitch: int | None) -> None:
        super().__init__()
        self.per_pitch = num_pitches > 1 and output.lowest_pitch is not None
        bias = 0.0 if output.prior is None else math.log(output.prior / (1.0 - output.prior))
        if self.per_pitch:
            assert output.lowest_pitch is not None
            assert lowest_pitch is not None
            self.first = output.lowest_pitch - lowest_pitch
            assert 0 <= self.first <= num_pitches - output.size, (output, num_pitches, lowest_pitch)
            self.linear = nn.Linear(dim, 1, bias=False)
            self.bias = nn.Parameter(torch.full((output.size,), bias))
            self.size = output.size
        else:
            self.linear = nn.Linear(num_pitches * dim, output.size)
            nn.init.constant_(self.linear.bias, bias)

    def forward(self, features: Tensor) -> Tensor:
        if self.per_pitch:
            scores: Tensor = self.linear(features[..., self.first : self.first + self.size, :])
            return scores.squeeze(-1) + self.bias
        mixed: Tensor = self.linear(features.flatten(-2))
        return mixed
