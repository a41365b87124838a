"""Trivial estimates of the tempo."""

from collections.abc import Sequence

import numpy as np

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.tempo import Tempo
from ricercar.tasks.scoring import Clip, Estimator
from ricercar.tasks.shared import pulse
from ricercar.tasks.tempo.decoding import with_other
from ricercar.tasks.tempo.scoring import tempo_of

_BPM = 120.0  # without training references
_MIN_BPM, _MAX_BPM = 40.0, 240.0


def constant(references: Sequence[Annotation]) -> Estimator:
    """The median tempo of the training split."""
    tempi = [tempo.strongest_bpm for reference in references if (tempo := tempo_of(reference)) is not None]
    estimate = Tempo(bpm=float(np.median(tempi)) if tempi else _BPM)
    return lambda clip: estimate


def autocorrelation(references: Sequence[Annotation]) -> Estimator:
    """The tempo at which the spectral flux is most periodic, and its double or half."""

    def estimate(clip: Clip) -> Tempo:
        strength, fps = pulse.onset_strength(clip)
        correlation = pulse.autocorrelation(strength)
        bpm = pulse.strongest_tempo(correlation, fps, _MIN_BPM, _MAX_BPM)
        return with_other(bpm, np.array([2.0 * bpm, 0.5 * bpm]), correlation, fps)

    return estimate
