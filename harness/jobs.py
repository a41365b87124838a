"""Jobs: the run that Hydra's present job is, and in a sweep whether it is its turn, and what becomes of it."""

import logging
import re
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ricercar.checks import check_choice
from ricercar.data.files import disk_was_full
from ricercar.errors import InputError
from ricercar.harness import composing, identity
from ricercar.harness.lock import InUseError, discard, is_held
from ricercar.harness.run import FAILED, Failure, Run, run_folder, runs_of
from ricercar.harness.settled import settled
from ricercar.harness.sweep import (
    BEGUN,
    ELSEWHERE,
    FAILING,
    FINISHED,
    Job,
    Row,
    Sweep,
    check_results,
    elsewhere,
    format_rows,
    is_finished,
    job_of,
    results_of,
    with_seed,
)

log = logging.getLogger(__name__)
_LEFT, _AGAIN, _ON, _NEW = "stays as it failed", "would be tried again", "would be gone on with", "would be trained"


class JobError(InputError):
    """A job of a sweep failed, as was told when it happened."""


_latest: list[tuple[DictConfig, Run]] = []  # which is asked for more than once, and takes a tenth of a second
_named: list[tuple[object, DictConfig]] = []  # what the latest folder was named after, from where, and that settled


def run_of(cfg: DictConfig) -> Run:
    """The run that Hydra's present job is."""
    if _latest and _latest[0][0] is cfg:
        return _latest[0][1]
    hydra_cfg = HydraConfig.get()
    cwd = Path(hydra_cfg.runtime.cwd)
    own = _named.pop()[1] if _named and _named[0][0] == (cwd, _plain(cfg)) else settled(cfg, cwd)
    own.resume = _resumes(cfg)
    run = Run(
        cfg=own,
        folder=Path(hydra_cfg.runtime.output_dir),
        choices=identity.choices_of(hydra_cfg.runtime.choices),
        overrides=identity.telling(hydra_cfg.overrides.task),
        sweep=Path(hydra_cfg.sweep.dir).name if in_sweep() else None,
    )
    _latest[:] = [(cfg, run)]
    return run


def _plain(cfg: DictConfig) -> object:
    """As it is before it is settled, without what is Hydra's own."""
    plain = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(plain, dict)
    return {key: value for key, value in plain.items() if key != "hydra"}


def _resumes(cfg: DictConfig) -> bool | str:
    """In a sweep what is there is gone on with, unless told otherwise."""
    return in_sweep() if cfg.resume is None else cfg.resume


def in_sweep() -> bool:
    return bool(HydraConfig.get().mode == RunMode.MULTIRUN)


def _run_folder(base: str, *, _root_: DictConfig) -> str:
    try:
        cfg = settled(_root_, Path.cwd())
        _named[:] = [((Path.cwd(), _plain(_root_)), cfg)]
    except OmegaConfBaseException:  # the job itself will tell
        cfg = _root_
    choices = identity.named(identity.choices_of(HydraConfig.get().runtime.choices), cfg)
    return run_folder(Path(base), choices, cfg.seed, identity.run_id(cfg), bool(_resumes(cfg)))


class Begun(Callback):
    """What Hydra tells when a sweep begins: the process that began it knows of `sweep` and `jobs` from then on.

    report: of a search, which shows its trials; `jobs` are those that are tested then.
    """

    sweep: Sweep | None = None
    jobs: tuple[Job, ...] = ()
    noted: tuple[Job, ...] = ()  # those of `jobs` that the sweep did not have before
    ended: ClassVar[list[Row]] = []  # of commands whose jobs are all done anew
    report: Callable[[], str] | None = None

    @classmethod
    def add_jobs(cls, batch: Sequence[Sequence[str]]) -> None:
        """Jobs of a sweep that have been checked, and are to run."""
        if cls.sweep is not None:
            jobs = [job_of(each) for each in batch]
            cls.jobs += tuple(jobs)
            cls.noted += tuple(cls.sweep.add_jobs(jobs))

    @classmethod
    def take_back(cls) -> None:
        """Jobs that no launcher took."""
        if cls.sweep is not None:
            cls.sweep.remove_jobs(cls.noted)
            cls.jobs, cls.noted = tuple(each for each in cls.jobs if each not in cls.noted), ()

    @classmethod
    def table(cls, begun_s: float) -> str:
        """What is shown at a command's end. begun_s: when it began, in seconds since 1970."""
        sweep, report, jobs, rows = cls.sweep, cls.report, cls.jobs, cls.ended
        cls.sweep, cls.report, cls.ended = None, None, []
        told = [] if report is None else [report()]
        if sweep is not None:
            rows = elsewhere(sweep.rows(jobs, begun_s))
        return "\n\n".join([*told, *([format_rows(rows)] if rows else [])])

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        composing.forget()
        try:
            folder = Path(config.hydra.sweep.dir)
        except OmegaConfBaseException:  # Hydra will tell
            return
        Begun.jobs = Begun.noted = ()
        if not config.sweep.dry_run:
            Begun.sweep = Sweep(folder)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        if isinstance(job_return._return_value, JobError):
            job_return.__class__ = Told


