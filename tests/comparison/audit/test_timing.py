"""How late labels are by one system: planted lines are found, and intervals keep what they promise."""

import numpy as np
import pytest

from ricercar.comparison.audit.events import Events, alike, events, paired
from ricercar.comparison.audit.timing import Span, Timing, timing
from ricercar.comparison.audit.track import Rules, agreed, track_audit

RULES = Rules(least_s=0.01, agree_s=0.015, reach_s=0.3, share=0.05)


def played(rng: np.random.Generator, number: int = 300) -> Events:
    """Notes of two minutes."""
    time_s = np.sort(rng.uniform(0, 120, number))
    return events(time_s.tolist(), rng.integers(40, 80, number).tolist(), [""] * number)


def heard(rng: np.random.Generator, notes: Events, late_s: np.ndarray | float, noise_s: float = 0.01) -> Events:
    """Three quarters of the notes, where labels are `late_s` too late, and a fifth as many that are not there."""
    kept = rng.random(len(notes)) < 0.75
    more = rng.uniform(0, 120, len(notes) // 5)
    time_s = np.concatenate([(notes.time_s - late_s + rng.normal(0, noise_s, len(notes)))[kept], more])
    pitch = np.concatenate([notes.pitch[kept], rng.integers(40, 80, len(more))])
    order = np.argsort(time_s)
    return events(time_s[order].tolist(), pitch[order].tolist(), [""] * len(order))


def found(notes: Events, estimate: Events, reach_s: float = 0.3) -> Timing:
    measured = timing(notes, estimate, reach_s, np.random.default_rng(0))
    assert measured is not None
    return measured


@pytest.mark.parametrize(("first_s", "last_s"), [(0, 0), (0.03, 0.03), (-0.061, -0.011), (0.2, 0.2), (-0.25, 0.2)])
def test_planted_lines(first_s: float, last_s: float) -> None:
    rng = np.random.default_rng(1)
    notes = played(rng)
    line_s = first_s + (last_s - first_s) * (notes.time_s - notes.time_s[0]) / (notes.time_s[-1] - notes.time_s[0])
    measured = found(notes, heard(rng, notes, line_s))
    assert (measured.first_s, measured.last_s) == pytest.approx((first_s, last_s), abs=0.005)
    assert measured.drift.value == pytest.approx(last_s - first_s, abs=0.006)
    assert measured.late.value == pytest.approx((first_s + last_s) / 2, abs=0.02)
    assert measured.at(notes.time_s) == pytest.approx(line_s, abs=0.005)


def test_intervals_hold_the_truth() -> None:
    """About 19 of 20 do; of 40 fewer than 33 would be one in 700."""
    holds = {"late": 0, "drift": 0}
    for seed in range(40):
        rng = np.random.default_rng(seed)
        notes = played(rng, 120)
        measured = found(notes, heard(rng, notes, 0.02, noise_s=0.015))
        holds["late"] += measured.late.low <= 0.02 <= measured.late.high
        holds["drift"] += measured.drift.low <= 0 <= measured.drift.high
    assert min(holds.values()) >= 33


def test_of_what_is_not_the_same_music_nothing_is_said() -> None:
    rng = np.random.default_rng(2)
    assert timing(played(rng), played(rng), 0.3, rng) is None
    few = played(rng, 9)
    assert timing(few, few, 0.3, rng) is None
    nothing = events([], [], [])
    assert timing(nothing, few, 0.3, rng) is None


def test_few_events_have_no_interval() -> None:
    """And so nothing is concluded from them."""
    rng = np.random.default_rng(3)
    notes = played(rng, 15)
    measured = found(notes, notes.earlier(np.full(15, 0.05)))
    assert measured.late.value == pytest.approx(0.05)
    assert np.isnan(measured.late.low)
    assert not measured.late.leaves_out_zero
    assert agreed([measured.late, measured.late], 0.01) is None


def test_half_a_beat_off_is_another_beat() -> None:
    """Not labels that are late by it, where only a quarter is looked for."""
    time_s = np.arange(0.0, 60.0, 0.5)
    beats, off = (events((time_s + by).tolist(), [np.nan] * 120, ["beat"] * 120) for by in (0.0, 0.25))
    assert timing(beats, off, 0.125, np.random.default_rng(0)) is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([(0.02, 0.01, 0.03), (0.03, 0.02, 0.04)], (0.025, 0.01, 0.04)),
        ([(0.02, 0.01, 0.03), (0.04, 0.03, 0.05)], None),  # far apart
        ([(0.005, -0.001, 0.01), (0.006, 0.001, 0.01)], None),  # may be none
        ([(0.005, 0.001, 0.01), (-0.005, -0.01, -0.001)], None),  # opposite
    ],
)
def test_agreement(values: list[tuple[float, float, float]], expected: tuple[float, float, float] | None) -> None:
    said = agreed([Span(*each) for each in values], 0.015)
    assert (said and (said.value, said.low, said.high)) == expected


def test_pairs_have_one_pitch_and_label() -> None:
    a = events([1.0, 1.0, 2.0, 3.0], [60, 64, 60, np.nan], ["", "", "x", ""])
    b = events([1.01, 1.04, 2.0, 3.02], [64.4, 60, 60, np.nan], ["", "", "", ""])
    assert [pair.tolist() for pair in alike(a, b, 0.05)] == [[0, 1, 3], [1, 0, 3]]
    assert [pair.tolist() for pair in paired(a, a, 0.05)] == [[0, 1, 2, 3]] * 2


def test_events_are_in_doubt_whatever_the_labels_are_late_by() -> None:
    """Labels that are 80 ms late, lack every tenth event, and have some of nothing; three systems, one of them poor."""
    rng = np.random.default_rng(4)
    notes = played(rng, 200)
    kept = np.arange(200) % 10 != 0
    ghosts = events(np.sort(rng.uniform(0, 120, 6)).tolist(), [90.0] * 6, [""] * 6)
    time_s = np.concatenate([notes.time_s[kept], ghosts.time_s]) + 0.08
    pitch = np.concatenate([notes.pitch[kept], ghosts.pitch])
    order = np.argsort(time_s)
    labels = events(time_s[order].tolist(), pitch[order].tolist(), [""] * len(order))
    estimates = {name: heard(rng, notes, 0.0) for name in ("one", "two")} | {"deaf": played(rng, 200)}
    audited = track_audit("t", labels, estimates, RULES)
    assert set(audited.timings) == {"one", "two"}
    assert audited.late is not None
    assert audited.late.value == pytest.approx(0.08, abs=0.005)
    gone = {(round(float(t), 6), p) for t, p in zip(notes.time_s[~kept], notes.pitch[~kept], strict=True)}
    assert 0.3 * len(gone) < len(audited.lacking) < 0.9 * len(gone) + 3
    near = [any(abs(each.time_s - t) < 0.05 and each.pitch == p for t, p in gone) for each in audited.lacking]
    assert sum(near) >= len(near) - 1
    assert sum(each.pitch == 90 for each in audited.unfound) == 6
