"""Studies: what Optuna knows of a search, in a file or database that commands on several machines may share."""

import math
import os
import uuid
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ricercar.data.files import locked, make_folder, write_text
from ricercar.errors import InputError
from ricercar.harness.identity import differing, stable_hash
from ricercar.harness.lock import RunLock, discard, is_held
from ricercar.harness.run import VALIDATED
from ricercar.harness.search.report import FAILED, MANY, RUNNING, Report, Tried
from ricercar.harness.search.space import Space

if TYPE_CHECKING:  # an extra, which takes seconds to import
    import optuna

SAMPLERS = ("tpe", "random", "grid", "cmaes")
PRUNERS = ("none", "median", "hyperband")
JOURNAL = "search.journal"
_WORKERS = ".workers"  # in the sweep's folder: a folder for each command, which it holds as long as it lives


@dataclass(frozen=True)
class Place:
    """Where a study is, and how its trials are judged: all that a process needs to report to it.

    storage   a file, or a database's URL
    most      validations of a whole training
    """

    storage: str
    name: str
    pruner: str
    num_unpruned: int
    most: int

    def open(self, sampler: "optuna.samplers.BaseSampler | None" = None) -> "optuna.Study":
        """The study, which is made if there is none yet. InputError names the storage that cannot be opened.

        sampler: for those who ask; who only tells needs none.
        """
        check_optuna()
        import optuna

        sampler = sampler or optuna.samplers.RandomSampler()
        with using(self.storage, ValueError, ImportError, RuntimeError, LookupError):
            storage = _storage(self.storage if "://" in self.storage else str(Path(self.storage).absolute()))
            if self.name not in optuna.get_all_study_names(storage):
                with suppress(optuna.exceptions.DuplicatedStudyError):  # another command was faster
                    optuna.create_study(storage=storage, study_name=self.name, direction="maximize")
            return optuna.load_study(storage=storage, study_name=self.name, sampler=sampler, pruner=self._pruner())

    def _pruner(self) -> "optuna.pruners.BasePruner":
        from optuna import pruners

        if self.pruner == "median":
            return pruners.MedianPruner(n_startup_trials=self.num_unpruned)
        if self.pruner == "hyperband":
            return pruners.HyperbandPruner(min_resource=1, max_resource=self.most)
        return pruners.NopPruner()


@dataclass(frozen=True)
class Sampling:
    """How values are drawn. What is drawn for trial n follows from (seed, n) and the trials that were told before.

    num_random   trials before tpe and cmaes learn from them
    """

    sampler: str
    num_random: int
    seed: int

    def of(self, space: Space, number: int) -> "optuna.samplers.BaseSampler":
        """The sampler of trial `number`."""
        from optuna import samplers

        seed = int(stable_hash([self.seed, number])[:8], 16)
        if self.sampler == "grid":
            return samplers.GridSampler(space.grid, seed=self.seed)
        if self.sampler == "random":
            return samplers.RandomSampler(seed=seed)
        tpe = samplers.TPESampler(n_startup_trials=self.num_random, seed=seed)
        if self.sampler == "tpe":
            return tpe
        return samplers.CmaEsSampler(
            n_startup_trials=self.num_random, independent_sampler=tpe, warn_independent_sampling=False, seed=seed
        )


@dataclass(frozen=True)
class Asked:
    """A trial to be trained."""

    number: int
    overrides: tuple[str, ...]


