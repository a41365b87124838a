"""ricercar new NAME: a package of the user's own to begin with, beside Ricercar, in a folder NAME."""

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from ricercar.data.files import write_text
from ricercar.errors import InputError, exit_code

TEMPLATE = Path(__file__).parents[1] / "docs" / "template"
NAME = "mylab"  # what the package is called in the template


def cli() -> None:
    """The command."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """-> exit code; 1 for what the user can mend, which is one message."""
    parser = argparse.ArgumentParser(
        prog="ricercar new", description="Writes a package to begin with into a new folder."
    )
    parser.add_argument("name", help="of the package, such as mylab: small letters, digits and _")
    name = parser.parse_args(arguments).name
    return exit_code(lambda: begin(name))


def begin(name: str) -> None:
    """Writes the package, and says how to go on."""
    write(name, Path(name))
    print(f"{name}/ has a backbone, an optimizer, their yamls and a test. To try it:\n")
    print(f"    ricercar train --config-dir {name}/{name}/conf backbone={name}_gru")


def write(name: str, folder: Path) -> None:
    """The template under another name. InputError where the name is none, taken, or the folder is there."""
    if not name.isidentifier() or name != name.lower():
        raise InputError(f"{name!r} cannot be a package: small letters, digits and _, such as mylab.")
    if folder.exists():
        raise InputError(f"{folder} is there already: give another name, or remove it.")
    if find_spec(name) is not None:
        raise InputError(
            f"there is a package {name} already, which Python would import in its place: give another name."
        )
    try:
        for path in sorted(TEMPLATE.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                place = folder / str(path.relative_to(TEMPLATE)).replace(NAME, name)
                write_text(place, path.read_text(encoding="utf-8").replace(NAME, name))
    except OSError as error:
        raise InputError(f"cannot write into {folder}: {error.strerror}.") from error
