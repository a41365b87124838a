"""How much a mean could differ with other tracks and other seeds. docs/statistics.md says how good this is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ricercar.significance.scores import Floats, Ints, Scores, mean_of

COVERAGE = 0.95
_CELLS = 4_000_000  # of the counts that are held at a time: bounds the memory
_ROUNDING = 1e-12  # relative to the means: a difference or an error below it is that of rounding
_EQUAL = 1e-13  # relative to the systems' variances: a variance of their difference below it is that of rounding

Pooled = Callable[[Sequence[Mapping[str, float]]], Mapping[str, float]]


@dataclass(frozen=True)
class Contrast:
    """E weighted sums of the systems' means. NaN where it is not defined: without a mean, or with one group and seed.

    low, high        95 % interval of the estimate
    p                two-sided, of no difference
    standard_error, df
    """

    estimate: Floats
    low: Floats
    high: Floats
    p: Floats
    standard_error: Floats
    df: Floats


@dataclass(frozen=True)
class Draws:
    """R resampled means of S systems: mean + tracks + seeds.

    mean            (S,); NaN for a system without any score
    tracks          (R, S) how far the mean moves with the draw of groups, which is the same for all systems
    seeds           (R, S) and with the draw of seeds, which is each system's own; 0 for one seed
    seed_variance   (S,) of the mean, due to seeds
    num_groups, num_seeds    (S,)
    low, high       (S,) 95 % interval of the mean; NaN where there is one group and one seed
    """

    mean: Floats
    tracks: Floats
    seeds: Floats
    seed_variance: Floats
    num_groups: Ints
    num_seeds: Ints

    @property
    def draws(self) -> Floats:
        """(R, S)"""
        return self.mean + self.tracks + self.seeds

    @property
    def low(self) -> Floats:
        low: Floats = self._ends[0]
        return low

    @property
    def high(self) -> Floats:
        high: Floats = self._ends[1]
        return high

    @cached_property
    def _ends(self) -> Floats:
        """(2, S) percentiles, as much farther from the mean as those of t are than those of the normal distribution."""
        of_tracks = self.tracks.var(axis=0)
        each = _tested(
            estimate=self.mean,
            scale=np.abs(np.nan_to_num(self.mean)),
            of_tracks=of_tracks,
            unpaired=of_tracks,
            of_seeds=self.seed_variance,
            seed_spread=self.seed_variance**2 / np.maximum(self.num_seeds - 1, 1),
            num_groups=self.num_groups,
            several_seeds=self.num_seeds > 1,
        )
        tail = (1 - COVERAGE) / 2
        stretch = stats.t.isf(tail, each.df) / stats.norm.isf(tail)
        ends: Floats = self.mean + np.quantile(self.tracks + self.seeds, [tail, 1 - tail], axis=0) * stretch
        return ends

    @cached_property
    def _covariance(self) -> Floats:
        """(S, S) of the means, due to tracks."""
        distances = self.tracks - self.tracks.mean(axis=0)
        covariance: Floats = distances.T @ distances / len(distances)
        return covariance

    def contrast(self, weights: Floats) -> Contrast:
        """weights (S, E), such as 1 and -1 for a difference -> E weighted sums of the means."""
        used = weights != 0
        of_seeds = weights**2 * self.seed_variance[:, None]
        known = used.any(axis=0) & ~(used & np.isnan(self.mean)[:, None]).any(axis=0)
        return _tested(
            estimate=np.where(known, np.nan_to_num(self.mean) @ weights, np.nan),
            scale=np.abs(weights).T @ np.abs(np.nan_to_num(self.mean)),
            of_tracks=(weights * (self._covariance @ weights)).sum(axis=0),
            unpaired=(weights**2).T @ np.diag(self._covariance),
            of_seeds=of_seeds.sum(axis=0),
            seed_spread=(of_seeds**2 / np.maximum(self.num_seeds - 1, 1)[:, None]).sum(axis=0),
            num_groups=np.where(used, self.num_groups[:, None], np.iinfo(np.int64).max).min(axis=0),
            several_seeds=(used & (self.num_seeds > 1)[:, None]).any(axis=0),
        )

    def differences(self, one: Ints, two: Ints) -> Contrast:
        """(E,) systems each -> the mean of `one` minus that of `two`: `contrast` of any number of pairs, fast."""
        variance = np.diag(self._covariance)
        spread = self.seed_variance**2 / np.maximum(self.num_seeds - 1, 1)
        unpaired = variance[one] + variance[two]
        return _tested(
            estimate=self.mean[one] - self.mean[two],
            scale=np.abs(np.nan_to_num(self.mean[one])) + np.abs(np.nan_to_num(self.mean[two])),
            of_tracks=unpaired - 2 * self._covariance[one, two],
            unpaired=unpaired,
            of_seeds=self.seed_variance[one] + self.seed_variance[two],
            seed_spread=spread[one] + spread[two],
            num_groups=np.minimum(self.num_groups[one], self.num_groups[two]),
            several_seeds=(self.num_seeds[one] > 1) | (self.num_seeds[two] > 1),
        )


def _tested(
    *,
    estimate: Floats,
    scale: Floats,
    of_tracks: Floats,
    unpaired: Floats,
    of_seeds: Floats,
    seed_spread: Floats,
    num_groups: Ints,
    several_seeds: NDArray[np.bool_],
) -> Contrast:
    """(E,) each. of_tracks, of_seeds: variances; unpaired: of tracks, if systems were not of the same ones."""
    of_tracks = np.where(of_tracks < _EQUAL * unpaired, 0.0, of_tracks)
    variance = of_tracks + of_seeds
    # Satterthwaite: what the parts' own uncertainty makes of the sum's
    spread = of_tracks**2 / np.maximum(num_groups - 1, 1) + seed_spread
    standard_error = np.where(np.sqrt(variance) > _ROUNDING * scale, np.sqrt(variance), 0.0)
    varies = standard_error > 0
    df = np.divide(variance**2, spread, out=np.ones_like(variance), where=varies)
    reach = standard_error * stats.t.isf((1 - COVERAGE) / 2, df)
    ratio = np.divide(np.abs(estimate), standard_error, out=np.zeros_like(estimate), where=varies)
    certain = np.where(np.abs(np.nan_to_num(estimate)) > _ROUNDING * scale, 0.0, 1.0)
    p = np.where(varies, 2 * stats.t.sf(ratio, df), certain)
    known = ~np.isnan(estimate) & ((num_groups > 1) | several_seeds)
    low, high, p, standard_error, df = (
        np.where(known, each, np.nan) for each in (estimate - reach, estimate + reach, p, standard_error, df)
    )
    return Contrast(estimate, low, high, p, standard_error, df)


def resample(scores: Scores, num_resamples: int = 10_000, seed: int = 0) -> Draws:
    """Groups of tracks are drawn with replacement for all systems at once, and seeds for each system.

    Both parts are stretched by sqrt(n / (n - 1)), without which n groups or seeds vary too little (Rao & Wu 1988).
    """
    means = scores.seed_means()
    present = ~np.isnan(means)
    sums, sizes = scores.grouped()
    # (G, S * K): each group's distance from its seed's mean, so that equal scores move by exactly 0
    distances = (sums - np.nan_to_num(means)[:, :, None] * sizes).reshape(-1, sums.shape[2]).T
    sizes = sizes.reshape(-1, sums.shape[2]).T
    rng = np.random.default_rng(seed)
    tracks = []
    for counts in _counts(rng, num_resamples, sums.shape[2]):
        weight = counts @ sizes
        moved = np.divide(counts @ distances, weight, out=np.zeros_like(weight), where=weight > 0)
        tracks.append(np.nan_to_num(mean_of(moved.reshape(-1, *means.shape), present)))
    return _draws(means, np.concatenate(tracks), scores.num_groups, rng)


def resample_pooled(
    evidence: Sequence[Sequence[Sequence[Mapping[str, float]]]],
    pooled: Pooled,
    group: Ints,
    num_resamples: int = 200,
    seed: int = 0,
) -> dict[str, Draws]:
    """{metric: draws} of metrics of all tracks together, which are computed anew from each draw of tracks.

    evidence   [system][seed][track], as TrackScore.evidence
    pooled     Scoring.pooled of the task
    """
    runs = [run for system in evidence for run in system]
    members = [np.flatnonzero(group == name) for name in np.unique(group)]
    whole = [pooled(run) for run in runs]
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(members), size=(num_resamples, len(members)))
    again = []
    for row in drawn if len(members) > 1 else []:
        tracks = np.concatenate([members[i] for i in row])
        again.append([pooled([run[i] for i in tracks]) for run in runs])
    return {name: _pooled_draws(name, evidence, whole, again, len(members), num_resamples, rng) for name in whole[0]}


def _pooled_draws(
    name: str,
    evidence: Sequence[Sequence[object]],
    whole: Sequence[Mapping[str, float]],
    again: Sequence[Sequence[Mapping[str, float]]],
    num_groups: int,
    num_resamples: int,
    rng: np.random.Generator,
) -> Draws:
    owner = np.repeat(np.arange(len(evidence)), [len(system) for system in evidence])
    place = np.concatenate([np.arange(len(system)) for system in evidence])
    means = np.full((len(evidence), place.max() + 1), np.nan)
    means[owner, place] = [values[name] for values in whole]
    moved = np.zeros((num_resamples, *means.shape))
    if again:
        values = np.array([[values[name] for values in row] for row in again])
        values -= mean_of(values.T, ~np.isnan(values.T))  # such metrics are biased on draws with repeated tracks
        moved[:, owner, place] = np.nan_to_num(values)
    present = ~np.isnan(means)
    groups = np.where(present.any(axis=1), num_groups, 0)
    return _draws(means, np.nan_to_num(mean_of(moved, present)), groups, rng)


def _draws(means: Floats, tracks: Floats, num_groups: Ints, rng: np.random.Generator) -> Draws:
    """(S, K) means of seeds, and (R, S) how far their means move with the tracks."""
    present = ~np.isnan(means)
    num_seeds = present.sum(axis=1)
    seeds, seed_variance = np.zeros_like(tracks), np.zeros(len(means))
    for i in np.flatnonzero(num_seeds > 1):
        k = num_seeds[i]
        distances = means[i, present[i]] - means[i, present[i]].mean()
        seed_variance[i] = (distances**2).sum() / (k * (k - 1))
        seeds[:, i] = distances[rng.integers(k, size=(len(tracks), k))].mean(axis=1) * np.sqrt(k / (k - 1))
    stretch = np.where(num_groups > 1, np.sqrt(num_groups / np.maximum(num_groups - 1, 1)), 0.0)
    return Draws(mean_of(means, present), tracks * stretch, seeds, seed_variance, num_groups, num_seeds)


def _counts(rng: np.random.Generator, num_resamples: int, num_groups: int) -> Iterator[NDArray[np.float64]]:
    """(num_resamples, num_groups) how often each group is drawn, a part at a time; rows sum to num_groups."""
    rows = max(1, _CELLS // num_groups)
    for first in range(0, num_resamples, rows):
        size = min(rows, num_resamples - first)
        yield rng.multinomial(num_groups, np.full(num_groups, 1 / num_groups), size=size).astype(np.float64)
