"""What every backbone is, and what several use: normalisation at the entrance, a width for a number of parameters."""

import inspect
import pickle
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from ricercar.errors import InputError
from ricercar.models.spectrogram import Spectrogram


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

    def pooled(self, features: Tensor, valid: Tensor | None) -> Tensor:
        """(B, T, P, D) features, (B, T) bool, frames inside the clip -> (B, P, D): what outputs of a clip are of."""
        if valid is None:
            return features.mean(dim=1)
        weight = valid[:, :, None, None].to(features.dtype)
        return (features * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)


class InputNorm(nn.Module):
    """(B, C, F, T) -> (B, C, F, T), about zero mean and unit variance over the training data.

    over   bins:     each bin of each channel has its own running mean and variance (whitens the spectral tilt)
           channels: all bins of a channel share them (leaves a shift along frequency a shift)
           none:     the spectrogram as it is
    A learned scale and offset follow, as in every batch normalisation.
    """

    def __init__(
        self, spectrogram: Spectrogram, over: str, choices: tuple[str, ...] = ("bins", "channels", "none")
    ) -> None:
        super().__init__()
        if over not in choices:
            raise InputError(f"input_norm={over!r}: choose one of {', '.join(choices)}")
        self.over = over
        size = {
            "bins": spectrogram.num_channels * spectrogram.num_bins,
            "channels": spectrogram.num_channels,
            "none": 0,
        }[over]
        self.norm = nn.BatchNorm1d(size) if size else nn.Identity()

    def forward(self, spectrogram: Tensor) -> Tensor:
        if self.over == "none":
            return spectrogram
        rows = spectrogram.flatten(1, 2) if self.over == "bins" else spectrogram.flatten(2)
        normed: Tensor = self.norm(rows)
        return normed.view_as(spectrogram)


# A backbone that cannot come this near to num_params would be compared under a false label.
TOLERANCE = 0.1


def fitted_width(backbone: type[nn.Module], options: Mapping[str, Any], step: int) -> int:
    """The multiple of `step` whose backbone has the number of trained parameters nearest to options["num_params"].

    options   what the backbone's constructor was given, `width` aside; its locals() will do. The number of parameters
              grows with the width. Built without memory or random numbers being spent
    Raises InputError where no width comes within a tenth of num_params.
    """
    given = {name: options[name] for name in inspect.signature(backbone).parameters if name != "width"}
    return _nearest_width(backbone, step, pickle.dumps(given))  # type: ignore[arg-type]  # a class is hashable


@lru_cache(maxsize=64)
def _nearest_width(backbone: type[nn.Module], step: int, pickled: bytes) -> int:
    """Looked for once: a run makes its network twice, and a sweep many of the same size."""
    given = pickle.loads(pickled)
    num_params = given["num_params"]

    @cache
    def size(units: int) -> int:
        with torch.device("meta"):
            return sum(parameter.numel() for parameter in backbone(width=units * step, **given).parameters())

    high = 1
    while size(high) < num_params:
        high *= 2
    low = max(1, high // 2)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle) < num_params else (low, middle)
    units = min((low, high), key=lambda units: abs(size(units) - num_params))
    if abs(size(units) - num_params) > TOLERANCE * num_params:
        raise InputError(
            f"num_params={num_params:,}: the nearest size that this backbone reaches on this spectrogram is "
            f"{size(units):,} (width={units * step}); choose another num_params, or set width"
        )
    return units * step
