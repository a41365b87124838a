"""hydra/launcher=joblib: several jobs of a sweep at once on this machine, in processes of their own."""

import fcntl
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import torch
from hydra.core.utils import JobReturn

from ricercar.checks import check_whole
from ricercar.errors import InputError
from ricercar.harness.launchers.launcher import Command, JobLauncher, is_begun, log
from ricercar.harness.processes import end_with
from ricercar.harness.sweep import Sweep

_POLL_S = 1.0
_gpus: list[IO[str]] = []  # the locks of this process's GPUs, which it has as long as it lives


class Joblib(JobLauncher):
    """Hands jobs to worker processes, cores and GPUs being shared out among them.

    A worker that dies takes the others with it, whose jobs go on from their last checkpoints in new ones.
    """

    def __init__(self, num_processes: int | None, gpus_per_job: int, attempts: int) -> None:
        check_whole(1, **{"hydra.launcher.gpus_per_job": gpus_per_job, "hydra.launcher.attempts": attempts})
        if num_processes is not None:
            check_whole(1, **{"hydra.launcher.num_processes": num_processes})
        self.num_processes, self.gpus_per_job, self.attempts = num_processes, gpus_per_job, attempts

    def run(
        self, waiting: Mapping[int, list[str]], command: Command, sweep: Sweep
    ) -> Iterator[tuple[int, JobReturn | None]]:
        from joblib import Parallel, delayed
        from joblib.externals.loky import get_reusable_executor
        from joblib.externals.loky.process_executor import BrokenProcessPool

        gpus = _visible_gpus()
        if gpus and len(gpus) < self.gpus_per_job:
            raise InputError(f"hydra.launcher.gpus_per_job={self.gpus_per_job}: there are {len(gpus)} GPUs.")
        most = len(gpus) // self.gpus_per_job if gpus else max(1, (os.cpu_count() or 1) // 2)
        num_processes = min(self.num_processes or most, len(waiting))
        log.info("%d jobs, %d at a time", len(waiting), num_processes)
        while waiting:
            pool = Parallel(n_jobs=num_processes, batch_size=1, pre_dispatch="all", return_as="generator_unordered")
            given = (gpus, self.gpus_per_job, command, os.getpid())
            jobs = [delayed(_job)(number, own, *given) for number, own in waiting.items()]
            try:
                yield from pool(jobs)
            except BrokenProcessPool:
                for number in [each for each, own in waiting.items() if is_begun(sweep, own)]:
                    yield number, None
        get_reusable_executor().shutdown()  # a worker has its GPU as long as it lives


def _job(
    number: int, overrides: Sequence[str], gpus: Sequence[str], gpus_per_job: int, command: Command, launcher: int
) -> tuple[int, JobReturn]:
    """In a worker, or if there is to be one only, in the launching process."""
    if os.getpid() != launcher:
        end_with(launcher)
        multiprocessing.set_start_method("spawn", force=True)  # its own is loky, which its processes do not know
    if gpus and not _gpus:
        _take_gpus(gpus, gpus_per_job)
    return number, command.run(number, overrides, quiet=True)


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
