"""Drums of six classes, often several at once."""

import numpy as np

from ricercar.data.annotations.onsets import Onsets


def example(random: np.random.Generator) -> Onsets:
    """Of one class at least 50 ms apart."""
    time_s, label = [], []
    for name in ("KD", "SD", "HH", "TT", "CY", "OT"):
        own_s = random.uniform(0.0, 0.5) + np.arange(0.0, 9.2, random.choice([0.15, 0.25, 0.5]))
        own_s = own_s[random.random(len(own_s)) < 0.7]
        time_s += np.round(own_s + random.uniform(0.0, 0.1, len(own_s)), 6).tolist()
        label += [name] * len(own_s)
    return Onsets(time_s=np.array(time_s), label=tuple(label))
