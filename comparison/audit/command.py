"""leaderboard.py audit PATH...: stored predictions of two or more systems -> tracks whose labels to look at."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ricercar.checks import check_between, check_positive
from ricercar.comparison.audit.audit import Audit, audit
from ricercar.comparison.audit.report import as_json, page_part, report
from ricercar.comparison.audit.track import Rules
from ricercar.comparison.board import Board, boards
from ricercar.comparison.collect import collect
from ricercar.comparison.command import (
    add_excerpts,
    check_unused,
    chosen_format,
    default_cache,
    excerpts_of,
    tell_problems,
    write,
)
from ricercar.comparison.fields import where
from ricercar.comparison.formats.markdown import markdown
from ricercar.comparison.formats.text import text
from ricercar.comparison.found import Collection
from ricercar.comparison.options import clean
from ricercar.comparison.sources import sources_of
from ricercar.errors import InputError

FORMATS = {".txt": "text", ".md": "md", ".json": "json", ".html": "html"}
_READABLE = {"text": text, "md": markdown}
DESCRIPTION = """\
Where stored predictions of two or more unrelated systems agree with each other against the labels: labels that are
late, early or drift, events that all find and the labels lack, labels that none finds. Of notes, instruments, onsets,
drums and beats. A list of tracks whose labels to look at; scores without them stand beside the others.

  leaderboard.py audit PATH...                         a table
  leaderboard.py audit PATH... --output audit.html     the leaderboard's page, with what is in doubt in its tracks
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add(
        "paths", nargs="+", type=Path, metavar="PATH",
        help="folder with result.json files, and predictions/ beside them, below it",
    )  # fmt: skip
    add("--format", choices=list(FORMATS.values()), help="from the suffix of --output; else text")
    add("--output", type=Path, metavar="FILE", help="else on the screen")
    add(
        "--where", action="append", default=[], metavar="KEY=VALUE",
        help="only these results: task=notes, system=NAME,NAME ... (repeatable)",
    )  # fmt: skip
    add("--baselines", action="store_true", help="trivial baselines judge, too")
    add("--least-ms", type=float, default=10.0, metavar="MS", help="what labels are late or early by (%(default)g)")
    add("--agree-ms", type=float, default=15.0, metavar="MS", help="how far systems may differ in it (%(default)g)")
    add("--reach-ms", type=float, default=300.0, metavar="MS", help="what is farther off is not found (%(default)g)")
    add(
        "--share", type=float, default=5.0, metavar="PERCENT",
        help="of a track's labels: as many events in doubt, beyond the usual number, are too many (%(default)g)",
    )  # fmt: skip
    add_excerpts(parser)
    add("--cache-dir", type=Path, metavar="PATH", default=default_cache(), help="where decoded audio is kept")
    add("--data-root", metavar="PATH", help="where the data lies now; else as the runs had it")


def run(args: argparse.Namespace) -> None:
    """Prints or writes the audit. What could not be audited is named on stderr; InputError where nothing could."""
    check_positive(**{"--least-ms": args.least_ms, "--agree-ms": args.agree_ms, "--share": args.share})
    check_between(args.least_ms, 2000, **{"--reach-ms": args.reach_ms})
    form = chosen_format(args.format, args.output, FORMATS)
    if form == "html" and args.output is None:
        raise InputError("--format html needs --output FILE.")
    check_unused(args, form, html=("excerpts", "excerpt_seconds"), text=())
    everything = collect(args.paths)
    tell_problems(everything)
    collection = where(everything, args.where)
    rules = Rules(args.least_ms / 1000, args.agree_ms / 1000, args.reach_ms / 1000, args.share / 100)
    found, refused = _audits(boards(collection), rules, args)
    for line in refused if form != "json" or found else []:
        print(f"not audited: {line}", file=sys.stderr)
    if form == "html":
        _write_page(collection, found, args)
        return
    if form == "json":
        content = as_json(found, refused, everything.problems)
    else:
        content = _READABLE[form]([report(each) for each in found], None)
    if args.output is None:
        print(content, end="")
    else:
        write(args.output, content)


def _audits(found: Sequence[Board], rules: Rules, args: argparse.Namespace) -> tuple[list[Audit], list[str]]:
    """-> audits, and why others could not be. InputError where there is none."""
    audits, refused = [], []
    for board in found:
        try:
            sources = sources_of(board, args.cache_dir.expanduser(), args.data_root)
        except InputError as error:
            refused.append(f"{board.title}: {clean(str(error), 500)} --data-root says where the data lies now.")
            continue
        try:
            audits.append(audit(board, sources, rules, baselines=args.baselines))
        except InputError as error:
            refused.append(str(error))
    if not audits:
        raise InputError("; ".join(refused) if refused else "nothing could be read.")
    return audits, refused


def _write_page(collection: Collection, found: Sequence[Audit], args: argparse.Namespace) -> None:
    from ricercar.comparison.excerpts import excerpts, pick_tracks
    from ricercar.comparison.page.page import write_page

    num_excerpts, seconds = excerpts_of(args)
    heard = {}
    for each in found:
        picked = list(dict.fromkeys([*each.doubts, *pick_tracks(each.board, num_excerpts)]))[:num_excerpts]
        heard[each.board.id] = excerpts(
            each.board, picked, seconds, args.cache_dir.expanduser(), args.data_root,
            in_doubt={track.id: track.own for track in each.tracks},
        )  # fmt: skip
    parts = {each.board.id: page_part(each) for each in found}
    write_page(
        collection, [each.board for each in found], args.output, excerpts=heard, title="Label audit", audits=parts
    )
