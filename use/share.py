"""ricercar package, push and pull: a finished run as a folder to pass on, to the Hugging Face hub and from there."""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from ricercar.errors import InputError, exit_code
from ricercar.harness.command import add_config_dir, find_own_classes
from ricercar.use import hub, package
from ricercar.use.card import NO_LICENCE

_TOKEN = "Writing, and reading what is private, takes a token: `hf auth login`, or the environment's HF_TOKEN."


def main(command: str, arguments: Sequence[str]) -> int:
    """-> exit code; 1 for what the user can mend, which is one message."""
    parser = argparse.ArgumentParser(prog=f"ricercar {command}")
    work = _COMMANDS[command](parser)
    add_config_dir(parser)
    args = parser.parse_args(arguments)
    find_own_classes()
    return exit_code(lambda: work(args))


def _package(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], None]:
    parser.description = (
        "Packs a finished run into a new folder in the hub's layout: weights (safetensors), config.json, README.md "
        "(the model card) and result.json. ricercar.load, predict and serve take it in place of the run."
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a finished run")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a new one")
    _add_words(parser)

    def work(args: argparse.Namespace) -> None:
        print(package.write(args.run, args.folder, args.licence or NO_LICENCE, args.name, _graphs(args.graph)))

    return work


def _push(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], None]:
    parser.description = f"Uploads a package, or a run after packing it, to the hub as one commit. {_TOKEN}"
    parser.add_argument("given", type=Path, metavar="RUN_OR_PACKAGE", help="a folder")
    parser.add_argument(
        "place", metavar="OWNER/NAME[@BRANCH]", help="the repository, which is made where there is none"
    )
    parser.add_argument("--private", action="store_true", help="the repository is not public")
    parser.add_argument("--message", default="Upload a model of Ricercar", help="of the commit")
    _add_words(parser)
    _add_trust(parser)

    def work(args: argparse.Namespace) -> None:
        place = hub.Place.parse(args.place)
        with TemporaryDirectory() as temporary:
            folder, licence = args.given, args.licence or NO_LICENCE
            if not package.is_package(folder):
                name, graphs = args.name or place.repo, _graphs(args.graph)
                folder = package.write(folder, Path(temporary) / "package", licence, name, graphs)
            elif args.licence or args.name or args.graph:
                raise InputError(f"{folder} is a package already: --licence, --name and --graph are of runs.")
            print(hub.push(folder, place, args.private, args.message, args.trust))

    return work


def _pull(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], None]:
    parser.description = f"Downloads a package from the hub into a new folder. {_TOKEN}"
    parser.add_argument(
        "place", metavar="OWNER/NAME[@REVISION]", help="the repository, and a branch, tag or commit of it"
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a new one")
    _add_trust(parser)

    def work(args: argparse.Namespace) -> None:
        folder = hub.pull(hub.Place.parse(args.place), args.folder)
        package.read(folder, args.trust)
        print(folder)

    return work


def _add_words(parser: argparse.ArgumentParser) -> None:
    """What the model card cannot know by itself."""
    parser.add_argument(
        "--licence", metavar="ID",
        help=f"of the weights, by the hub's short name, such as cc-by-4.0 (default: {NO_LICENCE})",
    )  # fmt: skip
    parser.add_argument("--name", help="of the model, as the title of its card")
    parser.add_argument(
        "--graph", type=Path, action="append", default=[], metavar="FILE",
        help="that export.py wrote of the run, with its .json: goes into the package and onto the card (repeatable)",
    )  # fmt: skip


def _add_trust(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trust", action="append", default=[], metavar="PACKAGE",
                        help="of Python, whose classes the package may name (repeatable)")  # fmt: skip


def _graphs(paths: Sequence[Path]) -> list[package.Graph]:
    if not paths:
        return []
    from ricercar.use.export import read_proof, told

    proofs = {path: read_proof(path) for path in paths}
    return [package.Graph(path, proof.run_id, told(proof)) for path, proof in proofs.items()]


_COMMANDS = {"package": _package, "push": _push, "pull": _pull}


def cli(command: str) -> None:
    """The command."""
    sys.exit(main(command, sys.argv[1:]))


package_cli, push_cli, pull_cli = (partial(cli, command) for command in _COMMANDS)
