"""leaderboard.py PATH...: results -> tables."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ricercar.checks import check_between, check_positive
from ricercar.comparison.board import Board, boards
from ricercar.comparison.collect import collect
from ricercar.comparison.fields import check_key, fields, where
from ricercar.comparison.formats.csv_table import csv_table, flat
from ricercar.comparison.formats.json_table import json_table
from ricercar.comparison.formats.latex import latex
from ricercar.comparison.formats.markdown import markdown
from ricercar.comparison.formats.text import text
from ricercar.comparison.found import Collection, Problem
from ricercar.comparison.options import clean, split
from ricercar.comparison.overall import Overall, overall
from ricercar.comparison.report import report
from ricercar.comparison.rows import Table, sorted_by, table
from ricercar.comparison.systems import is_baseline
from ricercar.data.files import write_text
from ricercar.errors import InputError

FORMATS = {".txt": "text", ".md": "md", ".csv": "csv", ".tex": "tex", ".json": "json", ".html": "html"}
OF_PAGE = ("excerpts", "excerpt_seconds", "data_root")
_EXCERPTS, _EXCERPT_S = 6, 20.0
_READABLE = {"text": text, "md": markdown, "tex": latex}
DESCRIPTION = """\
Tables of all results below some folders: systems ranked with intervals over tracks and seeds, paired with the best.
Only what has the same task, tracks, split and protocol stands in one table.

  leaderboard.py PATH...                          tables
  leaderboard.py PATH... --output board.html      a page with charts and the tracks where systems fail
  leaderboard.py ablate PATH... --vary NAME,...   what each choice of a sweep changes
  leaderboard.py reproduce RUN_ID [PATH...]       trains a run again, and compares
  leaderboard.py audit PATH...                    tracks whose labels to look at, as systems agree against them
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("paths", nargs="+", type=Path, metavar="PATH", help="folder with result.json files below it, or such a file")
    add("--format", choices=list(FORMATS.values()), help="from the suffix of --output; else text")
    add("--output", type=Path, metavar="FILE", help="else on the screen")
    add("--metrics", metavar="NAME,...", help="beside the primary one; those that the task shows if left out")
    add(
        "--where", action="append", default=[], metavar="KEY=VALUE",
        help="only these results: task=notes, frontend=mel,cqt, optimizer.lr=0.001, system=NAME ... (repeatable)",
    )  # fmt: skip
    add("--group-by", default="", metavar="KEY,...", help="splits each table into sections, such as by frontend")
    add("--sort", metavar="METRIC", help="the order of rows, in place of the rank; the best first")
    add("--baselines", action=argparse.BooleanOptionalAction, default=True, help="show trivial baselines")
    add(
        "--tasks-ranking", action=argparse.BooleanOptionalAction, default=None,
        help="average ranks over boards; shown where two boards have two systems in common",
    )  # fmt: skip
    add_excerpts(parser)
    add(
        "--cache-dir",
        type=Path,
        metavar="PATH",
        default=default_cache(),
        help="where decoded audio is kept, for the page",
    )
    add("--data-root", metavar="PATH", help="where the data lies now, for the page; else as the runs had it")
    add("--wandb", nargs="?", const="", metavar="PROJECT", help="log tables and the file of --output to W&B")


def run(args: argparse.Namespace) -> None:
    """Prints or writes the tables. Broken files are named on stderr. InputError for what the user can mend."""
    form = chosen_format(args.format, args.output, FORMATS)
    of_tables = () if args.wandb is not None else ("metrics", "sort")
    check_unused(args, form, html=OF_PAGE, text=(*of_tables, "group_by", "tasks_ranking"))
    everything = collect(args.paths)
    tell_problems(everything)
    collection = _chosen(everything, args)
    found = boards(collection)
    ranking = overall(found) if args.tasks_ranking is not False else None
    if args.tasks_ranking and ranking is None:
        raise InputError("--tasks-ranking: no two systems are on the same two boards or more.")
    keys = split(args.group_by, ())
    for key in keys:
        check_key("--group-by", key, [fields(each.result) for each in collection.found])
    metrics = split(args.metrics or "", {name for board in found for name in board.metrics})
    if form == "html":
        _write_page(collection, found, args)
    else:
        tables = _tables(found, metrics, args.sort)
        content = _content(form, tables, ranking, collection.problems, keys)
        if args.output is None:
            print(content, end="")
        else:
            write(args.output, content)
    if args.wandb is not None:
        _log(args.wandb or None, _tables(found, metrics, args.sort), args.output)


def _chosen(collection: Collection, args: argparse.Namespace) -> Collection:
    if not collection.found:
        raise InputError(f"nothing could be read: {len(collection.problems)} problems.")
    chosen = where(collection, args.where)
    kept = [each for each in chosen.found if args.baselines or not is_baseline(each.result)]
    if not kept:
        raise InputError("--no-baselines leaves nothing to show.")
    return Collection(kept, chosen.problems)


