"""A melody: notes with vibrato and glides, and rests between some of them."""

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.melody import Melody

_STEP_S = 0.02


def example(random: np.random.Generator) -> Melody:
    time_s = np.arange(500) * _STEP_S
    midi = np.full(len(time_s), np.nan)
    row = 0
    while row < len(time_s):
        length = int(random.integers(5, 30))
        if random.random() < 0.8:
            rows = np.arange(row, min(row + length, len(time_s)))
            vibrato = random.uniform(0, 0.4) * np.sin(2 * np.pi * 5.5 * time_s[rows])
            midi[rows] = random.integers(45, 85) + random.uniform(-0.3, 0.3) + vibrato
        row += length
    frequency_hz: NDArray[np.float64] = np.where(np.isnan(midi), 0.0, 440.0 * 2.0 ** ((np.nan_to_num(midi) - 69) / 12))
    return Melody(time_s=np.round(time_s, 6), frequency_hz=np.round(frequency_hz, 6))
