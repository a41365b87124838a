"""Everything as strict JSON, which docs/leaderboard.md describes."""

from collections.abc import Sequence
from typing import Any

from ricercar.comparison.fields import fields
from ricercar.comparison.found import Problem
from ricercar.comparison.overall import Overall
from ricercar.comparison.report import statement
from ricercar.comparison.rows import Row, Table
from ricercar.harness.typed_json import to_json

SCHEMA = 1


def json_table(
    tables: Sequence[Table], overall: Overall | None, problems: Sequence[Problem], group_by: Sequence[str] = ()
) -> str:
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "boards": [_board(table, group_by) for table in tables],
        "average_ranks": None if overall is None else _overall(overall),
        "problems": [{"path": str(problem.path), "text": problem.text} for problem in problems],
    }
    return to_json(content)


def _board(table: Table, group_by: Sequence[str]) -> dict[str, Any]:
    board, comparisons = table.board, table.comparisons
    return {
        "id": board.id,
        "task": board.task,
        "data": board.data,
        "split": board.split,
        "fingerprint": board.fingerprint,
        "protocol_id": board.protocol_id,
        "protocol_name": board.protocol_name,
        "protocol": board.protocol,
        "primary": board.primary,
        "better": {name: board.scale(name).better for name in table.metrics},
        "num_tracks": len(board.tracks),
        "num_works": len({track.work for track in board.tracks}),
        "apart": board.apart,
        "notes": board.notes,
        "statement": statement(table),
        "detectable": None if comparisons is None else comparisons.detectable,
        "systems": [_system(row, group_by) for row in table.rows],
        "published": [
            {"id": each.id, "name": each.system, "metrics": each.metrics, "source": each.source}
            for each in board.published
        ],
    }


def _system(row: Row, group_by: Sequence[str]) -> dict[str, Any]:
    own = fields(row.system.first) if group_by else {}
    return {
        "rank": row.rank,
        "name": row.system.name,
        "key": row.system.key,
        "group": {key: own.get(key) for key in group_by},
        "metrics": row.metrics,
        "num_seeds": row.num_seeds,
        "num_tracks": row.num_tracks,
        "difference": row.difference,
        "verdict": row.verdict,
        "cost": row.cost,
        "num_trials": row.num_trials,
        "expected_best": row.expected_best,
        "looks": row.looks,
        "training": row.training,
        "runs": [
            {"path": str(run.path), "run_id": run.result.run_id, "seed": run.result.seed} for run in row.system.runs
        ],
    }


def _overall(overall: Overall) -> dict[str, Any]:
    return {
        "boards": [board.id for board in overall.boards],
        "systems": [{"name": overall.names[key], "average_rank": rank} for key, rank in overall.ranks.average.items()],
    }
