"""Why scores of one task stand in several tables."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ricercar.comparison.options import clean, listed, options

if TYPE_CHECKING:
    from ricercar.comparison.board import Board


def apart(boards: "Sequence[Board]") -> list[str]:
    """For each board how it differs from the others of its task; "" for the only one."""
    return [_differences(board, [each for each in boards if each.task == board.task]) for board in boards]


def _differences(board: "Board", same_task: "Sequence[Board]") -> str:
    if len(same_task) == 1:
        return ""
    parts = []
    if len({each.data for each in same_task}) > 1:
        parts.append(_here_and_there("data", board.data, [each.data for each in same_task]))
    if len({each.split for each in same_task}) > 1:
        parts.append(_here_and_there("split", board.split, [each.split for each in same_task]))
    namesakes = [each for each in same_task if (each.data, each.split) == (board.data, board.split)]
    if len({each.fingerprint for each in namesakes}) > 1:
        parts.append(
            f"data of the same name, but other tracks, audio or annotations: {board.fingerprint[:8]} here, "
            f"{listed(sorted({each.fingerprint[:8] for each in namesakes} - {board.fingerprint[:8]}))} there"
        )
    protocols = [options(each.protocol) for each in same_task]
    own = options(board.protocol)
    for key in dict.fromkeys(key for each in protocols for key in each):
        values = [each.get(key, "not set") for each in protocols]
        if len(set(values)) > 1:
            parts.append(_here_and_there(f"protocol {key}", own.get(key, "not set"), values))
    return "; ".join(parts)


def _here_and_there(what: str, here: str, every: Sequence[str]) -> str:
    return f"{clean(what)}: {clean(here)} here, {listed(sorted(set(every) - {here}))} there"
