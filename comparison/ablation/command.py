"""leaderboard.py ablate: what each choice of a sweep changes."""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from ricercar.comparison.ablation.document import Document, as_html, as_latex, as_markdown
from ricercar.comparison.ablation.expectations import Expectation, expectations
from ricercar.comparison.ablation.figures import COSTS, standing_alone
from ricercar.comparison.ablation.grid import find_unfinished, make_grid, setting_of, trained
from ricercar.comparison.ablation.report import report
from ricercar.comparison.ablation.sample import make_sample
from ricercar.comparison.board import Board, boards
from ricercar.comparison.collect import collect
from ricercar.comparison.fields import check_key, where
from ricercar.comparison.options import clean
from ricercar.data.files import write_text
from ricercar.errors import InputError

DESCRIPTION = """\
Turns a sweep into a report: what each level of each factor changes, with intervals over tracks and seeds, whether
factors depend on each other, what was expected and whether it holds, and what scores cost."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("paths", nargs="+", type=Path, metavar="PATH", help="folder with runs below it, such as multirun")
    add("--vary", required=True, metavar="NAME,...", help="factors: groups (frontend) or options (optimizer.lr)")
    add("--baseline", metavar="NAME=LEVEL,...", default="", help="what to compare with; the first levels if left out")
    add("--metric", metavar="NAME", help="the task's primary one if left out")
    add("--cost", choices=list(COSTS), default="macs", help="what scores are held against (default: %(default)s)")
    add("--ignore", metavar="NAME", action="append", default=[], help="group or option that may differ (repeatable)")
    add(
        "--where", metavar="NAME=VALUE", action="append", default=[],
        help="only these results: task=notes, frontend=mel,cqt, optimizer.lr=0.001 ... (repeatable)",
    )  # fmt: skip
    add(
        "--expect", metavar="NAME=A>B", action="append", default=[],
        help='what was expected, such as "compression=log>none" (repeatable)',
    )  # fmt: skip
    add("--format", choices=["md", "tex", "html"], help="from the suffix of --output; else md")
    add("--output", type=Path, metavar="FILE", help="else on the screen, without figures")


def run(args: argparse.Namespace) -> None:
    """Writes the report. InputError for what the user can mend."""
    vary = [name.strip() for name in args.vary.split(",") if name.strip()]
    if not vary or len(set(vary)) < len(vary):
        raise InputError(f"--vary {args.vary}: give each factor once, such as --vary frontend,backbone.")
    if impossible := {"task", "seed"} & set(vary):
        raise InputError(f"--vary {impossible.pop()}: seeds and tasks are no factors; each task is a section anyway.")
    expected = [each for text in args.expect for each in expectations(text)]
    form = _format(args.format, args.output)
    collection = collect(args.paths)
    for problem in collection.problems:
        print(f"left out: {clean(str(problem.path), 300)}: {clean(problem.text, 500)}", file=sys.stderr)
    chosen = where(collection, args.where)
    settings = [setting_of(run) for run in chosen.found if trained(run)]
    if not settings:
        raise InputError(f"{', '.join(map(str, args.paths))}: no result of train.py is in it or below it.")
    known = [{**setting.options, **setting.choices} for setting in settings]
    for name in vary:
        check_key("--vary", name, known)
    for name in args.ignore:
        if not any(option.startswith(f"{name}.") for setting in settings for option in setting.options):
            check_key("--ignore", name, known)
    document = _report(args, vary, _baseline(args.baseline), boards(chosen), expected)
    _write(document, form, args.output)


def _report(
    args: argparse.Namespace,
    vary: Sequence[str],
    baseline: Mapping[str, str],
    found: Sequence[Board],
    expected: Sequence[Expectation],
) -> Document:
    unfinished = find_unfinished(args.paths)
    grids = [make_grid(board, vary, args.ignore, baseline, unfinished) for board in found]
    samples = [make_sample(grid, args.metric, args.ignore) for grid in grids if grid is not None]
    if not samples:
        chosen = f" with {', '.join(args.where)}" if args.where else ""
        raise InputError(
            f"--vary {args.vary}: among the results{chosen} there are no two that differ in it and were scored on "
            "the same task, tracks and protocol."
        )
    return report(samples, expected, args.cost)


def _write(document: Document, form: str, output: Path | None) -> None:
    """Figures of Markdown become files in a folder beside it."""
    folder = None if output is None else output.with_name(f"{output.stem}_figures")
    if form == "md":
        text = as_markdown(document, None if folder is None else quote(folder.name))
    else:
        text = as_latex(document) if form == "tex" else as_html(document)
    if output is None or folder is None:
        print(text, end="")
        return
    try:
        if form == "md":
            for figure in document.figures:
                write_text(folder / f"{figure.name}.svg", standing_alone(figure.svg))
        write_text(output, text)
    except OSError as error:
        raise InputError(f"--output {output} cannot be written: {error.strerror}.") from error


def _format(form: str | None, output: Path | None) -> str:
    if form is not None:
        return form
    suffixes = {".md": "md", ".tex": "tex", ".html": "html", ".htm": "html"}
    if output is not None and output.suffix.lower() not in suffixes:
        raise InputError(f"--output {output}: end its name in .md, .tex or .html, or give --format.")
    return "md" if output is None else suffixes[output.suffix.lower()]


def _baseline(text: str) -> dict[str, str]:
    found = {}
    for each in re.split(r",(?=[\w./]+=)", text) if text else []:  # levels may hold commas too
        name, sign, level = each.partition("=")
        if not (name and sign and level):
            raise InputError(f"--baseline {text}: expected NAME=LEVEL,..., such as frontend=mel,backbone=dense.")
        found[name.strip()] = level.strip()
    return found