class Asking:
    """Hands out trials, to one command at a time.

    A trial runs as long as its command gives a sign of life. Any other was left by a command that died: it is asked
    again, with the values that it had. One whose job outlived its command comes last: it may end by itself.
    """

    def __init__(self, place: Place, sampling: Sampling, space: Space, folder: Path) -> None:
        """folder: of the sweep. Held while there is work: `alive`, as a run's folder is."""
        self.place, self.sampling, self.space, self.folder = place, sampling, space, folder
        self.worker = uuid.uuid4().hex[:12]
        self.alive = RunLock(folder / _WORKERS / self.worker)

    def begin(self, base: Mapping[str, Any]) -> None:
        """Takes the study up, or begins it. InputError where it searches another space, or about something else.

        base: what determines the results of the command, whatever the space.
        """
        with alone(self.folder), using(self.place.storage):
            study = self.place.open()
            known = study.user_attrs
            own = self._folder_id()
            if "space" not in known:
                study.set_user_attr("folder", [own, str(self.folder.absolute())])
                study.set_user_attr("base", dict(base))
                study.set_user_attr("space", self.space.told)
                return
        remedy = "Give the same options, another hydra.sweeper.study_name, or another sweep.name."
        at = f"study {self.place.name} in {shown(self.place.storage)}"
        id, path = known["folder"]
        if id != own:  # in which nobody could see who trains what
            raise InputError(f"{at} has its trials in {path}: give hydra.sweep.dir={path}, or another study_name.")
        theirs, ours = known["space"], self.space.told
        if theirs != ours:
            raise InputError(
                f"{at} was begun with the space {_besides(theirs, ours)}; this command has {_besides(ours, theirs)}. "
                f"{remedy}"
            )
        if names := differing(known["base"], base):
            raise InputError(f"{at} was begun with other options, which differ in {', '.join(names[:10])}. {remedy}")

    def _folder_id(self) -> str:
        """The same for all who see the folder, under whatever path."""
        path = self.folder / _WORKERS / "id"
        if not path.exists():
            write_text(path, uuid.uuid4().hex)
        return path.read_text(encoding="utf-8")

    def take(self, most: int, total: int, again: Collection[int]) -> list[Asked]:
        """-> at most `most` trials that nobody trains: those that were left, of `again`, and new ones up to `total`.

        again: numbers of failed ones, in whose place there will be new ones with the same values.
        """
        import optuna

        running = optuna.trial.TrialState.RUNNING
        with alone(self.folder), using(self.place.storage):
            study = self.place.open()
            trials = study.get_trials(deepcopy=False)
            replaced = {trial.user_attrs.get("again") for trial in trials}
            for trial in [each for each in trials if each.number in again and each.number not in replaced][:most]:
                new = optuna.trial.create_trial(
                    state=running,
                    params=trial.params,
                    distributions=trial.distributions,
                    user_attrs={"again": trial.number},
                )
                study.add_trial(new)
            trials = study.get_trials(deepcopy=False)
            left = [trial for trial in trials if trial.state == running and not self._has(_worker_of(trial))]
            held = [
                trial for trial in left if "run" in trial.user_attrs and is_held(self.folder / trial.user_attrs["run"])
            ]
            taken = [self._again(trial) for trial in [each for each in left if each not in held][:most]]
            for number in range(len(trials), len(trials) + total - len(counted(trials))):
                if len(taken) < most:
                    taken.append(self._own(self.place.open(self.sampling.of(self.space, number)).ask()))
            return taken or [self._again(trial) for trial in held[:most]]

    def _has(self, worker: str | None) -> bool:
        """Whether a command lives."""
        return worker is not None and is_held(self.folder / _WORKERS / worker)

    def _again(self, trial: "optuna.trial.FrozenTrial") -> Asked:
        """A trial of a command that died."""
        import optuna

        if name := _worker_of(trial):
            discard(self.folder / _WORKERS / name)
        study = self.place.open(self.sampling.of(self.space, trial.number))
        return self._own(optuna.Trial(study, trial._trial_id))

    def _own(self, trial: "optuna.Trial") -> Asked:
        """A trial, with its values, which are drawn where it has none yet."""
        trial.set_user_attr("worker", self.worker)
        return Asked(trial.number, tuple(self.space.overrides(self.space.draw(trial))))


def alone(folder: Path) -> AbstractContextManager[None]:
    """Holds what the commands of a search share in a sweep's folder: one of them reads and writes, the others wait."""
    return locked(folder / ".search.lock")


def _worker_of(trial: "optuna.trial.FrozenTrial") -> str | None:
    return trial.user_attrs.get("worker")


def counted(trials: "Collection[optuna.trial.FrozenTrial]") -> "list[optuna.trial.FrozenTrial]":
    """Without those that failed and were asked again."""
    replaced = {trial.user_attrs.get("again") for trial in trials}
    return [trial for trial in trials if trial.number not in replaced]


