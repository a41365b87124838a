"""Trivial estimates of drums."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.onsets import Onsets
from ricercar.tasks.onset.baselines import energy_peaks
from ricercar.tasks.scoring import Clip, Estimator
from ricercar.tasks.shared.spectral_flux import Flux

COMMONEST = "HH"  # where no training reference has a drum
# Label: lowest and highest frequency in Hz, threshold of the flux between them.
BANDS = {"KD": (30.0, 120.0, 0.3), "SD": (150.0, 500.0, 0.2), "HH": (5000.0, np.inf, 0.1)}


def majority(references: Sequence[Annotation]) -> Estimator:
    """Peaks of the spectral flux, all with the commonest class of the training references."""
    numbers: Counter[str] = Counter()
    for reference in references:
        assert isinstance(reference, Onsets)
        numbers.update(reference.label)
    # Of equally common ones the first by name.
    label = min(numbers, key=lambda each: (-numbers[each], each)) if numbers else COMMONEST
    peaks = energy_peaks([])

    def estimate(clip: Clip) -> Onsets:
        onsets = peaks(clip)
        assert isinstance(onsets, Onsets)
        return Onsets(time_s=onsets.time_s, label=(label,) * len(onsets))

    return estimate


def bands(references: Sequence[Annotation]) -> Estimator:
    """Peaks of the flux of low, middle and high frequencies: bass drum, snare drum, hi-hat. Learns nothing."""

    def estimate(clip: Clip) -> Onsets:
        flux = Flux(clip)
        found = {label: flux.onsets(flux.between(low, high), least) for label, (low, high, least) in BANDS.items()}
        return Onsets(
            time_s=np.round(np.concatenate(list(found.values())), 6),
            label=tuple(label for label, time_s in found.items() for _ in time_s),
        )

    return estimate
