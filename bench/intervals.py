"""How good the leaderboard's intervals and tests are, on made-up scores whose true mean is known; and how fast.

    python bench/intervals.py coverage     share of 95 % intervals that hold the true mean, beside other methods
    python bench/intervals.py errors       share of pairs found different: of equal pairs, and of different ones
    python bench/intervals.py works        the same of equal pairs, on 1 to 6 works and more
    python bench/intervals.py seeds        the same where one seed borrows its variance from systems with three
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

from ricercar.significance import draws as statistics
from ricercar.significance.bootstrap import resample
from ricercar.significance.draws import Bounds, Draws
from ricercar.significance.paired import compare
from ricercar.significance.scores import Bools, Floats, Ints, Scores

NUM_WORKS, NUM_SEEDS = (6, 14, 50), (1, 3, 5)
RESAMPLES = 1000
BATCH = 200  # of systems that are resampled at once
FREE: Bounds = (None, None)


@dataclass(frozen=True)
class Scene:
    """Standard deviations of the parts. Of bounded scores they, and the mean, are those before a logistic curve.

    dominated    two works have as many tracks as would be 60 % of all
    """

    mean: float
    work: float
    track: float
    system_by_work: float
    seed: float
    seed_by_track: float
    bounded: bool = False
    dominated: bool = False

    @property
    def truth(self) -> float:
        """The mean over all works, tracks and seeds there could be."""
        if not self.bounded:
            return self.mean
        spread = np.linalg.norm([self.work, self.track, self.system_by_work, self.seed, self.seed_by_track])
        nodes, weights = np.polynomial.hermite_e.hermegauss(80)
        return float((weights * expit(self.mean + spread * nodes)).sum() / weights.sum())

    @property
    def bounds(self) -> Bounds:
        return (0.0, 1.0) if self.bounded else FREE

    def works(self, rng: np.random.Generator, num_works: int) -> Ints:
        """(T,) the work of each track."""
        sizes = rng.integers(1, 6, num_works)
        if self.dominated:
            sizes[:2] = np.ceil(0.75 * sizes[2:].sum())
        return np.repeat(np.arange(num_works), sizes)

    def values(
        self, rng: np.random.Generator, num_systems: int, num_seeds: int, work: Ints, seed: Floats | None = None
    ) -> Floats:
        """(S, K, T) scores of S systems on the same tracks. seed: (S,) in place of the scene's."""
        num_works, num_tracks = work.max() + 1, len(work)
        each = np.full(num_systems, self.seed) if seed is None else seed
        values = self.mean + (self.work * rng.normal(size=num_works))[work] + self.track * rng.normal(size=num_tracks)
        values = values + self.system_by_work * rng.normal(size=(num_systems, 1, num_works))[..., work]
        values = values + each[:, None, None] * rng.normal(size=(num_systems, num_seeds, 1))
        values = values + self.seed_by_track * rng.normal(size=(num_systems, num_seeds, num_tracks))
        if self.bounded:
            values = expit(values)
        return values


SCENES = {
    "typical": Scene(0.7, work=0.1, track=0.1, system_by_work=0.04, seed=0.015, seed_by_track=0.05),
    "seeds differ much": Scene(0.7, work=0.1, track=0.1, system_by_work=0.04, seed=0.05, seed_by_track=0.05),
    "near the top": Scene(2.5, work=1, track=1, system_by_work=0.4, seed=0.15, seed_by_track=0.5, bounded=True),
    "at the top": Scene(4.5, work=1, track=1, system_by_work=0.4, seed=0.15, seed_by_track=0.5, bounded=True),
    "two works": Scene(0.7, 0.1, 0.1, system_by_work=0.04, seed=0.015, seed_by_track=0.05, dominated=True),
    "twins": Scene(0.7, work=0.1, track=0.1, system_by_work=0, seed=0.015, seed_by_track=0.05),
}


def cells(*names: str) -> Iterator[tuple[str, int, int]]:
    return product(names, NUM_WORKS, NUM_SEEDS)


def batches(name: str, num_works: int, num_seeds: int, number: int, alike: int) -> Iterator[tuple[Scores, Draws]]:
    """`number` systems, of which `alike` at a time are on the same tracks; resampled many at once to be fast.

    One seed is taken as it is, with no seed variance.
    """
    rng = np.random.default_rng([num_works, num_seeds])
    for first in range(0, number, BATCH):
        work = SCENES[name].works(rng, num_works)
        parts = [SCENES[name].values(rng, alike, num_seeds, work) for _ in range(0, BATCH, alike)]
        scores = Scores(np.concatenate(parts), work, "tracks")
        fixed = np.full(BATCH, num_seeds == 1)
        yield scores, resample(scores, RESAMPLES, seed=first, fixed=fixed, bounds=SCENES[name].bounds)


