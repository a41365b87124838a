"""Blocks over (pitch, time) whose weights are the same at every pitch. All map (B, C, P, T) -> (B, C, P, T)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu


class Residual(nn.Module):
    """x + 1x1(relu(norm(conv(x)))): kernel = (pitch, time), odd; dilation along time."""

    def __init__(self, channels: int, kernel: tuple[int, int], dilation: int = 1) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2 * dilation)
        self.conv = nn.Conv2d(channels, channels, kernel, padding=padding, dilation=(1, dilation), bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.mix = nn.Conv2d(channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        changed: Tensor = self.mix(relu(self.norm(self.conv(features))))
        return features + changed


class Intervals(nn.Module):
    """Each pitch sees those an overtone away: a wrong octave or twelfth is told by what sounds there.

    intervals   in semitones, positive upwards; pitches outside the spectrogram count as zeros
    """

    def __init__(self, channels: int, intervals: list[int], width: int) -> None:
        super().__init__()
        self.intervals = [0, *intervals]
        self.squeeze = nn.Conv2d(channels, width, 1)
        self.mix = nn.Conv2d(width * len(self.intervals), channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, features: Tensor) -> Tensor:
        squeezed = self.squeeze(features)
        reach = max(abs(interval) for interval in self.intervals)
        padded = pad(squeezed, (0, 0, reach, reach))
        num_pitches = features.shape[2]
        seen = [padded[:, :, reach + i : reach + i + num_pitches] for i in self.intervals]
        return features + relu(self.norm(self.mix(torch.cat(seen, dim=1))))


class Ensemble(nn.Module):
    """What all pitches do together, told to each: mean and maximum over pitch, through time, added everywhere.

    The sustain pedal, a rest or the room are heard in all pitches at once.
    """

    def __init__(self, channels: int, width: int, dilations: list[int]) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, width, 1)
        layers: list[nn.Module] = []
        for i, dilation in enumerate(dilations):
            entering = 2 * width if i == 0 else channels
            conv = nn.Conv1d(entering, channels, 5, padding=2 * dilation, dilation=dilation, bias=False)
            layers += [conv, nn.BatchNorm1d(channels), nn.ReLU()]
        self.through_time = nn.Sequential(*layers, nn.Conv1d(channels, channels, 1))

    def forward(self, features: Tensor) -> Tensor:
        squeezed = self.squeeze(features)
        together = torch.cat([squeezed.mean(dim=2), squeezed.amax(dim=2)], dim=1)
        told: Tensor = self.through_time(together)
        return features + told[:, :, None]
