"""Intervals and paired tests against textbook formulas, hand-worked numbers and simulation."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from ricercar.harness.results import TrackScore, mean_metrics
from ricercar.significance import bootstrap
from ricercar.significance.bootstrap import resample, resample_pooled
from ricercar.significance.draws import Bounds, Draws
from ricercar.significance.paired import Comparisons, compare
from ricercar.significance.scores import Floats, Scores

NAN = float("nan")
RNG = np.random.default_rng(0)
ONE_SEED = RNG.normal(0.5, 0.1, (2, 1, 20))
SEEDS = np.array([[0.50, 0.54, 0.49, 0.55], [0.61, 0.60, 0.66, NAN]])


def make(values: Floats, work: list[int] | None = None, averaging: str = "tracks") -> Scores:
    return Scores(values, np.arange(values.shape[2]) if work is None else np.array(work), averaging)


def fixed(scores: Scores, num_resamples: int = 10_000) -> Draws:
    """Of systems that are what they are: another seed is no question."""
    return resample(scores, num_resamples, fixed=np.ones(len(scores.values), dtype=bool))


def error(draws: Draws, *weights: float) -> float:
    return float(draws.contrast(np.array(weights)[:, None]).standard_error[0])


@pytest.mark.parametrize("averaging", ["tracks", "works"])
def test_means_are_those_of_results(averaging: str) -> None:
    work = [5, 5, 5, 2, 2, 9, 7]
    values = RNG.random((1, 1, 7))
    values[0, 0, [1, 5]] = NAN
    tracks = [TrackScore(str(i), str(work[i]), {"F": values[0, 0, i]}, 1.0) for i in range(7)]
    assert_allclose(make(values, work, averaging).means(), mean_metrics(tracks, averaging)["F"])


def test_mean_over_seeds_of_means_over_tracks() -> None:
    scores = make(np.array([[[0.0, 1.0], [0.8, NAN]], [[0.4, 0.6], [NAN, NAN]], [[NAN, NAN], [NAN, NAN]]]))
    assert_allclose(scores.means(), [0.65, 0.5, NAN])
    assert scores.num_seeds.tolist() == [2, 1, 0]
    assert scores.num_works.tolist() == [2, 2, 0]


def test_error_of_independent_tracks_is_the_textbook_s() -> None:
    draws = fixed(make(ONE_SEED))
    assert_allclose(error(draws, 1, 0), ONE_SEED[0, 0].std(ddof=1) / np.sqrt(20), rtol=0.02)


def test_error_of_grouped_tracks_is_that_of_a_ratio() -> None:
    """The linearised variance of (sum of scores) / (number of tracks) over works, Cochran 1977, eq. 6.9."""
    work = np.repeat(np.arange(40), RNG.integers(1, 5, 40))
    values = RNG.normal(0.5, 0.1, 40)[work] + RNG.normal(0, 0.05, len(work))
    distance = np.bincount(work, values - values.mean())
    expected = np.sqrt((distance**2).sum() * 40 / 39) / len(work)
    assert_allclose(error(fixed(make(values[None, None], list(work))), 1), expected, rtol=0.04)


def test_error_of_works_is_that_of_their_means() -> None:
    values = np.array([[[0.1, 0.3, 0.9, 0.4, 0.6, 0.2]]])
    draws = fixed(make(np.tile(values, 2), [0, 0, 0, 1, 1, 2, 3, 3, 3, 4, 4, 5], "works"))
    assert_allclose(draws.mean, np.mean([1.3 / 3, 0.5, 0.2]))
    assert_allclose(error(draws, 1), np.std([1.3 / 3, 0.5, 0.2] * 2, ddof=1) / np.sqrt(6), rtol=0.03)


def test_error_of_seeds_is_the_textbook_s() -> None:
    draws = resample(make(np.repeat(SEEDS[:, :, None], 6, axis=2)))
    assert_allclose(error(draws, 1, 0), SEEDS[0].std(ddof=1) / 2)


def test_interval_of_independent_tracks_is_near_that_of_t() -> None:
    draws = fixed(make(ONE_SEED))
    expected = stats.ttest_1samp(ONE_SEED[:, 0], 0, axis=1).confidence_interval(0.95)
    assert_allclose(draws.high - draws.low, expected.high - expected.low, rtol=0.05)
    assert_allclose(draws.low, expected.low, atol=0.01)


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (None, 1.0), (0.0, None)])
@pytest.mark.parametrize("num_tracks", [6, 30])
def test_intervals_are_inside_the_bounds(bounds: tuple[float | None, float | None], num_tracks: int) -> None:
    near = np.random.default_rng(1).beta(20, 0.3, (40, 3, num_tracks))
    scores = make(1 - near if bounds[1] is None else near)
    draws = resample(scores, 500, bounds=bounds)
    assert ((draws.low < draws.mean) & (draws.mean < draws.high)).all()
    assert bounds[0] is None or (draws.low >= bounds[0]).all()
    assert bounds[1] is None or (draws.high <= bounds[1]).all()
    straight = resample(scores, 500)
    assert num_tracks > 6 or (straight.low < 0).any() or (straight.high > 1).any()


def test_a_mean_on_its_bound() -> None:
    values = np.array([[[1.0] * 8], [[1.0] * 8], [[1.0] * 7 + [0.9]], [[1.0] * 8], [[0.0] * 8]])
    values = np.concatenate([values, values - [[[0]], [[0.1]], [[0.1]], [[0]], [[0]]]], axis=1)
    draws = resample(make(values), 500, bounds=(0.0, 1.0), fixed=np.ones(5, dtype=bool))
    assert draws.mean[0] == draws.low[0] == draws.high[0] == 1
    assert draws.mean[4] == draws.low[4] == draws.high[4] == 0
    assert draws.low[1] > 0
    assert draws.high[1] <= 1


def test_log_odds_by_hand() -> None:
    """Mean 0.9, standard error e: log(0.9 / 0.1) -+ t * e / (0.9 * 0.1), back through the logistic curve."""
    values = np.array([[[0.8, 0.85, 0.9, 0.9, 0.95, 1.0]]])
    draws = resample(make(values), bounds=(0.0, 1.0), fixed=np.array([True]))
    reach = stats.t.isf(0.025, 5) * error(draws, 1) / 0.09
    expected = [1 / (1 + np.exp(-(np.log(9) + sign * reach))) for sign in (-1, 1)]
    assert_allclose([draws.low[0], draws.high[0]], expected)
    assert draws.mean[0] - draws.low[0] > 1.3 * (draws.high[0] - draws.mean[0])


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (0.0, None)])
def test_a_mean_near_its_bound_may_not_be_anything(bounds: Bounds) -> None:
    """Of two seeds one has learnt nothing: the mean is 0.01, its error as large, with one degree of freedom."""
    values = np.array([[[0.0] * 6, [0.02] * 6]])
    draws = resample(make(values), bounds=bounds)
    assert draws.low[0] == 0
    assert draws.high[0] == pytest.approx(0.2 if bounds[1] is None else 0.169, abs=0.04)


def test_differences_of_bounded_scores_are_bounded() -> None:
    values = np.random.default_rng(0).choice([0.0, 1.0], (12, 1, 6))
    comparisons = compare(resample(make(values), 500, bounds=(0.0, 1.0), fixed=np.ones(12, dtype=bool)))
    assert np.nanmin(comparisons.low) == -1
    assert np.nanmax(comparisons.high) == 1


def test_memory_is_bounded_without_changing_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = resample(make(ONE_SEED), 1000)
    monkeypatch.setattr(bootstrap, "_CELLS", 20 * 70)
    assert_allclose(resample(make(ONE_SEED), 1000).covariance, whole.covariance, atol=1e-15)


def test_one_seed_each_is_the_paired_t_test() -> None:
    scores = make(ONE_SEED)
    comparisons = compare(fixed(scores))
    expected = stats.ttest_rel(*ONE_SEED[:, 0])
    assert_allclose(comparisons.p[0, 1], expected.pvalue, rtol=0.05)
    interval = expected.confidence_interval(0.95)
    assert_allclose([comparisons.low[0, 1], comparisons.high[0, 1]], interval, atol=0.003)


def test_equal_tracks_leave_welchs_t_test_of_seeds() -> None:
    comparisons = compare(resample(make(np.repeat(SEEDS[:, :, None], 6, axis=2)), 100))
    expected = stats.ttest_ind(SEEDS[0], SEEDS[1][:3], equal_var=False)
    assert_allclose(comparisons.p[0, 1], expected.pvalue)
    assert_allclose([comparisons.low[0, 1], comparisons.high[0, 1]], expected.confidence_interval(0.95))


def test_what_tracks_have_in_common_cancels() -> None:
    hard = RNG.normal(0.5, 0.3, 30)
    scores = make(np.array([[hard + 0.02 + RNG.normal(0, 0.01, 30)], [hard]]))
    draws = fixed(scores)
    comparisons = compare(draws)
    assert draws.high[1] - draws.low[1] > 0.15
    assert comparisons.high[0, 1] - comparisons.low[0, 1] < 0.01
    assert comparisons.p[0, 1] < 1e-6


def test_pairs_mirror_each_other() -> None:
    scores = make(RNG.normal(0.5, 0.1, (4, 2, 12)))
    comparisons = compare(resample(scores, 500))
    assert_allclose(comparisons.difference, -comparisons.difference.T)
    assert_allclose(comparisons.low, -comparisons.high.T)
    assert_allclose(comparisons.p, comparisons.p.T)
    assert np.isnan(np.diag(comparisons.p)).all()


def test_intervals_leave_out_0_where_p_says_so() -> None:
    values = RNG.normal(0.5, 0.1, (22, 3, 14)) + np.linspace(0, 0.3, 22)[:, None, None]
    comparisons = compare(resample(make(values), 500))
    assert comparisons.num_pairs == 231
    excludes_0 = (comparisons.low > 0) | (comparisons.high < 0)
    assert (excludes_0 == comparisons.told_apart).all()
    assert 20 < comparisons.told_apart.sum() / 2 < 200


def test_correction_by_hand() -> None:
    """Of three pairs: p is three times that of one, and the interval that of 1 - 0.05 / 3."""
    values = RNG.normal(0.5, 0.1, (3, 1, 12))
    draws = fixed(make(values))
    comparisons, alone = compare(draws), draws.differences(np.array([0]), np.array([1]))
    assert_allclose(comparisons.p[0, 1], min(1, 3 * alone.p[0]))
    reach = alone.standard_error[0] * stats.t.isf(0.025 / 3, alone.df[0])
    assert_allclose(comparisons.high[0, 1], alone.estimate[0] + reach)


@pytest.mark.parametrize(
    ("lacking", "tracks", "systems"),
    [
        ({}, "1111", "111"),
        ({(0, 0): [0]}, "0111", "111"),  # one seed of the first system
        ({(2, 0): [0, 1, 2], (2, 1): [0, 1, 2]}, "1111", "110"),  # 2 x 4 scores are more than 3 x 1
        ({(1, 0): [0, 1, 2, 3], (1, 1): [0, 1, 2, 3]}, "1111", "101"),  # without any score
        ({(s, k): [0, 1, 2, 3] for s in range(3) for k in range(2)}, "0000", "000"),
    ],
)
def test_common_tracks(lacking: dict[tuple[int, int], list[int]], tracks: str, systems: str) -> None:
    values = RNG.random((3, 2, 4))
    for place, missing in lacking.items():
        values[place][missing] = NAN
    found = make(values).common()
    assert ["".join(map(str, each.astype(int))) for each in found] == [tracks, systems]


def test_detectable_by_hand() -> None:
    """20 differences with a standard deviation of 0.1: (t_.975 + t_.8 at 19 degrees) * 0.1 / sqrt(20)."""
    values = np.linspace(-1, 1, 20) / np.linspace(-1, 1, 20).std(ddof=1) * 0.1
    scores = make(np.array([[values], [np.zeros(20)]]))
    assert_allclose(compare(fixed(scores)).detectable, (2.0930 + 0.8610) * 0.1 / np.sqrt(20), rtol=0.02)


def test_equal_systems_are_equal() -> None:
    scores = make(np.repeat(RNG.random((1, 1, 9)), 3, axis=0))
    comparisons = compare(fixed(scores, 500))
    upper = np.triu_indices(3, 1)
    assert comparisons.difference[upper].tolist() == [0, 0, 0]
    assert comparisons.p[upper].tolist() == [1, 1, 1]
    assert comparisons.detectable == 0


def test_constant_scores() -> None:
    scores = make(np.array([[[0.1] * 7], [[0.1] * 7], [[0.3] * 7]]))
    draws = fixed(scores, 500)
    assert_allclose(draws.low, [0.1, 0.1, 0.3])
    assert_allclose(draws.high, [0.1, 0.1, 0.3])
    assert compare(draws).p[0].tolist()[1:] == [1, 0]


@pytest.mark.parametrize(("num_works", "num_seeds"), [(1, 1), (1, 3), (5, 3)])
def test_of_few_works_nothing_is_concluded(num_works: int, num_seeds: int) -> None:
    """However many tracks they have."""
    scores = make(RNG.random((4, num_seeds, 30)), [i % num_works for i in range(30)])
    draws = resample(scores, 200)
    comparisons = compare(draws)
    assert np.isnan([draws.low, draws.high]).all()
    assert np.isnan([comparisons.low, comparisons.high, comparisons.p]).all()
    assert not comparisons.told_apart.any()
    assert np.isnan(comparisons.detectable)
    assert not np.isnan(comparisons.difference[0, 1])
    assert not np.isnan(compare(resample(make(RNG.random((4, 3, 6))), 200)).p[0, 1])


def three_of_one(num_seeds: list[int], seed: int = 0) -> Comparisons:
    """Systems that are one network trained with other seeds, on 50 works: nothing but seeds tells them apart."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0.6, 0.1, 50) + rng.normal(0, 0.02, (len(num_seeds), max(num_seeds), 1))
    values = values + rng.normal(0, 0.02, (*values.shape[:2], 50))
    for system, number in zip(values, num_seeds, strict=True):
        system[number:] = NAN
    return compare(resample(make(values), 500))