def coverage(number: int) -> None:
    rows = []
    for name, num_works, num_seeds in cells("typical", "seeds differ much", "near the top", "at the top", "two works"):
        truth = SCENES[name].truth
        hits: dict[str, list[Bools]] = {}
        widths: dict[str, list[Floats]] = {}
        for scores, draws in batches(name, num_works, num_seeds, number, alike=1):
            for method, (low, high) in methods(scores, draws).items():
                hits.setdefault(method, []).append((low <= truth) & (truth <= high))
                widths.setdefault(method, []).append(high - low)
        row = [f"{100 * np.mean(hits[method]):.1f} ({np.median(widths[method]):.3f})" for method in hits]
        rows.append([name, num_works, num_seeds, *row])
    print(tabulate(rows, ["scores", "works", "seeds", *hits], tablefmt="pipe", disable_numparse=True))


def methods(scores: Scores, draws: Draws) -> dict[str, tuple[Floats, Floats]]:
    """{method: (S,) low and (S,) high}, the leaderboard's first."""
    straight = draws.contrast(np.eye(len(draws.mean)))
    t = stats.t.isf(0.025, straight.df)
    drawn = drawn_means(scores)
    stretch = t / stats.norm.isf(0.025)
    tails = np.quantile(drawn, [0.025, 0.975], axis=0) - draws.mean
    values = scores.values.mean(axis=1)
    reach = stats.t.isf(0.025, values.shape[1] - 1) * values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
    return {
        "leaderboard": (draws.low, draws.high),
        "t, not bent": (straight.low, straight.high),
        "percentiles, stretched": (draws.mean + stretch * tails[0], draws.mean + stretch * tails[1]),
        "BCa, expanded": bias_corrected(scores, draws.mean, drawn, t),
        "t, tracks as if independent": (draws.mean - reach, draws.mean + reach),
    }


def drawn_means(scores: Scores) -> Floats:
    """(R, S) means of other works and other seeds, each part as much wider as few of them are too narrow."""
    rng = np.random.default_rng(0)
    sums, sizes = scores.by_work()
    num_systems, num_seeds, num_works = sums.shape
    counts = rng.multinomial(num_works, np.full(num_works, 1 / num_works), size=RESAMPLES)
    means = scores.seed_means()
    tracks = ((counts @ sums.transpose(1, 2, 0)) / (counts @ sizes.transpose(1, 2, 0))).mean(axis=0) - scores.means()
    drawn = scores.means() + tracks * np.sqrt(num_works / (num_works - 1))
    if num_seeds > 1:
        chosen = rng.integers(num_seeds, size=(RESAMPLES, num_systems, num_seeds))
        distances = means - means.mean(axis=1, keepdims=True)
        seeds = np.take_along_axis(distances[None], chosen, axis=2).mean(axis=2)
        drawn = drawn + seeds * np.sqrt(num_seeds / (num_seeds - 1))
    return drawn


def bias_corrected(scores: Scores, mean: Floats, drawn: Floats, t: Floats) -> tuple[Floats, Floats]:
    """Efron's BCa, at the percentiles that the normal distribution has at t (Hesterberg 2015)."""
    sums, sizes = scores.by_work()
    left_out = (sums.sum(axis=2)[..., None] - sums) / (sizes.sum(axis=2)[..., None] - sizes)
    distances = left_out.mean(axis=1)
    distances = distances.mean(axis=1, keepdims=True) - distances
    skew = (distances**3).sum(axis=1) / (6 * (distances**2).sum(axis=1) ** 1.5)
    bias = stats.norm.ppf(np.clip((drawn < mean).mean(axis=0), 0.01, 0.99))
    ends = []
    for z in (bias - t, bias + t):
        place = stats.norm.cdf(bias + z / np.maximum(1 - skew * z, 0.1))
        ends.append(np.array([np.quantile(each, q) for each, q in zip(drawn.T, place, strict=True)]))
    return ends[0], ends[1]


def pairs(draws: Draws) -> statistics.Contrast:
    """Neighbours are on the same tracks."""
    first = np.arange(0, len(draws.mean), 2)
    return draws.differences(first, first + 1)


def errors(number: int) -> None:
    rows = []
    for name, num_works, num_seeds in cells("typical", "seeds differ much", "near the top", "two works", "twins"):
        differences = [pairs(draws) for _, draws in batches(name, num_works, num_seeds, 2 * number, alike=2)]
        estimate, error, df = (
            np.concatenate([getattr(each, what) for each in differences])
            for what in ("estimate", "standard_error", "df")
        )
        critical = stats.t.isf(0.025, df)
        detectable = np.median(error * (critical + stats.t.ppf(0.8, df)))
        found = [np.mean(np.abs(estimate + true) > critical * error) for true in (0, detectable)]
        row = [f"{100 * found[0]:.1f}", f"{detectable:.3f}", f"{100 * found[1]:.0f}"]
        rows.append([name, num_works, "1, if it counted" if num_seeds == 1 else num_seeds, *row])
    headers = ["scores", "works", "seeds", "equal, found different (%)", "detectable", "different by it, found (%)"]
    print(tabulate(rows, headers, tablefmt="pipe", disable_numparse=True))


