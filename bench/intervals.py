"""How good the leaderboard's intervals and tests are, on made-up scores whose true mean is known; and how fast.

    python bench/intervals.py coverage     share of 95 % intervals that hold the true mean, beside other methods
    python bench/intervals.py errors       share of pairs found different: of equal pairs, and of different ones
    python bench/intervals.py speed        seconds and memory for 30 systems with 3 seeds on 200 tracks

A score is a mean plus parts of the work, the track, the system's way with the work, the seed, and the seed's way with
the track. Works have one to five tracks.
"""

import argparse
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import stats
from scipy.special import expit
from tabulate import tabulate

from ricercar.significance.bootstrap import Draws, resample
from ricercar.significance.paired import compare
from ricercar.significance.scores import Bools, Floats, Ints, Scores

NUM_GROUPS, NUM_SEEDS = (6, 14, 50), (1, 3, 5)
RESAMPLES = 2000
BATCH = 200  # of systems that are resampled at once


@dataclass(frozen=True)
class Scene:
    """Standard deviations of the parts. Of bounded scores they, and the mean, are those before a logistic curve."""

    mean: float
    group: float
    track: float
    system_by_group: float
    seed: float
    seed_by_track: float
    bounded: bool = False

    @property
    def truth(self) -> float:
        """The mean over all works, tracks and seeds there could be."""
        if not self.bounded:
            return self.mean
        spread = np.linalg.norm([self.group, self.track, self.system_by_group, self.seed, self.seed_by_track])
        nodes, weights = np.polynomial.hermite_e.hermegauss(80)
        return float((weights * expit(self.mean + spread * nodes)).sum() / weights.sum())

    def values(self, rng: np.random.Generator, num_systems: int, num_seeds: int, group: Ints) -> Floats:
        """(S, K, T) scores of S systems on the same tracks."""
        num_groups, num_tracks = group.max() + 1, len(group)
        values = (
            self.mean + (self.group * rng.normal(size=num_groups))[group] + self.track * rng.normal(size=num_tracks)
        )
        values = values + self.system_by_group * rng.normal(size=(num_systems, 1, num_groups))[..., group]
        values = values + self.seed * rng.normal(size=(num_systems, num_seeds, 1))
        values = values + self.seed_by_track * rng.normal(size=(num_systems, num_seeds, num_tracks))
        if self.bounded:
            values = expit(values)
        return values


SCENES = {
    "typical": Scene(0.7, group=0.1, track=0.1, system_by_group=0.04, seed=0.015, seed_by_track=0.05),
    "seeds differ much": Scene(0.7, group=0.1, track=0.1, system_by_group=0.04, seed=0.05, seed_by_track=0.05),
    "near the top": Scene(2.5, group=1, track=1, system_by_group=0.4, seed=0.15, seed_by_track=0.5, bounded=True),
    "twins": Scene(0.7, group=0.1, track=0.1, system_by_group=0, seed=0.015, seed_by_track=0.05),
}


def cells(*names: str) -> Iterator[tuple[str, int, int]]:
    return product(names, NUM_GROUPS, NUM_SEEDS)


def batches(name: str, num_groups: int, num_seeds: int, number: int, alike: int) -> Iterator[tuple[Scores, Draws]]:
    """`number` systems, of which `alike` at a time are on the same tracks; resampled many at once to be fast."""
    rng = np.random.default_rng([num_groups, num_seeds])
    for first in range(0, number, BATCH):
        group = np.repeat(np.arange(num_groups), rng.integers(1, 6, num_groups))
        parts = [SCENES[name].values(rng, alike, num_seeds, group) for _ in range(0, BATCH, alike)]
        scores = Scores(np.concatenate(parts), group, "tracks")
        yield scores, resample(scores, RESAMPLES, seed=first)


