"""Effects, interactions and shares of variance, against numbers worked out by hand and simulated truth."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from ricercar.comparison.ablation.effects import Effects, shares
from ricercar.comparison.ablation.expectations import Expectation, verdict
from ricercar.comparison.ablation.figures import frontier
from ricercar.comparison.ablation.grid import Cell, Factor
from ricercar.significance.bootstrap import resample
from ricercar.significance.paired import compare
from ricercar.significance.scores import Floats, Scores
from ricercar.tasks.scale import SHARE

FRONTEND = Factor("frontend", ("mel", "cqt"))
BACKBONE = Factor("backbone", ("dense", "cnn"))
TWO = (FRONTEND, BACKBONE)
CELLS = list(product(*(factor.levels for factor in TWO)))  # mel dense, mel cnn, cqt dense, cqt cnn
DIFFICULTY = np.array([0.2, -0.1, 0.0, 0.05, -0.15, 0.0])


def scores_of(means: list[float], *, seeds: list[float] | None = None) -> Scores:
    """Six tracks, each a work; a difficulty that is the same in all cells, and what each seed adds."""
    added = np.array(seeds or [0.0])
    values = np.array(means)[:, None, None] + added[None, :, None] + DIFFICULTY
    return Scores(values, np.arange(len(DIFFICULTY)), "tracks")


def effects_of(means: list[float], cells: list[Cell] = CELLS, factors: tuple[Factor, ...] = TWO) -> Effects:
    return Effects(factors, cells, resample(scores_of(means), 500, fixed=np.ones(len(means), dtype=bool)))


# Means 0.5 0.6 0.7 1.0: grand 0.7; mel 0.55, cqt 0.85; dense 0.6, cnn 0.8; departures +-0.05.
HAND = [0.5, 0.6, 0.7, 1.0]


@pytest.mark.parametrize(("factor", "expected"), [(FRONTEND, [-0.15, 0.15]), (BACKBONE, [-0.1, 0.1])])
def test_main_effects_by_hand(factor: Factor, expected: list[float]) -> None:
    assert effects_of(HAND).main(factor).values.estimate == pytest.approx(expected)


@pytest.mark.parametrize(("factor", "expected"), [(FRONTEND, [0.55, 0.85]), (BACKBONE, [0.6, 0.8])])
def test_marginal_means_by_hand(factor: Factor, expected: list[float]) -> None:
    assert effects_of(HAND).means(factor).values.estimate == pytest.approx(expected)


def test_differences_by_hand() -> None:
    effects = effects_of(HAND)
    assert effects.between(FRONTEND, "mel").values.estimate == pytest.approx([0.3])
    found = effects.differences(("cqt", "dense"))
    assert found.names == ["mel, dense", "mel, cnn", "cqt, dense", "cqt, cnn"]
    assert found.values.estimate == pytest.approx([-0.2, -0.1, np.nan, 0.3], nan_ok=True)


def test_interaction_by_hand() -> None:
    (found,) = effects_of(HAND).interactions()
    assert found.factors == ("frontend", "backbone")
    assert found.cells == CELLS
    assert found.departures.values.estimate == pytest.approx([0.05, -0.05, -0.05, 0.05])


def test_additive_means_have_no_interaction() -> None:
    (found,) = effects_of([0.5, 0.6, 0.7, 0.8]).interactions()
    assert found.departures.values.estimate == pytest.approx(np.zeros(4), abs=1e-12)


def test_the_test_of_a_2x2_interaction_is_the_t_test_of_its_departure() -> None:
    rng = np.random.default_rng(0)
    scores = Scores(0.5 + 0.1 * rng.standard_normal((4, 3, 8)), np.arange(8), "tracks")
    (found,) = Effects(TWO, CELLS, resample(scores, 2000)).interactions()
    values = found.departures.values
    ratio = values.estimate[0] / values.standard_error[0]
    assert found.f == pytest.approx(ratio**2)
    assert found.df == pytest.approx(1)
    assert min(1, 4 * found.p) == pytest.approx(values.p[0])  # of four departures


def test_one_factor_of_two_levels_is_a_paired_t_test() -> None:
    """Of the differences track by track; the bootstrap draws stand for its standard error."""
    rng = np.random.default_rng(1)
    values = 0.5 + 0.2 * rng.standard_normal((1, 1, 40)) + 0.05 * rng.standard_normal((2, 1, 40))
    values[1] += 0.02
    draws = resample(Scores(values, np.arange(40), "tracks"), 20_000, fixed=np.ones(2, dtype=bool))
    effects = Effects([FRONTEND], [("mel",), ("cqt",)], draws)
    found = effects.differences(("mel",)).values
    expected = stats.ttest_rel(values[1, 0], values[0, 0])
    interval = expected.confidence_interval()
    assert found.estimate[1] == pytest.approx((values[1] - values[0]).mean())
    assert found.p[1] == pytest.approx(expected.pvalue, rel=0.15)
    assert [found.low[1], found.high[1]] == pytest.approx([interval.low, interval.high], abs=0.001)


def test_one_verdict_of_two_levels() -> None:
    """The table of combinations, that of levels, what was expected, and the leaderboard correct for the same pairs."""
    rng = np.random.default_rng(2)
    factor = Factor("backbone", ("a", "b", "c"))
    scores = Scores(rng.standard_normal((3, 2, 10)), np.arange(10), "tracks")
    draws = resample(scores, 500)
    effects = Effects([factor], [("a",), ("b",), ("c",)], draws)
    expected = compare(draws)
    found, levels = effects.differences(("a",)).values, effects.between(factor, "a").values
    for i in (1, 2):
        for each, at in ((found, i), (levels, i - 1)):
            assert [each.p[at], each.low[at], each.high[at]] == pytest.approx(
                [expected.p[i, 0], expected.low[i, 0], expected.high[i, 0]]
            )
    said = verdict(Expectation("backbone", "c", "a"), effects, SHARE)
    assert [said.low, said.high] == pytest.approx([expected.low[2, 0], expected.high[2, 0]])


def test_missing_cell_is_fitted_by_the_others() -> None:
    """Additive means 0.5 0.6 / 0.7 0.8 / 0.9 and no (c, cnn): the fit finds the effects all the same."""
    rows = Factor("frontend", ("a", "b", "c"))
    cells = [("a", "dense"), ("a", "cnn"), ("b", "dense"), ("b", "cnn"), ("c", "dense")]
    effects = effects_of([0.5, 0.6, 0.7, 0.8, 0.9], cells, (rows, BACKBONE))
    assert effects.separable
    assert effects.main(rows).values.estimate == pytest.approx([-0.2, 0.0, 0.2])
    assert effects.between(BACKBONE, "dense").values.estimate == pytest.approx([0.1])
    (found,) = effects.interactions()
    assert found.cells == cells[:4]  # c has one cell, which its effect fits
    assert found.departures.values.estimate == pytest.approx(np.zeros(4), abs=1e-12)


def test_three_of_four_cells_leave_no_interaction() -> None:
    assert effects_of([0.5, 0.6, 0.7], CELLS[:3]).interactions() == []


def test_factors_that_never_vary_apart_are_told() -> None:
    assert not effects_of([0.5, 0.9], [("mel", "dense"), ("cqt", "cnn")]).separable


def test_three_factors() -> None:
    """0.5 + 0.1 b + 0.2 c + 0.04 a c, a, b, c of -1 and 1: pairs of factors hold one interaction."""
    factors = tuple(Factor(name, ("-1", "1")) for name in "abc")
    cells = list(product(("-1", "1"), repeat=3))
    signs = np.array(cells, dtype=np.float64)
    means = 0.5 + 0.1 * signs[:, 1] + 0.2 * signs[:, 2] + 0.04 * signs[:, 0] * signs[:, 2]
    effects = effects_of(means.tolist(), cells, factors)
    estimates = [effects.main(factor).values.estimate[1] for factor in factors]
    assert estimates == pytest.approx([0, 0.1, 0.2], abs=1e-12)
    departures = {each.factors: each.departures.values.estimate[0] for each in effects.interactions()}
    assert departures == pytest.approx({("a", "b"): 0, ("a", "c"): 0.04, ("b", "c"): 0}, abs=1e-12)


def test_a_cell_without_scores_is_not_known() -> None:
    effects = effects_of([0.5, 0.6, 0.7, float("nan")])
    assert np.isnan(effects.main(FRONTEND).values.estimate).all()
    assert np.isnan(effects.interactions()[0].p)


def test_one_seed_and_one_track_have_no_interval() -> None:
    scores = Scores(np.array([[[0.5]], [[0.6]]]), np.zeros(1, dtype=np.int64), "tracks")
    found = Effects([FRONTEND], [("mel",), ("cqt",)], resample(scores, 100)).differences(("mel",))
    assert found.values.estimate[1] == pytest.approx(0.1)
    assert np.isnan([found.values.low[1], found.values.high[1], found.values.p[1]]).all()


@pytest.fixture(scope="module")
def simulated() -> tuple[Floats, Floats, Floats]:
    """-> of 400 studies of 3 x 2 cells, 3 seeds, 8 works: whether intervals hold the true effects and differences,
    and p of an interaction that is not there."""
    rows = Factor("frontend", ("a", "b", "c"))
    cells = list(product(rows.levels, BACKBONE.levels))
    truth = np.add.outer([0.5, 0.53, 0.62], [-0.02, 0.02]).ravel()
    work = np.repeat(np.arange(8), 2)
    rng = np.random.default_rng(0)
    main, between, p = [], [], []
    for _ in range(400):
        values = truth[:, None, None] + 0.1 * rng.standard_normal(8)[work]
        values = values + 0.05 * rng.standard_normal((6, 1, 8))[:, :, work] + 0.02 * rng.standard_normal((6, 3, 1))
        effects = Effects([rows, BACKBONE], cells, resample(Scores(values, work, "tracks"), 300))
        found, pairs = effects.main(rows).values, effects.between(BACKBONE, "dense").values
        expected = np.array([-0.05, -0.02, 0.07])
        main.append((found.low <= expected) & (expected <= found.high))
        between.append((pairs.low <= 0.04) & (pairs.high >= 0.04))
        p.append(effects.interactions()[0].p)
    return np.array(main), np.array(between), np.array(p)


def test_intervals_hold_the_true_effects(simulated: tuple[Floats, Floats, Floats]) -> None:
    main, between, _ = simulated
    assert 0.92 <= main.all(axis=1).mean() <= 0.98  # of three effects together
    assert 0.92 <= between.mean() <= 0.98


def test_interaction_that_is_not_there_is_rarely_found(simulated: tuple[Floats, Floats, Floats]) -> None:
    assert 0.02 <= (simulated[2] < 0.05).mean() <= 0.08


def test_shares_by_hand() -> None:
    """Among cells: var 0.035 = frontend 0.0225 + backbone 0.01 + both 0.0025; tracks 0.0125; seeds 0.01."""
    found = shares(scores_of(HAND, seeds=[-0.1, 0.1]), TWO, CELLS)
    total = 0.035 + DIFFICULTY.var() + 0.01
    expected = {
        "frontend": 0.0225,
        "backbone": 0.01,
        "frontend with backbone": 0.0025,
        "tracks, alike in all combinations": DIFFICULTY.var(),
        "tracks, different in each": 0,
        "seeds": 0.01,
        "seeds, different on each track": 0,
    }
    assert {each.source: each.share for each in found} == pytest.approx(
        {name: part / total for name, part in expected.items()}, abs=1e-12
    )
    assert [each.among_cells for each in found[:3]] == pytest.approx([0.0225 / 0.035, 0.01 / 0.035, 0.0025 / 0.035])


@pytest.mark.parametrize("averaging", ["tracks", "works"])
@pytest.mark.parametrize("num_cells", [4, 3])
def test_shares_are_of_all_variance(averaging: str, num_cells: int) -> None:
    rng = np.random.default_rng(3)
    values = rng.standard_normal((num_cells, 3, 7))
    values[0, 2] = np.nan  # a seed that is not there
    values[2] = np.nan  # a cell without scores
    values[:, :, 3] = np.nan  # a track that the protocol leaves out
    found = shares(Scores(values, np.array([0, 0, 0, 1, 2, 2, 3]), averaging), TWO, CELLS[:num_cells])
    assert sum(each.share for each in found) == pytest.approx(1)
    assert all(each.share >= 0 for each in found)


def test_equal_scores_have_no_shares() -> None:
    assert shares(Scores(np.full((4, 1, 3), 0.5), np.arange(3), "tracks"), TWO, CELLS) == []


def test_frontier() -> None:
    """By hand: the third costs more than the second for less; the last has no cost, the fifth no score."""
    points = frontier([10, 20, 30, 40, 5, None], [0.5, 0.7, 0.6, 0.8, float("nan"), 0.9], SHARE)
    assert [(point.cell, point.best) for point in points] == [(0, True), (1, True), (2, False), (3, True)]
