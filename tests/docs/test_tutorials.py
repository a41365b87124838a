"""The pages of docs/tutorials do what they say: their files are written and their commands run, in order.

In a page
    a block after a line that ends in `path`:   is written to that file, in a copy of the checkout
    a block of bash                             is run there
    a block of text after it                    is in what that printed, line by line, but for numbers, spaces, and what
                                                stands at `...`. With a line of FAILED, its commands exit with code 1
Trainings are three steps on composed pieces of six seconds. That is all in which the test differs from the reader.
"""

import json
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path
from shutil import copy2

import pytest

from configs import ROOT, TINY

PAGES = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
SMALL = ["data.num_train=2", "data.num_valid=1", "data.num_test=6", "data.composer.duration_s=6"]
EXTRA = {
    "train.py": [*TINY, *SMALL],
    "pytest": ["-n", "0", "-p", "no:cacheprovider"],
}
FAILED = ("error:", "PROBLEMS")  # what a line begins with
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"`([\w./-]+)`:\s*$")
Bash = Callable[[str], subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, the line that it begins in, and the file that the line before it names."""

    language: str
    content: str
    line: int
    path: str | None


def blocks(text: str) -> list[Block]:
    found = []
    for match in _FENCE.finditer(text):
        named = _NAMED.search(text[: match.start()])
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(match[1], match[2], line, named[1] if named else None))
    return found


def stable(line: str) -> str:
    """Without what differs from run to run: numbers, ids, times, verdicts, the width of columns."""
    line = re.sub(r"\b[0-9a-f]{8,}\b", "#", line)
    line = re.sub(r"(\\?< )?[-+]?\d[\d,.]*( [kM]\b)?", "#", line)
    line = re.sub(r"# (s|min)$", "#", line)
    line = re.sub(r"\b(confirmed|contradicted|not decided)\b", "#", line)
    return " ".join(re.sub(r"-{3,}", "---", line).split())


def missing(expected: str, printed: str) -> list[str]:
    """The expected lines that no printed line begins with, in any order.

    What is sorted by scores comes otherwise in the test, and narrow numbers leave room for more columns.
    """
    lines = {stable(line) for line in printed.splitlines()}
    patterns = {line: ".*".join(map(re.escape, stable(line).split("..."))) for line in expected.splitlines()}
    return [line for line, pattern in patterns.items() if not any(re.match(rf"{pattern}( |$)", each) for each in lines)]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the checkout's files, without its pages and results; with what Python has compiled of them."""
    copy = tmp_path / "checkout"
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in names:
        if (ROOT / name).is_file() and (not name.startswith("docs/") or name.startswith("docs/template/")):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            copy2(ROOT / name, copy / name)
            if (ROOT / (compiled := cache_from_source(name))).exists():
                (copy / compiled).parent.mkdir(exist_ok=True)
                copy2(ROOT / compiled, copy / compiled)
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "ricercar").symlink_to(copy)
    return copy


@pytest.fixture
def bash(forked_python: Path, checkout: Path, tmp_path: Path, cache: Path) -> Bash:
    """Runs a script in the copy, which is what is called ricercar there."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "HYDRA_", "PYTEST_"))}
    environment = {
        **clean,
        "HOME": str(tmp_path),
        "EXTRA_ARGUMENTS": json.dumps(EXTRA),
        "PATH": f"{forked_python}:{os.environ['PATH']}",
        "PYTHONPATH": str(tmp_path / "packages"),
        "RICERCAR_CACHE": str(cache),
        "CUDA_VISIBLE_DEVICES": "",
    }

    def run(script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=checkout,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
        )

    return run


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_does_what_it_says(page: Path, checkout: Path, bash: Bash) -> None:
    found = blocks(page.read_text())
    for block, after in zip(found, [*found[1:], None], strict=True):
        place = f"{page.name}, line {block.line}"
        if block.path is not None:
            (checkout / block.path).parent.mkdir(parents=True, exist_ok=True)
            (checkout / block.path).write_text(block.content)
        elif block.language == "bash":
            expected = after.content if after is not None and after.language == "text" else ""
            ended = bash(block.content)
            fails = any(line.startswith(FAILED) for line in expected.splitlines())
            assert ended.returncode == int(fails), f"{place}\n{ended.stdout}"
            assert missing(expected, ended.stdout) == [], f"{place}\n{ended.stdout}"
        else:
            assert block.language == "text", f"{place}: which file is it?"


def test_every_page_is_listed() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    pages = [*(ROOT / "docs").glob("*.md"), *PAGES]
    assert [page.name for page in pages if f"{page.stem}.md)" not in index and page.name != "index.md"] == []


@pytest.mark.parametrize("page", [*PAGES, *(ROOT / "docs").glob("*.md")], ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    links = {link for link in re.findall(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)", page.read_text()) if "://" not in link}
    assert [link for link in links if not (page.parent / link).exists()] == []
