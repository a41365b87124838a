"""What the commands share: names of run folders, and user errors without a traceback."""

import difflib
import logging
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.harness.run_folder import run_folder

log = logging.getLogger(__name__)
CONF = Path(__file__).parents[1] / "conf"


def command(main: Callable[[], Any], config_name: str) -> None:
    """Runs a Hydra command: a user error becomes one message and exit code 1.

    HYDRA_FULL_ERROR=1 shows the traceback.
    """
    OmegaConf.register_new_resolver("run_folder", _run_folder, replace=True)
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        main()
        return
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands exceptions on, and prints nothing of its own
    try:
        main()
    except (InputError, HydraException, OmegaConfBaseException, OSError) as error:
        print(f"error: {_explained(error, config_name)}", file=sys.stderr)
        sys.exit(1)


def logged(job: Callable[[DictConfig], float], cfg: DictConfig) -> float:
    """Runs one job of a command. In a sweep, which goes on, a failure is logged when it happens, whatever it is."""
    try:
        _check_types(cfg)
        return job(cfg)
    except Exception as error:
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            name = " ".join(HydraConfig.get().overrides.task)
            log.error("failed: %s (%s)", error, name, exc_info=not isinstance(error, InputError))
        raise


def _run_folder(base: str, *, _root_: DictConfig) -> str:
    choices = HydraConfig.get().runtime.choices
    return run_folder(Path(base), choices, _root_.seed, assemble.run_id(_root_), _root_.resume)


def _explained(error: Exception, config_name: str) -> str:
    cause = f"\n{error.__cause__}" if isinstance(error.__cause__, OmegaConfBaseException) else ""
    unknown = re.search(r"Could not override '([\w.]+)'", str(error))
    return f"unknown option {unknown[1]}: {_choices(unknown[1], config_name)}" if unknown else f"{error}{cause}"


def _choices(key: str, config_name: str) -> str:
    """The keys there are beside a misspelled one."""
    node: Any = _composed(config_name, [])
    *path, last = key.split(".")
    for part in path:
        if not OmegaConf.is_dict(node) or part not in node:
            last = part
            break
        node = node[part]
    names = [str(name) for name in node] if OmegaConf.is_dict(node) else []
    close = difflib.get_close_matches(last, names, 1)
    return (f"did you mean {close[0]}? " if close else "") + f"There are: {', '.join(names) or 'none'}."


def _check_types(cfg: DictConfig) -> None:
    """A value of another kind than the yaml's stops here, by name."""
    overrides = HydraConfig.get().overrides.task
    groups = [each for each in overrides if "=" in each and isinstance(_at(cfg, each.split("=")[0].lstrip("+")), dict)]
    if not (set(overrides) - set(groups)):
        return
    base = _composed(HydraConfig.get().job.config_name, groups)
    for override in set(overrides) - set(groups):
        key = override.split("=")[0].lstrip("+~")
        given, default = _at(cfg, key), _at(base, key)
        if given is not None and default is not None and _kind(given) != _kind(default):
            raise InputError(f"{key}={given!r}: expected {_kind(default)}, such as {default!r}.")


def _composed(config_name: str | None, overrides: list[str]) -> DictConfig:
    """A configuration composed beside the one that is running."""
    hydra = GlobalHydra.instance()
    running = hydra.hydra
    hydra.clear()
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return compose(config_name, overrides=overrides)
    finally:
        hydra.hydra = running


def _at(cfg: DictConfig, key: str) -> Any:
    value = OmegaConf.select(cfg, key.split("@")[0].replace("/", "."))
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def _kind(value: Any) -> str:
    for kind, name in ((bool, "true or false"), ((int, float), "a number"), (str, "text"), (list, "a list")):
        if isinstance(value, kind):
            return name
    return "a group of options"