def test_one_seed_each_claims_nothing() -> None:
    """Seeds of one network, posed as three systems, are not told apart; nor with fewer than three that lend."""
    for num_seeds in ([1, 1, 1], [3, 1, 1], [3, 3, 1]):
        found = [three_of_one(num_seeds, seed) for seed in range(20)]
        assert all(np.isnan([each.p[-1], each.low[-1], each.high[-1]]).all() for each in found)


def test_seed_variance_is_borrowed() -> None:
    """By hand: the mean of the lenders' variances for one training, as many degrees of freedom as lenders less one.

    Their own variances are drawn towards it, by as much as three seeds are worth.
    """
    values = np.repeat(RNG.normal(0.5, 0.03, (6, 3, 1)), 8, axis=2)
    values[3:, 1:] = NAN
    draws = resample(make(values), 200, fixed=np.array([False] * 5 + [True]))
    lent = values[:3, :, 0].var(axis=1, ddof=1).mean()
    assert_allclose(draws.seed_variance[3:], [lent, lent, 0])
    assert_allclose(draws.seed_variance[:3], (values[:3, :, 0].var(axis=1, ddof=1) + lent) / 2 / 3)
    pair = draws.differences(np.array([3, 3]), np.array([4, 5]))
    assert_allclose(pair.standard_error, np.sqrt([2 * lent, lent]))
    assert_allclose(pair.df, [2, 2])
    assert_allclose(draws.differences(np.array([0]), np.array([5])).df, [4])


