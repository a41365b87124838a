"""What the commands share: names of run folders, user errors without a traceback, and what a sweep ends with."""

import argparse
import difflib
import logging
import os
import re
import sys
import time
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch.multiprocessing.spawn import ProcessRaisedException
from yaml import YAMLError  # type: ignore[import-untyped]

from ricercar.checks import check_whole
from ricercar.data.sources.folds import LEAST
from ricercar.errors import InputError
from ricercar.harness.folders import CONF, OWN_CONF, config_dirs, names_in, own_conf
from ricercar.harness.jobs import Begun, JobError, in_order, in_sweep, in_turn
from ricercar.harness.lock import discard
from ricercar.harness.protocols import check_choices, overrides
from ricercar.harness.team import led

log = logging.getLogger(__name__)
_USER_ERRORS = (InputError, HydraException, OmegaConfBaseException, OSError)
_OF_TWO_KINDS = ("resume",)  # its values are checked by name
_told: set[str] = set()  # choices that were warned of
_TRACEBACKS = os.environ.get("HYDRA_FULL_ERROR") == "1"  # what the user asked for


def command(main: Callable[[], Any], config_name: str) -> None:
    """Runs a Hydra command: a user error becomes one message and exit code 1. A sweep ends with a table of its jobs.

    HYDRA_FULL_ERROR=1 shows the traceback. Of several processes (harness/team.py) the first runs it.
    """
    find_own_classes()
    with led() as leads:
        if leads:
            _led(main, config_name)


def _led(main: Callable[[], Any], config_name: str) -> None:
    begun_s = time.time()
    try:
        _run(main, config_name)
    finally:
        if table := Begun.table(begun_s):
            print(f"\n{table}", flush=True)


def _run(main: Callable[[], Any], config_name: str) -> None:
    try:
        sys.argv[1:] = [part for each in sys.argv[1:] for part in overrides(each, sys.argv[1:])]
        if config_name == "config":
            sys.argv[1:] = all_folds(sys.argv[1:])
    except InputError as error:
        _fail(str(error))
    sys.argv[1:] = [part for argument in sys.argv[1:] for part in expanded(argument)]
    if "system=file" in sys.argv:  # whose options Hydra does not know
        sys.argv[1:] = [f"++{each}" if re.match(r"system\.(?!file=)", each) else each for each in sys.argv[1:]]
    if os.environ.get(OWN_CONF) and not any(config_dirs(sys.argv)):
        sys.argv[1:1] = ["--config-dir", os.environ[OWN_CONF]]
    # -m comes first: argparse takes overrides on one side of it only.
    sys.argv[1:] = sorted(map(quoted, sys.argv[1:]), key=lambda argument: argument not in ("-m", "--multirun"))
    if _TRACEBACKS:
        main()
        return
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands exceptions on, and prints nothing of its own
    logging.raiseExceptions = False  # where the log cannot be written either, one message is enough
    try:
        main()
    except JobError:
        sys.exit(1)
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError, OSError) as error:
        _fail(_about_the_folder(error) or _explained(error, config_name))  # ValueError: Hydra's own, or from a sweep
    except KeyboardInterrupt:
        again = "the same command" if Begun.sweep is not None else "resume=true"
        go_on = f": {again} goes on from the last checkpoint" if config_name == "config" else ""
        print(f"\ninterrupted{go_on}.", file=sys.stderr)
        sys.exit(130)


def logged(job: Callable[[DictConfig], float], cfg: DictConfig) -> float:
    """Runs one job of a command. A user error ends it with one message, anything else with a traceback.

    No folder is left where nothing began. In a sweep, which goes on, see harness/jobs.py.
    """
    try:
        _tell_hidden()
        check_choices(HydraConfig.get().runtime.choices)
        _check_types(cfg)
        if not in_sweep():
            return job(cfg)
        return in_turn(job, cfg, user_error) if "sweep" in cfg else in_order(job, cfg, user_error)
    except KeyboardInterrupt:
        discard(Path(HydraConfig.get().runtime.output_dir))
        raise
    except Exception as error:
        discard(Path(HydraConfig.get().runtime.output_dir))
        mended = user_error(error)
        if in_sweep():
            if isinstance(error, JobError):
                raise
            overrides = list(HydraConfig.get().overrides.task)
            log.error("failed: %s (%s)", mended or error, " ".join(overrides), exc_info=mended is None)
            raise JobError(str(mended or f"{type(error).__name__}: {error}")) from error
        if not _TRACEBACKS:
            if mended is not None:
                _fail(_explained(mended, HydraConfig.get().job.config_name or ""))
            traceback.print_exc()
            sys.exit(1)
        raise


