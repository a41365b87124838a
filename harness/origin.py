"""What a result was made with: versions of packages, and the commit of the code."""

import hashlib
import importlib.metadata
import os
import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

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


def git_state(root: Path = Path(ricercar.__file__).parent) -> Git | None:
    """The state of the repository that `root` is the top of; None where it is none, or without git."""
    commit = _git(root, "rev-parse", "HEAD")
    top = _git(root, "rev-parse", "--show-toplevel")
    changes = _git(root, "status", "--porcelain")
    if commit is None or top is None or changes is None or Path(top).resolve() != root.resolve():
        return None
    return Git(commit, bool(changes))


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
