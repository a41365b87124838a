"""What the page knows, as plain JSON values. A number that is not known is null."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ricercar.comparison.board import Board
from ricercar.comparison.found import Collection, Found
from ricercar.comparison.notes import shared_works
from ricercar.comparison.overall import Overall, overall
from ricercar.comparison.report import how, range_name, statement
from ricercar.comparison.rows import Difference, Estimate, Row, Table, table
from ricercar.significance.paired import LEVEL, Comparisons
from ricercar.significance.ranks import critical_difference_svg, ranks

if TYPE_CHECKING:  # importing it takes torch
    from ricercar.comparison.excerpts import Excerpt
    from ricercar.tasks.marks import Mark

_DIGITS = 4
_CELLS = 250_000  # scores of tracks on the page: metrics beyond the first that would exceed it are left out
_IN_PAIRS = 300  # systems at most in the matrix of pairs
_DIAGRAM = 24  # systems at most in the diagram of ranks: the names of more overlap
COSTS = ("params", "macs_per_second_of_audio", "train_s", "real_time_factor", "peak_memory_bytes")


def page_payload(
    collection: Collection,
    boards: Sequence[Board],
    excerpts: Mapping[str, Mapping[str, "Excerpt"]],
    title: str,
    audits: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """excerpts: {board id: {track id: excerpt}}, which are told of here, and are elements of their own.

    audits: {board id: what is shown of its label audit}
    """
    return {
        "title": title,
        "num_results": len(collection.found),
        "problems": [{"path": str(problem.path), "text": problem.text} for problem in collection.problems],
        "boards": [
            board_payload(table(board), excerpts.get(board.id, {})) | {"audit": audits.get(board.id)}
            for board in boards
        ],
        "average_ranks": _average_ranks(overall(boards)),
    }


def elements(board_id: str, excerpts: Mapping[str, "Excerpt"]) -> dict[str, str]:
    """{track id: id of the element that holds its excerpt}, of those that have something to see or hear."""
    shown = [track for track, excerpt in excerpts.items() if not excerpt.is_empty]
    return {track: f"excerpt-{board_id}-{i}" for i, track in enumerate(shown)}


def excerpt_payload(excerpt: "Excerpt") -> dict[str, Any]:
    return vars(excerpt) | {
        "reference": marks_payload(excerpt.reference, excerpt.end_s),
        "estimates": {key: marks_payload(marks, excerpt.end_s) for key, marks in excerpt.estimates.items()},
        "segments": {key: vars(each) for key, each in excerpt.segments.items()},
    }


def marks_payload(marks: Iterable["Mark"], end_s: float) -> list[list[Any]]:
    """A mark is [start_s, end_s, kind, pitch, label]: there are many. One without end ends with the excerpt."""
    return [[round(m.start_s, 3), round(min(m.end_s, end_s), 3), m.kind, m.pitch, m.label] for m in marks]


def board_payload(content: Table, excerpts: Mapping[str, "Excerpt"]) -> dict[str, Any]:
    board = content.board
    return {
        "id": board.id,
        "title": board.title,
        "short": f"{board.task} · {board.data}",
        "fingerprint": board.fingerprint,
        "protocol": board.protocol,
        "protocol_id": board.protocol_id,
        "protocol_name": board.protocol_name,
        "primary": board.primary,
        "metrics": content.metrics,
        "better": {name: board.scale(name).better for name in board.metrics},
        "apart": board.apart,
        "notes": board.notes,
        "method": " ".join(how(content)),
        "range": range_name(content),
        "statement": statement(content),
        "tracks": [[track.id, track.work, number(track.seconds)] for track in board.tracks],
        "systems": [_system(content, row) for row in content.rows],
        "published": [
            {"name": each.system, "metrics": each.metrics, "source": each.source} for each in board.published
        ],
        "scores": _scores(content),
        "pairs": None if content.comparisons is None else _pairs(content.comparisons),
        "no_pairs": "There is one system." if len(board.systems) == 1 else f"{board.primary} cannot be drawn anew.",
        "detectable": None if content.comparisons is None else number(content.comparisons.detectable),
        "ranks": _ranks(content),
        "excerpts": elements(board.id, excerpts),
        "with_sound": [track for track, excerpt in excerpts.items() if excerpt.audio],
        "with_estimates": [track for track, excerpt in excerpts.items() if excerpt.estimates],
        "no_excerpts": _no_excerpts(excerpts),
    }


def _no_excerpts(excerpts: Mapping[str, "Excerpt"]) -> str:
    """What is said of a track without one."""
    if excerpts and all(excerpt.is_empty for excerpt in excerpts.values()):
        return next(iter(excerpts.values())).missing
    return "The page has no excerpt of this track: --excerpts makes more of them."


def _system(content: Table, row: Row) -> dict[str, Any]:
    system, first = row.system, row.system.first
    return {
        "key": system.key,
        "name": system.name,
        "rank": row.rank,
        "metrics": {name: _estimate(estimate) for name, estimate in row.metrics.items()},
        "seeds": row.num_seeds,
        "tracks": row.num_tracks,
        "trials": row.num_trials,
        "expected_best": plain(row.expected_best),
        "looks": row.looks,
        "training": row.training,
        "warning": _warning(shared_works(system)),
        "difference": None if row.difference is None else _difference(row.difference),
        "verdict": row.verdict,
        "cost": {name: getattr(row.cost, name) for name in COSTS},
        "choices": first.choices,
        "paper": first.system and (first.system.paper or first.system.url),
        "reproducible": first.config is not None and first.system is None,
        "runs": [_run(content.board, run) for run in system.runs],
    }


def _difference(difference: Difference) -> list[float | None]:
    return plain([difference.mean, difference.low, difference.high, *_shown(np.array([difference.p]))])


def _run(board: Board, run: Found) -> dict[str, Any]:
    result = run.result
    score = number(result.metrics[board.primary])
    return {"run_id": result.run_id, "seed": result.seed, "score": score, "path": str(run.path)}


def _warning(works: Sequence[str]) -> str:
    if not works:
        return ""
    return f"trained on {'one' if len(works) == 1 else len(works)} of the works that it is tested on"


def _scores(content: Table) -> dict[str, list[list[float | None]]]:
    """{metric: [system][track]}, mean over seeds; first the metric that ranks, if tracks have it."""
    board = content.board
    names = [name for name in content.metrics if name not in board.pooled]
    names = list(dict.fromkeys([board.track_metric, *names]))
    affordable = max(1, _CELLS // (len(board.systems) * len(board.tracks)))
    return {name: [plain(row) for row in _mean_over_seeds(board.scores(name).values)] for name in names[:affordable]}


def _mean_over_seeds(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(S, K, T) -> (S, T); NaN where no seed has a score."""
    known = ~np.isnan(values)
    mean: NDArray[np.float64] = np.divide(
        np.where(known, values, 0.0).sum(axis=1),
        known.sum(axis=1),
        out=np.full((values.shape[0], values.shape[2]), np.nan),
        where=known.any(axis=1),
    )
    return mean


