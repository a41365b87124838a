"""The scores of several systems on the same tracks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Scores:
    """One metric of S systems, with K seeds at most, on T tracks.

    values      (S, K, T); NaN in the whole row of a seed that a system does not have, and where the protocol leaves
                the track out
    group       (T,) which work each track is of
    averaging   "tracks": every track counts the same; "groups": every group does
    """

    values: Floats
    group: Ints
    averaging: str

    def __post_init__(self) -> None:
        assert self.values.ndim == 3, self.values.shape
        assert self.group.shape == self.values.shape[2:], (self.group.shape, self.values.shape)
        assert self.averaging in ("tracks", "groups"), self.averaging

    @property
    def num_seeds(self) -> Ints:
        """(S,) seeds with a score; 0 for a system without any."""
        num_seeds: Ints = self._seeds.sum(axis=1)
        return num_seeds

    @property
    def num_groups(self) -> Ints:
        """(S,) groups in which the system has a score."""
        num_groups: Ints = (self.grouped()[1] > 0).any(axis=1).sum(axis=1)
        return num_groups

    @property
    def known(self) -> Bools:
        """(S, T) whether the system has a score of the track."""
        return np.logical_not(np.isnan(self.values).all(axis=1))

    def means(self) -> Floats:
        """(S,) mean over seeds of `seed_means`; NaN for a system without any score."""
        return mean_of(self.seed_means(), self._seeds)

    def seed_means(self) -> Floats:
        """(S, K) mean over tracks, or mean of the groups' means; NaN for a seed that is not there."""
        sums, sizes = self.grouped()
        return _ratio(sums.sum(axis=2), sizes.sum(axis=2))

    def grouped(self) -> tuple[Floats, Floats]:
        """(S, K, G) sums and weights of the G groups, in the order of their numbers: a mean is sum / weight of all."""
        names, column = np.unique(self.group, return_inverse=True)
        known = ~np.isnan(self.values)
        sums, sizes = np.zeros((2, len(names), *self.values.shape[:2]))
        np.add.at(sums, column, np.where(known, self.values, 0.0).transpose(2, 0, 1))
        np.add.at(sizes, column, known.astype(np.float64).transpose(2, 0, 1))
        if self.averaging == "groups":
            sums, sizes = np.nan_to_num(_ratio(sums, sizes)), (sizes > 0).astype(np.float64)
        return sums.transpose(1, 2, 0), sizes.transpose(1, 2, 0)

    @property
    def _seeds(self) -> Bools:
        """(S, K) whether the seed has a score."""
        return np.logical_not(np.isnan(self.values).all(axis=2))


def mean_of(values: Floats, where: Bools) -> Floats:
    """Mean over the last axis of what `where` names; NaN where that is nothing."""
    return _ratio(np.where(where, values, 0.0).sum(axis=-1), where.sum(axis=-1).astype(np.float64))


def _ratio(sums: Floats, sizes: Floats) -> Floats:
    """NaN where there is nothing to divide by."""
    ratio: Floats = np.divide(sums, sizes, out=np.full(sums.shape, np.nan), where=sizes > 0)
    return ratio
