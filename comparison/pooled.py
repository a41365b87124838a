"""Intervals of metrics of all tracks together, such as ROC-AUC, which have no scores of tracks."""

from ricercar.comparison.board import Board
from ricercar.errors import InputError
from ricercar.significance.bootstrap import Draws, resample_pooled
from ricercar.significance.scores import Ints


def pooled_draws(board: Board, group: Ints) -> dict[str, Draws]:
    """{metric: draws} for tasks whose pooled metrics rank systems; {} for the others, which show them without interval.

    group   (T,) the work of each track
    """
    if board.task != "tag":
        return {}
    from ricercar.tasks.tag_scoring import TagScoring

    try:
        scoring = TagScoring(board.protocol, exclusive=board.primary == "tag/accuracy")
    except InputError:  # a protocol of another version
        return {}
    return resample_pooled(board.evidence(), scoring.pooled, group)
