"""Sweeps: a folder with the jobs that were asked for and the runs that they are, and how these go."""

import json
import logging
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ricercar.data.files import locked, replaced, what_to_do
from ricercar.errors import InputError
from ricercar.harness import identity
from ricercar.harness.lock import is_held
from ricercar.harness.results import Result
from ricercar.harness.run import DIVERGED, FAILED, PRUNED, VALIDATED, Failure, Outcome, Pace
from ricercar.harness.text import duration, number, table

log = logging.getLogger(__name__)
FINISHED, BEFORE, FAILING, BEGUN = "finished", "was finished already", "failed", "not finished"
RUNNING, ELSEWHERE, WAITING = "running", "elsewhere", "not begun"
_STATES = (FINISHED, BEFORE, RUNNING, ELSEWHERE, VALIDATED, PRUNED, DIVERGED, BEGUN, FAILING, WAITING)
_NUM_METRICS = 3  # columns; of more, each score is told with its metric
_GRID, _RUNS, _LOCK = "sweep.json", "runs.jsonl", ".sweep.lock"

Job = list[str]  # its overrides


@dataclass(frozen=True)
class Row:
    """One run of a sweep, or a job whose run has not begun.

    folder      of the run, None where it has not begun
    overrides   the seed is among them, where it is known
    scores      {primary metric: score}, of a run that is not finished the best on the validation split
    progress    share of the budget, where it is known; left_s: seconds, likewise
    reason      why it failed
    passing     whether the same command tries it again
    """

    job: Job
    folder: Path | None
    overrides: list[str]
    state: str
    scores: dict[str, float]
    seconds: float | None = None
    progress: float | None = None
    left_s: float | None = None
    reason: str | None = None
    passing: bool = False


class Sweep:
    """The folder of a sweep. Several commands may add to one, also at the same time.

    sweep.json   the jobs that were ever asked for
    runs.jsonl   a line for each job that began, with its runs, and for each run that finished, with its scores
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add_jobs(self, jobs: Iterable[Job]) -> list[Job]:
        """What was asked for before stays. -> those that are new"""
        with self._written():
            known = self._jobs()
            every = {_key(job): job for job in (*known, *jobs)}
            if len(every) > len(known):
                self._write_jobs(list(every.values()))
            return list(every.values())[len(known) :]

    def remove_jobs(self, jobs: Iterable[Job]) -> None:
        """But those that have begun."""
        with self._written():
            left = set(map(_key, jobs)) - {_key(line["job"]) for line in self._lines() if "job" in line}
            self._write_jobs([job for job in self._jobs() if _key(job) not in left])

    def _write_jobs(self, jobs: Sequence[Job]) -> None:
        with replaced(self.folder / _GRID) as file:
            file.write(json.dumps({"jobs": jobs}, indent=0).encode())

    def add_runs(self, job: Job, runs: Mapping[Path, int | None]) -> None:
        """runs: {folder: seed}"""
        line = {"job": job, "runs": {os.path.relpath(path, self.folder): seed for path, seed in runs.items()}}
        with self._written():
            self._append(line)

    def add_result(self, folder: Path, results: Sequence[Result], seconds: float) -> None:
        """Spares reading the result again, to see how the sweep goes. Two that wait for one run may both tell of it."""
        scores = {result.primary: result.metrics[result.primary] for result in results}
        told = {"run": os.path.relpath(folder, self.folder), "size": _written(folder)[1]}
        with self._written():
            if not any(told.items() <= line.items() for line in self._lines() if "run" in line):
                self._append({**told, "scores": scores, "seconds": seconds})

    def rows(self, jobs: Iterable[Job] | None = None, since_s: float = 0.0) -> list[Row]:
        """jobs: those of one command; None: all. since_s: results from before, in seconds since 1970, are told so."""
        runs: dict[tuple[str, ...], dict[str, int | None]] = {}
        ended: dict[str, dict[str, Any]] = {}
        for line in self._lines():
            if "job" in line:
                runs.setdefault(_key(line["job"]), {}).update(line["runs"])
            else:
                ended[line["run"]] = line
        found = []
        for key, job in {_key(job): job for job in (self._jobs() if jobs is None else jobs)}.items():
            own = runs.pop(key, {})
            if not own:
                found.append(Row(job, None, job, WAITING, {}))
            for name, seed in own.items():
                found.append(_row(job, self.folder / name, with_seed(job, seed), ended.get(name), since_s))
        return found

    def _jobs(self) -> list[Job]:
        try:
            return [list(job) for job in json.loads((self.folder / _GRID).read_bytes())["jobs"]]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{self.folder / _GRID} is damaged ({error}): remove it, the same command writes it anew."
            ) from error

    def _append(self, line: dict[str, Any]) -> None:
        with (self.folder / _RUNS).open("ab+") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            cut_short = b"" if file.read() in (b"", b"\n") else b"\n"
            file.write(cut_short + json.dumps(line).encode() + b"\n")

    @contextmanager
    def _written(self) -> Iterator[None]:
        """Alone, where the file system has locks. InputError names the folder."""
        try:
            with locked(self.folder / _LOCK, must=False):
                yield
        except OSError as error:
            told = f"cannot write into the sweep's folder {self.folder}: {error.strerror}. {what_to_do(error)}."
            raise InputError(told) from error

    def _lines(self) -> list[dict[str, Any]]:
        """A line that was cut short, by a full disk or a crash, is left out: the run's folder tells as much."""
        try:
            text = (self.folder / _RUNS).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return []
        found = []
        for line in text.splitlines():
            try:
                content = json.loads(line)
            except ValueError:
                continue
            if isinstance(content, dict) and ("job" in content or "run" in content):
                found.append(content)
        return found


