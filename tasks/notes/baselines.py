"""Trivial baselines of notes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.tasks.multipitch.baselines import commonest, strong_pitches
from ricercar.tasks.scoring import Clip, Estimator
from ricercar.tasks.shared.harmonic_sum import HOP_S, harmonic_sum

_STEP_S = 0.1  # twice mir_eval's tolerance: whatever the pitch's onset, a note is near

_PITCHES = np.arange(21.0, 109.0)
_APART = 3  # frames: an onset is the strongest of as many before and after it
_AROUND = 25  # frames around an onset whose mean flux it has to exceed by
_ABOVE = 1.5
_SILENCE = 1e-2  # flux below which nothing begins
_LAG = 1  # frames from where the spectrum grows the most to the onset: the window sees it coming
_LATER = 3  # frames from an onset to where its pitches are heard
_LONGEST = 150  # frames


def common_pitches(references: Sequence[Annotation]) -> Estimator:
    """The commonest pitches of the training split, again and again: as many as promise the best F there."""
    counts, seconds = np.zeros(128), 0.0
    for reference in references:
        assert isinstance(reference, Notes)
        pitched = reference.program != DRUMS
        counts += np.bincount(reference.semitone[pitched], minlength=128)
        seconds += float(reference.offset_s.max(initial=0.0))
    pitches = commonest(counts, np.arange(1, 129) * seconds / _STEP_S)

    def estimate(clip: Clip) -> Notes:
        onset_s = np.repeat(np.round(np.arange(int(clip.duration_s / _STEP_S)) * _STEP_S, 6), len(pitches))
        return Notes.make(onset_s, np.round(onset_s + _STEP_S, 6), np.tile(pitches, len(onset_s) // len(pitches)))

    return estimate


def spectral_peaks(references: Sequence[Annotation]) -> Estimator:
    """Onsets where the spectrum grows, at each the pitches with the strongest harmonics. Learns nothing.

    A note ends where its pitch is half as strong as at its onset, or begins again.
    """

    def estimate(clip: Clip) -> Notes:
        strength = harmonic_sum(clip.audio, clip.sample_rate, _PITCHES)
        onset = np.minimum(_onsets(strength) + _LAG, len(strength) - 1)
        heard = np.minimum(onset + _LATER, len(strength) - 1)
        number, pitch = np.nonzero(strong_pitches(strength[heard]))
        first, start = onset[number], heard[number]
        ahead = np.minimum(start[:, None] + np.arange(_LONGEST), len(strength) - 1)
        weak = strength[ahead, pitch[:, None]] < 0.5 * strength[start, pitch][:, None]
        end = start + np.where(weak.any(axis=1), weak.argmax(axis=1), _LONGEST)
        order = np.lexsort((first, pitch))
        first, pitch, end = first[order], pitch[order], end[order]
        again = np.flatnonzero(pitch[:-1] == pitch[1:])
        end[again] = np.minimum(end[again], first[again + 1])
        return Notes.make(np.round(first * HOP_S, 6), np.round(end * HOP_S, 6), pitch + int(_PITCHES[0]))

    return estimate


def _onsets(strength: NDArray[np.float32]) -> NDArray[np.int64]:
    """(T, P) harmonic sums -> frames where they grow the most, all pitches together."""
    flux = np.maximum(np.diff(strength, axis=0, prepend=strength[:1] * 0), 0).mean(axis=1)
    highest = flux == maximum_filter1d(flux, 2 * _APART + 1)
    strong = flux > np.maximum(_ABOVE * uniform_filter1d(flux, 2 * _AROUND + 1), _SILENCE)
    return np.flatnonzero(highest & strong)
