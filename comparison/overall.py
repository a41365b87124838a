"""One ranking over several boards, of the systems that are on all of them, whatever each was trained for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ricercar.comparison.board import Board
from ricercar.comparison.options import clean, listed
from ricercar.comparison.systems import System, key_on_any_board, names
from ricercar.significance.ranks import AverageRanks, average_ranks


@dataclass(frozen=True)
class Overall:
    """ranks: by `key_on_any_board`. names: of those that are ranked."""

    boards: list[Board]
    ranks: AverageRanks
    names: dict[str, str]


def overall(boards: Sequence[Board]) -> Overall | None:
    """None unless two boards or more have two systems or more in common. Baselines are left out.

    Several of one board that count as one here, trained on other data for example, count by their mean.
    """
    systems = [_systems(board) for board in boards]
    shared = [
        i for i, own in enumerate(systems) if any(len(own.keys() & each.keys()) > 1 for each in _without(systems, i))
    ]
    ranks = average_ranks({boards[i].id: _means(boards[i], systems[i]) for i in shared}) if shared else None
    if ranks is None or len(ranks.average) < 2:
        return None
    complete = {key: systems[shared[0]][key][0].first for key in ranks.average}
    return Overall([boards[i] for i in shared], ranks, names(complete))


def overall_lines(overall: Overall) -> tuple[str, list[str], list[list[str]]]:
    """-> heading, headers, rows"""
    ranks = overall.ranks
    heading = f"Average rank over {ranks.num_boards} boards: {listed([board.title for board in overall.boards], 10)}"
    if ranks.missing:
        heading += f" ({len(ranks.missing)} systems are not on all of them)"
    places = {key: 1 + sum(other < rank for other in ranks.average.values()) for key, rank in ranks.average.items()}
    rows = [[str(places[key]), overall.names[key], f"{rank:.2f}"] for key, rank in ranks.average.items()]
    return clean(heading, 600), ["rank", "system", "average rank"], rows


def _without(systems: Sequence[dict[str, list[System]]], i: int) -> list[dict[str, list[System]]]:
    return [each for j, each in enumerate(systems) if j != i]


def _systems(board: Board) -> dict[str, list[System]]:
    found: dict[str, list[System]] = {}
    for system in board.systems:
        if not system.is_baseline:
            found.setdefault(key_on_any_board(system.first), []).append(system)
    return found


def _means(board: Board, systems: dict[str, list[System]]) -> dict[str, float]:
    """Larger is better."""
    sign = board.scale(board.primary).sign
    return {
        key: sign * float(np.mean([board.mean(system, board.primary) for system in alike]))
        for key, alike in systems.items()
    }
