"""Sections, on one level or on two."""

import numpy as np

from ricercar.data.annotations.hierarchy import Hierarchy
from ricercar.data.annotations.segments import Segments


def example(random: np.random.Generator) -> Hierarchy:
    """Sections of 2 to 3 seconds; in half of the examples each is halved on a second level."""
    borders_s = np.array([0.0, 2.5, 5.0, 7.5, 10.0])
    borders_s[1:-1] += random.uniform(-0.25, 0.25, 3)
    levels = [Segments(borders_s[:-1], borders_s[1:], tuple(random.choice(["A", "B", "C"], 4)))]
    if random.random() < 0.5:
        halves_s = np.sort(np.concatenate([borders_s, (borders_s[:-1] + borders_s[1:]) / 2]))
        levels.append(Segments(halves_s[:-1], halves_s[1:], tuple(random.choice(["a", "b", "c", "d"], 8))))
    return Hierarchy(tuple(levels))
