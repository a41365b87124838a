"""Trivial estimates of onsets."""

from collections.abc import Sequence

import numpy as np

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.onsets import Onsets
from ricercar.tasks.scoring import Clip, Estimator
from ricercar.tasks.shared.spectral_flux import Flux

INTERVAL_S = 0.25  # between onsets of the grid, where no training reference has two: quavers at 120 beats per minute
THRESHOLD = 0.03  # of the flux of all bands; the best for composed pieces and sampled pianos alike


def grid(references: Sequence[Annotation]) -> Estimator:
    """Regular onsets from 0 s on, at the median interval between onsets of the training references."""
    intervals = [np.zeros(0)]
    for reference in references:
        assert isinstance(reference, Onsets)
        intervals.append(np.diff(reference.time_s))
    together = np.concatenate(intervals)
    # 1 ms at the least: nothing keeps references from having mostly equal times.
    interval_s = max(float(np.median(together)), 0.001) if len(together) else INTERVAL_S

    def estimate(clip: Clip) -> Onsets:
        return Onsets.make(np.round(np.arange(0.0, clip.duration_s, interval_s), 6))

    return estimate


def energy_peaks(references: Sequence[Annotation]) -> Estimator:
    """Peaks of the spectral flux; learns nothing from references."""

    def estimate(clip: Clip) -> Onsets:
        flux = Flux(clip)
        return Onsets.make(np.round(flux.onsets(flux.between(0.0, np.inf), THRESHOLD), 6))

    return estimate
