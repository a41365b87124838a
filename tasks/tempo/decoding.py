"""From a network's outputs to a tempo."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax

from ricercar.data.annotations.tempo import Tempo
from ricercar.tasks.beat.decoding import TrackingDecoder
from ricercar.tasks.shared import pulse

Floats = NDArray[np.float64]

_RELATIVES = (2.0, 0.5, 3.0, 1.0 / 3.0)


def decode_activation(beat: Floats, *, fps: float, tracking: TrackingDecoder, decoding: Mapping[str, float]) -> Tempo:
    """(T,) logits of beats -> the median tempo of the tracked beats; fewer than three: that of the autocorrelation.

    The other tempo is the double, half, triple or third at which the activation is most periodic, and their strengths
    are those periodicities, of which the tracked one counts as the larger.
    """
    low, high = tracking.options["min_bpm"], tracking.options["max_bpm"]
    correlation = pulse.autocorrelation(expit(beat))
    time_s = tracking(beat, None, fps=fps, decoding=decoding).time_s
    if len(time_s) > 2:
        bpm = 60.0 / float(np.median(np.diff(time_s)))
    else:
        bpm = pulse.strongest_tempo(correlation, fps, low, high)
    others = np.array([bpm * factor for factor in _RELATIVES if low <= bpm * factor <= high])
    return with_other(bpm, others, correlation, fps)


def with_other(bpm: float, others: Floats, correlation: Floats, fps: float) -> Tempo:
    """The tempo and the most salient of the others, if any is salient at all."""
    own, *rest = pulse.salience(correlation, np.array([bpm, *others]), fps).tolist()
    if not rest or max(rest) <= 0.0:
        return Tempo(bpm=bpm)
    best = int(np.argmax(rest))
    return Tempo(bpm=bpm, other_bpm=float(others[best]), strength=max(own / (own + rest[best]), 0.5))


class TempoBins:
    """Tempi as classes: bins of equal ratio, as near to bins_per_octave as the range allows.

    One bin lies below min_bpm and one above max_bpm, so that there is a parabola through the tempi at the edges.
    """

    def __init__(self, *, min_bpm: float, max_bpm: float, bins_per_octave: int, smoothing_bins: float) -> None:
        octaves = np.log2(max_bpm / min_bpm)
        steps = 1 + int(bins_per_octave * octaves)
        self.size = steps + 3
        self.bins_per_octave = float(steps / octaves)
        self.smoothing_bins = smoothing_bins
        self.min_bpm = min_bpm

    def encode(self, tempo: Tempo) -> NDArray[np.float32]:
        """-> (K,) of sum 1: each tempo's strength, as a Gaussian of smoothing_bins around its exact place.

        A tempo beyond the range counts as the nearest one within.
        """
        parts = [(tempo.bpm, 1.0)]
        if tempo.other_bpm is not None:
            parts = [(tempo.bpm, tempo.strength), (tempo.other_bpm, 1.0 - tempo.strength)]
        target = np.zeros(self.size)
        for bpm, strength in parts:
            place = np.clip(1 + self.bins_per_octave * np.log2(bpm / self.min_bpm), 1, self.size - 2)
            weight = np.exp(-0.5 * ((np.arange(self.size) - place) / self.smoothing_bins) ** 2)
            target += strength * weight / weight.sum()
        return target.astype(np.float32)

    def decode(self, logits: NDArray[np.float32]) -> Tempo:
        """The highest bin, between the bins by the parabola through its neighbours, and the next highest peak."""
        log_share = log_softmax(logits.astype(np.float64))
        around = np.pad(log_share, 1, constant_values=-np.inf)
        peaks = np.flatnonzero((log_share > around[:-2]) & (log_share >= around[2:]))
        if not len(peaks):
            return Tempo(bpm=self._bpm(float(log_share.argmax())))
        first, *rest = peaks[np.argsort(-log_share[peaks], kind="stable")].tolist()
        bpm = self._bpm(first + _parabola(log_share, first))
        if not rest:
            return Tempo(bpm=bpm)
        shares = np.exp(log_share[[first, rest[0]]])
        other_bpm = self._bpm(rest[0] + _parabola(log_share, rest[0]))
        return Tempo(bpm=bpm, other_bpm=other_bpm, strength=float(shares[0] / shares.sum()))

    def _bpm(self, place: float) -> float:
        return float(self.min_bpm * 2.0 ** ((place - 1) / self.bins_per_octave))


def _parabola(values: Floats, peak: int) -> float:
    """The summit of the parabola through a peak and its neighbours, from the peak; a Gaussian's mean is exact."""
    if not 0 < peak < len(values) - 1:
        return 0.0
    before, at, after = values[peak - 1 : peak + 2].tolist()
    return float(0.5 * (after - before) / (2 * at - before - after))
