"""ricercar bench check, ricercar bench board: submissions to a frozen benchmark."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from math import isnan
from pathlib import Path

from ricercar.comparison.board import boards
from ricercar.comparison.command import default_cache
from ricercar.comparison.formats.csv_table import csv_table
from ricercar.comparison.formats.json_table import json_table
from ricercar.comparison.formats.latex import latex
from ricercar.comparison.formats.markdown import markdown
from ricercar.comparison.formats.text import text
from ricercar.comparison.found import Collection, Found
from ricercar.comparison.frozen.entry import PASSED, REFUSED, Entry, enter
from ricercar.comparison.frozen.file import Frozen, FrozenBenchmark
from ricercar.comparison.numerals import score
from ricercar.comparison.options import clean
from ricercar.comparison.report import report
from ricercar.comparison.rows import table
from ricercar.data.annotations.annotation import Annotation
from ricercar.errors import InputError
from ricercar.harness.assemble import places_of
from ricercar.harness.typed_json import to_json
from ricercar.tasks.scoring import Scoring

_READABLE = {"text": text, "md": markdown, "tex": latex}
_SIGNS = {PASSED: "ok", REFUSED: "NO", "note": "--"}


def add_check(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Says whether a submission can enter a benchmark: tracks, files, protocol, data, development rules, and "
        "whether the scores told are those of the predictions. Exit code 1 where it cannot."
    )
    _add_common(parser)
    parser.add_argument(
        "submission", type=Path, metavar="SUBMISSION",
        help="folder of predictions (one file for each track), a result.json, or a folder with some in it, such as of "
        "all folds of a cross-validation",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="verdicts as an object, with a list of submissions")


def add_board(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Ranks all submissions that can enter a benchmark, beside its trivial baselines, as leaderboard.py does. Those "
        "that cannot are named on stderr."
    )
    _add_common(parser)
    parser.add_argument("submissions", nargs="+", type=Path, metavar="SUBMISSION", help="as for check")
    parser.add_argument("--format", choices=[*_READABLE, "csv", "json"], default="text", help="%(default)s")


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("benchmark", type=Path, metavar="NAME.json", help="what ricercar bench freeze wrote")
    parser.add_argument(
        "--data-root", metavar="PATH", action="append", default=[],
        help="where its data lie here, to compare them and to score predictions; of data in several folders "
        "OPTION=PATH, such as home=PATH, recordings=PATH, parts.folder.root=PATH (repeatable)",
    )  # fmt: skip
    parser.add_argument("--cache-dir", type=Path, metavar="PATH", default=default_cache(), help="for hashes of audio")


def check(args: argparse.Namespace) -> int:
    """-> exit code: 0 where all that is submitted can enter."""
    frozen, scoring, references = _opened(args)
    entries = enter(frozen, scoring, references, args.submission)
    print(_as_json(frozen, entries) if args.json else "\n".join(_in_words(frozen, each) for each in entries), end="")
    return 0 if all(entry.result is not None for entry in entries) else 1


def board(args: argparse.Namespace) -> int:
    """-> exit code: 1 where no submission can enter."""
    frozen, scoring, references = _opened(args)
    entries = [entry for path in args.submissions for entry in enter(frozen, scoring, references, path)]
    found = [Found(entry.path, entry.result, entry.folds) for entry in entries if entry.result is not None]
    for entry in entries:
        for reason in entry.refusals:
            print(f"left out: {clean(str(entry.path), 300)}: {reason}", file=sys.stderr)
    baselines = FrozenBenchmark(frozen, scoring, references).baselines()
    everything = Collection([*found, *(Found(args.benchmark, each) for each in baselines)], [])
    if not everything.found:
        raise InputError(f"{frozen.title}: nothing can enter, and it has no baselines.")
    [ranked] = boards(everything)
    content = table(ranked)
    if args.format == "csv":
        print(csv_table([content], ()), end="")
    elif args.format == "json":
        print(json_table([content], None, [], ()), end="")
    else:
        said = report(content)
        title = f"{frozen.title}: {said.title}"
        print(_READABLE[args.format]([replace(said, title=title)], None), end="")
    return 0 if found else 1


def _opened(args: argparse.Namespace) -> tuple[Frozen, Scoring, dict[str, Annotation]]:
    """The benchmark, and its references as far as they are to be had. InputError where the data here are others."""
    frozen = Frozen.read(args.benchmark)
    scoring = frozen.scoring()
    if not args.data_root and frozen.references is not None:
        return frozen, scoring, frozen.read_references(scoring)
    places = places_of(frozen.config.get("data", {}))
    if not args.data_root and any(place.split(".")[-1] in ("root", "home") for place in places):
        return frozen, scoring, {}
    references, differs = frozen.located(scoring, args.data_root, args.cache_dir.expanduser())
    if differs:
        where = f" at {', '.join(args.data_root)}" if args.data_root else ""
        raise InputError(f"the data{where} are not those of {frozen.title}: {'; '.join(differs)}.")
    return frozen, scoring, references


def _in_words(frozen: Frozen, entry: Entry) -> str:
    lines = [f"{entry.name} for {frozen.title}"]
    lines += [f"  {_SIGNS[each.kind]}  {each.text}" for each in entry.verdicts]
    if entry.result is None:
        lines.append(f"refused: {len(entry.refusals)} reason{'s' if len(entry.refusals) > 1 else ''}")
    else:
        metrics = entry.result.metrics
        shown = [name for name in (frozen.primary, *frozen.shown) if name in metrics and not isnan(metrics[name])]
        lines.append("accepted: " + ", ".join(f"{name} {score(metrics[name])}" for name in shown))
    return "\n".join(lines) + "\n"


def _as_json(frozen: Frozen, entries: Sequence[Entry]) -> str:
    return to_json(
        {
            "benchmark": {"name": frozen.name, "version": frozen.version, "seal": frozen.seal},
            "submissions": [
                {
                    "name": entry.name,
                    "accepted": entry.result is not None,
                    "verdicts": entry.verdicts,
                    "metrics": None if entry.result is None else entry.result.metrics,
                }
                for entry in entries
            ],
        }
    )


def run(name: str, arguments: Sequence[str], program: str) -> int:
    """`check` or `board`."""
    parser = argparse.ArgumentParser(prog=f"{program} {name}")
    {"check": add_check, "board": add_board}[name](parser)
    args = parser.parse_args(arguments)
    return {"check": check, "board": board}[name](args)
