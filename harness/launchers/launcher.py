"""What launchers share: jobs as they are sent to other processes, and what is told of them as they end."""

import contextlib
import inspect
import io
import logging
import os
import sys
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, configure_log, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from ricercar.errors import InputError
from ricercar.harness import identity
from ricercar.harness.jobs import Begun, JobError, Told
from ricercar.harness.run import Failure
from ricercar.harness.sweep import FAILING, FINISHED, Sweep, is_finished, job_of, with_seed
from ricercar.harness.team import check_alone

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Command:
    """What a job needs to know of the command that it comes from, wherever it runs."""

    hydra_context: HydraContext
    config: DictConfig
    task_function: TaskFunction
    singletons: Mapping[Any, Any]
    path: list[str]
    folder: str

    def run(self, number: int, overrides: Sequence[str], quiet: bool) -> JobReturn:
        """One job, in this process. quiet: what it prints is in its log only."""
        sys.path[:] = self.path
        os.chdir(self.folder)
        setup_globals()
        if not GlobalHydra.instance().is_initialized():  # a new process; the launching one would forget its plugins
            Singleton.set_state(self.singletons)
        cfg = self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
        with open_dict(cfg):
            cfg.hydra.job.id = cfg.hydra.job.num = number
        HydraConfig.instance().set_config(cfg)
        with contextlib.ExitStack() as stack:
            if quiet:
                stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
                stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
            returned: JobReturn = run_job(
                hydra_context=self.hydra_context,
                config=cfg,
                task_function=self.task_function,
                job_dir_key="hydra.sweep.dir",
                job_subdir_key="hydra.sweep.subdir",
            )
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        return returned


class JobLauncher(Launcher):
    """A launcher whose jobs run in other processes.

    attempts   how often the process of a job may die: it goes on from its last checkpoint, and then has failed
    """

    attempts: int

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.config = hydra_context, config
        self.task_function = _importable(task_function)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        check_alone(f"hydra/launcher={self.config.hydra.runtime.choices['hydra/launcher']}")
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        sweep = Sweep(Path(self.config.hydra.sweep.dir).absolute())
        sweep.folder.mkdir(parents=True, exist_ok=True)
        command = Command(
            self.hydra_context, self.config, self.task_function, Singleton.get_state(), sys.path[:], os.getcwd()
        )
        missing = {tuple(row.job) for row in sweep.rows(map(job_of, job_overrides)) if row.state != FINISHED}
        waiting = {initial_job_idx + number: list(each) for number, each in enumerate(job_overrides)}
        waiting = dict(sorted(waiting.items(), key=lambda each: tuple(job_of(each[1])) not in missing))
        shared = set.intersection(*map(set, waiting.values())) if len(waiting) > 1 else set()
        names = {
            number: " ".join(each for each in job_of(own) if each not in shared) for number, own in waiting.items()
        }
        ended: dict[int, JobReturn] = {}
        died: Counter[int] = Counter()
        try:
            for number, returned in self.run(waiting, command, sweep):
                if returned is None:
                    died[number] += 1
                    if died[number] < self.attempts:
                        log.warning("its process died, it goes on in another one: %s", names[number])
                        continue
                    returned = failed(
                        sweep,
                        waiting[number],
                        f"its process died {self.attempts} times, without a word: killed, or out of memory",
                    )
                ended[number] = returned
                _tell(names[number], returned, len(ended), len(names))
                del waiting[number]
        except InputError:
            if not ended:  # nothing is launched: there is no such partition, say
                Begun.take_back()
            raise
        return [ended[number] for number in sorted(ended)]

    @abstractmethod
    def run(
        self, waiting: Mapping[int, list[str]], command: Command, sweep: Sweep
    ) -> Iterator[tuple[int, JobReturn | None]]:
        """Runs jobs until none is waiting. Yields (number, what came of it) as one ends; None where its process died.

        waiting: {number: overrides}; after each yield without that job, unless it is to be run again
        """


def is_begun(sweep: Sweep, overrides: Sequence[str]) -> bool:
    """Whether a job has begun and not ended."""
    return any(row.folder is not None and not is_finished(row.folder) for row in sweep.rows([job_of(overrides)]))


def is_over(sweep: Sweep, overrides: Sequence[str]) -> bool:
    """Whether nothing is left to train of a job, unless it is to be trained again."""
    again = {"resume=false", "sweep.retry=failed"} & set(overrides)
    rows = sweep.rows([job_of(overrides)])
    return not again and all(row.state in (FINISHED, FAILING) and not row.passing for row in rows)


def failed(sweep: Sweep, overrides: Sequence[str], reason: str) -> JobReturn:
    """What comes of a job that could not say itself why it failed."""
    for row in sweep.rows([job_of(overrides)]):
        if row.folder is not None and not is_finished(row.folder):
            Failure(reason, with_seed(identity.telling(row.overrides), None), 0.0, None).write(row.folder)
    return Told(overrides=overrides, status=JobStatus.FAILED, _return_value=JobError(reason))


def _importable(task_function: TaskFunction) -> TaskFunction:
    """The function of a command as its module has it, which another process finds, and not as that of a script."""
    if task_function.__module__ != "__main__":
        return task_function
    module = import_module(f"ricercar.{Path(inspect.getfile(task_function)).stem}")
    found: TaskFunction = module.main.__wrapped__
    return found


def _tell(name: str, returned: JobReturn, number: int, total: int) -> None:
    failed = returned.status == JobStatus.FAILED
    reason = f" failed: {returned._return_value}" if failed else ""
    level = logging.ERROR if failed else logging.INFO
    log.log(level, "%d of %d  %s%s", number, total, name, reason)
