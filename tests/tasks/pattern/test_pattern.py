"""Pattern discovery: mir_eval's scores, the file of MIREX, baselines."""

import warnings
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
import pytest

from configs import option
from ricercar.data.annotations.patterns import Note, Patterns
from ricercar.errors import InputError
from ricercar.tasks.pattern import Pattern
from ricercar.tasks.scoring import Clip

THEME = ((0.0, 60.0), (1.0, 64.0), (2.0, 67.0), (3.0, 72.0))
OTHER = ((8.0, 50.0), (9.0, 52.0))


def make(**protocol: Any) -> Pattern:
    default = option("task", "pattern").protocol
    return Pattern(protocol={**default, **protocol})


def moved(notes: tuple[Note, ...], onset: float, semitones: float) -> tuple[Note, ...]:
    return tuple((time + onset, midi + semitones) for time, midi in notes)


def random_patterns(random: np.random.Generator) -> Patterns:
    """Few onsets and pitches, so that patterns share notes."""

    def occurrence() -> tuple[Note, ...]:
        onsets = np.sort(random.choice(12, int(random.integers(2, 6)), replace=False))
        return tuple((float(onset), float(random.integers(60, 63))) for onset in onsets)

    return Patterns(
        tuple(tuple(occurrence() for _ in range(random.integers(1, 4))) for _ in range(random.integers(1, 8)))
    )


@pytest.mark.parametrize("seed", range(10))
def test_scores_are_those_of_mir_eval(seed: int) -> None:
    random = np.random.default_rng(seed)
    a, b = random_patterns(random), random_patterns(random)
    expected = mir_eval.pattern.evaluate(a.patterns, b.patterns)
    assert make().score(a, b) == {f"pattern/{name}": value for name, value in expected.items()}


def test_scores_by_hand() -> None:
    """Two patterns in the reference. The estimate has the first, transposed, and three quarters of its first notes."""
    reference = Patterns(((THEME, moved(THEME, 4.0, 2.0)), (OTHER,)))
    estimate = Patterns(((moved(THEME, 4.0, 2.0), THEME[:3]),))
    scores = make().score(reference, estimate)
    # Prototypes: the theme, transposed, is found; the other pattern is not.
    assert [scores[f"pattern/{name}"] for name in "PRF"] == pytest.approx([1.0, 0.5, 2 / 3])
    # The best pair of occurrences of pattern 1 is the same: 1. Pattern 2 has nothing: 0.
    assert (scores["pattern/P_est"], scores["pattern/R_est"]) == (1.0, 0.5)
    # Occurrences of the pair that was found: [[0, 3/4], [1, 0]].
    assert (scores["pattern/P_occ.75"], scores["pattern/R_occ.75"]) == (0.875, 0.875)


def test_occurrence_thresholds() -> None:
    """Half of the theme is found: enough for the threshold 0.5, which mir_eval does not use."""
    reference, estimate = Patterns(((THEME,),)), Patterns(((THEME[:2],),))
    as_mir_eval, named = make(), make(occurrence_thresholds="named")
    assert as_mir_eval.score(reference, estimate)["pattern/F_occ.5"] == 0
    scores = named.score(reference, estimate)
    assert (scores["pattern/F_occ.5"], scores["pattern/F_occ.75"]) == (0.5, 0)
    assert list(scores) == list(as_mir_eval.score(reference, estimate))


def test_first_patterns() -> None:
    reference, estimate = Patterns(((THEME,),)), Patterns(((OTHER,), (THEME,)))
    assert make(first_patterns=1).score(reference, estimate)["pattern/FFTP_est"] == 0
    assert make(first_patterns=2).score(reference, estimate)["pattern/FFTP_est"] == 1


@pytest.mark.parametrize(("rule", "expected"), [("mir_eval", 0.0), ("one", 1.0), ("exclude", np.nan)])
def test_nothing_on_both_sides(rule: str, expected: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        scores = make(empty=rule).score(Patterns(()), Patterns(()))
        assert set(make(empty=rule).score(Patterns(()), Patterns(((THEME,),))).values()) == {0.0}
    np.testing.assert_array_equal(list(scores.values()), expected)


@pytest.mark.parametrize(
    "protocol",
    [{"tolerance": -1}, {"first_patterns": 0}, {"first_patterns": 1.5}, {"empty": "two"}, {"occurrence_thresholds": 0}],
)
def test_wrong_options_name_the_value(protocol: dict[str, Any]) -> None:
    [name] = protocol
    with pytest.raises(InputError, match=rf"task\.protocol\.{name}={protocol[name]!r}"):
        make(**protocol)


# --- the file ---


@pytest.mark.parametrize("seed", range(3))
def test_mir_eval_reads_what_is_written_and_it_is_read_as_mir_eval_does(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    shift = float(random.normal())
    patterns = Patterns(
        tuple(tuple(moved(each, shift, 0.25) for each in pattern) for pattern in random_patterns(random).patterns)
    )
    path = tmp_path / "patterns.txt"
    patterns.write(path)
    loaded = mir_eval.io.load_patterns(path)
    assert tuple(tuple(tuple(occurrence) for occurrence in pattern) for pattern in loaded) == patterns.patterns
    assert Patterns.read(path) == patterns
    assert make().score(patterns, Patterns.read(path))["pattern/F_3"] == 1


def test_moved_in_pitch_and_time() -> None:
    patterns = Patterns(((OTHER,),))
    assert patterns.transposed(3).stretched(0.5) == Patterns(((((4.0, 53.0), (4.5, 55.0)),),))


# --- baselines ---


@pytest.mark.parametrize("audio", [np.zeros(1600, np.float32), np.ones(10, np.float32)])
@pytest.mark.parametrize("name", ["none", "borrowed"])
def test_baselines(name: str, audio: Any) -> None:
    references = [Patterns(((THEME,),)), Patterns(((OTHER,),))]
    baseline = Pattern.baselines[name]
    clips = [Clip(f"track {number}", audio, 16000) for number in range(20)]
    assert {baseline([])(clip) for clip in clips} == {Patterns(())}
    assert {baseline(references)(clip) for clip in clips} == ({Patterns(())} if name == "none" else set(references))