def test_borrowed_variance_seldom_errs() -> None:
    """Twelve systems that are one, four of them with one seed: 5 % of boards tell any of these apart, at most."""
    found = [three_of_one([3] * 8 + [1] * 4, seed) for seed in range(150)]
    assert np.mean([each.told_apart[8:].any() for each in found]) < 0.06
    assert np.mean([each.told_apart.any() for each in found]) < 0.06


def test_one_seed_is_not_surer_than_three() -> None:
    rng = np.random.default_rng(5)
    for seed_error in (0.0, 0.05):
        values = rng.normal(0.6, 0.1, 14) + rng.normal(0, 0.04, (40, 1, 14)) + rng.normal(0, seed_error, (40, 3, 1))
        values = values + rng.normal(0, 0.05, values.shape)
        one = values.copy()
        one[30:, 1:] = NAN
        of_one, of_three = resample(make(one), 500), resample(make(values), 500)
        width, expected = ((each.high - each.low)[30:] for each in (of_one, of_three))
        assert width.mean() > expected.mean()
        assert (width > expected).mean() >= 0.75


def test_effective_number_of_works() -> None:
    """40 tracks of one work and 4 of 10 others: 50^2 / (40^2 + 10)."""
    scores = make(RNG.random((2, 1, 50)), [0] * 40 + list(range(1, 11)))
    assert_allclose(scores.effective_works, 50**2 / (40**2 + 10))
    assert_allclose(Scores(scores.values, scores.work, "works").effective_works, 11)


