"""ricercar submit RUN FOLDER: a finished run as a program that is called as in MIREX, run.sh IN.wav OUT.txt."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml  # type: ignore[import-untyped]

import ricercar
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.frequencies import midi_to_hz
from ricercar.data.annotations.notes import Notes
from ricercar.data.annotations.onsets import Onsets
from ricercar.data.files import write_text
from ricercar.errors import InputError, exit_code
from ricercar.harness import assemble
from ricercar.harness.command import add_config_dir, find_own_classes
from ricercar.harness.results import Result
from ricercar.harness.systems.system import System
from ricercar.use import package
from ricercar.use.card import NO_LICENCE
from ricercar.use.model import load

_SHELL = """#!/bin/sh
# run.sh IN.wav OUT.txt: {task} of one recording. It needs Python with ricercar=={version}: PYTHON=... names another.
exec "${{PYTHON:-python3}}" "$(dirname "$0")/run.py" "$1" "$2"
"""
_PYTHON = '''"""What run.sh runs: python run.py IN.wav OUT.txt."""

import sys
from pathlib import Path

from ricercar.use.submit import answer

sys.exit(answer(Path(__file__).parent / "model", "{task}", *map(Path, sys.argv[1:3]), trust={trust}))
'''


def cli() -> None:
    """The command."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """-> exit code; 1 for what the user can mend, which is one message."""
    parser = argparse.ArgumentParser(
        prog="ricercar submit",
        description="Wraps a finished run as a program that is called as in MIREX: FOLDER/run.sh IN.wav OUT.txt.",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a finished run")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a new one")
    parser.add_argument("--task", metavar="NAME", help="of a run of several tasks, the one to submit")
    parser.add_argument("--licence", default=NO_LICENCE, metavar="ID", help=f"of the weights ({NO_LICENCE})")
    add_config_dir(parser)
    args = parser.parse_args(arguments)
    find_own_classes()
    return exit_code(lambda: write(args.run, args.folder, args.task, args.licence))


def write(run: Path, folder: Path, task: str | None, licence: str) -> None:
    """Writes run.sh, run.py, the model (as a package), and system.yaml, by which eval.py scores it as any other system.

    InputError where the run is none, or the folder has something in it.
    """
    folder = folder.expanduser()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already, and not empty: give a new folder.")
    package.write(run, folder / "model", licence, None)
    results = {each.choices["task"]: each for each in _results(folder / "model")}
    if task is None and len(results) > 1:
        raise InputError(f"{run} has several tasks: give --task with one of {', '.join(results)}.")
    name = task or next(iter(results))
    if name not in results:
        raise InputError(f"--task {name}: {run} has {', '.join(results)}.")
    result = results[name]
    about = {
        "name": f"run {result.run_id}",
        "trained_on": result.training.data if result.training else [],
        "licence": None if licence == NO_LICENCE else licence,
        "params": result.cost.params,
        "writes": {name: ".txt"},
        "command": "./run.sh %input %output",
        "reads": [".wav"],
    }
    System.of(about, "system.yaml")
    try:
        write_text(folder / "run.py", _PYTHON.format(task=name, trust=package.own_packages(assemble.read_config(run))))
        write_text(folder / "run.sh", _SHELL.format(task=name, version=ricercar.__version__))
        (folder / "run.sh").chmod(0o755)
        comment = f"# A run of Ricercar, called as in MIREX: eval.py system={folder.name}/system.yaml task={name}\n"
        write_text(folder / "system.yaml", comment + yaml.safe_dump(about, sort_keys=False))
    except OSError as error:
        raise InputError(f"cannot write into {folder}: {error.strerror}.") from error
    print(f"{folder}/run.sh IN.wav OUT.txt says what the run hears in a recording. To score it as any other system:\n")
    print(f"    ricercar eval system={folder}/system.yaml task={name} data=...")


def answer(model: Path, task: str, recording: Path, output: Path, trust: Sequence[str]) -> int:
    """What run.sh does -> exit code. trust: packages of Python that the run has classes from."""

    def do() -> None:
        find_own_classes()
        found = load(model, trust=trust)(recording)
        text = mirex_text(found[task] if isinstance(found, dict) else found)
        try:
            write_text(output, text)
        except OSError as error:
            raise InputError(f"cannot write {output}: {error.strerror}.") from error

    return exit_code(do)


def mirex_text(annotation: Annotation) -> str:
    """An annotation in MIREX's rows, between whose cells are tabs. eval.py reads all of them."""
    if isinstance(annotation, Notes):
        rows = zip(annotation.onset_s, annotation.offset_s, midi_to_hz(annotation.pitch), strict=True)
        lines = "".join(f"{onset:.6f}\t{offset:.6f}\t{freq_hz:.4f}\n" for onset, offset, freq_hz in rows)
        return f"# onset offset frequency_hz\n{lines}"
    text = annotation.text()
    if isinstance(annotation, Onsets):
        return text.partition("\n")[2]  # without its header
    return text.replace(",", "\t") if annotation.name == "melody" else text


def _results(folder: Path) -> list[Result]:
    return [Result.read(path) for path in sorted([*folder.glob(package.RESULT), *folder.glob(f"*/{package.RESULT}")])]