def _tables(found: Sequence[Board], metrics: Sequence[str], sort: str | None) -> list[Table]:
    """Each board with those of the metrics that it has. InputError for one that none has."""
    for name in [*metrics, *([sort] if sort else [])]:
        if not any(name in board.metrics for board in found):
            every = dict.fromkeys(metric for board in found for metric in board.metrics)
            raise InputError(f"metric {clean(name)} is on no board. There are: {', '.join(map(clean, every))}.")
    tables = [table(board, _shown(board, metrics, sort)) for board in found]
    return [sorted_by(each, sort) if sort in each.metrics else each for each in tables]


def _shown(board: Board, metrics: Sequence[str], sort: str | None) -> list[str]:
    wanted = [*(metrics or board.shown), *([sort] if sort else [])]
    return [name for name in dict.fromkeys(wanted) if name in board.metrics]


def _content(
    form: str,
    tables: Sequence[Table],
    ranking: Overall | None,
    problems: Sequence[Problem],
    keys: Sequence[str],
) -> str:
    if form == "csv":
        return csv_table(tables, keys)
    if form == "json":
        return json_table(tables, ranking, problems, keys)
    return _READABLE[form]([report(each, keys) for each in tables], ranking)


def _write_page(collection: Collection, found: Sequence[Board], args: argparse.Namespace) -> None:
    if args.output is None:
        raise InputError("--format html needs --output FILE.")
    from ricercar.comparison.excerpts import excerpts, pick_tracks
    from ricercar.comparison.page.page import write_page

    num_excerpts, seconds = excerpts_of(args)
    heard = {
        board.id: excerpts(
            board, pick_tracks(board, num_excerpts), seconds, args.cache_dir.expanduser(), args.data_root
        )
        for board in found
        if num_excerpts > 0
    }
    for board in found:
        own = heard.get(board.id, {}).values()
        if own and all(each.is_empty for each in own):
            missing = clean(next(iter(own)).missing, 500)
            print(f"{board.title}: {missing} --data-root says where the data lies now.", file=sys.stderr)
    write_page(collection, found, args.output, excerpts=heard)


def _log(project: str | None, tables: Sequence[Table], output: Path | None) -> None:
    from ricercar.harness.trackers.artifact import log_leaderboard

    files = [] if output is None else [output]
    often = Counter(each.board.title for each in tables)  # under several protocols
    names = [each.board.title + f" ({each.board.id})" * (often[each.board.title] > 1) for each in tables]
    rows = dict(zip(names, map(flat, tables), strict=True))
    log_leaderboard(project, Path("outputs") / "leaderboard", rows, files)


def check_unused(args: argparse.Namespace, form: str, *, html: Sequence[str], text: Sequence[str]) -> None:
    """InputError names an option that says nothing in this form. html: of the page alone; text: of all others."""
    here = "the page" if form == "html" else "tables"
    for name in text if form == "html" else html:
        if getattr(args, name) not in (None, ""):
            raise InputError(f"--{name.replace('_', '-')} does nothing for {here} (--format {form}): leave it out.")


def add_excerpts(parser: argparse.ArgumentParser) -> None:
    """Options of a page; None where they are not given, so that tables can refuse them."""
    add = parser.add_argument
    add("--excerpts", type=int, metavar="N", help=f"tracks to hear on the page, for each board ({_EXCERPTS})")
    add("--excerpt-seconds", type=float, metavar="S", help=f"their length at most ({_EXCERPT_S:g})")


def excerpts_of(args: argparse.Namespace) -> tuple[int, float]:
    """How many tracks of a board the page has, and how long they are at most."""
    number = _EXCERPTS if args.excerpts is None else args.excerpts
    seconds = _EXCERPT_S if args.excerpt_seconds is None else args.excerpt_seconds
    check_between(0, float("inf"), **{"--excerpts": number})
    check_positive(**{"--excerpt-seconds": seconds})
    return number, seconds


def default_cache() -> Path:
    return Path(os.environ.get("RICERCAR_CACHE", "~/.cache/ricercar"))


def tell_problems(collection: Collection) -> None:
    for problem in collection.problems:
        print(f"left out: {clean(str(problem.path), 300)}: {clean(problem.text, 500)}", file=sys.stderr)


def write(path: Path, content: str) -> None:
    """The whole file or nothing."""
    try:
        write_text(path, content)
    except OSError as error:
        raise InputError(f"--output {path} cannot be written: {error.strerror}.") from error


def chosen_format(form: str | None, output: Path | None, formats: Mapping[str, str]) -> str:
    """formats: {suffix: name}"""
    if form is not None:
        return form
    if output is None:
        return "text"
    if output.suffix.lower() not in formats:
        raise InputError(f"--output {output}: end its name in one of {', '.join(formats)}, or give --format.")
    return formats[output.suffix.lower()]
