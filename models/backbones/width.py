"""The width at which a backbone has a given number of parameters, so that a comparison compares ideas and not sizes."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ricercar.errors import InputError

# A backbone that cannot come this near to num_params would be compared under a false label.
TOLERANCE = 0.1


def fitted_width(backbone: type[nn.Module], options: Mapping[str, Any], step: int) -> int:
    """The multiple of `step` whose backbone has the number of trained parameters nearest to options["num_params"].

    options   what the backbone's constructor was given, `width` aside; its locals() will do. The number of parameters
              grows with the width. Built without memory or random numbers being spent
    Raises InputError where no width comes within a tenth of num_params.
    """
    given = {name: options[name] for name in inspect.signature(backbone).parameters if name != "width"}
    num_params = options["num_params"]

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