def _key(job: Iterable[str]) -> tuple[str, ...]:
    """Two jobs are one if they differ in nothing that determines a result."""
    return tuple(identity.telling(job))


def job_of(overrides: Iterable[str]) -> Job:
    """Without what is Hydra's own."""
    return [each for each in overrides if not each.lstrip("+~").startswith("hydra")]


def results_of(folder: Path) -> list[Result]:
    """One for each task of a finished run; none where one is missing. InputError where one cannot be read."""
    own = folder / "result.json"
    results = [Result.read(path) for path in ([own] if own.exists() else sorted(folder.glob("*/result.json")))]
    return results if results and len(results) == results[0].choices.get("tasks", "").count("+") + 1 else []


def is_finished(folder: Path) -> bool:
    """Not where a result cannot be read."""
    try:
        return bool(results_of(folder))
    except InputError:
        return False


def check_results(folder: Path, again: bool) -> None:
    """InputError where a run's result cannot be read; again: that is put aside, so that the run can make it again."""
    for path in (*folder.glob("result.json"), *folder.glob("*/result.json")):
        aside = path.with_suffix(".unreadable.json")
        try:
            Result.read(path)
        except InputError as error:
            if not again:
                raise InputError(
                    f"{error} The same command with sweep.retry=failed puts it aside ({aside.name}) and makes it again."
                ) from error
            log.warning("%s It is put aside as %s, and made again.", error, aside.name)
            path.replace(aside)


def format_rows(rows: Sequence[Row]) -> str:
    """A table with a line for each run, why some failed, and how many there are of each state."""
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
        [name, _told_state(row), *own, "-" if row.seconds is None else duration(row.seconds)]
        for name, row, own in zip(names, rows, scores, strict=True)
    ]
    align = ("left", "left", *("right",) * (len(headers) + 1))
    text = table(cells, ["job", "state", *headers, "time"], align)
    failed = [
        f"failed: {name}: {_first_sentence(row.reason)}" + _where(row.folder / FAILED)
        for name, row in zip(names, rows, strict=True)
        if row.reason is not None and row.folder is not None
    ]
    counts = Counter(row.state for row in rows)
    told = ", ".join(f"{counts[state]} {state}" for state in _STATES if counts[state])
    places = " and ".join(dict.fromkeys(_shown(row.folder.parent) for row in rows if row.folder is not None))
    return "\n".join([text, "", *failed, *([""] if failed else []), f"{told}, in {places}" if places else told])


