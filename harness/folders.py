"""Where yamls are: Ricercar's own, and the user's. Takes neither torch nor hydra."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

CONF = Path(__file__).parents[1] / "conf"
OWN_CONF = "RICERCAR_CONFIG_DIR"  # in the environment: what --config-dir says where it is not given


def own_conf() -> Path | None:
    """The folder with the user's own yamls, where there is one."""
    named = next(config_dirs(sys.argv), os.environ.get(OWN_CONF))
    return Path(named).absolute() if named else None


def config_dirs(arguments: list[str]) -> Iterator[str]:
    """What --config-dir says."""
    for flag, value in zip(arguments, [*arguments[1:], ""], strict=True):
        name, _, joined = flag.partition("=")
        if name in ("--config-dir", "-cd"):
            yield joined or value


def names_in(group: str) -> list[str]:
    """The choices of a group, the user's own among them; one within a folder is folder/name."""
    found = set()
    for folder in (CONF, own_conf()):
        if folder is not None:
            found |= {path.relative_to(folder / group).with_suffix("") for path in (folder / group).rglob("*.yaml")}
    return sorted(path.as_posix() for path in found)
