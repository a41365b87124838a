"""hydra/launcher=submitit_slurm: the jobs of a sweep as an array of jobs of a SLURM cluster."""

import getpass
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig

from ricercar.checks import check_whole
from ricercar.errors import InputError
from ricercar.harness import identity
from ricercar.harness.launchers.launcher import Command, JobLauncher, failed, is_over, log
from ricercar.harness.sent import Sent
from ricercar.harness.sweep import Sweep, job_of
from ricercar.harness.team import led

if TYPE_CHECKING:
    import submitit

_POLL_S = 2.0
_PATIENCE_S = 30.0  # a job that has left the queue may have written what it returns to a slow file system
_FOLDER, _QUEUED = ".slurm", "queued.jsonl"


class Slurm(JobLauncher):
    """Hands jobs to SLURM, and waits for them.

    A job that is preempted or reaches its time limit goes back into the queue, and on from its last checkpoint, on any
    machine. Jobs stay in the queue when this command ends early; the same command finds them there.

    timeouts   how often a job may reach its time limit
    options    the others of `submitit.SlurmExecutor.update_parameters`, by name; those that are None are left out
    """

    def __init__(self, attempts: int, timeouts: int, **options: Any) -> None:
        check_whole(1, **{"hydra.launcher.attempts": attempts})
        check_whole(0, **{"hydra.launcher.timeouts": timeouts})
        self.attempts, self.timeouts = attempts, timeouts
        self.options = {name: value for name, value in options.items() if value is not None}

    def run(
        self, waiting: Mapping[int, list[str]], command: Command, sweep: Sweep
    ) -> Iterator[tuple[int, JobReturn | None]]:
        executor = self._executor(sweep)
        over = [each for each, own in waiting.items() if is_over(sweep, own)]  # nothing to wait in a queue for
        queue = _Queue(sweep.folder / _FOLDER)
        queued = {number: job for number, own in waiting.items() if (job := queue.find(own)) is not None}
        if queued:
            log.info("%d jobs are in the queue since an earlier command", len(queued))
        try:
            while waiting:
                if new := {number: own for number, own in waiting.items() if number not in {*queued, *over}}:
                    queued |= self._submit(executor, new, command, queue)
                while over:
                    number = over.pop(0)
                    yield number, command.run(number, waiting[number], quiet=True)
                for number, job in list(queued.items()):
                    if (outcome := queue.outcome(job)) is not None:
                        del queued[number]
                        yield number, failed(sweep, waiting[number], outcome) if isinstance(outcome, str) else outcome
                    elif queue.has_lost(job):
                        del queued[number]
                        yield number, None
                time.sleep(_POLL_S)
        except KeyboardInterrupt:
            ids = " ".join(job.job_id for job in queued.values())
            log.warning("%d jobs stay with SLURM. To end them: scancel %s", len(queued), ids)
            raise

    def _executor(self, sweep: Sweep) -> "submitit.SlurmExecutor":
        try:
            import submitit
        except ImportError as error:
            raise InputError("hydra/launcher=submitit_slurm needs submitit: pip install 'ricercar[slurm]'.") from error
        if missing := [name for name in ("sbatch", "srun", "squeue") if shutil.which(name) is None]:
            raise InputError(
                f"hydra/launcher=submitit_slurm: there is no {' and no '.join(missing)} here. Start the sweep on a "
                "machine of a SLURM cluster, or take hydra/launcher=joblib."
            )
        executor = submitit.SlurmExecutor(sweep.folder / _FOLDER / "%j", max_num_timeout=self.timeouts)
        try:
            executor.update_parameters(**self.options)
        except (ValueError, TypeError) as error:
            raise InputError(f"hydra.launcher: {' '.join(str(error).split())}") from error
        return executor

    @staticmethod
    def _submit(
        executor: "submitit.SlurmExecutor", jobs: Mapping[int, list[str]], command: Command, queue: "_Queue"
    ) -> dict[int, "submitit.Job[JobReturn]"]:
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        try:
            with executor.batch():
                calls = {number: Sent(_job, number, own, command) for number, own in jobs.items()}
                submitted = {number: executor.submit(call) for number, call in calls.items()}
        except (FailedJobError, FailedSubmissionError) as error:
            raise InputError(f"SLURM does not take the jobs: {' '.join(str(error).split())}") from error
        ids = [job.job_id for job in submitted.values()]
        log.info("%d jobs in SLURM's queue: %s", len(ids), ids[0] if len(ids) == 1 else f"{ids[0]} to {ids[-1]}")
        for number, job in submitted.items():
            queue.add(jobs[number], job.job_id)
        return submitted


