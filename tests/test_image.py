"""The Dockerfile, read: Docker itself is not here. `make image-steps` runs its pip commands in an empty environment."""

import json
import re
import shlex
import subprocess

import pytest

from configs import ROOT
from ricercar.__main__ import COMMANDS

KNOWN = ("FROM", "ARG", "ENV", "RUN", "WORKDIR", "COPY", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD")


def steps() -> list[tuple[str, str]]:
    """(instruction, arguments), comments left out and continued lines joined."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def test_every_instruction_is_one() -> None:
    assert {name for name, _ in steps()} <= set(KNOWN)
    assert [name for name, _ in steps()].count("FROM") == 1
    for name, arguments in steps():
        if name in ("ENTRYPOINT", "CMD"):
            assert all(isinstance(each, str) for each in json.loads(arguments))
        if name == "RUN":
            assert shlex.split(arguments)


def test_nothing_is_run_as_root() -> None:
    names = [name for name, _ in steps()]
    assert dict(steps())["USER"] == "ricercar"
    assert names.index("USER") > max(i for i, name in enumerate(names) if name in ("RUN", "COPY"))
    assert names.index("USER") < names.index("ENTRYPOINT")


def test_it_installs_what_the_project_does() -> None:
    """torch as the Makefile pins it, the rest by the lock file, and the extra that the service needs."""
    [torch] = re.findall(r"^TORCH := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    runs = [arguments for name, arguments in steps() if name == "RUN"]
    assert any(run.split()[-1] == torch for run in runs)
    assert any("--constraint requirements.lock" in run and ".[serve]" in run for run in runs)
    assert "serve = [" in (ROOT / "pyproject.toml").read_text()
    assert (ROOT / "requirements.lock").is_file()


def test_it_starts_the_service() -> None:
    program, command, *options = json.loads(dict(steps())["ENTRYPOINT"])
    assert (program, options) == ("ricercar", ["--host", "0.0.0.0"])
    assert command in COMMANDS


@pytest.mark.parametrize("name", ["use/serve/app.py", "requirements.lock", "pyproject.toml", "conf/config.yaml"])
def test_what_is_needed_is_not_left_out(name: str) -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert not any(name.startswith(each.strip("*/")) for each in ignored)
    assert subprocess.run(["git", "check-ignore", name], cwd=ROOT, capture_output=True).returncode == 1