def coverage(number: int) -> None:
    rows = []
    for name, num_groups, num_seeds in cells("typical", "seeds differ much", "near the top"):
        truth = SCENES[name].truth
        hits: dict[str, list[Bools]] = {}
        widths: dict[str, list[Floats]] = {}
        for scores, draws in batches(name, num_groups, num_seeds, number, alike=1):
            for method, (low, high) in methods(scores, draws).items():
                hits.setdefault(method, []).append((low <= truth) & (truth <= high))
                widths.setdefault(method, []).append(high - low)
        row = [f"{100 * np.mean(hits[method]):.1f} ({np.median(widths[method]):.3f})" for method in hits]
        rows.append([name, num_groups, num_seeds, *row])
    print(tabulate(rows, ["scores", "works", "seeds", *hits], tablefmt="pipe", disable_numparse=True))


def methods(scores: Scores, draws: Draws) -> dict[str, tuple[Floats, Floats]]:
    """{method: (S,) low and (S,) high}, the leaderboard's first."""
    mean, num_groups = draws.mean, draws.num_groups[0]
    each = draws.contrast(np.eye(len(mean)))
    t = stats.t.isf(0.025, each.df)
    # Hesterberg 2015: the percentiles that the normal distribution has at t
    expanded = [np.quantile(row, [tail, 1 - tail]) for row, tail in zip(draws.draws.T, stats.norm.sf(t), strict=True)]
    works = np.quantile(draws.tracks * np.sqrt((num_groups - 1) / num_groups), [0.025, 0.975], axis=0)
    values = scores.values.mean(axis=1)
    reach = stats.t.isf(0.025, values.shape[1] - 1) * values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
    return {
        "leaderboard": (draws.low, draws.high),
        "t, works and seeds": (each.low, each.high),
        "expanded percentile": tuple(np.transpose(expanded)),
        "percentile, works alone": (mean + works[0], mean + works[1]),
        "t, tracks as if independent": (mean - reach, mean + reach),
    }


def errors(number: int) -> None:
    rows = []
    for name, num_groups, num_seeds in cells("typical", "seeds differ much", "near the top", "twins"):
        differences = [
            draws.contrast(np.kron(np.eye(BATCH // 2), [[1.0], [-1.0]]))
            for _, draws in batches(name, num_groups, num_seeds, 2 * number, alike=2)
        ]
        estimate, error, df = (
            np.concatenate([getattr(each, what) for each in differences])
            for what in ("estimate", "standard_error", "df")
        )
        critical = stats.t.isf(0.025, df)
        detectable = np.median(error * (critical + stats.t.ppf(0.8, df)))
        found = [np.mean(np.abs(estimate + true) > critical * error) for true in (0, detectable)]
        rows.append(
            [name, num_groups, num_seeds, f"{100 * found[0]:.1f}", f"{detectable:.3f}", f"{100 * found[1]:.0f}"]
        )
    headers = ["scores", "works", "seeds", "equal, found different (%)", "detectable", "different by it, found (%)"]
    print(tabulate(rows, headers, tablefmt="pipe", disable_numparse=True))


def speed() -> None:
    rng = np.random.default_rng(0)
    for name, num_missing in (("all on the same tracks", 0), ("each without 5 tracks of its own", 5)):
        values = SCENES["typical"].values(rng, 30, 3, np.arange(200) // 2)
        for system in values:
            system[:, rng.choice(200, num_missing, replace=False)] = np.nan
        scores = Scores(values, np.arange(200) // 2, "tracks")
        start_s = time.perf_counter()
        draws = resample(scores)
        middle_s = time.perf_counter()
        compare(scores, draws)
        end_s = time.perf_counter()
        print(f"{name}: resampling {middle_s - start_s:.2f} s, comparing all pairs {end_s - middle_s:.2f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"10,000 resamples, 200 tracks of 100 works, 3 seeds, 30 systems; {peak:.0f} MiB at most")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("coverage", "errors", "speed"))
    parser.add_argument("--number", type=int, default=4000, help="simulated systems or pairs in each row")
    arguments = parser.parse_args()
    if arguments.what == "speed":
        speed()
    else:
        {"coverage": coverage, "errors": errors}[arguments.what](arguments.number)


if __name__ == "__main__":
    main()