def tell(study: "optuna.Study", number: int, state: str, value: float | None = None, **attributes: Any) -> None:
    """What became of a trial, unless another process has told already. state: COMPLETE, PRUNED or FAIL."""
    from optuna.trial import TrialState

    trial = study.get_trials(deepcopy=False)[number]
    if trial.state != TrialState.RUNNING:
        return
    for name, each in attributes.items():
        study._storage.set_trial_user_attr(trial._trial_id, name, each)
    study.tell(number, value, TrialState[state], skip_if_finished=True)


def report_of(study: "optuna.Study", space: Space, **told: Any) -> Report:
    """The report of a study as it stands. told: fields of Report that the study does not know."""
    trials = counted(study.get_trials(deepcopy=False))
    tried = []
    for trial in trials:
        known = trial.user_attrs
        score = known.get("score")
        found = Tried(
            number=trial.number,
            state=known.get("ended", FAILED) if trial.state.is_finished() else RUNNING,
            score=math.nan if score is None else score,
            seconds=known.get("seconds"),
            values=space.values(trial.params),
            run=known.get("run"),
            reason=known.get("reason"),
        )
        tried.append(found)
    validated = [trial for trial in tried if trial.state == VALIDATED and not math.isnan(trial.score)]
    best = max(validated, key=lambda each: (each.score, -each.number), default=None)
    return Report(
        study=study.study_name,
        space=space.told,
        metric=next((trial.user_attrs["metric"] for trial in trials if "metric" in trial.user_attrs), "score"),
        trials=tried,
        best=None if best is None else best.number,
        importances=_importances(study) if len(validated) >= MANY else {},
        **told,
    )


def _importances(study: "optuna.Study") -> dict[str, float]:
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    return dict(get_param_importances(study, evaluator=PedAnovaImportanceEvaluator()))


def check_optuna() -> None:
    """InputError where Optuna is missing, with the extra that brings it. It is told to say nothing of its own."""
    try:
        import optuna
    except ImportError as error:
        raise InputError("hydra/sweeper=optuna needs Optuna: pip install 'ricercar[search]'.") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", module="optuna")


def shown(storage: str) -> str:
    """Without a password."""
    before, sign, after = storage.partition("://")
    return f"{before}://***@{after.rpartition('@')[2]}" if sign and "@" in after else storage


@contextmanager
def using(storage: str, *kinds: type[Exception]) -> Iterator[None]:
    """Around what reads or writes a storage: InputError names it where that fails. kinds: errors that say so, too."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        library = type(error).__module__.partition(".")[0] in ("sqlalchemy", "alembic", "optuna")
        if not library and not isinstance(error, (OSError, *kinds)):
            raise
        told = str(error).partition("\n")[0].replace(storage, shown(storage))
        raise InputError(
            f"hydra.sweeper.storage={shown(storage)} cannot be used ({type(error).__name__}: {told}). Give a file that "
            "can be written, or the URL of a database whose driver is installed, such as sqlite:///search.db."
        ) from error


@cache
def _storage(storage: str) -> "optuna.storages.BaseStorage":
    """Opened once: a database takes seconds."""
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    if "://" in storage:
        return RDBStorage(storage)
    path = Path(storage)
    make_folder(path.parent)
    return JournalStorage(JournalFileBackend(str(path), lock_obj=cast(Any, _JournalLock(path))))


class _JournalLock:
    """Holds a journal while it is written, as Optuna asks for it. Optuna's own outlives a process that is killed."""

    def __init__(self, path: Path) -> None:
        self.path, self._held = path, ExitStack()

    def acquire(self) -> bool:
        self._held.enter_context(locked(self.path.with_name(f".{self.path.name}.lock")))
        _cut(self.path)
        return True

    def release(self) -> None:
        self._held.close()


def _cut(path: Path) -> None:
    """Takes away a last line that a full disk cut short, after which nothing could be read any more."""
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        if end == 0:
            return
        file.seek(end - 1)
        if file.read(1) != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)


def _besides(space: Mapping[str, str], other: Mapping[str, str]) -> str:
    """What of a space is not so in another one."""
    return ", ".join(f"{key}={text}" for key, text in space.items() if other.get(key) != text) or "nothing besides"
