"""mir_eval's matching of notes, for long tracks: the same pairs, from the few candidates that are near in time.

mir_eval compares every reference note with every estimated one, and recurses once for each link of a chain of notes;
10,000 notes take it seconds and gigabytes, and 1,500 chained repetitions of one pitch exceed Python's recursion limit.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from mir_eval.transcription import N_DECIMALS
from mir_eval.util import _bipartite_match
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

Floats = NDArray[np.float64]
Hits = tuple[NDArray[np.int64], NDArray[np.int64]]

# Wider than the rounding of distances to N_DECIMALS, so that no candidate is missed.
_SLACK_S = 10.0**-N_DECIMALS


def time_hits(reference_s: Floats, estimate_s: Floats, tolerance_s: Floats) -> Hits:
    """Indices (i, j), ordered by i then j, with |reference_s[i] - estimate_s[j]| <= tolerance_s[i]."""
    order = np.argsort(estimate_s, kind="stable")
    times = estimate_s[order]
    first = np.searchsorted(times, reference_s - tolerance_s - _SLACK_S, side="left")
    count = np.searchsorted(times, reference_s + tolerance_s + _SLACK_S, side="right") - first
    i = np.repeat(np.arange(len(reference_s)), count)
    j = order[np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)]
    near = np.around(np.abs(reference_s[i] - estimate_s[j]), decimals=N_DECIMALS) <= tolerance_s[i]
    i, j = i[near], j[near]
    rows_first = np.lexsort((j, i))
    return i[rows_first], j[rows_first]


def note_hits(
    reference: tuple[Floats, Floats],
    estimate: tuple[Floats, Floats],
    onset_tolerance_s: float,
    pitch_tolerance_cents: float,
) -> Hits:
    """Pairs of notes, given as ((n, 2) intervals, (n,) Hz), that agree in onset and pitch."""
    onset, pitch_hz = reference[0][:, 0], reference[1]
    i, j = time_hits(onset, estimate[0][:, 0], np.full(len(onset), onset_tolerance_s))
    cents = np.abs(1200 * (np.log2(pitch_hz)[i] - np.log2(estimate[1])[j]))
    near = cents <= pitch_tolerance_cents
    return i[near], j[near]


def offset_tolerance(reference: Floats, ratio: float, minimum_s: float) -> Floats:
    """(n, 2) intervals -> (n,) seconds by which an offset may differ."""
    durations = np.abs(np.diff(reference, axis=-1)).flatten()
    return np.maximum(ratio * durations, minimum_s)


def with_offsets(hits: Hits, reference: Floats, estimate: Floats, tolerance_s: Floats) -> Hits:
    """Those of the pairs that also agree in offset."""
    i, j = hits
    near = np.around(np.abs(reference[i, 1] - estimate[j, 1]), decimals=N_DECIMALS) <= tolerance_s[i]
    return i[near], j[near]


def pairs(hits: Hits) -> list[tuple[int, int]]:
    """The very pairs of (reference, estimate) indices that mir_eval chooses among the largest matchings."""
    graph: dict[int, list[int]] = {}
    for i, j in zip(hits[0].tolist(), hits[1].tolist(), strict=True):
        graph.setdefault(j, []).append(i)
    with _recursion(2 * len(graph) + 1000):
        return sorted(_bipartite_match(graph).items())


def count(hits: Hits) -> int:
    """The number of pairs in a largest matching: all that precision, recall and F need."""
    i, j = hits
    if len(i) == 0:
        return 0
    graph = csr_matrix((np.ones(len(i), dtype=np.int8), (i, j)), shape=(int(i.max()) + 1, int(j.max()) + 1))
    return int((maximum_bipartite_matching(graph, perm_type="column") >= 0).sum())


@contextmanager
def _recursion(depth: int) -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(before + depth)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
