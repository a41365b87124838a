"""Beats of a tempo that drifts, in bars of two, three or four, from anywhere in the bar on."""

import numpy as np

from ricercar.data.annotations.beats import Beats


def example(random: np.random.Generator) -> Beats:
    interval_s = 60.0 / random.uniform(70, 160) * np.exp(np.cumsum(random.normal(0, 0.01, 40)))
    time_s = random.uniform(0.1, 0.6) + np.cumsum(interval_s)
    time_s = np.round(time_s[time_s < 9.8], 6)
    beats_per_bar = int(random.integers(2, 5))
    return Beats(time_s=time_s, position=(np.arange(len(time_s)) + int(random.integers(4))) % beats_per_bar + 1)