def works(number: int) -> None:
    """What would be found if nothing kept the leaderboard from concluding from few works."""
    statistics.MIN_WORKS = 1
    rows = []
    for num_works in (1, 2, 3, 4, 5, 6, 14, 50):
        row = [num_works]
        for name in ("typical", "near the top", "two works"):
            if name == "two works" and num_works < 3:
                row.append("-")
                continue
            found = [pairs(draws).p < 0.05 for _, draws in batches(name, num_works, 3, 2 * number, alike=2)]
            row.append(f"{100 * np.mean(found):.1f}")
        rows.append([*row, "nothing" if num_works < 6 else "p and intervals"])
    headers = ["works", "typical (%)", "near the top (%)", "two works (%)", "the leaderboard claims"]
    print(tabulate(rows, headers, tablefmt="pipe", disable_numparse=True))


SEEDS = {
    "alike": lambda rng, lenders, borrowers: np.full(lenders + borrowers, 0.03),
    "unlike (log-normal)": lambda rng, lenders, borrowers: (
        0.03 * np.exp(0.5 * rng.normal(size=lenders + borrowers) - 0.25)
    ),
    "0.01 or 0.05": lambda rng, lenders, borrowers: rng.choice([0.01, 0.05], lenders + borrowers),
    "three times as much": lambda rng, lenders, borrowers: np.repeat([0.015, 0.045], [lenders, borrowers]),
}


def seeds(number: int) -> None:
    rows = []
    for name, num_works in (("typical", 14), ("twins", 50)):
        for kind, num_lenders in product(SEEDS, (3, 5, 20)):
            rows.append([name, num_works, kind, num_lenders, *borrowing(name, num_works, kind, num_lenders, number)])
    headers = ["scores", "works", "seeds of systems differ", "lenders", "one and one (%)", "one and three (%)"]
    headers += ["any pair of the board (%)", "intervals of one that hold (%)", "as wide as of three", "narrower (%)"]
    print(tabulate(rows, headers, tablefmt="pipe", disable_numparse=True))


def borrowing(name: str, num_works: int, kind: str, num_lenders: int, number: int) -> list[str]:
    """Boards of equal systems, of which the last four have one seed."""
    rng = np.random.default_rng([num_works, num_lenders])
    scene, borrowers = SCENES[name], np.arange(num_lenders, num_lenders + 4)
    found: dict[str, list[float]] = {}
    for i in range(max(1, number // 2)):
        work = scene.works(rng, num_works)
        values = scene.values(rng, num_lenders + 4, 3, work, SEEDS[kind](rng, num_lenders, 4))
        three = resample(Scores(values, work, "tracks"), 300, seed=i)
        values[num_lenders:, 1:] = np.nan
        draws = resample(Scores(values, work, "tracks"), 300, seed=i)
        now = {
            "one and one": draws.differences(borrowers[:2], borrowers[2:]).p < 0.05,
            "one and three": draws.differences(borrowers, np.arange(4) % num_lenders).p < 0.05,
            "any": compare(draws).told_apart.any(),
            "hold": ((draws.low <= scene.truth) & (scene.truth <= draws.high))[num_lenders:],
            "width": (draws.high - draws.low)[num_lenders:] / (three.high - three.low)[num_lenders:],
        }
        for what, each in now.items():
            found.setdefault(what, []).extend(np.ravel(each).tolist())
    shares = [f"{100 * np.mean(found[what]):.1f}" for what in ("one and one", "one and three", "any", "hold")]
    return [*shares, f"{np.median(found['width']):.2f}", f"{100 * np.mean(np.array(found['width']) < 1):.1f}"]


def speed() -> None:
    rng = np.random.default_rng(0)
    scores = Scores(SCENES["typical"].values(rng, 30, 3, np.arange(200) // 2), np.arange(200) // 2, "tracks")
    start_s = time.perf_counter()
    draws = resample(scores, bounds=(0.0, 1.0))
    middle_s = time.perf_counter()
    compare(draws)
    end_s = time.perf_counter()
    print(f"resampling {middle_s - start_s:.2f} s, comparing all pairs {end_s - middle_s:.3f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"10,000 resamples, 200 tracks of 100 works, 3 seeds, 30 systems; {peak:.0f} MiB at most")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("coverage", "errors", "works", "seeds", "speed"))
    parser.add_argument("--number", type=int, default=4000, help="simulated systems, pairs or boards in each row")
    arguments = parser.parse_args()
    if arguments.what == "speed":
        speed()
    else:
        {"coverage": coverage, "errors": errors, "works": works, "seeds": seeds}[arguments.what](arguments.number)


if __name__ == "__main__":
    main()
