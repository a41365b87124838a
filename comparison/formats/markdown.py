"""Tables for a README, an issue or a paper's notes."""

import re
from collections.abc import Iterator, Sequence

from ricercar.comparison.options import clean
from ricercar.comparison.overall import Overall, overall_lines
from ricercar.comparison.report import Report, Sheet


def markdown(reports: Sequence[Report], overall: Overall | None) -> str:
    parts = [part for report in reports for part in _report(report)]
    if overall is not None:
        heading, headers, rows = overall_lines(overall)
        parts += [f"**{escaped(heading)}**", "\n".join(_table(headers, rows, [True, False, True]))]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text that is shown as it is: no markup, no HTML, no end of a cell."""
    return re.sub(r"([\\`*_{}\[\]<>#|~$&])", r"\\\1", clean(text, 3000))


def _report(report: Report) -> Iterator[str]:
    yield f"## {escaped(report.title)}"
    if report.apart:
        yield f"*Stands apart: {escaped(report.apart)}.*"
    for sheet in report.sheets:
        yield from _sheet(sheet)
    yield "\n".join(f"* {escaped(line)}" for line in report.under + report.notes)


def _sheet(sheet: Sheet) -> Iterator[str]:
    bold = iter(sheet.bold)
    for name, rows in sheet.sections:
        if name:
            yield f"**{escaped(name)}**"
        yield "\n".join(_table(sheet.headers, rows, sheet.numeric, [next(bold) for _ in rows]))


def _table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    numeric: Sequence[bool],
    bold: Sequence[Sequence[bool]] | None = None,
) -> Iterator[str]:
    yield _line(map(escaped, headers))
    yield _line("---:" if each else "---" for each in numeric)
    for i, row in enumerate(rows):
        strong = bold[i] if bold else [False] * len(row)
        yield _line(f"**{escaped(cell)}**" if each else escaped(cell) for cell, each in zip(row, strong, strict=True))


def _line(cells: "Iterator[str] | map[str]") -> str:
    return f"| {' | '.join(cells)} |"
