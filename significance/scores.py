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
    work        (T,) which work each track is of
    averaging   "tracks": every track counts the same; "works": every work does
    """

    values: Floats
    work: Ints
    averaging: str

    def __post_init__(self) -> None:
        assert self.values.ndim == 3, self.values.shape
        assert self.work.shape == self.values.shape[2:], (self.work.shape, self.values.shape)
        assert self.averaging in ("tracks", "works"), self.averaging

    @property
    def num_seeds(self) -> Ints:
        """(S,) seeds with a score; 0 for a system without any."""
        num_seeds: Ints = self._seeds.sum(axis=1)
        return num_seeds

    @property
    def num_works(self) -> Ints:
        """(S,) works in which the system has a score."""
        num_works: Ints = (self.by_work()[1] > 0).any(axis=1).sum(axis=1)
        return num_works

    @property
    def effective_works(self) -> Floats:
        """(S,) as many works of one size would vary as much as these, which weigh differently; 0 for no score."""
        sizes = self.by_work()[1].sum(axis=1)
        return np.nan_to_num(_ratio(sizes.sum(axis=1) ** 2, (sizes**2).sum(axis=1)))

    @property
    def known(self) -> Bools:
        """(S, T) whether the system has a score of the track, of every seed that it has."""
        absent = np.logical_not(self._seeds)
        scored = np.logical_or(absent[:, :, None], np.logical_not(np.isnan(self.values)))
        every: Bools = np.logical_and.reduce(scored, axis=1)
        return np.logical_and(every, (self.num_seeds > 0)[:, None])

    @property
    def shared(self) -> Bools:
        """(T,) whether all systems that have any score have one of the track."""
        shared: Bools = np.logical_and.reduce(self.known[self.num_seeds > 0], axis=0)
        return shared

    def on(self, tracks: Bools, systems: Bools | None = None) -> "Scores":
        """Without the other tracks' scores, and without those of the other systems."""
        kept = tracks if systems is None else systems[:, None, None] & tracks
        return Scores(np.where(kept, self.values, np.nan), self.work, self.averaging)

    def common(self) -> tuple[Bools, Bools]:
        """-> (T,) tracks and (S,) systems that have scores of all of these tracks.

        Of the systems, those with most tracks first, as many as keep most scores. One that has too few tracks in common
        with these is left out; so is one without any score.
        """
        known = self.known
        order = np.argsort(-known.sum(axis=1), kind="stable")
        num_tracks = np.logical_and.accumulate(known[order], axis=0).sum(axis=1)
        kept = np.arange(1, len(order) + 1) * num_tracks
        number = len(kept) - int(np.argmax(kept[::-1]))  # the most systems of what keeps as many scores
        systems = np.zeros(len(order), dtype=bool)
        systems[order[:number]] = kept.max() > 0
        tracks: Bools = np.logical_and.reduce(known[systems], axis=0)
        return np.logical_and(tracks, kept.max() > 0), systems

    def means(self) -> Floats:
        """(S,) mean over seeds of `seed_means`; NaN for a system without any score."""
        return mean_of(self.seed_means(), self._seeds)

    def middle_half(self) -> Floats:
        """(S, 2) quartiles of the tracks' means over seeds: how tracks differ. NaN for fewer than two tracks."""
        by_track = self.values.swapaxes(1, 2)
        tracks = mean_of(by_track, ~np.isnan(by_track))
        ends = np.full((len(tracks), 2), np.nan)
        for i in np.flatnonzero((~np.isnan(tracks)).sum(axis=1) > 1):
            ends[i] = np.nanquantile(tracks[i], [0.25, 0.75])
        return ends

    def seed_means(self) -> Floats:
        """(S, K) mean over tracks, or mean of the works' means; NaN for a seed that is not there."""
        sums, sizes = self.by_work()
        return _ratio(sums.sum(axis=2), sizes.sum(axis=2))

    def by_work(self) -> tuple[Floats, Floats]:
        """(S, K, W) sums and weights of the W works, in the order of their numbers: a mean is sum / weight of all."""
        names, column = np.unique(self.work, return_inverse=True)
        known = ~np.isnan(self.values)
        sums, sizes = np.zeros((2, len(names), *self.values.shape[:2]))
        np.add.at(sums, column, np.where(known, self.values, 0.0).transpose(2, 0, 1))
        np.add.at(sizes, column, known.astype(np.float64).transpose(2, 0, 1))
        if self.averaging == "works":
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
