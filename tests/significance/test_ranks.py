"""Ranks against published and hand-worked numbers; the drawing is safe and readable."""

import re
from itertools import product
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ricercar.significance.ranks import Ranks, average_ranks, critical_difference_svg, expected_best, ranks
from ricercar.significance.scores import Floats, Scores

NAN = float("nan")
# Demsar 2006, "Statistical Comparisons of Classifiers over Multiple Data Sets", table 6: 4 classifiers, 14 data sets.
# Of "voting" the third and the fourth are printed as equal, but the third is ranked before the fourth.
DEMSAR = np.array(
    [
        [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1.0, 0.940, 0.619, 0.972, 0.957],
        [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1.0, 0.962, 0.666, 0.981, 0.978],
        [0.771, 0.590, 0.968, 0.654, 0.886, 0.916, 0.609, 0.563, 0.866, 1.0, 0.965, 0.614, 0.9751, 0.946],
        [0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685, 0.625, 0.875, 1.0, 0.962, 0.669, 0.975, 0.970],
    ]
)
RNG = np.random.default_rng(0)
CLEAR = np.linspace(0.8, 0.2, 5)[:, None, None] + RNG.normal(0, 0.02, (5, 2, 14))
HOSTILE = [
    "mel $x_1$ cnn",
    "</svg><script>alert(1)</script>",
    "a & b {label} {0}",
    "line\nbreak\x00\x07",
    "same",
    "same",
]


def make(values: Floats, work: list[int] | None = None) -> Scores:
    return Scores(values, np.arange(values.shape[2]) if work is None else np.array(work), "tracks")


def test_published_ranks() -> None:
    found = ranks(make(DEMSAR[:, None]))
    assert_allclose(found.average, [3.143, 2.000, 2.893, 1.964], atol=5e-4)
    assert found.num_blocks == 14


def test_works_are_ranked_not_tracks_or_seeds() -> None:
    """Work 0 has means 0.5 and 0.4, work 1 has 0.3 and 0.9."""
    values = np.array([[[0.9, 0.1, 0.3], [0.7, 0.3, 0.3]], [[0.4, 0.4, 0.8], [0.4, 0.4, 1.0]]])
    found = ranks(make(values, [0, 0, 1]))
    assert found.average.tolist() == [1.5, 1.5]
    assert found.num_blocks == 2


def test_equal_systems_share_a_rank() -> None:
    found = ranks(make(np.repeat(RNG.random((1, 1, 8)), 3, axis=0)))
    assert found.average.tolist() == [2, 2, 2]


def test_rounding_is_no_difference() -> None:
    assert ranks(make(np.array([[[0.1 + 0.2, 0.7]], [[0.3, 0.7]]]))).average.tolist() == [1.5, 1.5]


def test_system_without_scores_and_work_without_a_system() -> None:
    values = CLEAR.copy()
    values[2] = NAN
    values[0, :, :3] = NAN
    found = ranks(make(values))
    assert_allclose(found.average, [1, 2, NAN, 3, 4])
    assert found.num_blocks == 11


@pytest.mark.parametrize(
    "values",
    [np.ones((1, 2, 9)), np.full((3, 1, 4), NAN), np.array([[[1.0, NAN]], [[NAN, 1.0]]])],
    ids=["one system", "no score", "no common work"],
)
def test_there_is_nothing_to_draw(values: Floats) -> None:
    nothing = np.zeros((len(values), len(values)), dtype=bool)
    assert critical_difference_svg(ranks(make(values)), nothing, ["name"] * len(values)) == ""


def test_names_in_the_drawing_are_text() -> None:
    found = ranks(make(np.linspace(0.9, 0.2, 6)[:, None, None] + RNG.normal(0, 0.1, (6, 1, 10))))
    root = ElementTree.fromstring(critical_difference_svg(found, np.zeros((6, 6), dtype=bool), HOSTILE))
    texts = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    expected = [f"{name} ({rank:.2f})" for name, rank in zip(HOSTILE, found.average, strict=True)]
    expected[3] = expected[3].replace("\n", " ").replace("\x00", " ").replace("\x07", " ")
    assert {" ".join(text.split()) for text in texts} >= {" ".join(text.split()) for text in expected}
    assert not list(root.iter("{http://www.w3.org/2000/svg}script"))