def _pairs(comparisons: Comparisons) -> dict[str, list[list[float | None]]]:
    """Of each system with those below it: [i][j - i - 1]. Of the first systems where there are very many."""
    columns = {
        "difference": comparisons.difference,
        "low": comparisons.low,
        "high": comparisons.high,
        "p": _shown(comparisons.p),
    }
    return {
        name: [plain(row[i + 1 : _IN_PAIRS]) for i, row in enumerate(values[:_IN_PAIRS])]
        for name, values in columns.items()
    }


def _shown(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Never rounded over the verdict by the page, which shows three digits."""
    return np.where((p < LEVEL) & (np.round(p, 3) >= LEVEL), LEVEL - 0.001, p)


def _ranks(content: Table) -> dict[str, Any]:
    """Drawn with the verdicts of the table: a pair without one is not joined either."""
    board, comparisons = content.board, content.comparisons
    nothing = {"svg": "", "num_blocks": 0}
    if len(board.systems) > _DIAGRAM:
        return nothing | {"why_not": f"Ranks over the works are drawn for {_DIAGRAM} systems at most."}
    if comparisons is None or not comparisons.num_pairs:
        return nothing | {"why_not": "Ranks over the works are drawn where systems can be compared."}
    scores = board.ranked(board.track_metric).scores
    found = ranks(replace(scores, values=board.scale(board.track_metric).sign * scores.values))
    apart = comparisons.told_apart | ~comparisons.known & ~np.eye(len(board.systems), dtype=bool)
    svg = critical_difference_svg(found, apart, [system.name for system in board.systems])
    return {"svg": svg, "num_blocks": found.num_blocks, "why_not": "There are no two systems with ranks."}


def _average_ranks(found: Overall | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "boards": [board.title for board in found.boards],
        "systems": [[found.names[key], number(rank)] for key, rank in found.ranks.average.items()],
        "num_missing": len(found.ranks.missing),
    }


def _estimate(estimate: Estimate) -> list[float | None]:
    return plain([estimate.mean, estimate.low, estimate.high])


def plain(values: NDArray[np.float64] | Iterable[float]) -> list[float | None]:
    return [number(float(value)) for value in values]


def number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, _DIGITS)
