"""Tables for a paper: booktabs; the best and what is not told apart from it in bold."""

import re
from collections.abc import Iterable, Iterator, Sequence

from ricercar.comparison.options import clean
from ricercar.comparison.overall import Overall, overall_lines
from ricercar.comparison.report import Report, Sheet

_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}",
}  # fmt: skip
_TABLE = str.maketrans(_ESCAPES)


def latex(reports: Sequence[Report], overall: Overall | None) -> str:
    lines = ["% needs \\usepackage{booktabs} and \\usepackage[T1]{fontenc}"]
    for report in reports:
        caption = [report.title, *([f"Stands apart: {report.apart}"] if report.apart else []), *report.under]
        for i, sheet in enumerate(report.sheets):
            lines += _table(sheet, caption if i == 0 else [report.title], report.notes if i == 0 else [])
    if overall is not None:
        heading, headers, rows = overall_lines(overall)
        plain = Sheet(headers, [True, False, True], [("", rows)], [[False] * len(headers) for _ in rows], 2)
        lines += _table(plain, [heading], [])
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text that TeX sets as it is."""
    return clean(text, 3000).translate(_TABLE)


def _table(sheet: Sheet, caption: Sequence[str], notes: Iterable[str]) -> Iterator[str]:
    yield ""
    yield from (f"% {clean(note, 300)}" for note in notes)
    yield r"\begin{table}"
    yield r"\centering"
    yield rf"\caption{{{' '.join(escaped(line if line.endswith('.') else line + '.') for line in caption)}}}"
    yield rf"\begin{{tabular}}{{{''.join('r' if each else 'l' for each in sheet.numeric)}}}"
    yield r"\toprule"
    yield _line(map(escaped, sheet.headers))
    bold = iter(sheet.bold)
    for name, rows in sheet.sections:
        yield r"\midrule"
        if name:
            yield rf"\multicolumn{{{len(sheet.headers)}}}{{l}}{{\itshape {escaped(name)}}} \\"
        for row in rows:
            cells = zip(map(escaped, row), sheet.numeric, next(bold), strict=True)
            yield _line(_cell(cell, numeric, strong) for cell, numeric, strong in cells)
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield r"\end{table}"


def _cell(text: str, numeric: bool, bold: bool) -> str:
    text = re.sub(r"-(?=\d)", "$-$", text) if numeric else text
    return rf"\textbf{{{text}}}" if bold else text


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"
