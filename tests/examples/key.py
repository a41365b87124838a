"""A key."""

import numpy as np

from ricercar.data.annotations.key import Key


def example(random: np.random.Generator) -> Key:
    return Key(tonic=int(random.integers(12)), mode=str(random.choice(["major", "minor"])))
