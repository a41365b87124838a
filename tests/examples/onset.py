"""Onsets, down to 45 ms apart."""

import numpy as np

from ricercar.data.annotations.onsets import Onsets


def example(random: np.random.Generator) -> Onsets:
    time_s = 0.03 + np.cumsum(random.uniform(0.045, 0.4, 40))
    return Onsets.make(np.round(time_s[time_s < 9.8], 6))
