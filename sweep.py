"""Shows how sweeps go: python sweep.py status multirun [--watch] [--json], and searches; --help lists the options."""

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ricercar.errors import InputError, exit_code
from ricercar.harness.search.report import format_report, read_report, reports_in
from ricercar.harness.sweep import RUNNING, Row, Sweep, format_rows
from ricercar.harness.typed_json import parse, to_json

_WATCH_S = 5.0


def main(arguments: Sequence[str]) -> int:
    """-> exit code; 1 for what the user can mend, which is one message."""
    parser = argparse.ArgumentParser(prog=Path(sys.argv[0]).name, description="Shows how sweeps go.")
    commands = parser.add_subparsers(dest="command", required=True)
    status = commands.add_parser(
        "status", description="All jobs of sweeps: state, progress, time left, score, failures."
    )
    status.add_argument("folders", nargs="*", type=Path, default=[Path("multirun")], metavar="FOLDER", help="multirun")
    status.add_argument("--watch", action="store_true", help=f"again every {_WATCH_S:g} s, until nothing runs any more")
    status.add_argument("--json", action="store_true", help="a list of objects, one for each run or job")
    search = commands.add_parser(
        "search",
        description="Searches: trials from the best to the worst, the best values, and which options mattered.",
    )
    search.add_argument("folders", nargs="*", type=Path, default=[Path("multirun")], metavar="FOLDER", help="multirun")
    search.add_argument("--json", action="store_true", help="a list of objects, one for each search")
    args = parser.parse_args(arguments)
    if args.command == "search":
        return exit_code(lambda: _show_searches(args.folders, args.json))
    return exit_code(lambda: _show(args.folders, args.watch, args.json))


def _show(folders: Sequence[Path], watch: bool, as_objects: bool) -> None:
    while True:
        rows = _rows(folders)
        print(as_json(rows) if as_objects else format_rows(rows), flush=True)
        if not watch or not any(row.state == RUNNING for row in rows):
            return
        time.sleep(_WATCH_S)
        print()


def _show_searches(folders: Sequence[Path], as_objects: bool) -> None:
    """InputError where a folder has no search, in itself or in the folders in it."""
    found = []
    for folder in folders:
        own = reports_in(folder)
        if not own:
            raise InputError(
                f"{folder} has no search in it: give the folder that train.py -m hydra/sweeper=optuna wrote."
            )
        found += own
    if as_objects:
        print(json.dumps([parse(to_json(read_report(path))) for path in found], indent=1))
    else:
        print("\n\n".join(map(format_report, found)))


def as_json(rows: Sequence[Row]) -> str:
    """NaN, a score that is not defined, is null."""
    plain = [
        {**asdict(row), "folder": None if row.folder is None else str(row.folder), "scores": _defined(row.scores)}
        for row in rows
    ]
    return json.dumps(plain, indent=1, allow_nan=False)


def cli() -> None:
    """The command."""
    sys.exit(main(sys.argv[1:]))


def _rows(folders: Sequence[Path]) -> list[Row]:
    """InputError where a folder has no sweep, in itself or in the folders in it."""
    rows = []
    for folder in folders:
        found = [path.parent for path in (*folder.glob("sweep.json"), *sorted(folder.glob("*/sweep.json")))]
        if not found:
            raise InputError(f"{folder} has no sweep in it (no sweep.json): give the folder that train.py -m wrote.")
        rows += [row for each in found for row in Sweep(each).rows()]
    return rows


def _defined(scores: dict[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in scores.items()}


if __name__ == "__main__":
    cli()
