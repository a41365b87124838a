"""Protocols named after papers: conf/protocol/<task>/<name>.yaml. Takes neither torch nor hydra."""

import logging
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from ricercar.errors import InputError
from ricercar.harness.folders import CONF, names_in, own_conf
from ricercar.harness.identity import stable_hash
from ricercar.tasks.protocol import plain
from ricercar.tasks.shared.tag_scoring import CLAIMED

log = logging.getLogger(__name__)
GROUP = "protocol"
_LIST = re.compile(r"\[\s*([\w/]+(?:\s*,\s*[\w/]+)*)\s*\]")


def name_of(task: str, protocol: Mapping[str, Any]) -> str | None:
    """-> <task>/<name> of the preset that says exactly this; None where none does. protocol: as in a result."""
    return _by_id().get((task, stable_hash(protocol)))


def protocol_of(name: str) -> dict[str, Any]:
    """<task>/<name> -> the protocol as results have it. InputError for a yaml that does not say all of it."""
    folders = [folder for folder in (CONF, own_conf()) if folder is not None]
    path = next((path for folder in folders if (path := folder / GROUP / f"{name}.yaml").is_file()), None)
    if path is None:
        raise InputError(f"protocol={name}: there is no such protocol. There are: {', '.join(names_in(GROUP))}.")
    return _read(path)


def protocol_in(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a task, `protocol` among them -> the protocol as results have it."""
    protocol = plain(options[GROUP])
    if "ignored" in options:  # of drums, where they are scored by their classes
        classes = {name: labels for name, labels in options["classes"].items() if labels is not None}
        protocol["classes"] = {name: sorted({name, *labels}) for name, labels in classes.items()}
        protocol["ignored"] = sorted(options["ignored"])
    if "exclusive" in options:  # of tags
        protocol["claimed"] = CLAIMED[bool(options["exclusive"])]
    return protocol


def overrides(argument: str, arguments: list[str]) -> list[str]:
    """What Hydra understands in place of protocol=NAME; arguments: all of the command, which may name the task.

    The name alone is enough where one task has it, or task= is given; <task>/<name> says all. Of several tasks:
    protocol=[beat/mirex,chord/marble]. InputError names the choices.
    """
    key, _, value = argument.partition("=")
    if key != GROUP or not value:
        return [argument]
    tasks = next((each.partition("=")[2] for each in reversed(arguments) if each.startswith("task=")), "")
    listed = _LIST.fullmatch(value)
    if listed or tasks.startswith("["):
        several = re.split(r"\s*,\s*", listed[1] if listed else value)
        whole = [_whole(each, re.findall(r"\w+", tasks)) for each in several]
        if not tasks.startswith("[") and len(whole) == 1:
            return [f"{GROUP}={whole[0]}"]
        return [f"+{GROUP}@task.parts.{each.partition('/')[0]}={each}" for each in whole]
    names = [each if each == "null" else _whole(each, re.findall(r"\w+", tasks)) for each in value.split(",")]
    return [f"{GROUP}={','.join(names)}"]


def check_choices(choices: Mapping[str, str | None]) -> None:
    """InputError where a protocol was chosen that is another task's. choices: as Hydra has them."""
    for group, name in choices.items():
        if group.partition("@")[0] == GROUP and name:
            part = group.partition("@")[2].removeprefix("task.parts.")
            task = part or choices.get("task")
            if task and name.partition("/")[0] != task:
                raise InputError(f"protocol={name} is not of task={task}, which has: {_choices(task)}.")


def _whole(name: str, tasks: list[str]) -> str:
    """<task>/<name> of a name."""
    every = names_in(GROUP)
    if name in every:
        return name
    found = [each for each in every if each.partition("/")[2] == name]
    of_tasks = [each for each in found if each.partition("/")[0] in tasks] if tasks else found
    if len(of_tasks) == 1:
        return of_tasks[0]
    if len(of_tasks) > 1:
        raise InputError(f"protocol={name} is of several tasks: give one of {', '.join(of_tasks)}.")
    own = " ".join(f"{task} has: {_choices(task)}." for task in tasks) or f"There are: {', '.join(every)}."
    raise InputError(f"protocol={name}: there is no such protocol. {own}")


def _choices(task: str) -> str:
    return ", ".join(each for each in names_in(GROUP) if each.startswith(f"{task}/")) or "none"


@cache
def _by_id() -> dict[tuple[str, str], str]:
    found = {}
    for name in names_in(GROUP):
        try:
            found[name.partition("/")[0], stable_hash(protocol_of(name))] = name
        except InputError as error:  # of the user's own, which may have nothing to do with the result
            log.warning("no result is named after protocol=%s: %s", name, error)
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or not isinstance(content.get(GROUP), dict):
        raise InputError(f"{path}: expected the options of a task, with all of `protocol:` among them.")
    return protocol_in(content)
