"""What determines a result: the configuration, the names that follow from it, the code and the versions.

Plain values in, plain values out: reading results takes neither torch nor hydra.
"""

import ast
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pkgutil
import platform
import re
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

import ricercar
from ricercar.harness.trackers.tracker import RunLabel
from ricercar.tasks.protocol import plain

_NAMED = ("task", "data", "frontend", "backbone")
_SEVERAL = ("task", "data")  # groups of which a list may be given: task=[beat,chord]

# Groups and options of the top that do not change a result.
_NEUTRAL = (
    "hydra", "resume", "sweep", "seeds_per_job", "tracker", "cache_dir", "num_threads", "num_scorers", "run",
    "predictions", "baseline", "split", "name", "system", "accelerator", "data_root", "content", "search", "reproduces",
)  # fmt: skip

# The same of options within a group: where and how fast it is computed, how often something is noted down.
_NEUTRAL_WITHIN = frozenset({
    "trainer.num_workers", "trainer.log_every_steps", "trainer.checkpoint_minutes", "spectrogram.limit_gb",
    "trainer.profile", "trainer.find_lr", "init.strict", "frontend.about",
    "hardware.accelerator", "hardware.strategy", "hardware.devices", "hardware.num_nodes",
})  # fmt: skip

# Options that came later, with the value that means "as before": where they have it, the run is that without them.
LATER: dict[str, Any] = {
    "init": {}, "init.from": None, "init.strict": True, "freeze": [], "unfreeze_at": None,
    "optimizer.groups": {}, "optimizer.decay_biases_and_norms": True, "trainer.profile": None, "trainer.find_lr": None,
    "head": {}, "head._target_": "ricercar.tasks.heads.Frames", "fold": None, "folds": None,
    "augmentation.mix_examples": 1, "augmentation.mix_db": [0.0, 0.0],
}  # fmt: skip

BUDGET = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*(step|epoch|minute)s?\s*")  # of a training
_IN_PROTOCOL = re.compile(r"task\.(parts\.\w+\.)?protocol\.")  # whose later options tasks/protocol.py has

# Options of data sets, wherever in `data`, that say where files are.
PLACES = ("root", "soundfonts", "home", "recordings", "folds_file")
PINNED = ("home", "recordings")  # what lies there follows from the options beside it: the data set and its version


def determining(cfg: DictConfig | Mapping[str, Any]) -> dict[str, Any]:
    """The configuration that goes into a result: without the groups that cannot change it, with its interpolations.

    `content` and `classes` stay where they are (see harness/settled.py): run_id reads them.
    """
    plain = OmegaConf.to_container(cfg, resolve=False) if isinstance(cfg, DictConfig) else cfg
    assert isinstance(plain, Mapping)
    kept = {str(key): value for key, value in plain.items() if key not in _NEUTRAL}
    return kept | ({"content": plain["content"]} if plain.get("content") else {})


def does_not_count(key: str) -> bool:
    """Whether an option, by its whole name, changes no result, or says where something is."""
    parts = key.split(".")
    names = {".".join(parts[:number]) for number in range(1, len(parts) + 1)}
    return parts[0] in _NEUTRAL or bool(names & _NEUTRAL_WITHIN) or (parts[0] == "data" and parts[-1] in PLACES)


def essence(config: Mapping[str, Any]) -> dict[str, Any]:
    """What determines a result, of a configuration as it is in result.json, under the same names.

    In place of the folders and files of data stands what `content` says of them, so that a copy elsewhere is the same
    (see harness/settled.py); where it says nothing, the last part of the path; the same of init.from, and of an
    encoder's weights, frontend.model, which may have the name of a hub as well.
    trainer.batch_size is that of all devices together; 300steps and 300 steps are the same budget. The options that a
    search tries are not in it: what it chose differs from seed to seed, what it could choose from is in `tune`.
    """
    dropped = _NEUTRAL_WITHIN | set((config.get("tune") or {}).get("space") or {})
    found = _without({key: value for key, value in config.items() if key not in _NEUTRAL}, "", dropped)
    if init := found.get("init"):
        found["init"] = init | {"from": (config.get("content") or {}).get("init.from", _last(init["from"]))}
    if hashed := (config.get("content") or {}).get("frontend.model"):
        found["frontend"] = found["frontend"] | {"model": hashed}
    if isinstance(found.get("data"), dict):
        found["data"] = _anywhere(found["data"], "data", config.get("content") or {})
    if "batch_size" in (trainer := found.get("trainer") or {}):
        found["trainer"] = trainer | {"batch_size": _whole_batch(trainer["batch_size"], config.get("hardware") or {})}
    if "budget" in (trainer := found.get("trainer") or {}):
        found["trainer"] = trainer | {"budget": _budget(trainer["budget"])}
    if "unfreeze_at" in found:
        found["unfreeze_at"] = _budget(found["unfreeze_at"])
    return found


