"""What every backbone is: spectrogram -> features per frame, and per pitch where it keeps pitches apart."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Backbone(nn.Module, ABC):
    """(B, C, F, T) spectrogram -> (B, T, P, D) features.

    num_pitches    P: 1 where frequency is mixed; otherwise one position per semitone, weights shared along P
    dim            D
    lowest_pitch   MIDI number of position 0 where P > 1, else None
    """

    num_pitches: int = 1
    dim: int
    lowest_pitch: int | None = None

    @abstractmethod
    def forward(self, spectrogram: Tensor) -> Tensor: ...
