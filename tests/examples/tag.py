"""Some of six tags."""

import numpy as np

from ricercar.data.annotations.tags import Tags

NAMES = ("bass", "drums", "electric guitar", "piano", "violin", "voice")


def example(random: np.random.Generator) -> Tags:
    """One to five of them."""
    return Tags(tuple(random.choice(NAMES, random.integers(1, 6), replace=False).tolist()))
