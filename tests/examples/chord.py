"""Chords that change at the edges of frames of 50 per second."""

import numpy as np

from ricercar.data.annotations.chords import Chords

LABELS = ("C:maj", "Db:min", "G:maj", "A:min", "Eb:maj", "F:min", "N")


def example(random: np.random.Generator) -> Chords:
    """No two neighbours are the same; one label in the middle is X."""
    edges = (np.sort(random.choice(np.arange(1, 20), size=9, replace=False)) * 25 - 0.5) / 50.0
    labels = [LABELS[0]]
    while len(labels) < 10:
        labels.append(str(random.choice([label for label in LABELS if label != labels[-1]])))
    labels[4] = "X"
    return Chords(np.append(0.0, edges), np.append(edges, 10.0), tuple(labels))
