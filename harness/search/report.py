"""What a search came to: its trials from the best to the worst, the best values, and which options mattered."""

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ricercar.data.files import write_text
from ricercar.errors import InputError
from ricercar.harness.lock import is_held
from ricercar.harness.provenance import Trial, Tuning
from ricercar.harness.run import VALIDATED
from ricercar.harness.text import broken, duration, number, table
from ricercar.harness.typed_json import parse, to_json, typed

RUNNING, LEFT, FAILED = "running", "not finished", "failed"
MANY = 10  # validated trials that importances need: of fewer, the best tenth is none
_SUFFIX = ".search.json"


@dataclass(frozen=True)
class Tried:
    """One trial.

    state    running, validated, pruned, diverged, failed
    score    on the validation split: the best, of a pruned one the last; NaN where there is none
    values   {option: what was tried}
    run      name of its folder, None before it has one
    reason   why it failed
    """

    number: int
    state: str
    score: float
    seconds: float | None
    values: dict[str, Any]
    run: str | None
    reason: str | None


@dataclass(frozen=True)
class Report:
    """<study>.search.json.

    space         {option: what may be tried}
    fixed         overrides that all trials share
    metric        name of the score
    num_trials    that there are to be
    trials        by their numbers
    best          number of the best
    importances   {option: share of what makes the best tenth of the trials differ from all} (PED-ANOVA, Watanabe et al.
                  2023); {} of fewer than ten validated trials
    """

    study: str
    sampler: str
    pruner: str
    space: dict[str, str]
    fixed: list[str]
    metric: str
    num_trials: int
    trials: list[Tried]
    best: int | None
    importances: dict[str, float]

    @property
    def done(self) -> list[Tried]:
        """The trials that have ended."""
        return [trial for trial in self.trials if trial.state != RUNNING]

    @property
    def ranked(self) -> list[Tried]:
        """The best first; then the pruned ones, which were not trained to their end; then those without a score."""
        order = [VALIDATED, "pruned"]
        return sorted(
            self.trials,
            key=lambda each: (
                order.index(each.state) if each.state in order else len(order),
                -each.score if not math.isnan(each.score) else math.inf,
                each.number,
            ),
        )

    def write(self, folder: Path) -> None:
        """folder: of the sweep."""
        write_text(report_file(folder, self.study), to_json(self))


def report_file(folder: Path, study: str) -> Path:
    return folder / f"{study}{_SUFFIX}"


def reports_in(folder: Path) -> list[Path]:
    """The reports of a folder of a sweep, or of the folders in it."""
    return [*sorted(folder.glob(f"*{_SUFFIX}")), *sorted(folder.glob(f"*/*{_SUFFIX}"))]


def read_report(path: Path) -> Report:
    """InputError names the file and what is wrong with it."""
    try:
        return typed(Report, parse(path.read_text(encoding="utf-8")))
    except (InputError, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error} The search writes it anew when it goes on.") from error


def tuning_of(path: Path) -> Tuning:
    """The search as a result has it. InputError where none of its trials has a score."""
    report = read_report(path)
    trials = [Trial(each.values, each.score, each.seconds or 0.0) for each in report.done]
    chosen = [number for number, each in enumerate(report.done) if each.number == report.best]
    if not chosen:
        raise InputError(f"{path} has no trial with a score.")
    return Tuning(chosen[0], trials)


def format_report(path: Path) -> str:
    """A table with a line for each trial, the best first; why some failed; the best values, and importances."""
    report, folder = read_report(path), path.parent
    options = list(report.space)
    states = {trial.number: _state(trial, folder) for trial in report.trials}
    cells = [
        [
            str(trial.number),
            states[trial.number],
            number(trial.score),
            "-" if trial.seconds is None else duration(trial.seconds),
            *(_told(trial.values.get(option, "-")) for option in options),
        ]
        for trial in report.ranked
    ]
    align = ("right", "left", "right", "right", *("right",) * len(options))
    names = [f"valid {broken(report.metric)}", "time", *(option.replace(".", ".\n") for option in options)]
    text = table(cells, ["trial", "state", *names], align) if cells else ""
    failed = [f"trial {trial.number} failed: {trial.reason}" for trial in report.trials if trial.reason]
    parts = [text, "\n".join(failed), _best(report), _importance_table(report)]
    counts = Counter(states.values())
    told = ", ".join(f"{count} {state}" for state, count in counts.items())
    parts.append(f"{len(report.done)} of {report.num_trials} trials of study {report.study}: {told}")
    return "\n\n".join(part for part in parts if part)


def _state(trial: Tried, folder: Path) -> str:
    if trial.state != RUNNING:
        return trial.state
    return RUNNING if trial.run is not None and is_held(folder / trial.run) else LEFT


def _best(report: Report) -> str:
    return "".join(
        f"best: {' '.join(f'{name}={_told(value)}' for name, value in trial.values.items())} (trial {trial.number})"
        for trial in report.trials
        if trial.number == report.best
    )


def _importance_table(report: Report) -> str:
    if not report.importances:
        return ""
    rows = [[name, f"{share:.2f}"] for name, share in sorted(report.importances.items(), key=lambda each: -each[1])]
    return table(rows, ["option", "importance"], ("left", "right"))


def _told(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
