"""How tables and numbers are printed."""

import math
from collections.abc import Sequence

from tabulate import SEPARATING_LINE, tabulate


def table(rows: Sequence[Sequence[object]], headers: Sequence[str], align: Sequence[str]) -> str:
    """The headers go in as a row: tabulate makes columns wider than their headers otherwise."""
    content = [headers, SEPARATING_LINE, *rows]
    text: str = tabulate(content, tablefmt="simple", colalign=align, disable_numparse=True)
    return "\n".join(line.rstrip() for line in text.splitlines()[1:-1])


def broken(name: str) -> str:
    """A metric's name in lines, broken after its slash and, filled from the end, at its underscores."""
    lines: list[str] = []
    for part in reversed(name.split("/")):
        below = len(lines)
        for word in reversed(part.split("_")):
            if len(lines) > below and len(lines[0]) + len(word) < 9:
                lines[0] = f"{word}_{lines[0]}"
            else:
                lines.insert(0, f"{word}/" if lines and len(lines) == below else word)
    return "\n".join(lines)


def shortened(text: str, width: int) -> str:
    """Shortened in the middle: the ends of a track's id tell it from others."""
    if len(text) <= width:
        return text
    tail = (width - 3) // 2
    return f"{text[: width - 3 - tail]}...{text[-tail:]}"


def number(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.4g}"


def amount(value: float) -> str:
    for unit, name in ((1e9, "billion"), (1e6, "million")):
        if value >= unit:
            return f"{value / unit:.3g} {name}"
    return f"{value:,.0f}"


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
