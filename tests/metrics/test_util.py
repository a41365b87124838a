"""Matchings are those of mir_eval to the last pair, and of any length."""

import inspect
import random
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import mir_eval
import numpy as np
import pytest
from numpy.typing import NDArray

from ricercar.metrics import beat, multipitch, onset, transcription, transcription_velocity, util

Floats = NDArray[np.float64]

OFFERED = [
    (ours, name)
    for ours in (beat, multipitch, onset, transcription, transcription_velocity, util)
    for name, value in vars(ours).items()
    if inspect.isfunction(value) and value.__module__ == ours.__name__ and not name.startswith("_")
]
THEIRS = [(ours, name) for ours, name in OFFERED if hasattr(getattr(mir_eval, ours.__name__.split(".")[-1]), name)]


@pytest.mark.parametrize(("ours", "name"), THEIRS, ids=lambda x: x if isinstance(x, str) else x.__name__)
def test_signatures_are_those_of_mir_eval(ours: ModuleType, name: str) -> None:
    def signature(module: Any) -> list[tuple[Any, ...]]:
        parameters = inspect.signature(getattr(module, name)).parameters.values()
        return [(each.name, each.kind, each.default) for each in parameters]

    assert signature(ours) == signature(getattr(mir_eval, ours.__name__.split(".")[-1]))


def test_what_is_offered_has_the_names_of_mir_eval() -> None:
    assert len(THEIRS) == 20


def random_graph(source: random.Random) -> dict[int, list[int]]:
    """Vertices in any order, some without edges, and edges in any order, some twice."""
    lefts = source.sample(range(50), source.randint(0, 30))
    num_rights = source.randint(1, 30)
    return {left: source.choices(range(num_rights), k=source.choice([0, 1, 1, 2, 2, 3, 8])) for left in lefts}


def test_matchings_of_random_graphs() -> None:
    source = random.Random(0)
    for _ in range(3000):
        graph = random_graph(source)
        assert util.bipartite_match(graph) == mir_eval.util._bipartite_match(graph)


EVENTS: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "anywhere": lambda random, n: random.uniform(0, 5, n),
    "on a grid, many equal": lambda random, n: np.round(random.uniform(0, 1, n), 1),
    "sorted, on a fine grid": lambda random, n: np.sort(np.round(random.uniform(0, 2, n), 2)),
    "whole numbers": lambda random, n: random.integers(0, 10, n).astype(np.float64),
    "a chain": lambda random, n: np.arange(n) * 0.1 + random.choice([0.0, 0.05]),
    "a chain, backwards": lambda random, n: (np.arange(n) * 0.1 + random.choice([0.0, 0.05]))[::-1],
    "dense clusters": lambda random, n: random.integers(0, 3, n) + random.normal(0, 0.02, n),
}


@pytest.mark.parametrize("kind", EVENTS)
def test_matchings_of_events(kind: str) -> None:
    source = np.random.default_rng(1)
    for _ in range(400):
        ref, est = (EVENTS[kind](source, int(source.integers(0, 40))) for _ in range(2))
        window = source.choice([0.0, 0.01, 0.05, 0.1, 0.3, 1.0, 100.0, np.inf])
        expected = mir_eval.util.match_events(ref, est, window)
        assert util.match_events(ref, est, window) == expected
        assert util.num_matched(util.event_hits(ref, est, window)) == len(expected)


def test_matchings_of_events_by_a_distance() -> None:
    source = np.random.default_rng(2)
    for _ in range(400):
        ref, est = (np.round(source.uniform(0, 12, int(source.integers(0, 20))), 1) for _ in range(2))
        window, distance = source.choice([0.0, 0.3, 0.5, 2.0]), mir_eval.util._outer_distance_mod_n
        expected = mir_eval.util.match_events(ref, est, window, distance=distance)
        assert util.match_events(ref, est, window, distance=distance) == expected


def test_lists_are_events_too() -> None:
    assert util.match_events([2, 1], [1.1], 0.2) == mir_eval.util.match_events([2, 1], np.array([1.1]), 0.2) == [(1, 0)]


@pytest.mark.parametrize("num_events", [2_000, 20_000])
@pytest.mark.parametrize("upside_down", [False, True])
def test_long_chains(num_events: int, *, upside_down: bool) -> None:
    """Each estimate is near two references, but the first near one: it takes what the next has, and so on."""
    ref = np.arange(num_events) * 0.1
    est = ref - 0.05 if upside_down else np.append(ref[:-1] + 0.05, -0.05)
    if upside_down:
        ref, est = ref[::-1], est[::-1]
    with pytest.raises(RecursionError):
        mir_eval.util.match_events(ref, est, 0.06)
    pairs = util.match_events(ref, est, 0.06)
    assert len(pairs) == util.num_matched(util.event_hits(ref, est, 0.06)) == num_events
    i, j = np.array(pairs).T
    assert (np.unique(i) == np.arange(num_events)).all()
    assert (np.unique(j) == np.arange(num_events)).all()
    assert (np.abs(ref[i] - est[j]) <= 0.06).all()


def test_a_long_chain_is_matched_as_by_mir_eval_with_a_higher_limit() -> None:
    ref, limit = np.arange(2_000) * 0.1, sys.getrecursionlimit()
    est = np.append(ref[:-1] + 0.05, -0.05)
    sys.setrecursionlimit(10_000)
    try:
        expected = mir_eval.util.match_events(ref, est, 0.06)
    finally:
        sys.setrecursionlimit(limit)
    assert util.match_events(ref, est, 0.06) == expected
