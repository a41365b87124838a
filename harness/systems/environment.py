"""The environments that systems run in: one for each, below the cache folder; never the one of Ricercar."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ricercar.data.files import locked, share, what_to_do, write_text
from ricercar.errors import InputError
from ricercar.harness.identity import stable_hash
from ricercar.harness.systems.system import YAML, Environment, System

_MARK = "installed.json"  # written last
_NUM_LINES = 8
# Prints name==version of what is installed in an environment, and of what was asked for, wherever it is.
_LIST = """
import re, sys
from importlib.metadata import distributions
plain = lambda name: re.sub("[-_.]+", "-", name).lower()
asked = set(map(plain, sys.argv[1:]))
found = {plain(each.metadata["Name"]): each for each in reversed(list(distributions()))}
for name, each in sorted(found.items()):
    own = str(each.locate_file("")).startswith(sys.prefix)
    if name in asked or own and name not in ("pip", "setuptools"):
        print(f"{name}=={each.version}")
"""
_NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Place:
    """Where the environment of a system is: `root`/<choice>. The system may need none: then it has Ricercar's Python.

    choice    what the system is called on the command line
    """

    root: Path
    choice: str
    environment: Environment | None

    @classmethod
    def of(cls, system: System, choice: str, cache_dir: Path) -> "Place":
        return cls(cache_dir / "systems", choice, system.environment)

    @property
    def folder(self) -> Path:
        """Of a yaml that is in no folder of yamls, one that no other has."""
        if not self.choice.endswith(YAML):
            return self.root / self.choice
        path = Path(self.choice).expanduser().absolute()
        return self.root / f"{path.stem}-{stable_hash(str(path))[:6]}"

    @property
    def _lock(self) -> Path:
        return self.root / f"{self.folder.name}.lock"

    @property
    def python(self) -> Path:
        return Path(sys.executable) if self.environment is None else self.folder / "bin" / "python"

    @property
    def variables(self) -> dict[str, str]:
        """Of a process that runs in it: its programs come first, and nothing of Ricercar's own is in sight."""
        if self.environment is None:
            return dict(os.environ)
        own = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
        path = f"{self.folder / 'bin'}{os.pathsep}{own.get('PATH', os.defpath)}"
        return {**own, "VIRTUAL_ENV": str(self.folder), "PATH": path}

    @property
    def state(self) -> str:
        """installed, not installed, other (as its yaml was before), or none: nothing is to be installed."""
        if self.environment is None:
            return "none"
        mark = self._mark()
        if mark is None:
            return "not installed"
        return "installed" if mark["made_of"] == self._made_of else "other"

    @property
    def packages(self) -> list[str] | None:
        """What is installed, name==version."""
        mark = self._mark() if self.environment is not None else None
        packages: list[str] | None = None if mark is None else mark["packages"]
        return packages

    def check(self) -> None:
        """InputError where it is to be installed first."""
        state = self.state
        if state in ("not installed", "other"):
            why = "is not installed" if state == "not installed" else "was installed from another description"
            raise InputError(f"system={self.choice} {why}: ricercar systems install {self.choice}")

    def install(self) -> bool:
        """Builds it, or what is left of it anew -> whether there was anything to do. InputError says what pip said."""
        if self.environment is None:
            return False
        try:
            with locked(self._lock):
                if self.state == "installed":
                    return False
                shutil.rmtree(self.folder, ignore_errors=True)
                self._build(self.environment)
                share(self.folder)
        except OSError as error:
            raise InputError(
                f"cannot install into {self.folder}: {error.strerror}. {what_to_do(error)}, or name another folder: "
                "RICERCAR_CACHE=FOLDER."
            ) from error
        return True

    def remove(self) -> bool:
        """-> whether there was anything."""
        if not self.folder.exists():
            return False
        with locked(self._lock):
            (self.folder / _MARK).unlink(missing_ok=True)
            shutil.rmtree(self.folder)
        return True

    def _build(self, wanted: Environment) -> None:
        python = sys.executable if wanted.python is None else shutil.which(wanted.python)
        if python is None:
            raise InputError(f"system={self.choice} needs {wanted.python}, which is not on the PATH: install it first.")
        bare = [] if wanted.packages or wanted.no_deps else ["--without-pip"]
        self._run([python, "-m", "venv", *bare, str(self.folder)], "an environment cannot be made")
        if wanted.ours:
            [packages] = self.folder.glob("lib/python*/site-packages")
            ours = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
            write_text(packages / "zz_ricercar.pth", "".join(f"{path}\n" for path in ours))
        for names, flags in ((wanted.packages, []), (wanted.no_deps, ["--no-deps", "--no-build-isolation"])):
            if names:
                self._run(
                    [str(self.python), "-m", "pip", "install", "--disable-pip-version-check", *flags, *names],
                    f"pip cannot install {' '.join(names)}",
                )
        if wanted.fetch is not None:
            program, *rest = shlex.split(wanted.fetch)
            self._run([str(self.folder / "bin" / program), *rest], f"{wanted.fetch} failed")
        named = [re.split(r"[^\w.-]", name)[0] for name in (*wanted.packages, *wanted.no_deps)]
        listed = self._run([str(self.python), "-c", _LIST, *named], "what is installed cannot be listed")
        content = {"made_of": self._made_of, "packages": listed.split()}
        write_text(self.folder / _MARK, json.dumps(content, indent=1))

    def _run(self, command: Sequence[str], failure: str) -> str:
        try:
            done = subprocess.run(
                command, env=self.variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
            )
        except FileNotFoundError as error:
            raise InputError(f"system={self.choice}: {failure}: there is no {command[0]}.") from error
        if done.returncode:
            raise InputError(
                f"system={self.choice}: {failure} (in {self.folder}):\n{last_lines(done.stderr or done.stdout)}\n"
                "Without a network nothing can be installed. The same command begins anew."
            )
        return done.stdout

    @property
    def _made_of(self) -> str:
        assert self.environment is not None
        said = {name: value for name, value in asdict(self.environment).items() if value}
        return stable_hash([said, list(sys.version_info[:2])])

    def _mark(self) -> dict[str, Any] | None:
        try:
            content = json.loads((self.folder / _MARK).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) and {"made_of", "packages"} <= set(content) else None


def last_lines(text: str, number: int = _NUM_LINES) -> str:
    """The end of what a program said, indented; of a line that it wrote over, such as a progress bar, the last."""
    lines = [line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n")]
    kept = [line for line in lines if line.strip()][-number:]
    return "\n".join(f"    {line[:300]}" for line in kept)