def expanded(argument: str) -> list[str]:
    """What Hydra understands in place of what is easier to write.

    task=[beat,chord], or data=[synth,midi]: overrides that put each choice of the list into the group's `parts`.
    system=FILE.yaml: the choice that reads a file.
    """
    if argument.startswith(
        ("tune.space={", "optimizer.groups={", "head.kind_weights={")
    ):  # names of the user's own, which Hydra takes after ++ only
        return [f"++{argument}"]
    if re.fullmatch(r"system=.*\.ya?ml", argument):  # a yaml that is in no folder of yamls
        return ["system=file", f"system.file={argument.partition('=')[2]}"]
    given = re.fullmatch(r"(task|data)=\[\s*(\w+(?:\s*,\s*\w+)*)\s*\]", argument)
    if not given:
        return [argument]
    group, names = given[1], re.split(r"\s*,\s*", given[2])
    container = "multitask" if group == "task" else "mixed"
    return [f"{group}={container}", *(f"+{group}@{group}.parts.{name}={name}" for name in names)]


def all_folds(arguments: list[str]) -> list[str]:
    """With a sweep over all folds in place of fold=all. InputError where it is not said how many there are."""
    if "fold=all" not in arguments:
        return arguments
    number = next((each.partition("=")[2] for each in arguments if each.startswith("folds=")), "")
    if not number.isdecimal():
        raise InputError("fold=all needs folds=K: how many there are in the data set, or are to be made of its groups.")
    check_whole(LEAST, folds=int(number))
    several = ",".join(map(str, range(int(number))))
    swept = [f"fold={several}" if each == "fold=all" else each for each in arguments]
    return swept if {"-m", "--multirun"} & set(swept) else ["-m", *swept]


def quoted(argument: str) -> str:
    """An override whose value is a path that Hydra's grammar cannot read, such as ~/music, with the path in quotes."""
    key, _, value = argument.partition("=")
    if not re.fullmatch(r"\+{0,2}[\w./@]+", key) or not re.match(r"[^'\"\[{(]*/|~", value):
        return argument
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        return f"{key}='{value}'" if "'" not in value else f'{key}="{value}"'
    return argument


def _fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)


def user_error(error: Exception) -> Exception | None:
    """The error if it is one that the user can mend, whichever process it comes from."""
    if isinstance(error, ProcessRaisedException):
        told = re.search(r"^ricercar\.[\w.]+Error: (.*)", str(error), re.MULTILINE | re.DOTALL)
        return InputError(told[1].strip()) if told else None
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error):
        advice = "Lower trainer.batch_size, window_frames or the size of the network"
        return InputError(f"out of memory ({str(error).partition(chr(10))[0]}). {advice}.")
    return error if isinstance(error, _USER_ERRORS) else None


def _about_the_folder(error: Exception) -> str | None:
    """What the operating system says when a run's folder is made, which happens outside of jobs."""
    for each in (error, error.__cause__):
        if isinstance(each, OSError) and not isinstance(each, HydraException) and not isinstance(error, InputError):
            return (
                f"{each.strerror}: {each.filename or 'while the configuration of the run was written'}. Runs are kept "
                "below outputs, sweeps below multirun: make room and allow writing there, or start in another folder."
            )
    return None


def _explained(error: Exception, config_name: str) -> str:
    text = str(error)
    if isinstance(error, HydraException) and isinstance(
        error.__cause__, InputError
    ):  # of a launcher or sweeper, which Hydra makes
        return str(error.__cause__)
    if (space := re.search(r"Could not load 'search/([^']*)'", text)) is not None:
        return f"search={space[1]}: there is no such space. There are: {', '.join(names_in('search'))}."
    if unknown := re.search(r"Could not override '([\w./]+)'", text):
        return f"unknown option {unknown[1]}: {_choices(unknown[1], config_name)}"
    if ours := re.match(r"InputError raised while resolving interpolation: (.*)", text):
        return ours[1]
    if text.startswith("Config group override must be"):
        return f"{text}: {' '.join(each for each in sys.argv[1:] if _names_group(each))}"
    cause = f"\n{error.__cause__}" if isinstance(error.__cause__, OmegaConfBaseException) else ""
    return text.split("\nConfig search path")[0] + cause


