"""hydra/launcher=ray: the jobs of a sweep on a Ray cluster."""

import logging
import os
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from hydra.core.utils import JobReturn

from ricercar.checks import check_whole
from ricercar.errors import InputError
from ricercar.harness.launchers.launcher import Command, JobLauncher, log
from ricercar.harness.sent import Sent
from ricercar.harness.sweep import Sweep

_POLL_S, _CONNECT_S = 2.0, 10.0
_HANDED_ON = ("RICERCAR_", "WANDB_", "HYDRA_", "OMP_", "MKL_", "PYTHONPATH")  # variables of the command's environment


class Ray(JobLauncher):
    """Hands jobs to the workers of a Ray cluster, whose machines see the same folders and have the same packages.

    A worker takes one job after the other. Jobs of a worker or a machine that dies go on from their last checkpoints.

    address    of a cluster, such as ray://head:10001, auto or host:port; None: one that is started here, and ends here
    options    of `ray.init`, by name
    """

    def __init__(
        self, address: str | None, cpus_per_job: float, gpus_per_job: float, attempts: int, options: dict[str, Any]
    ) -> None:
        check_whole(1, **{"hydra.launcher.attempts": attempts})
        self.address, self.attempts, self.options = address, attempts, options
        self.resources = {"num_cpus": cpus_per_job, "num_gpus": gpus_per_job}

    def run(
        self, waiting: Mapping[int, list[str]], command: Command, sweep: Sweep
    ) -> Iterator[tuple[int, JobReturn | None]]:
        try:
            import ray
        except ImportError as error:
            raise InputError("hydra/launcher=ray needs Ray: pip install 'ricercar[ray]'.") from error
        _check_is_there(self.address)
        environment = {name: value for name, value in os.environ.items() if name.startswith(_HANDED_ON)}
        try:
            ray.init(
                address=self.address or "local",
                runtime_env={"env_vars": environment},
                log_to_driver=False,
                logging_level=logging.WARNING,
                **self.options,
            )
        except (ConnectionError, ValueError, RuntimeError, TypeError) as error:
            raise InputError(f"hydra/launcher=ray: {' '.join(str(error).split())}") from error
        try:
            resources = ray.cluster_resources()
            log.info("%d jobs on %g CPUs and %g GPUs", len(waiting), resources.get("CPU", 0), resources.get("GPU", 0))
            task = ray.remote(_received).options(max_retries=0, scheduling_strategy="SPREAD", **self.resources)
            running: dict[Any, int] = {}
            while waiting:
                running |= {
                    task.remote(Sent(command.run, number, own, True)): number
                    for number, own in waiting.items()
                    if number not in running.values()
                }
                ended, _ = ray.wait(list(running), timeout=_POLL_S)
                for each in ended:
                    number = running.pop(each)
                    try:
                        yield number, ray.get(each)
                    except ray.exceptions.RayTaskError:
                        raise
                    except ray.exceptions.RayError as error:  # of the worker or its machine
                        log.warning("%s", str(error).partition("\n")[0])
                        yield number, None
        finally:
            ray.shutdown()  # ends what of this command is running


def _check_is_there(address: str | None) -> None:
    """Ray itself looks for minutes."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        try:
            socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
        except OSError as error:
            raise InputError(
                f"hydra.launcher.address={address}: nothing answers there ({error}). `ray start --head` starts a "
                "cluster, and says where."
            ) from error


def _received(call: Sent[JobReturn]) -> JobReturn:
    return call()
