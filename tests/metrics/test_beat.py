"""Scores of beats and onsets are those of mir_eval to the last bit."""

import warnings
from collections.abc import Callable
from typing import Any

import mir_eval
import numpy as np
import pytest
from numpy.typing import NDArray

from ricercar.metrics import beat, onset

Floats = NDArray[np.float64]

FAMILIES: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "anywhere": lambda random, n: random.uniform(0, random.choice([2, 10]), n),
    "in time": lambda random, n: 5 + np.arange(n) * 0.5 + random.normal(0, 0.04, n).clip(-0.2, 0.2),
    "on a grid of 10 ms": lambda random, n: random.integers(0, 300, n) / 100,
    "many equal": lambda random, n: random.integers(0, 3, n) / 2,
    "within 10 ms": lambda random, n: 1 + random.uniform(0, 0.02, n),
}
families = pytest.mark.parametrize("times", FAMILIES.values(), ids=FAMILIES)


def results(compute: Callable[..., Any], *sides: Floats, **options: Any) -> tuple[Any, ...]:
    """Value and warnings."""
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        value = compute(*sides, **options)
    return value, [(str(each.message), each.category) for each in given if each.category is UserWarning]


def apart(a: Floats, b: Floats) -> bool:
    """Where all beats of the reference are in one step of 10 ms, mir_eval's P-score fails."""
    return len(a) < 2 or len(b) < 2 or len(np.unique(np.ceil((a - min(a[0], b[0])) * 100))) > 1


@families
def test_p_scores(times: Callable[[np.random.Generator, int], Floats]) -> None:
    """Thresholds of many beats, too, of which mir_eval sums a part, and below 0, where it sums nothing."""
    random, compared = np.random.default_rng(0), 0
    for _ in range(400):
        a, b = (np.sort(times(random, int(random.integers(1, 25)))) for _ in range(2))
        threshold = random.choice([0.05, 0.2, 0.5, 1.0, 3.0, 30.0, 1000.0, -0.5])
        if apart(a, b):
            ours = results(beat.p_score, a, b, p_score_threshold=threshold)
            assert ours == results(mir_eval.beat.p_score, a, b, p_score_threshold=threshold)
            compared += 1
    assert compared > 40


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
def test_p_score_of_reference_beats_that_coincide() -> None:
    a, b = np.full(3, 6.0), np.array([6.0, 7.0, 8.0])
    with pytest.raises(ValueError, match="cannot convert float NaN to integer"):
        mir_eval.beat.p_score(a, b)
    assert beat.p_score(a, b) == 0.0
    assert beat.p_score(b, a) == mir_eval.beat.p_score(b, a) > 0


def test_p_score_by_hand() -> None:
    """The window is 0.2 of 1 s: the first and the second beat are in it."""
    assert beat.p_score(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.19, 3.3])) == 2 / 3


@families
def test_all_scores_of_beats(times: Callable[[np.random.Generator, int], Floats]) -> None:
    random, compared = np.random.default_rng(1), 0
    for _ in range(60):
        a, b = (np.sort(times(random, int(random.integers(3, 25)))) for _ in range(2))
        options = {"min_beat_time": random.choice([0.0, 0.5]), "p_score_threshold": 0.3, "f_measure_threshold": 0.05}
        if apart(*(side[side >= options["min_beat_time"]] for side in (a, b))):
            expected = results(mir_eval.beat.evaluate, a, b, **options)
            scores = results(beat.evaluate, a, b, **options)
            assert list(scores[0]) == list(expected[0])
            np.testing.assert_equal(scores, expected)  # NaN included
            compared += 1
    assert compared > 5


@families
def test_f_measures(times: Callable[[np.random.Generator, int], Floats]) -> None:
    random = np.random.default_rng(2)
    for _ in range(400):
        a, b = (np.sort(times(random, int(random.integers(0, 30)))) for _ in range(2))
        window = random.choice([0.0, 0.01, 0.05, 0.5, 100.0])
        for ours, theirs, name in (
            (beat.f_measure, mir_eval.beat.f_measure, "f_measure_threshold"),
            (onset.f_measure, mir_eval.onset.f_measure, "window"),
            (onset.evaluate, mir_eval.onset.evaluate, "window"),
        ):
            assert results(ours, a, b, **{name: window}) == results(theirs, a, b, **{name: window})


@pytest.mark.parametrize("num_estimates", [0, 1, 2])
@pytest.mark.parametrize("num_references", [0, 1, 2])
def test_few_beats(num_references: int, num_estimates: int) -> None:
    a, b = 6 + np.arange(num_references) * 0.5, 6 + np.arange(num_estimates) * 0.5
    assert results(beat.p_score, a, b) == results(mir_eval.beat.p_score, a, b)
    assert results(beat.f_measure, a, b) == results(mir_eval.beat.f_measure, a, b)
    assert results(onset.f_measure, a, b) == results(mir_eval.onset.f_measure, a, b)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.array([2.0, 1.0]), "increasing order"),
        (np.array([1.0, 30_001.0]), "greater than the maximum allowable time"),
        (np.array([[1.0, 2.0]]), "1-d numpy ndarray"),
    ],
)
@pytest.mark.parametrize("compute", [beat.f_measure, beat.p_score, onset.f_measure])
def test_errors_are_those_of_mir_eval(compute: Callable[..., Any], wrong: Floats, message: str) -> None:
    theirs = getattr(mir_eval.onset if compute is onset.f_measure else mir_eval.beat, compute.__name__)
    for each in (theirs, compute):
        with pytest.raises(ValueError, match=message):
            each(np.array([1.0, 2.0]), wrong)


def test_f_measure_by_hand() -> None:
    """1.03 takes 1.0 or 1.06, but 1.1 only 1.06."""
    a, b = np.array([1.0, 1.06, 3.0]), np.array([1.03, 1.1])
    assert onset.f_measure(a, b) == (2 * 1.0 * (2 / 3) / (1.0 + 2 / 3), 1.0, 2 / 3)
    assert beat.f_measure(a, b, f_measure_threshold=0.035) == pytest.approx(2 / 5)
