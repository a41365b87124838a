"""The scores of a grid's cells in one metric, and how much they could differ with other tracks and seeds."""

from dataclasses import dataclass

import numpy as np

from ricercar.comparison.ablation.grid import Grid
from ricercar.comparison.board import scores_of
from ricercar.comparison.rows import pooled_draws
from ricercar.comparison.systems import System
from ricercar.errors import InputError
from ricercar.significance.bootstrap import resample
from ricercar.significance.draws import Draws
from ricercar.significance.paired import compare
from ricercar.significance.scores import Scores
from ricercar.tasks.scale import Scale


@dataclass(frozen=True)
class Sample:
    """
    ignored      options that may differ within a cell
    scores       None for a metric of all tracks together
    num_left_out tracks without a score in every cell
    detectable   smallest difference between two cells that is found with 80 % probability
    trivial      {name: mean} of trivial baselines
    """

    grid: Grid
    metric: str
    ignored: list[str]
    scores: Scores | None
    draws: Draws
    num_tracks: int
    num_left_out: int
    detectable: float
    trivial: dict[str, float]

    @property
    def scale(self) -> Scale:
        return self.grid.board.scale(self.metric)


def make_sample(grid: Grid, metric: str | None, ignored: list[str]) -> Sample:
    """metric: None for the primary one."""
    board = grid.board
    metric = metric or board.primary
    if metric not in board.metrics:
        raise InputError(f"--metric {metric}: {board.title} has {', '.join(board.metrics)}.")
    num_tracks = len(board.tracks)
    scores = None
    if metric in board.pooled:
        draws = _pooled(grid, metric)
    else:
        scores = grid.scores(metric)
        num_tracks = int((~np.isnan(scores.values).all(axis=(0, 1))).sum())
        if num_tracks == 0:
            raise InputError(f"--metric {metric}: no track of {board.title} has a score in every combination.")
        draws = resample(scores, bounds=board.bounds(metric))
    trivial = {system.name: _trivial(system, grid, metric, scores) for system in grid.trivial}
    detectable = compare(draws).detectable
    return Sample(grid, metric, ignored, scores, draws, num_tracks, len(board.tracks) - num_tracks, detectable, trivial)


def _trivial(system: System, grid: Grid, metric: str, scores: Scores | None) -> float:
    """Its mean on the same tracks as the cells'; NaN where it lacks one of them."""
    if scores is None:
        return system.mean(metric)
    used = scores.shared
    own = scores_of([system], metric, grid.board.tracks, grid.board.averaging)
    return float(own.on(used).means()[0]) if own.known[0, used].all() else float("nan")


def _pooled(grid: Grid, metric: str) -> Draws:
    board = grid.board
    draws = pooled_draws(board).get(metric)
    if draws is None or grid.notes:  # no intervals, or several configurations in a cell, of which the first would count
        of_tracks = [name for name in board.metrics if name not in board.pooled]
        raise InputError(
            f"--metric {metric} of {board.title} is of all tracks together, and there is no interval for it here: "
            f"choose one of {', '.join(of_tracks)}."
        )
    return draws
