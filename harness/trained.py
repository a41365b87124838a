"""A finished run's network and tasks, as they were when it was best."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from omegaconf import DictConfig

from ricercar.harness import assemble
from ricercar.harness.checkpoints import Checkpoints
from ricercar.harness.identity import class_hash
from ricercar.harness.results import Result
from ricercar.models.net import Net
from ricercar.tasks.multitask import Multitask

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """What can predict, and what is known of it.

    name      what it is called: its folder
    tasks     with the vocabulary and the decoding that were chosen in training
    results   {task: its result}
    """

    name: str
    cfg: DictConfig
    tasks: Multitask
    net: Net
    results: dict[str, Result]

    @classmethod
    def of_run(cls, folder: Path) -> Self:
        """InputError where it is no finished run, or does not fit this version of the code."""
        cfg = assemble.completed(assemble.read_config(folder))
        tell_changes(cfg)
        tasks = assemble.make_tasks(cfg)
        results = results_of(folder, tasks)
        return cls(folder.resolve().name, cfg, tasks, network(cfg, folder, tasks, results), results)


def tell_changes(cfg: DictConfig) -> None:
    """Warns of classes of the user's own whose code is not what a run was trained with."""
    for name, before in (cfg.get("classes") or {}).items():
        if class_hash(name) not in (None, before):
            log.warning("%s is not what the run was trained with: its code has changed since.", name)


def results_of(folder: Path, tasks: Multitask) -> dict[str, Result]:
    """{task: the result of a run}."""
    return {name: Result.read(path / "result.json") for name, path in assemble.folders(folder, tasks).items()}


def network(cfg: DictConfig, folder: Path, tasks: Multitask, results: Mapping[str, Result]) -> Net:
    """The network with the best checkpoint's weights; gives `tasks` its vocabulary and decoding."""
    first = next(iter(results.values()))
    checkpoints = Checkpoints(folder, first.run_id)
    weights = assemble.restore_best(tasks, checkpoints)
    net = assemble.make_net(cfg, tasks)
    assemble.check_encoder(net, first.encoder)
    assemble.use_weights(net, weights, checkpoints)
    return net
