"""Means of systems with how much they could differ with other tracks and other seeds: intervals and tests.

docs/statistics.md says how good they are.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import special, stats

from ricercar.significance.scores import Bools, Floats, Ints

COVERAGE = 0.95
MIN_WORKS = 6  # works: of fewer, nothing is concluded about others
_ROUNDING = 1e-12  # relative to the means: a difference or an error below it is that of rounding
_EQUAL = 1e-13  # relative to the systems' variances: a variance of their difference below it is that of rounding

_MOST = 3.0  # nats that an interval of a bounded mean is bent by: odds 20 times as high or low

Bounds = tuple[float | None, float | None]


@dataclass(frozen=True)
class Contrast:
    """E weighted sums of the systems' means.

    estimate              NaN without a mean
    standard_error, df    NaN where nothing is known of other works or other seeds, and with them low, high and p
    number                of sums that are judged together: Bonferroni's correction is for it
    """

    estimate: Floats
    standard_error: Floats
    df: Floats
    number: int = 1

    @property
    def p(self) -> Floats:
        """(E,) two-sided, of no difference, corrected for `number`."""
        certain = np.where(self.estimate == 0, 1.0, 0.0)
        varies = self.standard_error > 0
        ratio = np.divide(np.abs(self.estimate), self.standard_error, out=np.zeros_like(certain), where=varies)
        p = np.where(varies, np.minimum(1.0, self.number * 2 * stats.t.sf(ratio, self.df)), certain)
        return np.where(np.isnan(self.standard_error), np.nan, p)

    @property
    def low(self) -> Floats:
        """(E,) with `high` the interval that leaves out 0 exactly where p < 0.05: all hold together in 95 %."""
        return self.estimate - self._reach

    @property
    def high(self) -> Floats:
        return self.estimate + self._reach

    @property
    def _reach(self) -> Floats:
        reach: Floats = self.standard_error * stats.t.isf((1 - COVERAGE) / 2 / self.number, self.df)
        return reach

    def together(self, number: int | None = None) -> "Contrast":
        """Corrected for `number`, or for how many are known."""
        return replace(self, number=max(1, number or int((~np.isnan(self.standard_error)).sum())))


@dataclass(frozen=True)
class Draws:
    """How the means of S systems vary with the draw of works and of seeds.

    mean            (S,); NaN for a system without any score
    covariance      (S, S) of the means, due to works, whose draw is the same for all systems
    num_works       (S,) works with a score
    effective_works (S,) as many works of one size would vary as much: fewer than num_works where sizes differ
    seed_variance   (S,) of the mean, due to seeds, whose draw is each system's own. 0 for a fixed system; NaN where it
                    is not known, with one seed and too few systems to borrow from
    seed_df         (S,) its degrees of freedom; those of what is lent are the lenders less one
    num_seeds       (S,)
    lent            (S,) whether the seed variance is borrowed
    num_lenders     systems that lend it
    bounds          (low, high) of the metric; None is no bound
    """

    mean: Floats
    covariance: Floats
    num_works: Ints
    effective_works: Floats
    seed_variance: Floats
    seed_df: Ints
    num_seeds: Ints
    lent: Bools
    num_lenders: int
    bounds: Bounds = (None, None)

    @property
    def low(self) -> Floats:
        """(S,) with `high` the 95 % interval of the mean, inside the bounds; NaN with too few works.

        Where the seed variance is not known it is of these trained weights, over works alone.
        """
        return self._interval()[0]

    @property
    def high(self) -> Floats:
        return self._interval()[1]

    def _interval(self) -> tuple[Floats, Floats]:
        """That of t, of the mean; with one bound, of the log of its distance to it; with two, of its log odds."""
        alone = replace(self, seed_variance=np.nan_to_num(self.seed_variance)).contrast(np.eye(len(self.mean)))
        return _within(alone.estimate, alone.high - alone.estimate, *self.bounds)

    def contrast(self, weights: Floats) -> Contrast:
        """weights (S, E), such as 1 and -1 for a difference -> E weighted sums of the means."""
        used = weights != 0
        of_seeds = weights**2 * np.where(used, self.seed_variance[:, None], 0.0)
        known = used.any(axis=0) & ~(used & np.isnan(self.mean)[:, None]).any(axis=0)
        return _contrast(
            estimate=np.where(known, np.nan_to_num(self.mean) @ weights, np.nan),
            scale=np.abs(weights).T @ np.abs(np.nan_to_num(self.mean)),
            of_tracks=(weights * (self.covariance @ weights)).sum(axis=0),
            unpaired=(weights**2).T @ np.diag(self.covariance),
            of_seeds=of_seeds.sum(axis=0),
            seed_spread=self.spread(of_seeds),
            num_works=np.where(used, self.num_works[:, None], np.iinfo(np.int64).max).min(axis=0),
            effective_works=np.where(used, self.effective_works[:, None], np.inf).min(axis=0),
        )

    def differences(self, one: Ints, two: Ints) -> Contrast:
        """(E,) systems each -> the mean of `one` minus that of `two`: `contrast` of any number of pairs, fast."""
        variance = np.diag(self.covariance)
        unpaired = variance[one] + variance[two]
        of_seeds = np.stack([self.seed_variance[one], self.seed_variance[two]])
        return _contrast(
            estimate=self.mean[one] - self.mean[two],
            scale=np.abs(np.nan_to_num(self.mean[one])) + np.abs(np.nan_to_num(self.mean[two])),
            of_tracks=unpaired - 2 * self.covariance[one, two],
            unpaired=unpaired,
            of_seeds=of_seeds.sum(axis=0),
            seed_spread=self.spread(of_seeds, np.stack([one, two])),
            num_works=np.minimum(self.num_works[one], self.num_works[two]),
            effective_works=np.minimum(self.effective_works[one], self.effective_works[two]),
        )

    def spread(self, of_seeds: Floats, systems: Ints | None = None) -> Floats:
        """(A, E) variances due to seeds -> (E,) half the variance of their sum; what is lent is one estimate."""
        lent, df = self.lent[:, None], self.seed_df[:, None]
        if systems is not None:
            lent, df = self.lent[systems], self.seed_df[systems]
        own = np.where(lent, 0.0, of_seeds**2 / df).sum(axis=0)
        borrowed = np.where(lent, of_seeds, 0.0).sum(axis=0) ** 2 / max(self.num_lenders - 1, 1)
        spread: Floats = own + borrowed
        return spread


def _contrast(
    *,
    estimate: Floats,
    scale: Floats,
    of_tracks: Floats,
    unpaired: Floats,
    of_seeds: Floats,
    seed_spread: Floats,
    num_works: Ints,
    effective_works: Floats,
) -> Contrast:
    """(E,) each. of_tracks, of_seeds: variances; unpaired: of tracks, if systems were not of the same ones."""
    of_tracks = np.where(of_tracks < _EQUAL * unpaired, 0.0, of_tracks)
    variance = of_tracks + of_seeds
    # Satterthwaite: what the parts' own uncertainty makes of the sum's
    spread = of_tracks**2 / np.maximum(effective_works - 1, 1) + seed_spread
    varies = np.sqrt(variance) > _ROUNDING * scale
    df = np.divide(variance**2, spread, out=np.ones_like(variance), where=varies & (spread > 0))
    known = ~np.isnan(estimate) & (num_works >= MIN_WORKS) & ~np.isnan(of_seeds)
    return Contrast(
        estimate=np.where(np.abs(estimate) > _ROUNDING * scale, estimate, 0.0 * estimate),
        standard_error=np.where(known, np.where(varies, np.sqrt(variance), 0.0), np.nan),
        df=np.where(known, df, np.nan),
    )


def _within(mean: Floats, reach: Floats, low: float | None, high: float | None) -> tuple[Floats, Floats]:
    """mean -+ reach, bent so that it stays within the bounds; straight and cut for a mean on one of them."""
    if low is None and high is None:
        return mean - reach, mean + reach
    ends = mean - reach, mean + reach
    inside = np.ones(mean.shape, dtype=bool)
    if low is not None:
        inside &= mean > low
    if high is not None:
        inside &= mean < high
    middle, width = mean[inside], reach[inside]
    found = []
    for sign, end in zip((-1, 1), ends, strict=True):
        each = np.clip(end, low, high)
        if low is not None and high is not None:
            length = high - low
            each[inside] = low + length * _bent_share((middle - low) / length, sign * width / length)
        elif low is not None:
            each[inside] = low + _bent_distance(middle - low, sign * width)
        else:
            assert high is not None
            each[inside] = high - _bent_distance(high - middle, -sign * width)
        found.append(np.clip(each, low, high))
    return found[0], found[1]


def _bent_share(share: Floats, reach: Floats) -> Floats:
    """share + reach on the scale of log odds, by the delta method."""
    steps = reach / (share * (1 - share))
    return _unless_too_far(special.expit(special.logit(share) + np.clip(steps, -_MOST, _MOST)), share, reach, steps)


def _bent_distance(distance: Floats, reach: Floats) -> Floats:
    """distance + reach on the scale of its logarithm."""
    steps = reach / distance
    return _unless_too_far(distance * np.exp(np.clip(steps, -_MOST, _MOST)), distance, reach, steps)


def _unless_too_far(bent: Floats, middle: Floats, reach: Floats, steps: Floats) -> Floats:
    """Where the error is several times the distance to a bound, the delta method says nothing: straight, if farther."""
    straight = np.maximum(middle + reach, 0)
    farther = np.abs(straight - middle) > np.abs(bent - middle)
    return np.where((np.abs(steps) > _MOST) & farther, straight, bent)
