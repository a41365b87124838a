"""What is tried where a task chooses its decoding constants."""

from collections.abc import Iterable


def nearest_first(start: float, values: Iterable[float]) -> list[float]:
    """`start` and the values, the nearest to it first: max() takes the first of equally good ones."""
    return sorted({start, *values}, key=lambda value: (abs(value - start), value))