@pytest.mark.parametrize(
    ("average", "expected"),
    [([1.38, 1.62, 3.0], [1, 2, 3]), ([2.0, 2.0], [2, 3]), (list(range(1, 25)), list(range(1, 25, 2)))],
)
def test_the_axis_has_whole_ranks(average: list[float], expected: list[int]) -> None:
    number = len(average)
    svg = critical_difference_svg(Ranks(np.array(average, float), 9), np.zeros((number, number), bool), ["a"] * number)
    texts = [element.text or "" for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert [int(text) for text in texts if re.fullmatch(r"[\d.]+", text)] == expected
    assert "average rank (left is better)" in texts


def test_drawing_is_repeatable_and_fits_any_page() -> None:
    apart = ~np.eye(5, dtype=bool)
    svg = critical_difference_svg(ranks(make(CLEAR)), apart, list("abcde"))
    assert svg == critical_difference_svg(ranks(make(CLEAR)), apart, list("abcde"))
    assert svg.startswith("<svg ")
    assert "currentColor" in svg
    assert not [word for word in ("#0", "#f", "<style", "date", "metadata", "http://www.w3.org/1999/02") if word in svg]


@pytest.mark.parametrize(
    ("apart", "num_bars"),
    [
        ([(0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4)], 2),  # 0 1, 2 3 4
        ([(0, 4)], 2),  # 0 1 2 3, 1 2 3 4
        ([(1, 2)], 2),  # 0 1, 2 3 4: 0 and 3 are not told apart, but a bar over 1 and 2 would say so of them
        ([], 1),
        ([(i, j) for i in range(5) for j in range(i)], 0),
    ],
)
def test_bars_join_neighbours_of_which_no_two_are_told_apart(apart: list[tuple[int, int]], num_bars: int) -> None:
    """Beside the five lines from the systems' ranks."""
    verdicts = np.zeros((5, 5), dtype=bool)
    for i, j in apart:
        verdicts[i, j] = verdicts[j, i] = True
    svg = critical_difference_svg(ranks(make(CLEAR)), verdicts, list("abcde"))
    assert svg.count("stroke-width: 2;") == num_bars


def test_average_ranks_over_boards() -> None:
    tables = {
        "notes": {"cnn": 0.8, "lstm": 0.7, "dense": 0.2, "other": 0.9},
        "beat": {"lstm": 0.9, "cnn": 0.5, "dense": 0.5},
        "key": {"lstm": 0.9, "cnn": 0.95, "dense": 0.1, "other": NAN},
    }
    found = average_ranks(tables)
    assert list(found.average) == ["cnn", "lstm", "dense"]
    assert_allclose(list(found.average.values()), [(1 + 2.5 + 1) / 3, (2 + 1 + 2) / 3, (3 + 2.5 + 3) / 3])
    assert found.num_boards == 3
    assert found.missing == {"other": ["beat", "key"]}


@pytest.mark.parametrize("tables", [{}, {"a": {}}, {"a": {"x": 1.0}, "b": {"y": 1.0}}], ids=str)
def test_nothing_in_common_ranks_nothing(tables: dict[str, dict[str, float]]) -> None:
    assert average_ranks(tables).average == {}


@pytest.mark.parametrize("scores", [[0.3], [0.1, 0.9], [0.5, 0.2, 0.2, 0.7]], ids=str)
def test_expected_best_is_the_mean_over_all_draws(scores: list[float]) -> None:
    expected = [np.mean([max(draw) for draw in product(scores, repeat=k)]) for k in range(1, len(scores) + 1)]
    assert_allclose(expected_best(scores, None), expected)


@pytest.mark.parametrize(("worst", "counted"), [(0.0, 0.0), (None, 0.4), (-2.0, -2.0)])
def test_trials_that_diverged_count(worst: float | None, counted: float) -> None:
    """As the worst that there can be: half of the trainings are lost, so is half of what one trial is worth."""
    values = [0.6, counted, 0.4, counted]
    expected = [np.mean([max(draw) for draw in product(values, repeat=k)]) for k in range(1, 5)]
    assert_allclose(expected_best([0.6, NAN, 0.4, NAN], worst), expected)


def test_expected_best_without_trials() -> None:
    assert expected_best([], 0.0) == expected_best([NAN], 0.0) == expected_best([NAN], None) == []
