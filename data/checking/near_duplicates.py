"""Tracks that have audio in common."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ricercar.data.checking.landmarks import Landmarks
from ricercar.data.checking.same_audio import LEAST_S, offset_of, same_audio
from ricercar.data.checking.spectra import neighbours, spectrum

_SHORT_S = 10.0  # shorter ones have few landmarks, and are compared by their spectra, too


@dataclass(frozen=True)
class Duplicate:
    """What tracks number `first` and `second` have in common: `seconds`, from `start_s` and `second_start_s` on."""

    first: int
    second: int
    start_s: float
    second_start_s: float
    seconds: float


class NearDuplicates:
    """Finds the same recording in two tracks: at another volume, coded with loss, with an offset, or an excerpt of it.

    Other recordings of the same music, in the same room on the same instrument, are not meant and not found. Tracks are
    added one after the other and keep number 0, 1, 2 ...; what is kept of them is about 1 MB per hour.

    read   number of a track, first sample, number of samples -> (N,) int16, zeros outside of the track
    """

    def __init__(self, sample_rate: int, read: Callable[[int, int, int], NDArray[np.int16]]) -> None:
        self.sample_rate = sample_rate
        self._read = read
        self._landmarks = Landmarks()
        self._num_samples: list[int] = []
        self._short: list[int] = []
        self._spectra: list[NDArray[np.float32]] = []

    def add(self, samples: NDArray[np.int16]) -> None:
        self._landmarks.add(samples, self.sample_rate)
        if LEAST_S <= len(samples) / self.sample_rate <= _SHORT_S:
            self._short.append(len(self._num_samples))
            self._spectra.append(spectrum(samples, self.sample_rate))
        self._num_samples.append(len(samples))

    def found(self) -> list[Duplicate]:
        """Every pair once, in the order of the tracks."""
        duplicates: dict[tuple[int, int], Duplicate] = {}
        for first, second, offset_s in tqdm(self._candidates(), desc="Comparing audio", unit="pair", disable=None):
            if (first, second) in duplicates:
                continue
            length_s, second_length_s = (self._num_samples[each] / self.sample_rate for each in (first, second))
            start_s = max(0.0, -offset_s)
            end_s = min(second_length_s, length_s - offset_s)
            reads = (partial(self._read, first), partial(self._read, second))
            if same_audio(*reads, offset_s, start_s, end_s, self.sample_rate):
                duplicate = Duplicate(first, second, start_s + offset_s, start_s, end_s - start_s)
                duplicates[first, second] = duplicate
        return sorted(duplicates.values(), key=lambda each: (each.first, each.second))

    def _candidates(self) -> Iterator[tuple[int, int, float]]:
        yield from self._landmarks.pairs()
        for pair in neighbours(np.array(self._spectra)):
            first, second = (self._short[each] for each in pair)
            clips = [self._read(each, 0, self._num_samples[each]) for each in (first, second)]
            yield first, second, offset_of(clips[0], clips[1], self.sample_rate)
