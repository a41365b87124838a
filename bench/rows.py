"""What every part of the benchmark shares: how it measures, and the rows of its table."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tabulate import tabulate

Work = Callable[[], object]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Spread:
    """Median, least and greatest of several measurements."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))

    def per(self, number: float) -> "Spread":
        """Divided by `number`."""
        return Spread(self.median / number, self.low / number, self.high / number)

    def __str__(self) -> str:
        return f"{short(self.median)} ({short(self.low)} to {short(self.high)})"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    group    the part of the benchmark: frontends, metrics, data, loop, sweep
    work     what was done, with its size
    unit     of `figures`: ms, s, MB ...
    figures  {who: spread}, our own first, as "ricercar"
    targets  {who: least ratio of their figure to ours}, where there is one
    at_most  what our own median may be, where there is such a target
    """

    group: str
    work: str
    unit: str
    figures: Mapping[str, Spread]
    targets: Mapping[str, float] = field(default_factory=dict)
    at_most: float | None = None

    def ratio(self, peer: str) -> float:
        return self.figures[peer].median / self.figures["ricercar"].median


def interleaved(works: Mapping[str, Work], repeats: int, clock: Clock = time.perf_counter) -> dict[str, Spread]:
    """{who: work} -> {who: spread of milliseconds}: all in turn, `repeats` times, after one turn that is not counted.

    clock   time.perf_counter: elapsed; time.process_time: of all threads' CPU
    """
    taken: dict[str, list[float]] = {who: [] for who in works}
    for turn in range(repeats + 1):
        for who, work in works.items():
            start = clock()
            work()
            if turn > 0:
                taken[who].append(1000 * (clock() - start))
    return {who: Spread.of(times) for who, times in taken.items()}


_HEADERS = ["work", "unit", "median (least to greatest)", "other / Ricercar"]


def text(rows: Sequence[Row]) -> str:
    """The table, with the ratios to every peer and whether each target was met."""
    return tabulate(_lines(rows), _HEADERS)


def markdown(rows: Sequence[Row]) -> str:
    """The same for a page."""
    return tabulate(_lines(rows), _HEADERS, tablefmt="github")


def _lines(rows: Sequence[Row]) -> list[list[str]]:
    return [
        [
            row.work,
            row.unit,
            ", ".join(f"{who} {spread}" for who, spread in row.figures.items()),
            "; ".join(_verdicts(row)),
        ]
        for row in rows
    ]


def _verdicts(row: Row) -> Iterator[str]:
    if row.at_most is not None:
        yield f"at most {row.at_most:g}: {_met(row.figures['ricercar'].median <= row.at_most)}"
    for peer in row.figures:
        if peer != "ricercar":
            target = row.targets.get(peer)
            verdict = "" if target is None else f" (at least {target:.3g}: {_met(row.ratio(peer) >= target)})"
            yield f"{peer} {short(row.ratio(peer))}x{verdict}"


def _met(target: bool) -> str:
    return "yes" if target else "NO"


def short(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
