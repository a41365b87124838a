"""One line for each system of each board, numbers in full, for other programs; what is not known is empty."""

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ricercar.comparison.fields import fields
from ricercar.comparison.options import clean
from ricercar.comparison.rows import Row, Table


def csv_table(tables: Sequence[Table], group_by: Sequence[str] = ()) -> str:
    lines = [each for table in tables for each in flat(table, group_by)]
    columns = list(dict.fromkeys(name for line in lines for name in line))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([_cell(name) for name in columns])
    writer.writerows([[_cell(line.get(name)) for name in columns] for line in lines])
    return file.getvalue()


def flat(table: Table, group_by: Sequence[str] = ()) -> list[dict[str, Any]]:
    """{column: value} for each system."""
    return [_line(table, row, group_by) for row in table.rows]


def _line(table: Table, row: Row, group_by: Sequence[str]) -> dict[str, Any]:
    board, own = table.board, fields(row.system.first) if group_by else {}
    line: dict[str, Any] = {
        "board": board.id,
        "task": board.task,
        "data": board.data,
        "split": board.split,
        "fingerprint": board.fingerprint,
        "protocol_id": board.protocol_id,
        **{key: own.get(key) for key in group_by},
        "rank": row.rank,
        "system": row.system.name,
        "key": row.system.key,
        "primary": board.primary,
        "num_seeds": row.num_seeds,
        "num_tracks": row.num_tracks,
    }
    for name, estimate in row.metrics.items():
        line |= {name: estimate.mean, f"{name} low": estimate.low, f"{name} high": estimate.high}
        line |= {f"{name} range": estimate.of}
    line |= {f"difference{end}": getattr(row.difference, name, None) for end, name in
             (("", "mean"), (" low", "low"), (" high", "high"), (" p", "p"))}  # fmt: skip
    line |= {"verdict": row.verdict, "num_trials": row.num_trials}
    line |= {"expected_best": json.dumps(row.expected_best) if row.expected_best else None}
    line |= {"looks": row.looks, "training": row.training, **asdict(row.cost)}
    return line | {"run_ids": " ".join(dict.fromkeys(run.result.run_id for run in row.system.runs))}


def _cell(value: Any) -> str:
    """Text that a spreadsheet would take for a formula is quoted."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if not isinstance(value, str):
        return str(value)
    value = "" if value == "-" else clean(value, 300)
    return f"'{value}" if value.startswith(("=", "+", "-", "@")) else value
