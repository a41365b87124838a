"""Trivial estimates of the key."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.key import Key
from ricercar.tasks.scoring import Clip, Estimator
from ricercar.tasks.shared.chroma import chroma

_UNTRAINED = Key(tonic=0, mode="major")
_HOP_S = 0.1

# How well each pitch class fits a key of C: Temperley 1999, What's key for key? The Krumhansl-Schmuckler key-finding
# algorithm reconsidered. (On piano recordings the profiles of Krumhansl and Kessler err to the fifth more often.)
PROFILES = {
    "major": (5.0, 2.0, 3.5, 2.0, 4.5, 4.0, 2.0, 4.5, 2.0, 3.5, 1.5, 4.0),
    "minor": (5.0, 2.0, 3.5, 4.5, 2.0, 4.0, 2.0, 4.5, 3.5, 2.0, 1.5, 4.0),
}


def majority(references: Sequence[Annotation]) -> Estimator:
    """The commonest key of the training tracks, of several the first in the alphabet; C major without any."""
    counts: Counter[Key] = Counter()
    for reference in references:
        assert isinstance(reference, Key)
        counts[reference] += 1
    key = max(sorted(counts, key=str), key=lambda each: counts[each], default=_UNTRAINED)
    return lambda clip: key


def template(references: Sequence[Annotation]) -> Estimator:
    """The key whose profile correlates best with the chroma of the whole clip; C major where it is silent."""
    keys = [Key(tonic=tonic, mode=mode) for mode in PROFILES for tonic in range(12)]
    profiles = np.stack([np.roll(PROFILES[key.mode], key.tonic) for key in keys])
    profiles -= profiles.mean(axis=1, keepdims=True)
    profiles /= np.linalg.norm(profiles, axis=1, keepdims=True)

    def estimate(clip: Clip) -> Key:
        mean = chroma(clip.audio, clip.sample_rate, _HOP_S).mean(axis=0)
        return keys[int((profiles @ (mean - mean.mean())).argmax())]

    return estimate
