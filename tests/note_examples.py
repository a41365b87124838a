"""The notes task with changed options, for tests."""

from typing import Any

from omegaconf import OmegaConf

from configs import option
from ricercar.tasks.notes import Notes


def make(**changes: Any) -> Notes:
    """The task of conf/task/notes.yaml; decoding__onset_threshold=0.1 changes a value inside a group."""
    cfg = option("task", "notes")
    for name, value in changes.items():
        OmegaConf.update(cfg, name.replace("__", "."), value)
    options = OmegaConf.to_container(cfg)
    assert isinstance(options, dict)
    return Notes(**{str(name): value for name, value in options.items() if name != "_target_"})
