"""A trial, seen from the job that trains it: it reports validations, is told when to stop, and says how it ended."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ricercar.errors import InputError
from ricercar.harness.lock import InUseError
from ricercar.harness.loop import Trained
from ricercar.harness.provenance import Tuning
from ricercar.harness.run import DIVERGED, PRUNED, VALIDATED, Outcome, Record
from ricercar.harness.search import report
from ricercar.harness.search.study import JOURNAL, Place, tell, using

log = logging.getLogger(__name__)
CHOSEN = "chosen"
_POLL_S = 1.0


@dataclass(frozen=True)
class Trial:
    """Trial `number` of a study. It goes to other processes: what is open stays with those that opened it."""

    place: Place
    number: int

    def known(self, folder: Path) -> Outcome | None:
        """What is known of its run already, where that was trained by another trial, or this one before."""
        outcome = Outcome.read(folder)
        if outcome is None or (outcome.state == PRUNED and outcome.study != self.place.name):
            return None
        return outcome

    def begin(self, folder: Path, record: Record, anyway: bool) -> None:
        """Notes what it is trained on. InputError where the study began with other data or code.

        anyway: whether that is wanted.
        """
        study = self.place.open()
        with using(self.place.storage):
            trial = study.get_trials(deepcopy=False)[self.number]
            study._storage.set_trial_user_attr(trial._trial_id, "run", folder.name)
            first = study.user_attrs.get("record")
            if first is None or anyway:
                first = {"run_id": "", "data": record.data, "code": record.code}
                study.set_user_attr("record", first)
            changed = "; ".join(Record(**first).differences(record))
            told = (
                f"study {self.place.name} was begun with what is no longer the same: {changed}. Its scores cannot be "
                "compared with new ones. Put it back, give another sweep.name, or resume=anyway, which goes on all the "
                "same."
            )
            study._storage.set_trial_user_attr(trial._trial_id, "changed", told if changed else None)
        if changed:
            raise InputError(told)

    def stops(self, number: int, score: float) -> bool:
        """Reports validation `number`, counted from 1 -> whether the training ends here. The last one ends none."""
        from optuna import Trial as OptunasTrial

        study = self.place.open()
        with using(self.place.storage):
            id = study.get_trials(deepcopy=False)[self.number]._trial_id
            trial = OptunasTrial(study, id)
            trial.report(score, number)
            return number < self.place.most and bool(trial.should_prune())

    def outcome(self, trained: Trained, metric: str) -> Outcome:
        """What a training came to. metric: name of its score."""
        if trained.diverged is not None:
            return Outcome(DIVERGED, self.place.name, metric, math.nan, trained.train_s)
        if trained.stopped_at is not None:
            return Outcome(PRUNED, self.place.name, metric, trained.stopped_at, trained.train_s)
        return Outcome(VALIDATED, self.place.name, metric, trained.best_score, trained.train_s)

    def train(self, folder: Path, training: Callable[[], object]) -> float:
        """Trains, once no other process has the run, and tells the study -> the score, NaN where it has none.

        Another trial with the same values may be at it. folder: of the run, where the training leaves its outcome.
        """
        waits = False
        while (outcome := self._trained(training, folder)) is None:
            if not waits:
                log.info("waits for another process that trains the same")
            waits = True
            time.sleep(_POLL_S)
        scored = outcome.state == VALIDATED and not math.isnan(outcome.score)
        with using(self.place.storage):
            tell(
                self.place.open(),
                self.number,
                "COMPLETE" if scored else "PRUNED",  # which samplers take for worse than any that is complete
                outcome.score if scored else None,
                run=folder.name,
                ended=outcome.state,
                score=None if math.isnan(outcome.score) else outcome.score,
                metric=outcome.metric,
                seconds=outcome.train_s,
            )
        log.info("trial %d is %s", self.number, outcome.state)
        return outcome.score if scored else math.nan

    def _trained(self, training: Callable[[], object], folder: Path) -> Outcome | None:
        """None where another process has the run."""
        try:
            training()
        except InUseError:
            return None
        outcome = Outcome.read(folder)
        assert outcome is not None
        return outcome


def trial_of(cfg: DictConfig, options: Any, folder: str) -> Trial | None:
    """The trial that a job of Hydra's is; None where it is none. options: of its sweeper. folder: of the sweep."""
    job = options.get("job")
    if job is None or job == CHOSEN:
        return None
    return Trial(place_of(options, folder, options.study_name, cfg.trainer.num_validations), int(job))


def tuning_of(options: Any, folder: str) -> Tuning | None:
    """The search that chose what a job of Hydra's trains; None where none did."""
    if options.get("job") != CHOSEN:
        return None
    return report.tuning_of(report.report_file(Path(folder), options.study_name))


def place_of(options: Any, folder: str, name: str, num_validations: int) -> Place:
    """Where a study of that name is."""
    storage = options.storage or str(Path(folder) / JOURNAL)
    return Place(storage, name, options.pruner, options.num_unpruned, num_validations)
