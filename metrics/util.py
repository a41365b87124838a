"""Matchings between reference and estimate: the very pairs that mir_eval chooses, and the largest number of pairs.

Hits are candidates for pairs, as two arrays of indices (i, j): reference i and estimate j are near enough.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

import mir_eval
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Hits = tuple[Ints, Ints]
Pairs = list[tuple[int, int]]

Left = TypeVar("Left", bound=Hashable)
Right = TypeVar("Right", bound=Hashable)


def match_events(ref: ArrayLike, est: ArrayLike, window: float, distance: Callable[..., Floats] | None = None) -> Pairs:
    """Compute a maximum matching between reference and estimated event times, as mir_eval.util.match_events.

    Parameters
    ----------
    ref : np.ndarray, shape=(n,)
        Reference values, in any order
    est : np.ndarray, shape=(m,)
        Estimated values, in any order
    window : float > 0
        How far apart a pair may be
    distance : function
        (ref, est) -> (n, m) distances, all of which are computed. By default ``|ref[i] - est[j]|``, for which time and
        memory grow with the number of pairs within the window

    Returns
    -------
    matching : list of tuples
        ``matching[k] == (i, j)`` where ``ref[i]`` matches ``est[j]``, in rising order
    """
    if distance is not None:
        i, j = np.where(distance(ref, est) <= window)
        return match_hits((i, j))
    return match_hits(event_hits(ref, est, window))


def event_hits(ref: ArrayLike, est: ArrayLike, window: ArrayLike) -> Hits:
    """Indices (i, j) of ``est[j] - window <= ref[i] <= est[j] + window``, in mir_eval's order: by j, then by ref[i].

    window : float or np.ndarray, shape=(m,)
    """
    ref, est = np.asarray(ref), np.asarray(est)
    order = np.argsort(ref)
    rising = ref[order]
    first = np.searchsorted(rising, est - window, side="left")
    end = np.searchsorted(rising, est + window, side="right")
    j, place = ranges(first, end)
    return order[place], j


def ranges(first: Ints, end: Ints) -> tuple[Ints, Ints]:
    """All of range(first[0], end[0]), range(first[1], end[1]) ... -> (number of the range, its value)."""
    count = np.maximum(end - first, 0)
    number = np.repeat(np.arange(len(count)), count)
    return number, np.arange(len(number)) + np.repeat(first - np.cumsum(count) + count, count)


def match_hits(hits: Hits) -> Pairs:
    """The matching that mir_eval chooses among the largest ones. It depends on the order of the hits."""
    i, j = hits
    # Of two that have no other candidate nothing is to be chosen: this is most of them.
    alone = (np.bincount(i)[i] == 1) & (np.bincount(j)[j] == 1)
    graph: dict[int, list[int]] = {}
    for ref, est in zip(i[~alone].tolist(), j[~alone].tolist(), strict=True):
        graph.setdefault(est, []).append(ref)
    return sorted([*zip(i[alone].tolist(), j[alone].tolist(), strict=True), *bipartite_match(graph).items()])


def largest_matching(hits: Hits) -> Hits:
    """The pairs of some largest matching, by scipy. Where only their number matters it is faster than match_hits."""
    i, j = hits
    if len(i) == 0:
        return hits
    graph = csr_matrix((np.ones(len(i), dtype=np.int8), (i, j)))
    partner = maximum_bipartite_matching(graph, perm_type="column")
    paired = np.flatnonzero(partner >= 0)
    return paired, partner[paired]


def num_matched(hits: Hits) -> int:
    """The number of pairs in a largest matching."""
    return len(largest_matching(hits)[0])


def precision_recall_f1(num_pairs: int, num_ref: int, num_est: int, beta: float = 1.0) -> tuple[float, float, float]:
    """0 where a side is empty."""
    if num_ref == 0 or num_est == 0:
        return 0.0, 0.0, 0.0
    precision, recall = num_pairs / num_est, num_pairs / num_ref
    return precision, recall, float(mir_eval.util.f_measure(precision, recall, beta=beta))


def bipartite_match(graph: Mapping[Left, Sequence[Right]]) -> dict[Right, Left]:
    """Find a maximum cardinality matching of a bipartite graph: that of mir_eval.util._bipartite_match, which is
    D. Eppstein's form of Hopcroft and Karp's algorithm, without recursion.

    Parameters
    ----------
    graph : dictionary : left vertex -> list of right vertices

    Returns
    -------
    matching : dictionary : right vertex -> left vertex
    """
    matching: dict[Right, Left] = {}
    for left, rights in graph.items():
        for right in rights:
            if right not in matching:
                matching[right] = left
                break
    while True:
        # Layers of the shortest alternating paths: from which left vertices a right one is reached, and from which
        # right one a left one is. None: where a path begins.
        lefts_of: dict[Right, list[Left]] = {}
        right_of: dict[Left, Right | None] = dict.fromkeys(graph)
        for left in matching.values():
            del right_of[left]
        layer = list(right_of)
        unmatched: list[Right] = []
        while layer and not unmatched:
            reached: dict[Right, list[Left]] = {}
            for left in layer:
                for right in graph[left]:
                    if right not in lefts_of:
                        reached.setdefault(right, []).append(left)
            lefts_of |= reached
            layer = [matching[right] for right in reached if right in matching]
            right_of |= {matching[right]: right for right in reached if right in matching}
            unmatched = [right for right in reached if right not in matching]
        if not unmatched:
            return matching
        for right in unmatched:
            _augment(matching, right, lefts_of, right_of)


def _augment(
    matching: dict[Right, Left], right: Right, lefts_of: dict[Right, list[Left]], right_of: dict[Left, Right | None]
) -> None:
    """Take the first path from `right` back to the first layer, if there is one. Nothing is visited twice."""
    path = [right]
    candidates = {right: iter(lefts_of.pop(right))}
    chosen: dict[Right, Left] = {}
    while path:
        right = path[-1]
        left = next((left for left in candidates[right] if left in right_of), None)
        if left is None:
            path.pop()
            continue
        chosen[right] = left
        before = right_of.pop(left)
        if before is None:
            matching.update((right, chosen[right]) for right in path)
            return
        if before in lefts_of:
            path.append(before)
            candidates[before] = iter(lefts_of.pop(before))