class Told(JobReturn):
    """Of a job that failed, as was told when it happened: Hydra would print a line of its own when asked for it."""

    @property  # type: ignore[misc]  # Hydra sets it before
    def return_value(self) -> Any:
        raise self._return_value


def in_turn(
    job: Callable[[DictConfig], float], cfg: DictConfig, user_error: Callable[[Exception], Exception | None]
) -> float:
    """Runs a job of a sweep, whose folder is told of its runs, their results, and why it failed.

    What is finished is not done again, what failed is on request, and what another process has is left to it.

    user_error: of an exception what the user can mend of it, or None.
    """
    check_choice(("none", "failed"), **{"sweep.retry": cfg.sweep.retry})
    overrides, begun_s = job_of(HydraConfig.get().overrides.task), time.monotonic()
    sweep = Sweep(Path(HydraConfig.get().sweep.dir))
    runs = {run.folder: run.cfg.seed for run in runs_of(run_of(cfg))}
    states = {folder: _state(folder, cfg) for folder in runs}
    if cfg.sweep.dry_run:
        for folder, state in states.items():
            told = with_seed(identity.telling(overrides), runs[folder])
            log.info("%s: %s (%s)", state, " ".join(told), folder.name)
            discard(folder)
        return float("nan")
    sweep.add_runs(overrides, runs)
    if failed := [folder for folder, state in states.items() if state == _LEFT]:
        before = Failure.read(failed[0])
        reason = before.reason if before else ""
        log.error("failed before: %s Try it again by sweep.retry=failed.", reason)
        raise JobError(reason)
    try:
        for folder in runs:
            if states[folder] != FINISHED:
                check_results(folder, again=cfg.sweep.retry == "failed")
        score = job(cfg)
    except InUseError as error:
        log.info("left to another process: %s", error)
        return float("nan")
    except Exception as error:
        mended = user_error(error)
        reason = str(mended or f"{type(error).__name__}: {error}")
        trace = None if mended else traceback.format_exc()
        discard(Path(HydraConfig.get().runtime.output_dir))
        for folder in [each for each in runs if not is_finished(each)]:
            own = with_seed(list(HydraConfig.get().overrides.task), runs[folder])
            Failure(reason, own, time.monotonic() - begun_s, trace, disk_was_full(error)).write(folder)
        raise
    for folder in runs:
        if states[folder] != FINISHED:
            try:
                if results := results_of(folder):
                    sweep.add_result(folder, results, time.monotonic() - begun_s)
            except InputError as error:  # which the results themselves say, too
                log.warning("%s", error)
    return score


def in_order(
    job: Callable[[DictConfig], float], cfg: DictConfig, user_error: Callable[[Exception], Exception | None]
) -> float:
    """Runs a job of a command that does all of them, one after the other; `Begun.ended` has what became of each."""
    folder, begun_s = Path(HydraConfig.get().runtime.output_dir), time.monotonic()
    overrides = job_of(HydraConfig.get().overrides.task)
    row = Row(overrides, folder, overrides, BEGUN, {})
    try:
        score = job(cfg)
        scores = {result.primary: result.metrics[result.primary] for result in results_of(folder)}
        row = replace(row, state=FINISHED, scores=scores)
    except Exception as error:
        row = replace(row, state=FAILING, reason=str(user_error(error) or f"{type(error).__name__}: {error}"))
        raise
    finally:
        Begun.ended.append(replace(row, seconds=time.monotonic() - begun_s))
    return score


def _state(folder: Path, cfg: DictConfig) -> str:
    """What becomes of a run when its turn comes."""
    if is_held(folder):
        return ELSEWHERE
    if not _resumes(cfg):
        return _NEW
    if is_finished(folder):
        return FINISHED
    if (folder / FAILED).exists():
        failure = None if cfg.sweep.retry == "failed" else Failure.read(folder)
        return _AGAIN if failure is None or failure.passing else _LEFT
    return _ON if (folder / "run.json").exists() else _NEW


def _sweep_folder(name: object) -> str:
    """What a sweep's name adds to the folder of all sweeps."""
    if name is not None and not re.fullmatch(r"\w[\w.+-]*", str(name)):
        raise InputError(
            f"sweep.name={name}: letters, digits and . _ + - name a folder; hydra.sweep.dir is for a path."
        )
    return "" if name is None else f"/{name}"


# Here, so that they are known in every process that takes a job.
OmegaConf.register_new_resolver("run_folder", _run_folder, replace=True)
OmegaConf.register_new_resolver("sweep_folder", _sweep_folder, replace=True)