def elsewhere(rows: Iterable[Row]) -> list[Row]:
    """As they are for a sweep that has ended: what still runs does so in another process."""
    return [replace(row, state=ELSEWHERE) if row.state == RUNNING else row for row in rows]


def _row(job: Job, folder: Path, overrides: list[str], ended: Mapping[str, Any] | None, since_s: float) -> Row:
    row = Row(job, folder, overrides, BEGUN, {})
    try:
        failure = Failure.read(folder)
        if failure is not None:
            row = replace(row, seconds=failure.seconds, passing=failure.passing)
            return replace(row, state=FAILING, reason=failure.reason)
        written_s, size = _written(folder)
        if size and (ended is None or ended.get("size", size) != size):  # not as it was when that was noted
            ended = _read_result(folder, written_s)
    except InputError as error:
        return replace(row, state=FAILING, reason=str(error))
    if size and ended is not None:
        scores = {name: float("nan") if value is None else value for name, value in ended["scores"].items()}
        state = FINISHED if written_s >= since_s else BEFORE
        return replace(row, state=state, scores=scores, seconds=ended["seconds"])
    state = RUNNING if is_held(folder) else BEGUN
    outcome = Outcome.read(folder)
    if outcome is not None and state != RUNNING:
        scores = {} if math.isnan(outcome.score) else {outcome.metric: outcome.score}
        return replace(row, state=outcome.state, scores=scores, seconds=outcome.train_s)
    pace = Pace.read(folder)
    if pace is None:
        return replace(row, state=state)
    best = {} if pace.best is None else {pace.score: pace.best}
    left_s = pace.left_s if state == RUNNING else None
    return replace(row, state=state, scores=best, seconds=pace.elapsed_s, progress=pace.progress, left_s=left_s)


def _written(folder: Path) -> tuple[float, int]:
    """-> when a run's newest result was written, in seconds since 1970, and the bytes of all of them; 0 without any."""
    found = [path.stat() for path in (*folder.glob("result.json"), *folder.glob("*/result.json"))]
    return max((each.st_mtime for each in found), default=0.0), sum(each.st_size for each in found)


def _read_result(folder: Path, written_s: float) -> dict[str, Any] | None:
    """What a line of runs.jsonl would say. None where a task has no result yet."""
    results, begun = results_of(folder), folder / "run.json"
    if not results:
        return None
    scores = {result.primary: result.metrics[result.primary] for result in results}
    return {"scores": scores, "seconds": written_s - begun.stat().st_mtime if begun.exists() else None}


def with_seed(overrides: Iterable[str], seed: int | None) -> list[str]:
    """The overrides with a seed among them, which need not have been given."""
    told = [each for each in overrides if not each.startswith("seed=")]
    return told if seed is None else [*told, f"seed={seed}"]


def _names(rows: Sequence[Row]) -> list[str]:
    """What was varied of what determines a result, or of anything; folders where that does not tell rows apart."""
    for kept in (identity.telling, list):
        each = [kept(row.overrides) for row in rows]
        shared = set.intersection(*map(set, each))
        names = [" ".join(override for override in own if override not in shared) for own in each]
        if "" not in names and len(set(names)) == len(names):
            return names
    return [" ".join(row.job) if row.folder is None else row.folder.name for row in rows]


def _told_state(row: Row) -> str:
    done = "" if row.progress is None or row.state not in (RUNNING, BEGUN) else f" {row.progress:.0%}"
    left = "" if row.left_s is None else f", {duration(row.left_s)} left"
    return f"{row.state}{done}{left}"


def _first_sentence(text: str) -> str:
    return " ".join(text.split()).partition(". ")[0].rstrip(".")


def _where(note: Path) -> str:
    return f" ({_shown(note)})" if note.exists() else ""


def _shown(path: Path) -> str:
    here = os.path.relpath(path)
    return str(path) if here.startswith("..") else here