def run_id(config: Mapping[str, Any] | DictConfig) -> str:
    """Hash of what determines the result."""
    return stable_hash(essence(_plain(config)))


def system_id(config: Mapping[str, Any] | DictConfig) -> str:
    """The same for all seeds of one system, and for all folds of a cross-validation."""
    return stable_hash({key: value for key, value in essence(_plain(config)).items() if key not in ("seed", "fold")})


def differing(one: Any, other: Any, path: str = "") -> list[str]:
    """Names of the options that differ between two configurations, or what `essence` makes of them."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        inside = (
            differing(one.get(key), other.get(key), f"{path}.{key}" if path else str(key)) for key in {**one, **other}
        )
        return [name for names in inside for name in names]
    return [] if stable_hash(one) == stable_hash(other) else [path]


def label(cfg: DictConfig, id: str, name: str, choices: Mapping[str, str], sweep: str | None) -> RunLabel:
    """What trackers know a run by. The jobs of a sweep are a group; outside of one, the seeds of a system."""
    called = named(choices, cfg)
    parts = [called[key] for key in _NAMED if key in called]
    group = sweep or "-".join([*parts, system_id(cfg)[:8]])
    return RunLabel(id, name, group, "train", tuple(dict.fromkeys(parts)))


def telling(overrides: Iterable[str]) -> list[str]:
    """The overrides that determine the result: not those of this machine, such as cache_dir."""
    return [each for each in overrides if not does_not_count(each.lstrip("+~").partition("=")[0])]


def choices_of(choices: Mapping[str, str | None]) -> dict[str, str]:
    """What was chosen in each group, as Hydra knows it; task=[a,b] is a+b, and so is data=[a,b]."""
    several = {
        group: "+".join(
            key.rpartition(".")[2] for key, choice in choices.items() if choice and key.startswith(f"{group}@")
        )
        for group in _SEVERAL
    }
    plain = {key: choice for key, choice in choices.items() if choice and "/" not in key and "@" not in key}
    return plain | {group: parts for group, parts in several.items() if parts}


def named(choices: Mapping[str, str], cfg: Mapping[str, Any] | DictConfig) -> dict[str, str]:
    """The choices as folders and groups of runs are called, wherever the data lie: mirdata's sets each by its name."""
    if "data" not in choices:
        return dict(choices)
    return {**choices, "data": _joined(_plain(cfg).get("data"), choices["data"], "_", ("dataset", "version"))}


def dataset_name(cfg: Mapping[str, Any] | DictConfig, choice: str) -> str:
    """What a data set is called in a result: the choice, and the folder's name or mirdata's, where there is one.

    synth, folder:maps, mirdata:guitarset, mirdata:slakh:baby, and of several at once synth+folder:maps.
    """
    return _joined(_plain(cfg).get("data"), choice, ":", ("root", "dataset", "version"))


def stable_hash(value: Any) -> str:
    """-> 16 hexadecimal digits of plain values, whatever the order of keys; 1.0 is 1."""
    text = json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(config: Mapping[str, Any] | DictConfig) -> dict[str, Any]:
    return determining(config) if isinstance(config, DictConfig) else dict(config)


