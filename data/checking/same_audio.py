"""Whether two stretches of audio are one recording, to the sample: by cross-correlation."""

from collections.abc import Callable

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Read = Callable[[int, int], NDArray[np.int16]]  # first sample, number of samples -> those; zeros outside of the track

LEAST_S = 2.0  # less audio in common, such as one stroke on one drum, proves nothing

# Measured on seconds of audio. Copies as MP3, with noise 20 dB below, at another volume: 0.6 to 1.0 in 95 % of them
# (single notes and noises: above 0.5). Other recordings: pieces on one piano up to 0.26, notes of a guitar up to 0.49.
_ALIKE = 0.5
_LAG_S = 0.04  # how exactly an offset is known
_SAME_LAG_S = 0.002
_MAX_SECONDS = 20  # looked at in one pair of tracks
_SILENT = 0.003  # of the loudest second
_LOW_HZ, _HIGH_HZ = 100.0, 4000.0


def same_audio(first: Read, second: Read, offset_s: float, start_s: float, end_s: float, sample_rate: int) -> bool:
    """Whether most of the second track from `start_s` to `end_s` is in the first one, `offset_s` later.

    True where two seconds or more, and half of those that are not silent, are the same but for volume, polarity,
    filters and noise.
    """
    num_seconds = int(end_s - start_s)
    if num_seconds < LEAST_S:
        return False
    chosen = np.unique(np.linspace(0, num_seconds - 1, min(num_seconds, _MAX_SECONDS)).astype(int))
    margin = round(_LAG_S * sample_rate)
    levels, likeness, lags = [], [], []
    for second_s in chosen + start_s:
        there = second(round(second_s * sample_rate), sample_rate)
        here = first(round((second_s + offset_s) * sample_rate) - margin, sample_rate + 2 * margin)
        at_lag = correlation(there, here, sample_rate)
        lags.append(int(np.argmax(at_lag)))
        likeness.append(float(at_lag.max()))
        levels.append(min(_rms(there), _rms(here[margin : margin + sample_rate])))
    sounding = np.array(levels) > max(_SILENT * max(levels), 1.0)
    alike = (np.array(likeness) >= _ALIKE) & sounding
    if not alike.any():
        return False
    alike &= np.abs(np.array(lags) - np.median(np.array(lags)[alike])) <= _SAME_LAG_S * sample_rate
    return bool(alike.sum() >= LEAST_S and alike.sum() >= 0.5 * sounding.sum())


def offset_of(first: NDArray[np.int16], second: NDArray[np.int16], sample_rate: int) -> float:
    """The offset in seconds that puts the loudest second of one clip where the other one is most like it."""
    energy = np.cumsum(np.concatenate([[0.0], second.astype(np.float64) ** 2]))
    loudest = int(np.argmax(energy[sample_rate:] - energy[:-sample_rate])) if len(second) > sample_rate else 0
    part = second[loudest : loudest + sample_rate]
    around = np.pad(first, len(part))
    return (int(np.argmax(correlation(part, around, sample_rate))) - len(part) - loudest) / sample_rate


def correlation(part: NDArray[np.int16], around: NDArray[np.int16], sample_rate: int) -> NDArray[np.float64]:
    """(N,), (M,) -> (M - N + 1,) how like `part` each stretch of `around` is, from 0 to about 1.

    Spectra are half whitened (magnitudes to the power of 1/2): without that, low steady tones alone would decide.
    """
    size = scipy.fft.next_fast_len(len(part) + len(around), real=True)
    freq_hz = np.fft.rfftfreq(size, 1 / sample_rate)
    heard = (freq_hz > _LOW_HZ) & (freq_hz < _HIGH_HZ)
    spectra = [scipy.fft.rfft(audio.astype(np.float64), size) for audio in (part, around)]
    of_part, of_around = (each * heard / np.sqrt(np.maximum(np.abs(each), 1e-9)) for each in spectra)
    num_places = len(around) - len(part) + 1
    product = np.abs(scipy.fft.irfft(np.conj(of_part) * of_around, size)[:num_places])
    energy = np.cumsum(np.concatenate([[0.0], scipy.fft.irfft(of_around, size)[: len(around)] ** 2]))
    energy = energy[len(part) :] - energy[:num_places]
    own = float(np.sum(scipy.fft.irfft(of_part, size) ** 2))
    likeness: NDArray[np.float64] = product / np.sqrt(own * np.maximum(energy, 0.01 * energy.max()) + 1e-9)
    return likeness


def _rms(samples: NDArray[np.int16]) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))
