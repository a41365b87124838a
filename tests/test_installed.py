"""The wheel, as pip installs it into an environment that has the packages that it needs: no checkout is in sight."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from configs import ROOT, SYNTH, TINY

Installed = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Installed:
    """installed("bash", "-c", ...) in an empty folder, with the environment's programs."""
    folder = tmp_path_factory.mktemp("installed")
    copy = folder / "checkout"  # building leaves files
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        if (ROOT / name).is_file() and not name.startswith(("docs/results", "tests")):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "wheel", *offline, "--wheel-dir", folder / "wheels", copy], check=True)
    shutil.rmtree(copy)
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    [wheel] = (folder / "wheels").glob("*.whl")
    subprocess.run(
        [*pip, "--python", venv / "bin" / "python", "install", "--no-deps", "--no-index", "--no-compile", wheel],
        check=True,
    )
    [packages] = venv.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "HYDRA_", "PYTHON"))}
    (folder / "empty").mkdir()
    environment = {
        **clean,
        "HOME": str(folder),
        "PATH": f"{venv / 'bin'}:{os.environ['PATH']}",
        "RICERCAR_CACHE": str(cache),
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
    }

    def run(*command: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=folder / "empty",
            env={**environment, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
        )

    return run


def test_a_package_is_begun_trained_and_compared(installed: Installed) -> None:
    done = installed("ricercar", "new", "ourlab")
    assert (done.returncode, done.stderr) == (0, "")
    command = done.stdout.strip().splitlines()[-1].split()
    assert command[:2] == ["ricercar", "train"]
    own = ["optimizer=ourlab_nadam", "frontend=mel", "task=onset", "backbone.width=8"]
    done = installed(*command, *own, *TINY, *SYNTH)
    assert done.returncode == 0, done.stderr
    assert "backbone ourlab_gru" in done.stdout
    done = installed("ricercar", "leaderboard", "outputs")
    assert done.returncode == 0, done.stderr
    assert "mel ourlab_gru" in done.stdout


def test_tab_completes(installed: Installed) -> None:
    """Commands, names of groups, and choices, in a real bash."""
    script = """eval "$(ricercar completion bash)"
        complete_line() { COMP_LINE=$1; COMP_CWORD=$2; COMP_POINT=${#1}; _ricercar; echo "${COMPREPLY[@]}"; }
        complete_line "ricercar tra" 1
        complete_line "ricercar train fronte" 2
        complete_line "ricercar train frontend=hc" 2"""
    done = installed("bash", "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["train", "frontend. frontend=", "frontend=hcqt"]


def test_commands_are_listed(installed: Installed) -> None:
    assert "leaderboard" in installed("ricercar").stdout
    done = installed("ricercar", "trian")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "choose one of train, eval" in done.stderr
    assert installed("ricercar", "--version").stdout.startswith("0.")