def test_system_without_scores_is_left_out() -> None:
    values = RNG.random((3, 2, 10))
    values[1] = NAN
    scores, others = make(values), make(values[[0, 2]])
    draws = resample(scores, 300)
    assert np.isnan([draws.mean[1], draws.low[1], draws.high[1]]).all()
    comparisons, expected = compare(draws), compare(resample(others, 300))
    assert np.isnan(comparisons.p[1]).all()
    assert_allclose(comparisons.difference[0, 2], expected.difference[0, 1])
    assert comparisons.num_pairs == 1


@pytest.mark.parametrize("number", [1, 40])
def test_tracks_without_any_score_change_nothing(number: int) -> None:
    values = RNG.random((2, 2, 8))
    without = make(values)
    with_them = make(np.concatenate([values, np.full((2, 2, number), NAN)], axis=2))
    assert_allclose(with_them.means(), without.means())
    assert with_them.num_works.tolist() == [8, 8]
    assert error(resample(with_them), 1, -1) == error(resample(without), 1, -1)


def simulated(num_systems: int, num_works: int, num_seeds: int) -> Scores:
    """True mean 0.6, with parts of the work, seed and seed by track; pairs of neighbours share their works."""
    rng = np.random.default_rng(num_works)
    works = np.repeat(rng.normal(0, 0.1, (num_systems // 2, 1, num_works)), 2, axis=0)
    seeds = rng.normal(0, 0.03, (num_systems, num_seeds, 1))
    return make(0.6 + works + seeds + rng.normal(0, 0.05, (num_systems, num_seeds, num_works)))


@pytest.mark.parametrize(("num_works", "num_seeds"), [(6, 3), (14, 3), (14, 5)])
def test_intervals_hold_the_truth_and_tests_seldom_err(num_works: int, num_seeds: int) -> None:
    """bench/intervals.py measures this with more systems; 800 give the share within about 1.5 points."""
    draws = resample(simulated(800, num_works, num_seeds), 1000)
    assert 0.92 < np.mean((draws.low < 0.6) & (draws.high > 0.6)) < 0.98
    assert np.mean(draws.contrast(np.kron(np.eye(400), [[1], [-1]])).p < 0.05) < 0.07


def test_pooled_metrics_have_the_same_draws() -> None:
    """A mean written as a metric of all tracks together: the same mean, and nearly the same error."""
    values = RNG.normal(0.5, 0.1, (2, 2, 12))
    values[1, 1] = NAN
    work = [0, 0, 1, 1, 1, 2, 3, 4, 5, 6, 7, 7]
    evidence = [[[{"x": x} for x in run] for run in system if not np.isnan(run[0])] for system in values]

    def pooled(tracks: object) -> dict[str, float]:
        found = [track["x"] for track in tracks]  # type: ignore[attr-defined]
        return {"mean": float(np.mean(found)), "undefined": NAN}

    draws = resample_pooled(evidence, pooled, np.array(work), 1000)
    expected = resample(make(values, work))
    assert_allclose(draws["mean"].mean, expected.mean)
    assert draws["mean"].num_seeds.tolist() == [2, 1]
    assert_allclose(error(draws["mean"], 1, -1), error(expected, 1, -1), rtol=0.1)
    assert_allclose(compare(draws["mean"]).difference[0, 1], expected.mean[0] - expected.mean[1])
    assert np.isnan(draws["undefined"].low).all()


def test_pooled_metrics_of_one_work_have_no_interval() -> None:
    draws = resample_pooled([[[{"x": 1.0}, {"x": 2.0}]]], lambda tracks: {"n": float(len(tracks))}, np.array([4, 4]))
    assert draws["n"].mean.tolist() == [2]
    assert np.isnan(draws["n"].low).all()


def test_statistics_need_no_torch() -> None:
    code = "import ricercar.significance.ranks, ricercar.significance.paired, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_differences_are_contrasts_of_pairs() -> None:
    scores = make(np.random.default_rng(3).random((5, 3, 12)), [i // 2 for i in range(12)])
    draws = resample(scores)
    one, two = np.triu_indices(5, 1)
    weights = np.zeros((5, len(one)))
    weights[one, np.arange(len(one))], weights[two, np.arange(len(one))] = 1, -1
    fast, general = draws.differences(one, two), draws.contrast(weights)
    for name in ("estimate", "low", "high", "p", "standard_error", "df"):
        assert_allclose(getattr(fast, name), getattr(general, name), rtol=1e-9)
