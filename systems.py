"""Installs what runs systems from elsewhere: python systems.py list, install NAME, remove NAME; --help tells more."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from ricercar.errors import exit_code
from ricercar.harness.systems.environment import Place
from ricercar.harness.systems.system import System, names, yaml_of
from ricercar.harness.text import table

_EVAL = Path(__file__).parent / "conf" / "eval.yaml"


def main(arguments: Sequence[str]) -> int:
    """-> exit code; 1 for what the user can mend, which is one message."""
    parser = argparse.ArgumentParser(
        prog=Path(sys.argv[0]).name, description="Other people's systems: what eval.py system=NAME needs to run them."
    )
    parser.add_argument(
        "--config-dir", type=Path, default=os.environ.get("RICERCAR_CONFIG_DIR"), help="folder of your own yamls"
    )
    parser.add_argument("--cache-dir", type=Path, help="where environments are; that of eval.py if left out")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="all systems: tasks, licence, installed or not")
    for name, does in (("install", "builds their environments"), ("remove", "deletes their environments")):
        command = commands.add_parser(name, help=does)
        command.add_argument("systems", nargs="+", metavar="NAME")
    args = parser.parse_args(arguments)
    cache_dir = (args.cache_dir or _cache_dir()).expanduser()
    if args.command == "list":
        return exit_code(lambda: _list(args.config_dir, cache_dir))
    do = _install if args.command == "install" else _remove
    return exit_code(lambda: do(args.systems, args.config_dir, cache_dir))


def _cache_dir() -> Path:
    """As eval.py's, whose yaml has the default."""
    default = yaml.safe_load(_EVAL.read_text("utf-8"))["cache_dir"].rpartition(",")[2].strip("'}")
    return Path(os.environ.get("RICERCAR_CACHE") or default)


def _list(own: Path | None, cache_dir: Path) -> None:
    rows = []
    for name in names(own):
        path = yaml_of(name, own)
        system = System.read(path)
        state = Place.of(system, name, cache_dir).state
        told = {"none": "needs nothing", "other": "install again: its yaml has changed"}.get(state, state)
        rows.append([name, ", ".join(system.writes or {}), system.licence or "not known", told])
    print(table(rows, ["system", "tasks", "licence", "state"], ("left",) * 4))


def _install(choices: Sequence[str], own: Path | None, cache_dir: Path) -> None:
    for choice, place in _places(choices, own, cache_dir):
        if place.environment is None:
            print(f"{choice}: there is nothing to install")
        elif place.install():
            print(f"{choice}: installed in {place.folder}")
        else:
            print(f"{choice}: is installed already")


def _remove(choices: Sequence[str], own: Path | None, cache_dir: Path) -> None:
    for choice, place in _places(choices, own, cache_dir):
        print(f"{choice}: {'removed' if place.remove() else 'was not installed'}")


def _places(choices: Sequence[str], own: Path | None, cache_dir: Path) -> list[tuple[str, Place]]:
    """All of them, before anything is done with the first."""
    paths = {choice: yaml_of(choice, own) for choice in choices}
    return [(choice, Place.of(System.read(path), choice, cache_dir)) for choice, path in paths.items()]


def cli() -> None:
    """The command."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    cli()