def _names_group(argument: str) -> bool:
    return (CONF / argument.split("=")[0]).is_dir()


def _choices(key: str, config_name: str) -> str:
    """The keys there are beside a misspelled one, in the groups that were chosen."""
    try:
        node: Any = _composed(config_name, [each for each in sys.argv[1:] if _names_group(each)])
    except HydraException:  # a group that this command does not have
        node = _composed(config_name, [])
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
    """An option that is in no yaml, or a value of another kind than the yaml's, stops here, by name."""
    overrides = HydraConfig.get().overrides.task
    config_name = HydraConfig.get().job.config_name
    groups = [each for each in overrides if each.split("=")[0].lstrip("+") in HydraConfig.get().runtime.choices]
    if not (set(overrides) - set(groups)):
        return
    base = _base(
        config_name, tuple(groups), tuple(each.path for each in GlobalHydra.instance().config_loader().get_sources())
    )
    for override in set(overrides) - set(groups):
        key = override.split("=")[0].lstrip("+~")
        given, default = _at(cfg, key), _at(base, key)
        if key.startswith("system.") and HydraConfig.get().runtime.choices.get("system") == "file":
            continue  # harness/systems/described.py knows them
        if override.startswith("+") and not _has(base, key) and not _is_free(base, key):
            raise InputError(f"unknown option {key}: {_choices(key, config_name or '')}")
        if given is not None and default is not None and _kind(given) != _kind(default) and key not in _OF_TWO_KINDS:
            raise InputError(f"{key}={given!r}: expected {_kind(default)}, such as {default!r}.")


@cache
def _base(config_name: str | None, groups: tuple[str, ...], folders: tuple[str, ...]) -> DictConfig:
    """What the yamls of some choices say, once for all jobs of a sweep that choose the same. folders: of the yamls."""
    return _composed(config_name, list(groups))


def _composed(config_name: str | None, overrides: list[str]) -> DictConfig:
    """A configuration composed beside the one that is running, from the same folders."""
    if GlobalHydra.instance().is_initialized():
        return compose(config_name, overrides=overrides)
    own = own_conf()
    folders = [] if own is None else [f"hydra.searchpath=['file://{own}']"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(config_name, overrides=[*folders, *overrides])


def find_own_classes() -> None:
    """Has Python look for classes of the user's own beside their yamls, too: --config-dir, or RICERCAR_CONFIG_DIR.

    Where that folder is in a package, it is the folder that this is in; else the folder itself.
    """
    if own := own_conf():
        package = (own.parent / "__init__.py").exists()
        found = next(each for each in own.parents if not (each / "__init__.py").exists()) if package else own
        sys.path.append(str(found))


def add_config_dir(parser: argparse.ArgumentParser) -> None:
    """The option of commands that take runs, for `find_own_classes`."""
    parser.add_argument(
        "--config-dir", type=_folder, metavar="FOLDER", help="of your own yamls, where the run used classes of yours"
    )


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text}: there is no such folder.")
    return Path(text)


def _tell_hidden() -> None:
    """Says of each choice of which there are two, Ricercar's own and one in the user's folder, which it is."""
    for group, choice in HydraConfig.get().runtime.choices.items():
        name = f"{group.partition('@')[0]}/{choice}"
        sources = [each for each in GlobalHydra.instance().config_loader().get_sources() if each.is_config(name)]
        if len(sources) > 1 and group.partition("/")[0] != "hydra" and name not in _told:
            _told.add(name)
            log.warning(
                "%s is Ricercar's own and in %s too: Ricercar's is taken. Give yours another name to have it.",
                name.replace("/", "="),
                sources[1].path,
            )


def _at(cfg: DictConfig, key: str) -> Any:
    value = OmegaConf.select(cfg, key.split("@")[0].replace("/", "."))
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def _has(cfg: DictConfig, key: str) -> bool:
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(cfg, parent) if parent else cfg
    return OmegaConf.is_dict(node) and name in node


def _is_free(cfg: DictConfig, key: str) -> bool:
    """Whether an option stands in a group that the yaml leaves empty, for names of the user's own."""
    return bool(_at(cfg, key.rpartition(".")[0]) == {})


def _kind(value: Any) -> str:
    for kind, name in ((bool, "true or false"), ((int, float), "a number"), (str, "text"), (list, "a list")):
        if isinstance(value, kind):
            return name
    return "a group of options"
