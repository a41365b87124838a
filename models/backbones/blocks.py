"""Convolutions that several backbones are made of."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu

from ricercar.models.spectrogram import Spectrogram


class ConvBlock(nn.Sequential):
    """(B, C, F, T) -> (B, C', F', T): T is kept, F' = ceil(F / stride).

    kernel   (frequency, time), both odd; output bin i is centred on input bin i * stride
    stride   along frequency

    The weights are channels-last, and so is what is computed from them: about 1.5 times as fast on a CPU.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: tuple[int, int], stride: int = 1) -> None:
        assert kernel[0] % 2 == 1, kernel
        assert kernel[1] % 2 == 1, kernel
        padding = (kernel[0] // 2, kernel[1] // 2)
        conv = nn.Conv2d(channels_in, channels_out, kernel, stride=(stride, 1), padding=padding, bias=False)
        conv.weight.data = conv.weight.data.contiguous(memory_format=torch.channels_last)
        super().__init__(
            conv,
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
        )

    def forward(self, spectrogram: Tensor) -> Tensor:
        conv, norm, relu = self
        features: Tensor = relu(norm(conv(spectrogram)))
        return features


_CHANNELS = (16, 32)


class ConvStack(nn.Module):
    """(B, C, F, T) spectrogram -> (B, T, size): 3x3 convolutions, pooled to a quarter of the bins, flattened per frame.

    Each frame sees 3 frames on either side. Pooling to an eighth lost which semitone a partial belongs to.

    The features end in a batch normalisation: after ReLU and pooling all of them are positive, and a dense layer on
    hundreds of such inputs sees their common part, which tells nothing, far louder than what changes. Without it the
    frame loss of piano transcription stood still for the first 100 steps.
    """

    size: int

    def __init__(self, spectrogram: Spectrogram) -> None:
        super().__init__()
        first, second = _CHANNELS
        self.convs = nn.Sequential(
            ConvBlock(spectrogram.num_channels, first, (3, 3)),
            ConvBlock(first, first, (3, 3)),
            _halved(),
            ConvBlock(first, second, (3, 3)),
            _halved(),
        )
        self.size = second * -(-spectrogram.num_bins // 4)
        self.norm = nn.BatchNorm1d(self.size)

    def forward(self, spectrogram: Tensor) -> Tensor:
        features: Tensor = self.convs(spectrogram)
        flat: Tensor = self.norm(features.permute(0, 2, 1, 3).flatten(1, 2))
        return flat.transpose(1, 2)


def _halved() -> nn.Module:
    """(B, C, F, T) -> (B, C, ceil(F / 2), T)"""
    return nn.MaxPool2d((2, 1), ceil_mode=True)


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
