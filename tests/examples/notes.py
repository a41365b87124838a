"""Notes: scales in three octaves at once."""

import numpy as np

from ricercar.data.annotations.notes import Notes


def example(random: np.random.Generator) -> Notes:
    """Repeated pitches, never two notes of one pitch at a time."""
    onset_s = np.arange(0.1, 9.5, 0.15)
    onset_s = np.concatenate([onset_s + random.uniform(0, 0.05, len(onset_s)) for _ in range(3)])
    pitch = np.concatenate([random.integers(low, low + 12, len(onset_s) // 3) for low in (40, 60, 80)])
    return Notes.make(
        onset_s=onset_s,
        offset_s=onset_s + random.uniform(0.05, 0.09, len(onset_s)),
        pitch=pitch,
        velocity=random.integers(1, 128, len(onset_s)),
    )
