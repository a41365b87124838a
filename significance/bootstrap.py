"""Draws of other works with replacement: the covariance of the systems' means."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ricercar.significance.draws import MIN_WORKS, Bounds, Draws
from ricercar.significance.scores import Bools, Floats, Ints, Scores, mean_of

MIN_LENDERS = 3  # systems with several seeds, from which others borrow the variance of seeds
_PRIOR_DF = 2  # that the variance of all lenders counts beside a system's own: as much as three seeds
_CELLS = 4_000_000  # of the counts that are held at a time: bounds the memory

Pooled = Callable[[Sequence[Mapping[str, float]]], Mapping[str, float]]


def resample(
    scores: Scores,
    num_resamples: int = 10_000,
    seed: int = 0,
    *,
    fixed: Bools | None = None,
    bounds: Bounds = (None, None),
) -> Draws:
    """Whole works are drawn with replacement, for all systems at once.

    Their part is stretched by n / (n - 1), without which n works vary too little (Rao & Wu 1988).

    fixed    (S,) systems that no training with another seed could change
    bounds   (low, high) of the metric
    """
    means = scores.seed_means()
    present = ~np.isnan(means)
    sums, sizes = scores.by_work()
    scored = sizes.any(axis=(0, 1))  # drawn with works of which nobody has a score, the others would vary too much
    scored |= not scored.any()
    sums, sizes = sums[..., scored], sizes[..., scored]
    num_works = sums.shape[2]
    # (W, S * K): each work's distance from its seed's mean, so that equal scores move by exactly 0
    distances = (sums - np.nan_to_num(means)[:, :, None] * sizes).reshape(-1, num_works).T
    sizes = sizes.reshape(-1, num_works).T
    rng = np.random.default_rng(seed)
    total, square = np.zeros(len(means)), np.zeros((len(means), len(means)))
    for counts in _counts(rng, num_resamples, num_works):
        weight = counts @ sizes
        moved = np.divide(counts @ distances, weight, out=np.zeros_like(weight), where=weight > 0)
        tracks = np.nan_to_num(mean_of(moved.reshape(-1, *means.shape), present))
        total += tracks.sum(axis=0)
        square += tracks.T @ tracks
    center = total / num_resamples
    covariance = square / num_resamples - np.outer(center, center)
    return _draws(means, covariance, scores.num_works, scores.effective_works, fixed, bounds)


def resample_pooled(
    evidence: Sequence[Sequence[Sequence[Mapping[str, float]]]],
    pooled: Pooled,
    work: Ints,
    num_resamples: int = 200,
    seed: int = 0,
    *,
    fixed: Bools | None = None,
    bounds: Mapping[str, Bounds] | None = None,
) -> dict[str, Draws]:
    """{metric: draws} of metrics of all tracks together, which are computed anew from each draw of tracks.

    evidence   [system][seed][track], as TrackScore.evidence
    pooled     Scoring.pooled of the task
    bounds     {metric: (low, high)}
    """
    runs = [run for system in evidence for run in system]
    members = [np.flatnonzero(work == name) for name in np.unique(work)]
    whole = [pooled(run) for run in runs]
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(members), size=(num_resamples, len(members)))
    again = []
    for row in drawn if len(members) >= MIN_WORKS else []:
        tracks = np.concatenate([members[i] for i in row])
        again.append([pooled([run[i] for i in tracks]) for run in runs])
    sizes = [len(each) for each in members]
    found = {}
    for name in whole[0]:
        means, covariance = _pooled_parts(name, evidence, whole, again)
        known = ~np.isnan(means).all(axis=1)
        works = np.where(known, sum(sizes) ** 2 / sum(size**2 for size in sizes), 0.0)
        own = (bounds or {}).get(name, (None, None))
        found[name] = _draws(means, covariance, np.where(known, len(members), 0), works, fixed, own)
    return found


def _pooled_parts(
    name: str,
    evidence: Sequence[Sequence[object]],
    whole: Sequence[Mapping[str, float]],
    again: Sequence[Sequence[Mapping[str, float]]],
) -> tuple[Floats, Floats]:
    """-> (S, K) means and (S, S) covariance."""
    owner = np.repeat(np.arange(len(evidence)), [len(system) for system in evidence])
    place = np.concatenate([np.arange(len(system)) for system in evidence])
    means = np.full((len(evidence), place.max() + 1), np.nan)
    means[owner, place] = [values[name] for values in whole]
    moved = np.zeros((max(len(again), 1), *means.shape))
    if again:
        values = np.array([[values[name] for values in row] for row in again])
        values -= mean_of(values.T, ~np.isnan(values.T))  # such metrics are biased on draws with repeated tracks
        moved[:, owner, place] = np.nan_to_num(values)
    tracks = np.nan_to_num(mean_of(moved, ~np.isnan(means)))
    tracks -= tracks.mean(axis=0)
    return means, tracks.T @ tracks / len(tracks)


def _draws(
    means: Floats,
    covariance: Floats,
    num_works: Ints,
    effective_works: Floats,
    fixed: Bools | None,
    bounds: Bounds,
) -> Draws:
    """means (S, K) of seeds.

    With three seeds a variance may be tiny by chance, and then tells apart what is alike. Where there are enough
    systems it is drawn towards that of all (Smyth 2004), which is the variance of those with one seed.
    """
    present = ~np.isnan(means)
    mean, num_seeds = mean_of(means, present), present.sum(axis=1)
    squares = np.where(present, means - mean[:, None], 0.0)
    squares = (squares**2).sum(axis=1)
    trained = num_seeds > 0 if fixed is None else (num_seeds > 0) & ~fixed
    several, one = trained & (num_seeds > 1), trained & (num_seeds == 1)
    num_lenders = int(several.sum())
    lends = num_lenders >= MIN_LENDERS
    of_all = squares[several].sum() / (num_seeds[several] - 1).sum() if lends else np.nan
    prior = _PRIOR_DF if lends else 0
    seed_df = np.where(several, num_seeds - 1 + prior, 1)
    seed_variance = np.zeros(len(means))
    seed_variance[several] = (squares[several] + prior * np.nan_to_num(of_all)) / seed_df[several] / num_seeds[several]
    seed_variance[one] = of_all
    stretch = np.where(num_works > 1, np.sqrt(num_works / np.maximum(num_works - 1, 1)), 0.0)
    covariance = covariance * np.outer(stretch, stretch)
    lent = np.logical_and(one, lends)
    return Draws(
        mean, covariance, num_works, effective_works, seed_variance, seed_df, num_seeds, lent, num_lenders, bounds
    )


def _counts(rng: np.random.Generator, num_resamples: int, num_works: int) -> Iterator[NDArray[np.float64]]:
    """(num_resamples, num_works) how often each work is drawn, a part at a time; rows sum to num_works."""
    rows = max(1, _CELLS // num_works)
    for first in range(0, num_resamples, rows):
        size = min(rows, num_resamples - first)
        yield rng.multinomial(num_works, np.full(num_works, 1 / num_works), size=size).astype(np.float64)
