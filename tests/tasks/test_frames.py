"""Triangles around exact times, and their tips."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ricercar.tasks.shared.frames import in_frames, painted, tip, triangles


@given(st.floats(-3, 13), st.floats(0.3, 4.0))
def test_a_triangle_is_what_the_equation_says(time: float, half_width: float) -> None:
    target = painted(*triangles(np.array([time]), half_width), 10)
    expected = [max(0.0, 1.0 - abs(frame - time) / half_width) for frame in range(10)]
    np.testing.assert_allclose(target, expected, atol=1e-6)


def test_of_two_the_higher_counts_and_of_none_there_is_nothing() -> None:
    np.testing.assert_allclose(painted(*triangles(np.array([1.0, 3.0]), 2.5), 5), [0.6, 1.0, 0.6, 1.0, 0.6])
    assert painted(*triangles(np.zeros(0), 2.5), 3).tolist() == [0.0, 0.0, 0.0]


@given(st.floats(2.0, 8.0), st.floats(1.5, 4.0))
def test_the_tip_is_the_time(time: float, half_width: float) -> None:
    values = painted(*triangles(np.array([time]), half_width), 11).astype(np.float64)
    peak = int(values.argmax())
    assert peak + tip(values[[peak - 1]], values[[peak]], values[[peak + 1]])[0] == pytest.approx(time, abs=1e-5)


def test_a_plateau_has_its_tip_in_the_middle() -> None:
    assert tip(np.array([0.5]), np.array([0.5]), np.array([0.5])).tolist() == [0.0]


def test_a_time_on_the_grid_is_on_it_in_every_window() -> None:
    assert in_frames(np.array([0.3]), 0.1, 50.0).tolist() == [10.0]
