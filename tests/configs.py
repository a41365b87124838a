"""Configurations for tests."""

import copy
import re
from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.utils import get_class, instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ricercar.tasks.task import Task

ROOT = Path(__file__).parents[1]
CONF = ROOT / "conf"
TINY = [
    "tracker=none",
    "hardware=cpu",
    "num_threads=1",
    "window_frames=40",
    "border_frames=5",
    "trainer.budget=3steps",
    "trainer.batch_size=2",
    "trainer.num_validations=1",
]
# A few seconds of composed pieces, which have every kind of annotation.
SYNTH = ["data=synth", "data.num_train=2", "data.num_valid=1", "data.num_test=1", "data.composer.duration_s=6"]
SYNTH += ["data.composer.drums_share=1", "data.composer.solo_share=0"]  # or there may be no drums


def choices(group: str) -> list[str]:
    """The yaml stems of a group of configurations."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def trained_tasks() -> list[str]:
    """The tasks that a network learns, one at a time."""
    return [name for name in choices("task") if issubclass(get_class(_target("task", name)), Task)]


def make_task(name: str) -> Any:
    """The task of conf/task/<name>.yaml."""
    return instantiate(OmegaConf.load(CONF / "task" / f"{name}.yaml"), _convert_="all")


def _target(group: str, name: str) -> str:
    return str(OmegaConf.load(CONF / group / f"{name}.yaml")._target_)


def option(group: str, name: str) -> DictConfig:
    """conf/<group>/<name>.yaml, with what it is composed of."""
    found = OmegaConf.load(CONF / group / f"{name}.yaml")
    if "defaults" in found:
        found = OmegaConf.select(composed(config=f"{group}/{name}"), group)
        OmegaConf.set_struct(found, False)
    assert isinstance(found, DictConfig)
    return found


def composed(*overrides: str, config: str = "config") -> DictConfig:
    """As Hydra composes it. What it makes of choices in groups is kept: that takes longer than most of what follows."""
    values = [each for each in overrides if re.match(r"[\w.]+=", each) and not (CONF / each.partition("=")[0]).is_dir()]
    cfg = copy.deepcopy(_composed(tuple(each for each in overrides if each not in values), config))
    try:
        for each in OverridesParser.create().parse_overrides(values):
            OmegaConf.update(cfg, each.key_or_group, each.value())
    except OmegaConfBaseException:
        return _composed(overrides, config)  # Hydra's own error
    return cfg


@cache
def _composed(overrides: tuple[str, ...], config: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(config, overrides=list(overrides))
