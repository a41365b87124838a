"""Scores of notes, with and without velocities, are those of mir_eval to the last bit, and so are the pairs."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import mir_eval
import numpy as np
import pytest
from numpy.typing import NDArray

from ricercar.metrics import transcription, transcription_velocity
from ricercar.metrics.util import num_matched

Floats = NDArray[np.float64]
Side = tuple[Floats, Floats, NDArray[np.int64]]  # intervals, Hz, velocities
Notes = Callable[[np.random.Generator, int], tuple[Floats, Floats, Floats]]  # onsets, durations, MIDI numbers

NUM_CASES = 100


def anywhere(random: np.random.Generator, n: int) -> tuple[Floats, Floats, Floats]:
    return random.uniform(0, 4, n), random.exponential(0.3, n) + 0.01, random.uniform(58, 62, n)


def on_a_grid(random: np.random.Generator, n: int) -> tuple[Floats, Floats, Floats]:
    """Of 10 ms and 10 cents: many distances are exactly the tolerance, and many candidates equally far."""
    onset_s, duration_s = random.integers(0, 100, n) / 100, random.integers(1, 60, n) / 100
    return onset_s, duration_s, np.round(random.uniform(59, 61, n), 1)


def half_semitones(random: np.random.Generator, n: int) -> tuple[Floats, Floats, Floats]:
    return random.uniform(0, 1, n), random.uniform(0.1, 0.2, n), 60 + random.integers(0, 4, n) / 2


def repeated(random: np.random.Generator, n: int) -> tuple[Floats, Floats, Floats]:
    """One pitch, faster than the tolerance."""
    onset_s = np.arange(n) * 0.03 + random.choice([0.0, 0.015])
    return onset_s, np.full(n, 0.025), np.full(n, 60.0)


def shuffled(random: np.random.Generator, n: int) -> tuple[Floats, Floats, Floats]:
    order = random.permutation(n)
    onset_s, duration_s, midi = repeated(random, n)
    return onset_s[order], duration_s[order], midi[order]


def clusters(random: np.random.Generator, n: int) -> tuple[Floats, Floats, Floats]:
    onset_s = random.integers(0, 3, n) + random.uniform(0, 0.08, n)
    return onset_s, random.choice([0.05, 0.3, 2.0], n), random.integers(60, 63, n).astype(np.float64)


def duplicates(random: np.random.Generator, n: int) -> tuple[Floats, Floats, Floats]:
    onset_s, duration_s, midi = on_a_grid(random, n)
    same = random.integers(0, max(n // 2, 1), n)
    return onset_s[same], duration_s[same], midi[same]


def late(random: np.random.Generator, n: int) -> tuple[Floats, Floats, Floats]:
    """Where the digits of a float64 are few after the point."""
    onset_s, duration_s, midi = on_a_grid(random, n)
    return onset_s + 1e6, duration_s, midi


FAMILIES: tuple[Notes, ...] = (anywhere, on_a_grid, half_semitones, repeated, shuffled, clusters, duplicates, late)
families = pytest.mark.parametrize("notes", FAMILIES, ids=lambda notes: notes.__name__)


def side(notes: Notes, random: np.random.Generator, num_notes: int) -> Side:
    onset_s, duration_s, midi = notes(random, num_notes)
    intervals = np.stack([onset_s, onset_s + duration_s], axis=1)
    return intervals, mir_eval.util.midi_to_hz(midi), random.integers(0, 128, num_notes)


def cases(notes: Notes, seed: int) -> Iterator[tuple[Side, Side, np.random.Generator]]:
    random = np.random.default_rng(seed)
    for _ in range(NUM_CASES):
        yield side(notes, random, int(random.integers(1, 50))), side(notes, random, int(random.integers(1, 50))), random


def tolerances(random: np.random.Generator) -> dict[str, Any]:
    """Some of the options, at times those of mir_eval."""
    every = {
        "onset_tolerance": random.choice([0.0, 0.02, 0.05, 0.1, 1e9]),
        "pitch_tolerance": random.choice([0.0, 10.0, 50.0, 1e6]),
        "offset_ratio": random.choice([0.0, 0.2, 1.0, np.inf]),
        "offset_min_tolerance": random.choice([0.0, 0.01, 0.05, 1e9]),
        "strict": bool(random.random() < 0.5),
    }
    return {name: value for name, value in every.items() if random.random() < 0.4}


@families
def test_pairs(notes: Notes) -> None:
    for (a, a_hz, _), (b, b_hz, _), random in cases(notes, seed=0):
        options = tolerances(random)
        expected = mir_eval.transcription.match_notes(a, a_hz, b, b_hz, **options)
        assert transcription.match_notes(a, a_hz, b, b_hz, **options) == expected
        options["offset_ratio"] = None
        expected = mir_eval.transcription.match_notes(a, a_hz, b, b_hz, **options)
        assert transcription.match_notes(a, a_hz, b, b_hz, **options) == expected


@families
def test_pairs_by_onsets_or_offsets_alone(notes: Notes) -> None:
    for (a, _, _), (b, _, _), random in cases(notes, seed=1):
        options = tolerances(random)
        for name in ("match_note_onsets", "match_note_offsets"):
            theirs, ours = getattr(mir_eval.transcription, name), getattr(transcription, name)
            filtered = mir_eval.util.filter_kwargs
            assert filtered(ours, a, b, **options) == filtered(theirs, a, b, **options)


@families
def test_all_scores(notes: Notes) -> None:
    for (a, a_hz, a_velocity), (b, b_hz, b_velocity), random in cases(notes, seed=2):
        options = tolerances(random) | {"beta": random.choice([0.5, 1.0, 2.0])}
        if random.random() < 0.2:
            options["offset_ratio"] = None
        sides = a, a_hz, b, b_hz
        expected = mir_eval.transcription.evaluate(*sides, **options)
        scores = transcription.evaluate(*sides, **options)
        assert list(scores.items()) == list(expected.items())
        sides = a, a_hz, a_velocity, b, b_hz, b_velocity
        options["velocity_tolerance"] = random.choice([0.01, 0.1, 0.3])
        expected = mir_eval.transcription_velocity.evaluate(*sides, **options)
        scores = transcription_velocity.evaluate(*sides, **options)
        assert list(scores.items()) == list(expected.items())


@families
def test_pairs_with_velocities(notes: Notes) -> None:
    for a, b, random in cases(notes, seed=3):
        options = tolerances(random)
        expected = mir_eval.transcription_velocity.match_notes(*a, *b, **options)
        assert transcription_velocity.match_notes(*a, *b, **options) == expected


@families
def test_the_number_of_pairs_by_scipy(notes: Notes) -> None:
    for (a, a_hz, _), (b, b_hz, _), _ in cases(notes, seed=4):
        hits = transcription.note_hits(a, a_hz, b, b_hz, 0.05, 50.0)
        assert num_matched(hits) == len(mir_eval.transcription.match_notes(a, a_hz, b, b_hz, offset_ratio=None))


@pytest.mark.parametrize(("tolerance", "precision"), [(0.1, 1.0), (0.0, 0.0)])
def test_equal_velocities(tolerance: float, precision: float) -> None:
    """No line can be fitted, and nothing is apart: that is not less than nothing."""
    a, b = (side(anywhere, np.random.default_rng(seed), 40) for seed in (0, 0))
    flat = np.full(40, 64)
    sides = *a[:2], flat, *b[:2], flat
    expected = mir_eval.transcription_velocity.evaluate(*sides, velocity_tolerance=tolerance)
    assert transcription_velocity.evaluate(*sides, velocity_tolerance=tolerance) == expected
    assert expected["Precision"] == precision


NOTHING = np.zeros((0, 2)), np.zeros(0), np.zeros(0, dtype=np.int64)
SOMETHING = np.array([[1.0, 2.0]]), np.array([440.0]), np.array([64])


@pytest.mark.parametrize("b", [NOTHING, SOMETHING])
@pytest.mark.parametrize("a", [NOTHING, SOMETHING])
def test_empty_sides(a: Side, b: Side) -> None:
    """The warnings, too."""

    def results(plain: Any, with_velocity: Any) -> tuple[Any, ...]:
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")
            scores = plain.evaluate(*a[:2], *b[:2]), with_velocity.evaluate(*a, *b)
            pairs = plain.match_notes(*a[:2], *b[:2]), plain.match_note_onsets(a[0], b[0])
            pairs += plain.match_note_offsets(a[0], b[0]), plain.average_overlap_ratio(a[0], b[0], [])
        return *scores, *pairs, [(str(each.message), each.category) for each in given]

    ours = results(transcription, transcription_velocity)
    assert ours == results(mir_eval.transcription, mir_eval.transcription_velocity)


@pytest.mark.filterwarnings("ignore:Estimated notes are empty")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ref_intervals": np.array([[2.0, 1.0]])}, "strictly positive"),
        ({"est_intervals": np.array([[-1.0, 1.0]])}, "Negative interval times"),
        ({"est_intervals": np.zeros((0, 3))}, "n-by-2"),
        ({"ref_pitches": np.array([440.0, 440.0])}, "Reference intervals and pitches have different"),
        ({"est_pitches": np.array([0.0])}, "Estimate contains at least one non-positive pitch"),
        ({"est_velocities": np.array([64, 64])}, "Estimated velocities must have the same length"),
        ({"ref_velocities": np.array([-1])}, "Reference velocities must be positive"),
    ],
)
def test_errors_are_those_of_mir_eval(change: dict[str, Any], message: str) -> None:
    names = ("intervals", "pitches", "velocities")
    notes = {f"{end}_{name}": value for end in ("ref", "est") for name, value in zip(names, SOMETHING, strict=True)}
    with pytest.raises(ValueError, match=message):
        mir_eval.transcription_velocity.evaluate(**notes | change)
    with pytest.raises(ValueError, match=message):
        transcription_velocity.evaluate(**notes | change)


def test_an_endless_note() -> None:
    a, b = np.array([[1.0, np.inf], [2.0, 3.0]]), np.array([[1.0, 2.0], [2.0, np.inf]])
    with np.errstate(invalid="ignore"):
        expected = mir_eval.transcription.match_note_offsets(a, b)
        assert transcription.match_note_offsets(a, b) == expected == [(0, 0)]


def trill(num_notes: int) -> tuple[Floats, Floats, Floats, Floats]:
    """One pitch. Each estimate is near two notes, but the last one near the first note only: all have to move up."""
    onset_s = np.arange(num_notes) * 0.06 + 1
    a = np.stack([onset_s, onset_s + 0.05], axis=1)
    b = np.concatenate([a[:-1] + 0.03, a[:1] - 0.03])
    hz = np.full(num_notes, 440.0)
    return a, hz, b, hz


@pytest.mark.parametrize("num_notes", [2_000, 20_000])
def test_long_trills(num_notes: int) -> None:
    a, hz, b, _ = trill(num_notes)
    i, j = np.array(transcription.match_notes(a, hz, b, hz, offset_ratio=None)).T
    assert i.tolist() == list(range(num_notes))
    assert len(np.unique(j)) == num_notes
    assert np.abs(a[i, 0] - b[j, 0]).max() < 0.05
    assert transcription.precision_recall_f1_overlap(a, hz, b, hz)[:3] == (1.0, 1.0, 1.0)
    assert transcription.onset_precision_recall_f1(a, b) == (1.0, 1.0, 1.0)


def test_mir_eval_fails_on_a_long_trill() -> None:
    with pytest.raises(RecursionError):
        mir_eval.transcription.match_notes(*trill(2_000))


def test_by_hand() -> None:
    """Onsets 50 ms late, which the rounding lets pass unless strict; 50 cents, and 51."""
    a = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    b = a + np.array([[0.05, 0.2], [0.05, 0.0], [0.0, 0.0]])
    a_hz, b_hz = np.full(3, 440.0), 440.0 * 2 ** (np.array([0.0, 49.999, 51.0]) / 1200)
    assert transcription.match_notes(a, a_hz, b, b_hz) == [(0, 0), (1, 1)]
    assert transcription.match_notes(a, a_hz, b, b_hz, strict=True) == []
    assert transcription.average_overlap_ratio(a, b, [(0, 0), (2, 2)]) == pytest.approx((0.95 / 1.2 + 1) / 2)
