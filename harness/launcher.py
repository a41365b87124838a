"""hydra/launcher=joblib: several jobs of a sweep at once, in processes of their own."""

import contextlib
import fcntl
import inspect
import io
import logging
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, configure_log, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from ricercar.checks import check_whole
from ricercar.errors import InputError
from ricercar.harness import identity
from ricercar.harness.jobs import JobError
from ricercar.harness.run import Failure
from ricercar.harness.sweep import Sweep, is_finished, job_of, with_seed
from ricercar.harness.team import check_alone

log = logging.getLogger(__name__)
_POLL_S = 1.0
_gpus: list[IO[str]] = []  # the locks of this process's GPUs, which it has as long as it lives


class Joblib(Launcher):
    """Hands jobs to worker processes, cores and GPUs being shared out among them.

    A worker that dies takes the others with it, whose jobs go on from their last checkpoints in new ones; a job that
    has been in a pool that died for `attempts` times has failed.
    """

    def __init__(self, num_processes: int | None, gpus_per_job: int, attempts: int) -> None:
        check_whole(1, **{"hydra.launcher.gpus_per_job": gpus_per_job, "hydra.launcher.attempts": attempts})
        if num_processes is not None:
            check_whole(1, **{"hydra.launcher.num_processes": num_processes})
        self.num_processes, self.gpus_per_job, self.attempts = num_processes, gpus_per_job, attempts

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.config = hydra_context, config
        self.task_function = _importable(task_function)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from joblib import Parallel, delayed
        from joblib.externals.loky import get_reusable_executor
        from joblib.externals.loky.process_executor import BrokenProcessPool

        check_alone("hydra/launcher=joblib")
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        sweep = Sweep(Path(self.config.hydra.sweep.dir))
        sweep.folder.mkdir(parents=True, exist_ok=True)
        gpus = _visible_gpus()
        if gpus and len(gpus) < self.gpus_per_job:
            raise InputError(f"hydra.launcher.gpus_per_job={self.gpus_per_job}: there are {len(gpus)} GPUs.")
        most = len(gpus) // self.gpus_per_job if gpus else max(1, (os.cpu_count() or 1) // 2)
        num_processes = min(self.num_processes or most, len(job_overrides))
        log.info("%d jobs, %d at a time", len(job_overrides), num_processes)
        given = (self.hydra_context, self.config, self.task_function, Singleton.get_state(), sys.path)
        waiting = {initial_job_idx + number: list(each) for number, each in enumerate(job_overrides)}
        done: dict[int, JobReturn] = {}
        died: Counter[int] = Counter()
        while waiting:
            pool = Parallel(n_jobs=num_processes, batch_size=1, pre_dispatch="all", return_as="generator_unordered")
            jobs = [delayed(_job)(number, own, gpus, self.gpus_per_job, *given) for number, own in waiting.items()]
            try:
                for number, returned in pool(jobs):
                    done[number] = returned
                    _tell(waiting.pop(number), returned, len(done), len(job_overrides))
            except BrokenProcessPool:
                for number in [each for each, own in waiting.items() if _is_left(sweep, own)]:
                    died[number] += 1
                    if died[number] >= self.attempts:
                        done[number] = _dead(sweep, waiting.pop(number), self.attempts)
                log.warning("a worker process died; its jobs go on in another one")
            except KeyboardInterrupt:
                get_reusable_executor().shutdown(kill_workers=True)
                raise
        get_reusable_executor().shutdown()  # a worker has its GPU as long as it lives
        return [done[number] for number in sorted(done)]


def _job(
    number: int,
    overrides: Sequence[str],
    gpus: Sequence[str],
    gpus_per_job: int,
    hydra_context: HydraContext,
    config: DictConfig,
    task_function: TaskFunction,
    singletons: Mapping[Any, Any],
    path: list[str],
) -> tuple[int, JobReturn]:
    """One job, in a worker. What it prints is in its log."""
    sys.path[:] = path
    multiprocessing.set_start_method("spawn", force=True)  # the worker's own is loky, which its processes do not know
    if gpus and not _gpus:
        _take_gpus(gpus, gpus_per_job)
    setup_globals()
    Singleton.set_state(singletons)
    cfg = hydra_context.config_loader.load_sweep_config(config, list(overrides))
    with open_dict(cfg):
        cfg.hydra.job.id = cfg.hydra.job.num = number
    HydraConfig.instance().set_config(cfg)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        returned = run_job(
            hydra_context=hydra_context,
            config=cfg,
            task_function=task_function,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )
    return number, returned


def _take_gpus(gpus: Sequence[str], number: int) -> None:
    """Waits for free ones. A lock goes with its process."""
    folder = Path(tempfile.gettempdir()) / f"ricercar-gpus-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    taken: list[str] = []
    while len(taken) < number:
        for gpu in gpus:
            if len(taken) < number and gpu not in taken:
                file = (folder / gpu).open("w")
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    file.close()
                    continue
                _gpus.append(file)
                taken.append(gpu)
        if len(taken) < number:
            time.sleep(_POLL_S)
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(taken)


def _visible_gpus() -> list[str]:
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if not torch.cuda.is_available():
        return []
    return named.split(",") if named else [str(number) for number in range(torch.cuda.device_count())]


def _importable(task_function: TaskFunction) -> TaskFunction:
    """The function of a command as its module has it, which another process finds, and not as that of a script."""
    if task_function.__module__ != "__main__":
        return task_function
    module = import_module(f"ricercar.{Path(inspect.getfile(task_function)).stem}")
    found: TaskFunction = module.main.__wrapped__
    return found


def _tell(overrides: Sequence[str], returned: JobReturn, number: int, total: int) -> None:
    failed = returned.status == JobStatus.FAILED
    reason = f" failed: {returned._return_value}" if failed else ""
    log.log(
        logging.ERROR if failed else logging.INFO, "%d of %d  %s%s", number, total, " ".join(job_of(overrides)), reason
    )


def _is_left(sweep: Sweep, overrides: Sequence[str]) -> bool:
    """Whether a job has begun and not ended."""
    return any(row.folder is not None and not is_finished(row.folder) for row in sweep.rows([job_of(overrides)]))


def _dead(sweep: Sweep, overrides: Sequence[str], attempts: int) -> JobReturn:
    """What becomes of a job whose process dies again and again."""
    reason = f"its process died {attempts} times, without a word: killed, or out of memory"
    for row in sweep.rows([job_of(overrides)]):
        if row.folder is not None and not is_finished(row.folder):
            Failure(reason, with_seed(identity.telling(row.overrides), None), 0.0, None).write(row.folder)
    log.error("failed: %s (%s)", reason, " ".join(job_of(overrides)))
    returned = JobReturn(overrides=overrides, status=JobStatus.FAILED)
    returned.return_value = JobError(reason)
    return returned


def _register() -> None:
    """Hydra takes for a launcher what a package hydra_plugins has, which is there where a plugin of others is."""
    module = ModuleType("hydra_plugins.ricercar")
    Joblib.__module__ = module.__name__
    vars(module)["Joblib"] = Joblib
    sys.modules[module.__name__] = module
    try:
        import_module("hydra_plugins")
    except ImportError:
        package = sys.modules["hydra_plugins"] = ModuleType("hydra_plugins")
        package.__path__ = []
    Plugins.instance().register(Joblib)


_register()
