"""The choice of decoding constants on validation tracks: one after the other, over the values of task.tuning."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Decoding = Mapping[str, float]
Score = Callable[[Decoding], float | tuple[float, ...]]
T = TypeVar("T")


def nearest_first(start: float, values: Iterable[float]) -> list[float]:
    """`start` and the values, the nearest to it first: max() takes the first of equally good ones."""
    return sorted({start, *values}, key=lambda value: (abs(value - start), value))


def best(
    start: Decoding, tried: Mapping[str, Sequence[float]], score: Score, *, nearest: bool = True
) -> dict[str, float]:
    """`start` with the values of `tried` that score best, all combinations of them.

    tried     {name: values beside that of `start`}
    nearest   of equally good ones the nearest to `start`; otherwise `start`, or the first
    """
    grids = [dict.fromkeys([start[name], *values]) for name, values in tried.items()]
    candidates = [{**start, **dict(zip(tried, values, strict=True))} for values in product(*grids)]
    if nearest:
        candidates.sort(key=lambda each: sum(abs(each[name] - start[name]) for name in tried))
    return max(candidates, key=score)


def on_time(
    start: Decoding, name: str, matched: Iterable[tuple[Floats, Floats]], score: Callable[[Decoding], float]
) -> dict[str, float]:
    """`start` with the shift `name` that takes the median lateness from all estimates, unless that costs score.

    matched: for each track, times of the reference and those of the estimate that match them, (n,) seconds each
    """
    late = np.concatenate([np.zeros(0), *(estimate_s - reference_s for reference_s, estimate_s in matched)])
    if not len(late):
        return dict(start)
    moved = {**start, name: round(start[name] - float(np.median(late)), 6)}
    return moved if score(moved) >= score(start) else dict(start)


def remembered(function: Callable[[Decoding], T]) -> Callable[[Decoding], T]:
    """The function, called once for each decoding."""
    found: dict[tuple[tuple[str, float], ...], T] = {}

    def of(decoding: Decoding) -> T:
        key = tuple(decoding.items())
        if key not in found:
            found[key] = function(decoding)
        return found[key]

    return of
