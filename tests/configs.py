"""Configurations for tests."""

import copy
import json
import pickle
import re
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.defaults_list import DefaultsList, create_defaults_list
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.utils import get_class, instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

ROOT = Path(__file__).parents[1]
CONF = ROOT / "conf"
HYDRA_S_MERGE = ConfigLoaderImpl._compose_config_from_defaults_list
HYDRA_S_READ = FileConfigSource.load_config
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


def frontends() -> list[str]:
    """Those of conf/frontend that make spectrograms; the others are pretrained networks."""
    names = choices("frontend")
    return [name for name in names if "ricercar.models.frontends" in (CONF / "frontend" / f"{name}.yaml").read_text()]


def trained_tasks() -> list[str]:
    """The tasks that a network learns, one at a time."""
    from ricercar.tasks.task import Task  # here, so that the process that hands out the tests need not wait for torch

    return [name for name in choices("task") if issubclass(get_class(_option("task", name)._target_), Task)]


def make_task(name: str, **protocol: Any) -> Any:
    """The task of conf/task/<name>.yaml, to which nothing has happened yet, with `protocol` changed."""
    return copy.deepcopy(_task(name, json.dumps({"protocol": protocol} if protocol else {})))


@cache
def _task(name: str, changes: str) -> Any:
    return instantiate(OmegaConf.merge(_option("task", name), json.loads(changes)), _convert_="all")


def option(group: str, name: str) -> DictConfig:
    """conf/<group>/<name>.yaml, with what it is composed of; open to other keys."""
    found = copy.deepcopy(_option(group, name))
    OmegaConf.set_struct(found, False)
    return found


@cache
def _option(group: str, name: str) -> DictConfig:
    found = OmegaConf.load(CONF / group / f"{name}.yaml")
    if "defaults" in found:
        found = OmegaConf.select(hydra_composed((), config=f"{group}/{name}"), group)
        OmegaConf.set_struct(found, None)
    assert isinstance(found, DictConfig)
    return found


def composed(*overrides: str, config: str = "config") -> DictConfig:
    """As Hydra composes it, which takes longer than most of what follows: it composes what is neither value nor choice.

    test_structure.py has the two side by side.
    """
    groups = {path.name for path in CONF.iterdir() if path.is_dir()}
    of_groups = [each for each in overrides if not re.match(r"[\w.]+=", each) or each.partition("=")[0] in groups]
    replaced = [each for each in of_groups if _stands_alone(each, of_groups)]
    cfg = pickle.loads(pickle.dumps(hydra_composed(tuple(each for each in of_groups if each not in replaced), config)))
    try:
        for each in replaced:
            group, name = each.split("=")
            cfg[group] = _option(group, name)
        values = [each for each in overrides if each not in of_groups]
        for each in OverridesParser.create().parse_overrides(values):
            OmegaConf.update(cfg, each.key_or_group, each.value())
    except OmegaConfBaseException:
        return hydra_composed(overrides, config)  # Hydra's own error
    return cfg


def _stands_alone(choice: str, of_groups: Sequence[str]) -> bool:
    """Whether nothing else that is chosen puts values into the group."""
    group, _, name = choice.partition("=")
    others = [each for each in of_groups if each != choice and not re.match(r"\w+=", each)]
    experiments = [CONF / f"{each.replace('=', '/')}.yaml" for each in of_groups if each.startswith("experiment=")]
    path = CONF / group / f"{name}.yaml"
    return (
        group not in ("experiment", "codec")
        and path.exists()
        and "_global_" not in path.read_text()
        and not any(re.match(rf"\W*{group}\b", each) for each in others)
        and not any(group in OmegaConf.load(path) for path in experiments if path.exists())
    )


@cache
def hydra_composed(overrides: tuple[str, ...], config: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(config, overrides=list(overrides))


def merge_once(folder: Path) -> None:
    """From now on, Hydra reads a file once, and merges those of a choice once for all that share `folder`.

    What is merged of files that are not as they were is merged again; options are put into a copy, as ever.
    test_structure.py has both side by side.
    """

    def once(repo: Any, key: object, make: Callable[[], Any]) -> Any:
        states = []
        for source in repo.get_sources():
            if source.scheme() == "file":
                states.append(_state(Path(source.path)))
            elif source.path not in ("", "hydra.conf"):
                return make()
        path = folder / sha256(repr((states, key)).encode()).hexdigest()
        if not path.exists():
            made = pickle.dumps(make())
            with NamedTemporaryFile(dir=folder, delete=False) as file:
                file.write(made)
            Path(file.name).rename(path)
        return pickle.loads(path.read_bytes())

    def list_once(repo: Any, config_name: str, overrides_list: list[Override], **options: bool) -> DefaultsList:
        set_here = [each for each in overrides_list if not each.is_sweep_override()]
        choices = [each for each in set_here if repo.group_exists(each.key_or_group)]
        choices = [each for each in choices if not isinstance(each.value(), dict)]
        key = (config_name, [each.input_line for each in choices], options)
        found = once(repo, key, lambda: create_defaults_list(repo, config_name, choices, **options))
        found.config_overrides = [each for each in set_here if each not in choices]
        return found

    def merge(self: ConfigLoaderImpl, defaults: list[Any], repo: Any) -> DictConfig:
        return once(repo, defaults, lambda: HYDRA_S_MERGE(self, defaults, repo))

    files: dict[object, bytes] = {}

    def read_once(self: FileConfigSource, config_path: str) -> Any:
        try:
            stat = Path(self.path, self._normalize_file_name(config_path)).stat()
        except OSError:
            return HYDRA_S_READ(self, config_path)  # Hydra's own error
        key = (self.path, config_path, stat.st_mtime_ns, stat.st_size)
        if key not in files:
            files[key] = pickle.dumps(HYDRA_S_READ(self, config_path))
        return pickle.loads(files[key])

    FileConfigSource.load_config = read_once
    config_loader_impl.create_defaults_list = list_once
    ConfigLoaderImpl._compose_config_from_defaults_list = merge


def _state(folder: Path) -> list[tuple[str, str]]:
    """Of each yaml its name, and a hash of what it says."""
    stats = ((path, path.stat()) for path in sorted(folder.rglob("*.yaml")))
    return [(str(path.relative_to(folder)), _hash(path, stat.st_mtime_ns, stat.st_size)) for path, stat in stats]


@cache
def _hash(path: Path, time_ns: int, size: int) -> str:
    return sha256(path.read_bytes()).hexdigest()
