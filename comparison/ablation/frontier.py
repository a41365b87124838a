"""What a score costs."""

from collections.abc import Sequence
from dataclasses import dataclass

from ricercar.comparison.ablation.grid import Grid
from ricercar.tasks.scale import Scale

COSTS = {
    "macs": "macs_per_second_of_audio",
    "params": "params",
    "train_s": "train_s",
    "real_time_factor": "real_time_factor",
}
LABELS = {
    "macs": "multiplications per second of audio",
    "params": "parameters",
    "train_s": "seconds of training",
    "real_time_factor": "seconds of prediction per second of audio",
}
OF_THE_MACHINE = ("train_s", "real_time_factor")


def costs(grid: Grid, cost: str) -> list[float | None]:
    """Of each cell: the mean of its runs; None where no run says."""
    found: list[float | None] = []
    for system in grid.board.systems:
        each = [getattr(run.result.cost, COSTS[cost]) for run in system.runs]
        known = [float(value) for value in each if value is not None]
        found.append(sum(known) / len(known) if known else None)
    return found


@dataclass(frozen=True)
class Point:
    """best: no other cell scores as well for less."""

    cell: int
    cost: float
    score: float
    best: bool


def frontier(costs: Sequence[float | None], scores: Sequence[float], scale: Scale) -> list[Point]:
    """The cells of known cost and score, the cheapest first: the best of them are the Pareto front. There is none by a
    metric of which neither lower nor higher is better.
    """
    known = [
        (cost, score, cell)
        for cell, (cost, score) in enumerate(zip(costs, scores, strict=True))
        if cost is not None and score == score  # NaN is not
    ]
    points, highest = [], float("-inf")
    for cost, score, cell in sorted(known, key=lambda each: (each[0], -scale.sign * each[1], each[2])):
        points.append(Point(cell, cost, score, scale.better is not None and scale.sign * score > highest))
        highest = max(highest, scale.sign * score)
    return points
