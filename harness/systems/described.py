"""From a composed configuration to the system that it names."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ricercar.checks import check_flag, check_positive, check_whole
from ricercar.errors import InputError
from ricercar.harness.systems.environment import Place
from ricercar.harness.systems.run import Running
from ricercar.harness.systems.system import System, read_yaml, yaml_of


def described(cfg: DictConfig, choice: str) -> tuple[System, str]:
    """-> the system, and what it is called on the command line.

    A yaml of the user's own, where it is read from a file, is changed by options alike.
    """
    content: Any = OmegaConf.to_container(cfg.system, resolve=True)
    assert isinstance(content, dict)
    if "file" not in content:
        return System.of(content, f"system={choice}"), choice
    choice = str(content.pop("file"))
    read = read_yaml(yaml_of(choice, None))
    if isinstance(read, dict):
        for name in content.get("options") or {}:
            if name not in (own := read.get("options") or {}):
                there_are = ", ".join(map(str, own)) or "none"
                raise InputError(f"system={choice}: unknown option system.options.{name}. There are: {there_are}.")
        read = OmegaConf.to_container(OmegaConf.merge(read, content))
    return System.of(read, f"system={choice}"), choice


def running(system: System, choice: str, cfg: DictConfig, own: Path | None) -> Running:
    """What runs it. own: the folder of the user's yamls."""
    check_whole(num_jobs=cfg.num_jobs)
    check_positive(timeout_s=cfg.timeout_s)
    check_flag(again=cfg.again)
    place = Place.of(system, choice, Path(cfg.cache_dir).expanduser())
    return Running(system, place, yaml_of(choice, own).parent.absolute(), cfg.num_jobs, cfg.timeout_s)
