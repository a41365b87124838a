"""Tables for a terminal."""

import re
import textwrap
from collections.abc import Iterator, Sequence

from tabulate import SEPARATING_LINE, tabulate

from ricercar.comparison.options import clean
from ricercar.comparison.overall import Overall, overall_lines
from ricercar.comparison.report import Report, Sheet

_WIDTH = 118
_HEADER = 14  # characters of a header's line, where it can be broken


def text(reports: Sequence[Report], overall: Overall | None) -> str:
    parts = [part for report in reports for part in _report(report)]
    if overall is not None:
        heading, headers, rows = overall_lines(overall)
        parts += ["", heading, "", _table(headers, rows, [True, False, True])]
    return "\n".join(parts).strip("\n") + "\n"


def _report(report: Report) -> Iterator[str]:
    yield f"\n{report.title}\n{'=' * len(report.title)}"
    if report.apart:
        yield _wrapped(f"Stands apart: {report.apart}.")
    for sheet in report.sheets:
        for columns in _blocks(sheet):
            for name, rows in sheet.sections:
                yield f"\n[{name}]" if name else ""
                cells = [[row[i] for i in columns] for row in rows]
                yield _table([sheet.headers[i] for i in columns], cells, [sheet.numeric[i] for i in columns])
    yield ""
    yield from map(_wrapped, report.under)
    yield from (_wrapped(f"! {note}") for note in report.notes)


def _blocks(sheet: Sheet) -> list[list[int]]:
    """The columns, in blocks that are as wide as the screen; each begins with the rows' names."""
    names = list(range(sheet.num_names))
    widths = [
        2 + max(len(line) for cell in [_broken(header), *cells] for line in cell.split("\n"))
        for header, *cells in zip(sheet.headers, *(row for _, rows in sheet.sections for row in rows), strict=True)
    ]
    blocks = [list(names)]
    for column in range(sheet.num_names, len(widths)):
        wide = sum(widths[i] for i in blocks[-1]) + widths[column] > _WIDTH
        if wide and len(blocks[-1]) > len(names):
            blocks.append(list(names))
        blocks[-1].append(column)
    return blocks


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool]) -> str:
    """The headers go in as a row: tabulate makes columns wider than their headers otherwise."""
    content = [[_broken(header) for header in headers], SEPARATING_LINE, *rows]
    align = ["right" if each else "left" for each in numeric]
    drawn: str = tabulate(content, tablefmt="simple", colalign=align, disable_numparse=True)
    return "\n".join(line.rstrip() for line in drawn.splitlines()[1:-1])


def _broken(header: str) -> str:
    """In several lines, after slashes, underscores and spaces."""
    lines = [""]
    for part in re.split(r"(?<=[/_ ])", clean(header)):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > _HEADER:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def _wrapped(line: str) -> str:
    return textwrap.fill(line, _WIDTH, subsequent_indent="  ", break_on_hyphens=False)
