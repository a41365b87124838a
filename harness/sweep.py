"""How the jobs of a sweep went, read from the folders of their runs."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import OmegaConf

from ricercar.errors import InputError
from ricercar.harness import identity
from ricercar.harness.report import duration, number, table
from ricercar.harness.results import Result
from ricercar.harness.run import FAILED, Failure

FINISHED, BEFORE, FAILING, BEGUN = "finished", "was finished already", "failed", "not finished"
_NUM_METRICS = 3  # columns; of more, each score is told with its metric


@dataclass(frozen=True)
class _Row:
    """One run. overrides: the seed is among them. scores: {primary metric: score}."""

    folder: Path
    overrides: list[str]
    state: str
    scores: dict[str, float]
    seconds: float | None
    reason: str | None


def results_of(folder: Path) -> list[Result]:
    """One for each task of a finished run; none where one is missing. InputError where one cannot be read."""
    own = folder / "result.json"
    results = [Result.read(path) for path in ([own] if own.exists() else sorted(folder.glob("*/result.json")))]
    return results if results and len(results) == results[0].choices.get("tasks", "").count("+") + 1 else []


def is_finished(folder: Path) -> bool:
    """Also where a result cannot be read."""
    try:
        return bool(results_of(folder))
    except InputError:
        return True


def format_sweep(folders: Iterable[Path], since_s: float) -> str:
    """A table with a row for each run, why some failed, and how many there are of each state.

    since_s   when the sweep began, in seconds since 1970: results from before were there already
    """
    rows = [_row(folder, since_s) for folder in dict.fromkeys(folders) if folder.is_dir()]
    if not rows:
        return ""
    names = _names(rows)
    metrics = list(dict.fromkeys(name for row in rows for name in row.scores))
    if len(metrics) > _NUM_METRICS:
        headers = ["score"]
        scores = [["\n".join(f"{number(value)} {name}" for name, value in row.scores.items()) or "-"] for row in rows]
    else:
        headers = metrics
        scores = [[number(row.scores.get(name, float("nan"))) for name in metrics] for row in rows]
    cells = [
        [name, row.state, *own, "-" if row.seconds is None else duration(row.seconds)]
        for name, row, own in zip(names, rows, scores, strict=True)
    ]
    align = ("left", "left", *("right",) * (len(headers) + 1))
    text = table(cells, ["job", "state", *headers, "time"], align)
    failed = [
        f"failed: {name}: {row.reason} ({_shown(row.folder / FAILED)})"
        for name, row in zip(names, rows, strict=True)
        if row.reason is not None
    ]
    counts = Counter(row.state for row in rows)
    told = ", ".join(f"{counts[state]} {state}" for state in (FINISHED, BEFORE, FAILING, BEGUN) if counts[state])
    places = " and ".join(dict.fromkeys(_shown(row.folder.parent) for row in rows))
    return "\n".join([text, "", *failed, *([""] if failed else []), f"{told}, in {places}"])


def _row(folder: Path, since_s: float) -> _Row:
    try:
        failure, results = Failure.read(folder), results_of(folder)
    except InputError as error:
        return _Row(folder, _overrides(folder), FAILING, {}, None, _first_sentence(str(error)))
    if failure is not None:
        return _Row(folder, failure.overrides, FAILING, {}, failure.seconds, _first_sentence(failure.reason))
    if not results:
        return _Row(folder, _overrides(folder), BEGUN, {}, None, None)
    scores = {result.primary: result.metrics[result.primary] for result in results}
    ended_s = max(path.stat().st_mtime for path in (*folder.glob("result.json"), *folder.glob("*/result.json")))
    begun = folder / "run.json"
    seconds = ended_s - begun.stat().st_mtime if begun.exists() else None
    return _Row(folder, _overrides(folder), FINISHED if ended_s >= since_s else BEFORE, scores, seconds, None)


def _overrides(folder: Path) -> list[str]:
    given, chosen = folder / ".hydra" / "overrides.yaml", folder / ".hydra" / "config.yaml"
    if not given.exists() or not chosen.exists():
        return []
    return with_seed(list(OmegaConf.load(given)), OmegaConf.select(OmegaConf.load(chosen), "seed"))


def with_seed(overrides: Iterable[str], seed: int | None) -> list[str]:
    """The overrides with a seed among them, which need not have been given."""
    told = [each for each in overrides if not each.startswith("seed=")]
    return told if seed is None else [*told, f"seed={seed}"]


def _names(rows: Sequence[_Row]) -> list[str]:
    """What was varied of what determines a result, or of anything; folders where that does not tell rows apart."""
    for kept in (identity.telling, list):
        each = [kept(row.overrides) for row in rows]
        shared = set.intersection(*map(set, each))
        names = [" ".join(override for override in own if override not in shared) for own in each]
        if "" not in names and len(set(names)) == len(names):
            return names
    return [row.folder.name for row in rows]


def _first_sentence(text: str) -> str:
    return " ".join(text.split()).partition(". ")[0].rstrip(".")


def _shown(path: Path) -> str:
    here = os.path.relpath(path)
    return str(path) if here.startswith("..") else here
