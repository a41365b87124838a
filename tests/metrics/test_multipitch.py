"""Scores of several pitches at a time are those of mir_eval to the last bit."""

import warnings
from collections.abc import Callable
from typing import Any

import mir_eval
import numpy as np
import pytest
from numpy.typing import NDArray

from ricercar.metrics import multipitch

Floats = NDArray[np.float64]
Midi = Callable[[np.random.Generator, int], Floats]

FAMILIES: dict[str, Midi] = {
    "anywhere": lambda random, n: random.uniform(16, 110, n),
    "on a grid": lambda random, n: random.integers(200, 210, n) / 4,
    "tenths": lambda random, n: random.integers(580, 620, n) / 10,
    "close": lambda random, n: random.uniform(60, 61, n),
    "a chain": lambda random, n: 60 + np.arange(n) * 0.5 + random.choice([0.0, 0.25]),
    "around C": lambda random, n: 12 * random.integers(3, 7, n) + random.choice([-0.5, -0.25, 0.0, 0.25, 0.5], n),
    "near the octave": lambda random, n: 12 * random.integers(3, 7, n) + random.normal(0, 1e-9, n),
    "unisons": lambda random, n: np.repeat(random.uniform(50, 60, 1), n),
    "few octaves, backwards": lambda random, n: np.sort(random.integers(36, 60, n) + 0.0)[::-1],
}
families = pytest.mark.parametrize("midi", FAMILIES.values(), ids=FAMILIES)
WINDOWS = (0.0, 0.1, 0.25, 0.3, 0.5, 0.7, 1.0, 3.0, 6.0, 100.0, 1e9)


def frames(midi: Midi, random: np.random.Generator, num_frames: int) -> list[Floats]:
    """Up to 6 pitches, none in a third of them."""
    return [midi(random, max(0, int(random.integers(-3, 7)))) for _ in range(num_frames)]


def in_hz(midi: list[Floats]) -> list[Floats]:
    return [mir_eval.util.midi_to_hz(frame) for frame in midi]


def results(module: Any, *sides: Any, **options: Any) -> tuple[Any, ...]:
    """Scores and warnings."""
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        scores = module.evaluate(*sides, **options)
    return list(scores.items()), [(str(each.message).split(".")[0], each.category) for each in given]


@families
def test_numbers_of_each_frame(midi: Midi) -> None:
    random = np.random.default_rng(0)
    for _ in range(60):
        ref, est = frames(midi, random, int(random.integers(0, 30))), frames(midi, random, int(random.integers(0, 30)))
        window, chroma = random.choice(WINDOWS), bool(random.random() < 0.5)
        expected = mir_eval.multipitch.compute_num_true_positives(ref, est, window, chroma)
        found = multipitch.compute_num_true_positives(ref, est, window, chroma)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


@families
def test_all_scores(midi: Midi) -> None:
    """A third with other times, some of which are outside of the reference's."""
    random = np.random.default_rng(1)
    for case in range(40):
        ref_time = np.sort(random.uniform(0, 1, int(random.integers(1, 40))))
        est_time = ref_time if case % 3 else np.sort(random.uniform(-0.2, 1.2, int(random.integers(2, 60))))
        ref, est = (in_hz(frames(midi, random, len(time))) for time in (ref_time, est_time))
        options = {"window": random.choice(WINDOWS)} if case % 2 else {}
        ours = results(multipitch, ref_time, ref, est_time, est, **options)
        assert ours == results(mir_eval.multipitch, ref_time, ref, est_time, est, **options)


NO_FRAMES = np.zeros(0), []
SILENT = np.array([0.0, 1.0]), [np.zeros(0), np.zeros(0)]
ONE = np.array([0.0, 1.0]), [np.array([440.0]), np.zeros(0)]


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("b", [NO_FRAMES, SILENT, ONE])
@pytest.mark.parametrize("a", [NO_FRAMES, SILENT, ONE])
def test_nothing(a: Any, b: Any) -> None:
    assert results(multipitch, *a, *b) == results(mir_eval.multipitch, *a, *b)


def test_a_long_track() -> None:
    """The numbers that pitches are searched by stay apart, 10,000 s after the beginning at 100 frames a second."""
    random = np.random.default_rng(2)
    silence = [np.zeros(0)] * 1_000_000
    ref, est = (np.round(random.uniform(40, 60, (100, 5)), 1) for _ in range(2))
    expected = mir_eval.multipitch.compute_num_true_positives(ref, est)
    found = multipitch.compute_num_true_positives([*silence, *ref], [*silence, *est])
    np.testing.assert_array_equal(found[-100:], expected)


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_other_numbers(dtype: type[np.generic]) -> None:
    random = np.random.default_rng(3)
    time = np.arange(50) * 0.01
    ref, est = ([random.integers(100, 120, 4).astype(dtype) for _ in time] for _ in range(2))
    est[0] = np.zeros(0)
    assert results(multipitch, time, ref, time, est) == results(mir_eval.multipitch, time, ref, time, est)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pitches_that_are_not_finite(value: float) -> None:
    ref, est = [np.array([value, 60.0]), np.array([value])], [np.array([60.0, value]), np.array([61.0])]
    expected = mir_eval.multipitch.compute_num_true_positives(ref, est)
    np.testing.assert_array_equal(multipitch.compute_num_true_positives(ref, est), expected)


@pytest.mark.parametrize(
    ("time", "freqs", "message"),
    [
        (np.array([1.0, 0.0]), [np.zeros(0)] * 2, "increasing order"),
        (np.array([0.0, 30_001.0]), [np.zeros(0)] * 2, "greater than the maximum allowable time"),
        (np.array([0.0, 1.0]), [np.zeros(0)], "unequal lengths"),
        (np.array([0.0]), [np.array([19.9])], "A frequency of 19.9 was found which is less"),
        (np.array([0.0]), [np.array([5000.1])], "A frequency of 5000.1 was found which is greater"),
        (np.array([0.0]), [np.array([[440.0]])], "1-d numpy ndarray"),
    ],
)
@pytest.mark.parametrize("end", ["ref", "est"])
def test_errors_are_those_of_mir_eval(end: str, time: Floats, freqs: list[Floats], message: str) -> None:
    sides = [time, freqs, *ONE] if end == "ref" else [*ONE, time, freqs]
    with pytest.raises(ValueError, match=message):
        mir_eval.multipitch.evaluate(*sides)
    with pytest.raises(ValueError, match=message):
        multipitch.evaluate(*sides)


def test_by_hand() -> None:
    """60.4 can take 60 or 60.8, but 60.1 only 60: two matches; 72 is 60 in another octave."""
    ref, est = [np.array([60.0, 60.8]), np.array([60.0])], [np.array([60.4, 60.1]), np.array([72.0])]
    assert multipitch.compute_num_true_positives(ref, est).tolist() == [2, 0]
    assert multipitch.compute_num_true_positives(ref, est, chroma=True).tolist() == [2, 1]
