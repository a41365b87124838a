"""What a run is: the part of its configuration that determines the result, and the names that follow from it."""

import copy
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ricercar.harness.results import stable_hash
from ricercar.harness.trackers.tracker import Job

_NAMED = ("task", "data", "frontend", "backbone")
_SEVERAL = ("task", "data")  # groups of which a list may be given: task=[beat,chord]

# What does not change a result; everything else in the configuration goes into the run_id.
_NEUTRAL = (
    "hydra", "resume", "seeds_per_job", "tracker", "cache_dir", "num_threads", "num_scorers", "run", "predictions",
    "baseline", "split", "name", "system", "accelerator", "data_root",
)  # fmt: skip


def determining(cfg: DictConfig) -> dict[str, Any]:
    """The part of a configuration that determines the result, with its interpolations."""
    plain = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items() if key not in _NEUTRAL}


def does_not_count(key: str) -> bool:
    """Whether an option, by its whole name, changes no result."""
    return key.split(".")[0] in _NEUTRAL


def without_searched(config: Mapping[str, Any]) -> dict[str, Any]:
    """A plain configuration without the options that its search tries: two that differ in these alone are one run.

    What a search chose differs from seed to seed; what it could choose from is in `tune`.
    """
    kept = copy.deepcopy(dict(config))
    for key in (kept.get("tune") or {}).get("space") or {}:
        node: Any = kept
        *path, name = key.split(".")
        for part in path:
            node = node.get(part) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node.pop(name, None)
    return kept


def run_id(cfg: DictConfig) -> str:
    """Hash of what determines the result."""
    return stable_hash(without_searched(determining(cfg)))


def job(cfg: DictConfig, id: str, name: str, choices: Mapping[str, str]) -> Job:
    """What trackers know a run by. The seeds of one system are a group."""
    parts = [choices[key] for key in _NAMED if key in choices]
    system = stable_hash({key: value for key, value in without_searched(determining(cfg)).items() if key != "seed"})
    return Job(id, name, "-".join([*parts, system[:8]]), "train", tuple(dict.fromkeys(parts)))


def telling(overrides: Iterable[str]) -> list[str]:
    """The overrides that determine the result: not those of this machine, such as cache_dir."""
    return [each for each in overrides if re.split(r"[.=]", each.lstrip("+~"))[0] not in _NEUTRAL]


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


def dataset_name(cfg: DictConfig, choice: str) -> str:
    """What a data set is called in a result: the choice, and the folder's name where it reads one."""
    root = OmegaConf.select(cfg, "data.root")
    return choice if root is None else f"{choice}:{Path(root).expanduser().resolve().name}"
