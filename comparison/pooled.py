"""Intervals of metrics of all tracks together, such as ROC-AUC, which have no scores of tracks."""

from functools import partial

from ricercar.comparison.board import Board
from ricercar.errors import InputError
from ricercar.significance.bootstrap import Pooled, resample_pooled
from ricercar.significance.draws import Draws
from ricercar.tasks.protocol import EMPTY
from ricercar.tasks.shared.pooling import pooled_chords, pooled_drums
from ricercar.tasks.shared.tag_scoring import TagScoring


def pooled_draws(board: Board) -> dict[str, Draws]:
    """{metric: draws}; {} where it is not known how the metrics are made of the evidence."""
    pooled = _pooled(board)
    if pooled is None:
        return {}
    group = board.scores(board.track_metric).group
    bounds = {name: board.bounds(name) for name in board.pooled}
    try:
        return resample_pooled(board.evidence(), pooled, group, fixed=board.fixed, bounds=bounds)
    except KeyError:  # the evidence of another version
        return {}


def _pooled(board: Board) -> Pooled | None:
    """As Scoring.pooled of the task; without torch, which tables do without. None for a protocol of another version."""
    protocol = board.protocol
    if board.task == "chord":
        return pooled_chords
    classes, empty = protocol.get("classes"), protocol.get("empty")
    if board.task == "drums" and isinstance(classes, dict) and empty in EMPTY:
        return partial(pooled_drums, classes=list(classes), empty=empty)
    if board.task == "tag":
        try:
            return TagScoring(protocol, exclusive=board.primary == "tag/accuracy").pooled
        except InputError:
            return None
    return None
