"""Runs of a sweep that left no result."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from ricercar.comparison.ablation.factors import Cell, Setting

_RESULT = "result.json"


@dataclass(frozen=True)
class Unfinished:
    """A run that failed, or still goes on."""

    path: Path
    cell: Cell
    seed: int | None


def find_unfinished(paths: Sequence[Path]) -> list[tuple[Path, Setting, int | None]]:
    """-> folder, setting and seed of each run of train.py below the paths without a result.json."""
    found = {}
    for folder in (each for path in paths for each in _run_folders(path)):
        if not (folder / _RESULT).exists() and not any(folder.glob(f"*/{_RESULT}")):
            read = _read(folder)
            if read is not None:
                found[folder.resolve()] = (folder, *read)
    return list(found.values())


def belonging(
    unfinished: Sequence[tuple[Path, Setting, int | None]],
    finished: Setting,
    free: Sequence[str],
    vary: Sequence[str],
    done: set[tuple[Cell, int | None]],
) -> list[Unfinished]:
    """Those that differ from a finished run in nothing but what is free and the seed, and that no run made up for."""
    fixed = {
        name: value
        for name, value in finished.options.items()
        if not any(name == each or name.startswith(f"{each}.") for each in free)
    }
    found = []
    for path, setting, seed in unfinished:
        cell = setting.cell(vary)
        same = all(setting.options.get(name) == value for name, value in fixed.items())
        if cell is not None and same and (cell, seed) not in done:
            found.append(Unfinished(path, cell, seed))
    return found


def _run_folders(path: Path) -> Iterator[Path]:
    for folder, names, _ in os.walk(path):
        if ".hydra" in names:
            yield Path(folder)
            names.clear()  # what is inside belongs to the run
        names.sort()


def _read(folder: Path) -> tuple[Setting, int | None] | None:
    """None for what is no training, or where the run had no time to write its configuration."""
    try:
        config = yaml.safe_load((folder / ".hydra" / "config.yaml").read_text(encoding="utf-8"))
        hydra = yaml.safe_load((folder / ".hydra" / "hydra.yaml").read_text(encoding="utf-8"))
        choices = hydra["hydra"]["runtime"]["choices"]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
        return None
    if not isinstance(config, dict) or "trainer" not in config or not isinstance(choices, dict):
        return None
    chosen = {group: choice for group, choice in choices.items() if isinstance(choice, str) and "/" not in group}
    seed = config.get("seed")
    return Setting.of(chosen, config), seed if isinstance(seed, int) else None