def _without(options: Mapping[str, Any], path: str, dropped: Collection[str]) -> dict[str, Any]:
    """The options but those of these names, and those that are as they were before they came."""
    found: dict[str, Any] = {}
    for key, value in options.items():
        here = f"{path}{key}"
        if here not in dropped:
            kept = _without(value, f"{here}.", dropped) if isinstance(value, dict) else value
            if _IN_PROTOCOL.fullmatch(path):
                kept_as = plain({key: kept})
            else:
                kept_as = {} if here in LATER and kept == LATER[here] else {key: kept}
            found |= kept_as
    return found


def _anywhere(data: Mapping[str, Any], path: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a data set, and of the sets in it, with what is there in place of where it is."""
    found = {}
    for key, value in data.items():
        here = f"{path}.{key}"
        if isinstance(value, dict):
            found[key] = _anywhere(value, here, content)
        elif key in PLACES and value is not None and key not in PINNED:
            names = [_last(each) for each in value] if isinstance(value, list) else _last(value)
            found[key] = content.get(here, names)
        elif key not in PINNED:
            found[key] = value
    return found


def _last(path: Any) -> str:
    return Path(str(path)).name


def _whole_batch(batch_size: Any, hardware: Mapping[str, Any]) -> Any:
    """Windows of a step; where a number is not known (an interpolation), what is there of it."""
    factors = [batch_size, _num_devices(hardware.get("devices", 1)), hardware.get("num_nodes", 1)]
    if not all(isinstance(each, int) for each in factors):
        return [each for each in factors if each != 1]
    return factors[0] * factors[1] * factors[2]


def _budget(text: Any) -> Any:
    """300 steps of 300steps and 300.0 step (see Budget in harness/training_state.py); of a list, of each."""
    if isinstance(text, list):
        return [_budget(each) for each in text]
    found = BUDGET.fullmatch(text) if isinstance(text, str) else None
    return f"{_canonical(float(found[1]))} {found[2]}s" if found else text


def _num_devices(devices: Any) -> Any:
    """2 of 2, "2", [0, 3] and "0,3"; what is no number, such as auto, as it is."""
    if isinstance(devices, list):
        return len(devices)
    if isinstance(devices, str):
        return len(devices.split(",")) if "," in devices else int(devices) if devices.isdecimal() else devices
    return devices


def _joined(data: Any, choice: str, sign: str, options: tuple[str, ...]) -> str:
    """The name of a data set, and of its parts where it has some."""
    data = data if isinstance(data, dict) else {}
    if parts := data.get("parts"):
        return "+".join(_joined(part, str(name), sign, options) for name, part in parts.items())
    told = {key: str(data[key]) for key in options if data.get(key) is not None}
    if "root" in told:
        told["root"] = Path(told["root"]).expanduser().resolve().name
    return sign.join([choice, *(value for value in told.values() if value not in ("default", "???"))])


def _canonical(value: Any) -> Any:
    """The same for values that are equal: a whole float is an integer, a tuple a list."""
    if isinstance(value, dict):
        return {str(key): _canonical(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


_DISTRIBUTIONS = (
    "torch", "numpy", "scipy", "mir_eval", "nnAudio", "timm", "hydra-core", "wandb", "lightning-fabric", "transformers",
    "onnxruntime",
)  # fmt: skip
_LIBRARIES = (
    "ricercar", "torch", "numpy", "scipy", "mir_eval", "nnAudio", "timm", "hydra", "omegaconf", "wandb",
    "lightning_fabric",
)  # fmt: skip

# What scores come from; commands, tables and pages are not part of it.
CODE = ("data", "harness", "metrics", "models", "tasks")


@dataclass(frozen=True)
class Git:
    """The commit of the code, and whether files differed from it."""

    commit: str
    dirty: bool


def versions() -> dict[str, str | None]:
    """-> {package: version}, None where it is not installed."""
    return dict(_versions())


@cache
def _versions() -> Mapping[str, str | None]:
    """Read once: a process does not change its packages, and a run asks for each of its baselines."""
    found: dict[str, str | None] = {"python": platform.python_version(), "ricercar": ricercar.__version__}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


@cache
def source_hash(*sources: str) -> str:
    """-> hash of the code in files and folders of Ricercar: what was made by other code is not used again."""
    root = Path(ricercar.__file__).parent
    content = hashlib.sha256()
    for source in sources:
        for path in sorted((root / source).rglob("*.py")) or [root / source]:
            content.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return content.hexdigest()


def class_hashes(config: Any) -> dict[str, str]:
    """-> {name: hash of its code} of each class or function of the user's own that a configuration names.

    Neither Ricercar's own, of which a result has the commit, nor those of libraries, of which it has the version. A
    name that leads nowhere is left out.
    """
    return {name: hashed for name in sorted(_targets(config)) if (hashed := class_hash(name)) is not None}


def class_hash(name: str) -> str | None:
    """-> hash of the code of a class; None where there is none, or it is a library's."""
    sources = sources_of(name)
    return stable_hash(sources) if sources else None


@cache
def sources_of(name: str) -> Mapping[str, str]:
    """-> {module: its text} of a class or function, of those that it is derived from, and of all modules of the same
    package that these import, wherever in the module. None of a library's.

    As they are when this process first asks: what it runs is loaded then.
    """
    try:
        found = pkgutil.resolve_name(name)
    except Exception:  # whatever a module does when it is imported; making the class will tell
        return {}
    open_modules = {getattr(each, "__module__", None) or "" for each in getattr(found, "__mro__", (found,))}
    sources: dict[str, str] = {}
    while open_modules:
        module = open_modules.pop()
        text = None if module in sources or _is_of_library(module) else _text_of(module)
        if text is not None:
            sources[module] = text
            package = module.partition(".")[0]
            open_modules |= {each for each in _imported(module, text) if each.partition(".")[0] == package}
    return dict(sorted(sources.items()))


def own_packages(config: Any) -> dict[str, str | None]:
    """-> {package: its version and commit, as far as they are known} of the classes of the user's own."""
    packages = dict.fromkeys(module.partition(".")[0] for name in _targets(config) for module in sources_of(name))
    return {package: _state_of_package(package) for package in packages}


@cache
def git_state() -> Git | None:
    """Of Ricercar's own repository, when this process first asked: what it runs was loaded before."""
    return state_of(Path(ricercar.__file__).parent)


def state_of(root: Path) -> Git | None:
    """The state of the repository that `root` is the top of; None where it is none, or without git."""
    found = _git(root, "rev-parse", "HEAD", "--show-toplevel")
    changes = _git(root, "status", "--porcelain")
    if found is None or changes is None:
        return None
    commit, _, top = found.partition("\n")
    return Git(commit, bool(changes)) if Path(top).resolve() == root.resolve() else None


def _targets(node: Any) -> Iterator[str]:
    """Names of classes from elsewhere."""
    if isinstance(node, Mapping):
        target = node.get("_target_")
        if isinstance(target, str) and not _is_of_library(target):
            yield target
    children = node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
    for child in children:
        yield from _targets(child)


def _is_of_library(name: str) -> bool:
    return name.partition(".")[0] in _LIBRARIES or name.partition(".")[0] in sys.stdlib_module_names


def _text_of(module: str) -> str | None:
    """The source of a module, which is not imported for that, but its package is; None where there is none."""
    try:
        spec = importlib.util.find_spec(module)
        return None if spec is None or spec.origin is None else Path(spec.origin).read_text(encoding="utf-8")
    except (ImportError, AttributeError, ValueError, OSError):  # ValueError: text that is not UTF-8, or __main__
        return None


def _imported(module: str, text: str) -> Iterator[str]:
    """Names of all that a module imports, some of which may be no modules."""
    spec = importlib.util.find_spec(module)
    package = module if spec and spec.submodule_search_locations else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


@cache
def _state_of_package(package: str) -> str | None:
    """Its version where it is installed, the commit of its repository, and whether its folder differs from that."""
    distributions = importlib.metadata.packages_distributions().get(package, [])
    found = [importlib.metadata.version(each) for each in distributions[:1]]
    spec = importlib.util.find_spec(package)
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent
        commit, changes = _git(folder, "rev-parse", "HEAD"), _git(folder, "status", "--porcelain", "--", ".")
        if commit is not None and changes is not None:
            found += [f"commit {commit[:12]}", *(["changed"] if changes else [])]
    return ", ".join(found) or None


def _git(root: Path, *arguments: str) -> str | None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            env={**environment, "GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
