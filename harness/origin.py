"""What a result was made with: versions of packages, and the commit of the code."""

import hashlib
import importlib.metadata
import inspect
import os
import pkgutil
import platform
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import ricercar

_DISTRIBUTIONS = (
    "torch", "numpy", "scipy", "mir_eval", "nnAudio", "timm", "hydra-core", "wandb", "lightning-fabric",
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
    """-> {name: hash of its files} of each class or function that a configuration names and Ricercar does not have.

    The files are those that it and the classes it is made from are written in; a name that leads nowhere is left out.
    """
    return {name: hashed for name in sorted(_targets(config)) if (hashed := _hash_of(name)) is not None}


def git_state(root: Path = Path(ricercar.__file__).parent) -> Git | None:
    """The state of the repository that `root` is the top of; None where it is none, or without git."""
    commit = _git(root, "rev-parse", "HEAD")
    top = _git(root, "rev-parse", "--show-toplevel")
    changes = _git(root, "status", "--porcelain")
    if commit is None or top is None or changes is None or Path(top).resolve() != root.resolve():
        return None
    return Git(commit, bool(changes))


def _targets(node: Any) -> Iterator[str]:
    """Names of classes from elsewhere."""
    if isinstance(node, Mapping):
        target = node.get("_target_")
        if isinstance(target, str) and not target.startswith("ricercar."):
            yield target
    children = node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
    for child in children:
        yield from _targets(child)


def _hash_of(name: str) -> str | None:
    try:
        found = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError):
        return None  # making it will tell
    files = {_file_of(each) for each in getattr(found, "__mro__", (found,))} - {None}
    content = hashlib.sha256()
    for file in sorted(file for file in files if file is not None):
        content.update(Path(file).read_bytes())
    return content.hexdigest() if files else None


def _file_of(item: Any) -> str | None:
    try:
        return inspect.getsourcefile(item)
    except TypeError:  # built in
        return None


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
