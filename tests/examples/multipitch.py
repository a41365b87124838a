"""Chords that change all the time, out of tune by less than what a semitone allows."""

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.multipitch import Multipitch


def example(random: np.random.Generator) -> Multipitch:
    time_s = np.round(np.arange(500) * 0.02, 6)
    frequencies_hz: list[NDArray[np.float64]] = []
    while len(frequencies_hz) < len(time_s):
        pitch = random.choice(np.arange(30, 100), size=int(random.integers(0, 7)), replace=False)
        midi = pitch + random.uniform(-0.4, 0.4, len(pitch))
        frequencies_hz += int(random.integers(2, 30)) * [np.round(440.0 * 2.0 ** ((midi - 69) / 12), 6)]
    return Multipitch.make(time_s, frequencies_hz[: len(time_s)])
