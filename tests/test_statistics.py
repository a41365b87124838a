"""Intervals and paired tests against textbook formulas, hand-worked numbers and simulation."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from statsmodels.stats.multitest import multipletests

from ricercar.harness.results import TrackScore, mean_metrics
from ricercar.significance import bootstrap
from ricercar.significance.bootstrap import Draws, resample, resample_pooled
from ricercar.significance.paired import compare, holm
from ricercar.significance.scores import Floats, Scores

NAN = float("nan")
RNG = np.random.default_rng(0)
ONE_SEED = RNG.normal(0.5, 0.1, (2, 1, 20))
SEEDS = np.array([[0.50, 0.54, 0.49, 0.55], [0.61, 0.60, 0.66, NAN]])


def make(values: Floats, group: list[int] | None = None, averaging: str = "tracks") -> Scores:
    return Scores(values, np.arange(values.shape[2]) if group is None else np.array(group), averaging)


def error(draws: Draws, *weights: float) -> float:
    return float(draws.contrast(np.array(weights)[:, None]).standard_error[0])


@pytest.mark.parametrize("averaging", ["tracks", "groups"])
def test_means_are_those_of_results(averaging: str) -> None:
    group = [5, 5, 5, 2, 2, 9, 7]
    values = RNG.random((1, 1, 7))
    values[0, 0, [1, 5]] = NAN
    tracks = [TrackScore(str(i), str(group[i]), {"F": values[0, 0, i]}, 1.0) for i in range(7)]
    assert_allclose(make(values, group, averaging).means(), mean_metrics(tracks, averaging)["F"])


def test_mean_over_seeds_of_means_over_tracks() -> None:
    scores = make(np.array([[[0.0, 1.0], [0.8, NAN]], [[0.4, 0.6], [NAN, NAN]], [[NAN, NAN], [NAN, NAN]]]))
    assert_allclose(scores.means(), [0.65, 0.5, NAN])
    assert scores.num_seeds.tolist() == [2, 1, 0]
    assert scores.num_groups.tolist() == [2, 2, 0]


def test_error_of_independent_tracks_is_the_textbook_s() -> None:
    draws = resample(make(ONE_SEED))
    assert_allclose(error(draws, 1, 0), ONE_SEED[0, 0].std(ddof=1) / np.sqrt(20), rtol=0.02)


def test_error_of_grouped_tracks_is_that_of_a_ratio() -> None:
    """The linearised variance of (sum of scores) / (number of tracks) over groups, Cochran 1977, eq. 6.9."""
    group = np.repeat(np.arange(40), RNG.integers(1, 5, 40))
    values = RNG.normal(0.5, 0.1, 40)[group] + RNG.normal(0, 0.05, len(group))
    distance = np.bincount(group, values - values.mean())
    expected = np.sqrt((distance**2).sum() * 40 / 39) / len(group)
    assert_allclose(error(resample(make(values[None, None], list(group))), 1), expected, rtol=0.04)


def test_error_of_groups_is_that_of_their_means() -> None:
    values = np.array([[[0.1, 0.3, 0.9, 0.4, 0.6, 0.2]]])
    draws = resample(make(values, [0, 0, 0, 1, 1, 2], "groups"))
    assert_allclose(draws.mean, np.mean([1.3 / 3, 0.5, 0.2]))
    assert_allclose(error(draws, 1), np.std([1.3 / 3, 0.5, 0.2], ddof=1) / np.sqrt(3), rtol=0.03)


def test_error_of_seeds_is_the_textbook_s() -> None:
    draws = resample(make(SEEDS[:, :, None]))
    assert_allclose(error(draws, 1, 0), SEEDS[0].std(ddof=1) / 2)
    assert_allclose(draws.seeds.std(axis=0), np.sqrt(draws.seed_variance), rtol=0.03)


def test_draws_spread_as_the_error_says() -> None:
    draws = resample(make(RNG.normal(0.5, 0.1, (3, 4, 15))))
    assert draws.draws.shape == (10_000, 3)
    assert_allclose(draws.draws.mean(axis=0), draws.mean, atol=0.002)
    assert_allclose(draws.draws.std(axis=0), [error(draws, *row) for row in np.eye(3)], rtol=0.03)


def test_interval_of_independent_tracks_is_near_that_of_t() -> None:
    draws = resample(make(ONE_SEED))
    expected = stats.ttest_1samp(ONE_SEED[:, 0], 0, axis=1).confidence_interval(0.95)
    assert_allclose(draws.high - draws.low, expected.high - expected.low, rtol=0.05)
    assert_allclose(draws.low, expected.low, atol=0.01)


def test_interval_follows_the_skew() -> None:
    """Near the top of the scale there is more room below than above."""
    draws = resample(make(np.array([[[1.0] * 9 + [0.2]]])))
    assert draws.mean[0] - draws.low[0] > 1.5 * (draws.high[0] - draws.mean[0])


def test_one_seed_has_no_part_of_seeds() -> None:
    assert not resample(make(ONE_SEED)).seeds.any()


def test_memory_is_bounded_without_changing_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = resample(make(ONE_SEED), 1000)
    monkeypatch.setattr(bootstrap, "_CELLS", 20 * 70)
    assert_allclose(resample(make(ONE_SEED), 1000).tracks, whole.tracks, atol=1e-15)


def test_one_seed_each_is_the_paired_t_test() -> None:
    scores = make(ONE_SEED)
    comparisons = compare(scores, resample(scores))
    expected = stats.ttest_rel(*ONE_SEED[:, 0])
    assert_allclose(comparisons.p[0, 1], expected.pvalue, rtol=0.05)
    interval = expected.confidence_interval(0.95)
    assert_allclose([comparisons.low[0, 1], comparisons.high[0, 1]], interval, atol=0.003)


def test_one_group_is_welchs_t_test_of_seeds() -> None:
    scores = make(SEEDS[:, :, None])
    comparisons = compare(scores, resample(scores, 100))
    expected = stats.ttest_ind(SEEDS[0], SEEDS[1][:3], equal_var=False)
    assert_allclose(comparisons.p[0, 1], expected.pvalue)
    assert_allclose([comparisons.low[0, 1], comparisons.high[0, 1]], expected.confidence_interval(0.95))


def test_what_tracks_have_in_common_cancels() -> None:
    hard = RNG.normal(0.5, 0.3, 30)
    scores = make(np.array([[hard + 0.02 + RNG.normal(0, 0.01, 30)], [hard]]))
    draws = resample(scores)
    comparisons = compare(scores, draws)
    assert draws.high[1] - draws.low[1] > 0.15
    assert comparisons.high[0, 1] - comparisons.low[0, 1] < 0.01
    assert comparisons.p[0, 1] < 1e-6


def test_pairs_mirror_each_other() -> None:
    scores = make(RNG.normal(0.5, 0.1, (4, 2, 12)))
    comparisons = compare(scores, resample(scores, 500))
    assert_allclose(comparisons.difference, -comparisons.difference.T)
    assert_allclose(comparisons.low, -comparisons.high.T)
    assert_allclose(comparisons.p_holm, comparisons.p_holm.T)
    assert np.isnan(np.diag(comparisons.p)).all()
    apart = ~np.eye(4, dtype=bool)
    excludes_0 = (comparisons.low > 0) | (comparisons.high < 0)
    assert (excludes_0 == (comparisons.p < 0.05))[apart].all()


def test_a_pair_uses_the_tracks_that_both_have() -> None:
    values = RNG.normal(0.5, 0.1, (3, 2, 15))
    values[1, :, :3] = NAN
    values[2, :, 12:] = NAN
    scores = make(values)
    comparisons = compare(scores, resample(scores))
    for row, column, kept in ((0, 1, slice(3, 15)), (1, 2, slice(3, 12)), (2, 0, slice(0, 12))):
        alone = make(values[[row, column]][:, :, kept])
        expected = compare(alone, resample(alone))
        assert_allclose(comparisons.difference[row, column], expected.difference[0, 1])
        assert_allclose(comparisons.low[row, column], expected.low[0, 1], atol=0.01)


def test_no_common_track_is_not_compared() -> None:
    scores = make(np.array([[[0.1, 0.2, NAN, NAN]], [[NAN, NAN, 0.3, 0.5]]]))
    comparisons = compare(scores, resample(scores, 100))
    assert np.isnan([comparisons.difference[0, 1], comparisons.p[0, 1], comparisons.p_holm[0, 1]]).all()


def test_holm_by_hand() -> None:
    assert_allclose(holm(np.array([0.01, NAN, 0.04, 0.03])), [0.03, NAN, 0.06, 0.06])


def test_detectable_by_hand() -> None:
    """20 differences with a standard deviation of 0.1: (t_.975 + t_.8 at 19 degrees) * 0.1 / sqrt(20)."""
    values = np.linspace(-1, 1, 20) / np.linspace(-1, 1, 20).std(ddof=1) * 0.1
    scores = make(np.array([[values], [np.zeros(20)]]))
    assert_allclose(compare(scores, resample(scores)).detectable, (2.0930 + 0.8610) * 0.1 / np.sqrt(20), rtol=0.02)


def test_equal_systems_are_equal() -> None:
    scores = make(np.repeat(RNG.random((1, 1, 9)), 3, axis=0))
    comparisons = compare(scores, resample(scores, 500))
    upper = np.triu_indices(3, 1)
    assert_allclose(comparisons.difference[upper], 0, atol=1e-15)
    assert comparisons.p[upper].tolist() == comparisons.p_holm[upper].tolist() == [1, 1, 1]
    assert comparisons.detectable == 0


def test_constant_scores() -> None:
    scores = make(np.array([[[0.1] * 7], [[0.1] * 7], [[0.3] * 7]]))
    draws = resample(scores, 500)
    assert_allclose(draws.low, [0.1, 0.1, 0.3])
    assert_allclose(draws.high, [0.1, 0.1, 0.3])
    assert compare(scores, draws).p[0].tolist()[1:] == [1, 0]


@pytest.mark.parametrize(
    ("shape", "known"),
    [((1, 1, 5), True), ((1, 3, 5), True), ((1, 3, 1), True), ((1, 1, 1), False), ((3, 1, 1), False)],
    ids=str,
)
def test_interval_is_known_with_two_groups_or_two_seeds(shape: tuple[int, ...], known: bool) -> None:
    scores = make(RNG.random(shape))
    draws = resample(scores, 200)
    assert (np.isnan(draws.low) == (not known)).all()
    assert ((draws.low < draws.mean) & (draws.mean < draws.high) == known).all()
    assert (np.isnan(compare(scores, draws).detectable)) == (shape[0] == 1 or not known)


def test_one_group_of_several_tracks_is_one_group() -> None:
    assert np.isnan(resample(make(RNG.random((1, 1, 4)), [3, 3, 3, 3]), 100).high).all()


def test_system_without_scores_is_left_out() -> None:
    values = RNG.random((3, 2, 10))
    values[1] = NAN
    scores, others = make(values), make(values[[0, 2]])
    draws = resample(scores, 300)
    assert np.isnan([draws.mean[1], draws.low[1], draws.high[1]]).all()
    comparisons, expected = compare(scores, draws), compare(others, resample(others, 300))
    assert np.isnan(comparisons.p[1]).all()
    assert_allclose(comparisons.difference[0, 2], expected.difference[0, 1])
    assert_allclose(comparisons.p_holm[0, 2], comparisons.p[0, 2])


def test_track_without_any_score_changes_nothing() -> None:
    values = RNG.random((2, 2, 8))
    without = make(values)
    with_one = make(np.concatenate([values, np.full((2, 2, 1), NAN)], axis=2))
    assert_allclose(with_one.means(), without.means())
    assert with_one.num_groups.tolist() == [8, 8]
    assert_allclose(error(resample(with_one), 1, -1), error(resample(without), 1, -1), rtol=0.1)


def simulated(num_systems: int, num_groups: int, num_seeds: int) -> Scores:
    """True mean 0.6, with parts of the work, seed and seed by track; pairs of neighbours share their works."""
    rng = np.random.default_rng(num_groups)
    works = np.repeat(rng.normal(0, 0.1, (num_systems // 2, 1, num_groups)), 2, axis=0)
    seeds = rng.normal(0, 0.03, (num_systems, num_seeds, 1))
    return make(0.6 + works + seeds + rng.normal(0, 0.05, (num_systems, num_seeds, num_groups)))


@pytest.mark.parametrize(("num_groups", "num_seeds"), [(6, 3), (14, 3), (14, 5)])
def test_intervals_hold_the_truth_and_tests_seldom_err(num_groups: int, num_seeds: int) -> None:
    """bench/intervals.py measures this with more systems; 800 give the share within about 1.5 points."""
    draws = resample(simulated(800, num_groups, num_seeds), 1000)
    assert 0.92 < np.mean((draws.low < 0.6) & (draws.high > 0.6)) < 0.98
    assert np.mean(draws.contrast(np.kron(np.eye(400), [[1], [-1]])).p < 0.05) < 0.07


def test_pooled_metrics_have_the_same_draws() -> None:
    """A mean written as a metric of all tracks together: the same mean, and nearly the same error."""
    values = RNG.normal(0.5, 0.1, (2, 2, 12))
    values[1, 1] = NAN
    group = [0, 0, 1, 1, 1, 2, 3, 4, 5, 6, 7, 7]
    evidence = [[[{"x": x} for x in run] for run in system if not np.isnan(run[0])] for system in values]

    def pooled(tracks: object) -> dict[str, float]:
        found = [track["x"] for track in tracks]  # type: ignore[attr-defined]
        return {"mean": float(np.mean(found)), "undefined": NAN}

    draws = resample_pooled(evidence, pooled, np.array(group), 1000)
    expected = resample(make(values, group))
    assert_allclose(draws["mean"].mean, expected.mean)
    assert draws["mean"].num_seeds.tolist() == [2, 1]
    assert_allclose(error(draws["mean"], 1, -1), error(expected, 1, -1), rtol=0.1)
    assert_allclose(compare(None, draws["mean"]).difference[0, 1], expected.mean[0] - expected.mean[1])
    assert np.isnan(draws["undefined"].low).all()


def test_pooled_metrics_of_one_group_have_no_interval() -> None:
    draws = resample_pooled([[[{"x": 1.0}, {"x": 2.0}]]], lambda tracks: {"n": float(len(tracks))}, np.array([4, 4]))
    assert draws["n"].mean.tolist() == [2]
    assert np.isnan(draws["n"].low).all()


def test_statistics_need_no_torch() -> None:
    code = "import ricercar.significance.ranks, ricercar.significance.paired, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("size", [1, 7, 200])
def test_holm_is_that_of_statsmodels(size: int) -> None:
    p = np.random.default_rng(size).choice([0.001, 0.01, 0.04, 0.3, 1.0], size)
    assert holm(p).tolist() == pytest.approx(multipletests(p, method="holm")[1].tolist())


def test_differences_are_contrasts_of_pairs() -> None:
    scores = make(np.random.default_rng(3).random((5, 3, 12)), [i // 2 for i in range(12)])
    draws = resample(scores)
    one, two = np.triu_indices(5, 1)
    weights = np.zeros((5, len(one)))
    weights[one, np.arange(len(one))], weights[two, np.arange(len(one))] = 1, -1
    fast, general = draws.differences(one, two), draws.contrast(weights)
    for name in ("estimate", "low", "high", "p", "standard_error", "df"):
        assert_allclose(getattr(fast, name), getattr(general, name), rtol=1e-9)