def _job(number: int, overrides: Sequence[str], command: Command) -> JobReturn:
    """In a job of SLURM. Where srun started several processes the first runs it, and the others take part."""
    _speak_for_submitit(command.config.hydra.launcher)
    with led() as leads:
        return command.run(number, overrides, quiet=False) if leads else JobReturn(status=JobStatus.COMPLETED)


def _speak_for_submitit(options: DictConfig) -> None:
    """Has the signal by which SLURM ends a job say in our words why it does not go back into the queue."""
    from submitit.core.utils import UncompletedJobError

    requeue = signal.getsignal(signal.SIGUSR2)

    def heed(number: int, frame: FrameType | None) -> None:
        try:
            assert callable(requeue)
            requeue(number, frame)
        except UncompletedJobError as error:
            raise InputError(
                f"it has reached its time limit (hydra.launcher.time={options.time} minutes) more often than "
                f"hydra.launcher.timeouts={options.timeouts} allows. Raise one of them; with sweep.retry=failed the "
                "same command goes on from the last checkpoint."
            ) from error

    if callable(requeue):
        signal.signal(signal.SIGUSR2, heed)


class _Queue:
    """What of a sweep is in SLURM's queue, by squeue, which needs no accounting."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._missing_since: dict[str, float] = {}
        self._ids: set[str] | None = None
        self._asked_s = 0.0

    def add(self, overrides: Sequence[str], job_id: str) -> None:
        with (self.folder / _QUEUED).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"job": _key(overrides), "id": job_id}) + "\n")

    def find(self, overrides: Sequence[str]) -> "submitit.Job[JobReturn] | None":
        """A job that an earlier command has put into the queue, if it still is there."""
        import submitit

        for line in reversed(self._lines()):
            if line["job"] == _key(overrides):
                there = line["id"] in (self._listed() or ())
                return submitit.SlurmJob(self.folder / "%j", line["id"]) if there else None
        return None

    def outcome(self, job: "submitit.Job[JobReturn]") -> JobReturn | str | None:
        """What a job has returned, or why SLURM or Python ended it; None where it has not ended."""
        from submitit.core.utils import FailedJobError, UncompletedJobError

        if not job.paths.result_pickle.exists():
            return None
        try:
            first: JobReturn = job.task(0).results()[0]
        except (FailedJobError, UncompletedJobError):
            _, trace = job.task(0)._get_outcome_and_result()
            return f"{str(trace).strip().splitlines()[-1]} ({job.paths.stderr})"
        return first

    def has_lost(self, job: "submitit.Job[JobReturn]") -> bool:
        """Whether a job has left the queue and returned nothing."""
        listed = self._listed()
        if listed is None or job.job_id in listed:
            self._missing_since.pop(job.job_id, None)
            return False
        return time.monotonic() - self._missing_since.setdefault(job.job_id, time.monotonic()) > _PATIENCE_S

    def _listed(self) -> set[str] | None:
        """The ids of all jobs in the queue; None where it does not answer."""
        if time.monotonic() - self._asked_s > _POLL_S:
            command = ["squeue", "--noheader", "--array", f"--user={getpass.getuser()}", "--format=%i"]
            answer = subprocess.run(command, capture_output=True, text=True, check=False)
            self._ids = set(answer.stdout.split()) if answer.returncode == 0 else None
            self._asked_s = time.monotonic()
        return self._ids

    def _lines(self) -> list[dict[str, Any]]:
        try:
            text = (self.folder / _QUEUED).read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        found = []
        for line in text.splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:  # cut short
                continue
        return found


def _key(overrides: Sequence[str]) -> list[str]:
    return identity.telling(job_of(overrides))
