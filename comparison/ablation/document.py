"""A report as plain parts, and as Markdown, LaTeX or HTML. Its texts are anybody's: each writer escapes them."""

import html
import re
from dataclasses import dataclass, field

from tabulate import tabulate

from ricercar.comparison.formats import latex
from ricercar.comparison.formats import markdown as md
from ricercar.comparison.options import clean


@dataclass(frozen=True)
class Heading:
    """level: 1 is the title."""

    text: str
    level: int


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    sentences: list[str]


@dataclass(frozen=True)
class Points:
    """A list."""

    items: list[str]


@dataclass(frozen=True)
class Table:
    """The first num_texts columns are words, the others numbers."""

    headers: list[str]
    rows: list[list[str]]
    num_texts: int = 1


@dataclass(frozen=True)
class Figure:
    """name: of its file, without suffix. text: what it shows."""

    name: str
    svg: str
    text: str


Part = Heading | Paragraph | Points | Table | Figure


@dataclass
class Document:
    """title: of the window; parts: in their order."""

    title: str
    parts: list[Part] = field(default_factory=list)

    @property
    def figures(self) -> list[Figure]:
        return [part for part in self.parts if isinstance(part, Figure)]


_WIDTH = 300  # of a sentence or a name, at most
_MINUS = re.compile(r"(?<!\S)-(?=\d)")
_SECTIONS = {1: "section*", 2: "subsection*", 3: "subsubsection*"}
_CSS = """
:root{color-scheme:light dark;--line:#d5d5d5;--quiet:#666}
@media(prefers-color-scheme:dark){:root{--line:#444;--quiet:#aaa}}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1,h2,h3{line-height:1.2;margin:2em 0 .5em}h1{margin-top:0}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.9rem;margin:.5rem 0 1rem;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .7rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
th.text,td.text{text-align:left}th{border-bottom-width:2px}
figure{margin:1rem 0}figcaption{color:var(--quiet);font-size:.9rem}svg{max-width:100%;height:auto}
"""


def as_markdown(document: Document, figures: str | None) -> str:
    """figures: the folder that their files are in, seen from the document; None leaves them out."""
    parts = [_markdown_part(part, figures) for part in document.parts]
    return "\n\n".join(part for part in parts if part) + "\n"


def as_latex(document: Document) -> str:
    """Tables for a paper (\\usepackage{booktabs}); figures are left out."""
    parts = [_latex_part(part) for part in document.parts]
    return "% needs \\usepackage{booktabs}\n" + "\n\n".join(part for part in parts if part) + "\n"


def as_html(document: Document) -> str:
    """One HTML file that needs nothing else."""
    parts = "\n".join(_html_part(part) for part in document.parts)
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
    title = _html(document.title)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<title>{title}</title><style>{_CSS}</style></head>\n'
        f"<body>\n{parts}\n</body></html>\n"
    )


def _markdown_part(part: Part, figures: str | None) -> str:
    match part:
        case Heading(text, level):
            return f"{'#' * level} {md.escaped(text)}"
        case Paragraph(sentences):
            return " ".join(map(md.escaped, sentences))
        case Points(items):
            return "\n".join(f"* {md.escaped(item)}" for item in items)
        case Table(headers, rows, num_texts):
            align = ["left"] * num_texts + ["right"] * (len(headers) - num_texts)
            cells = [[md.escaped(cell) for cell in row] for row in [headers, *rows]]
            table: str = tabulate(cells[1:], cells[0], "pipe", colalign=align, disable_numparse=True)
            return table
        case Figure(name, _, text):
            return "" if figures is None else f"![{md.escaped(text)}]({figures}/{name}.svg)"


def _latex_part(part: Part) -> str:
    match part:
        case Heading(text, level):
            return f"\\{_SECTIONS[level]}{{{latex.escaped(text)}}}"
        case Paragraph(sentences):
            return " ".join(map(latex.escaped, sentences))
        case Points(items):
            lines = "\n".join(f"\\item {{}}{latex.escaped(item)}" for item in items)
            return f"\\begin{{itemize}}\n{lines}\n\\end{{itemize}}"
        case Table(headers, rows, num_texts):
            columns = "l" * num_texts + "r" * (len(headers) - num_texts)
            head = " & ".join(map(_tex, headers))
            body = "\n".join(" & ".join(map(_tex, row)) + r" \\" for row in rows)
            return (
                f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{head} \\\\\n\\midrule\n{body}\n"
                "\\bottomrule\n\\end{tabular}"
            )
        case Figure():
            return ""


def _tex(cell: str) -> str:
    return _MINUS.sub("$-$", latex.escaped(cell))


def _html_part(part: Part) -> str:
    match part:
        case Heading(text, level):
            return f"<h{level}>{_html(text)}</h{level}>"
        case Paragraph(sentences):
            return f"<p>{' '.join(map(_html, sentences))}</p>"
        case Points(items):
            return "<ul>" + "".join(f"<li>{_html(item)}</li>" for item in items) + "</ul>"
        case Table(headers, rows, num_texts):
            head = _html_row("th", headers, num_texts)
            body = "\n".join(_html_row("td", row, num_texts) for row in rows)
            return f'<div class="wide"><table><thead>{head}</thead><tbody>\n{body}\n</tbody></table></div>'
        case Figure(_, svg, text):
            return f'<figure><div class="wide">{svg}</div><figcaption>{_html(text)}</figcaption></figure>'


def _html_row(tag: str, cells: list[str], num_texts: int) -> str:
    marks = [' class="text"' if i < num_texts else "" for i in range(len(cells))]
    return "<tr>" + "".join(f"<{tag}{m}>{_html(c)}</{tag}>" for m, c in zip(marks, cells, strict=True)) + "</tr>"


def _html(text: str) -> str:
    return _MINUS.sub("\N{MINUS SIGN}", html.escape(clean(text, _WIDTH)))
