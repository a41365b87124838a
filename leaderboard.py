"""Compares results: tables and a page, ablations, reproductions; --help lists the options."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from ricercar.errors import InputError

# Each has add_arguments(parser) and run(args); read only when asked for, so that tables do not wait for torch.
COMMANDS = {"ablate": "ricercar.comparison.ablation.command", "reproduce": "ricercar.comparison.reproduce"}
TABLES = "ricercar.comparison.command"


def main(arguments: Sequence[str]) -> int:
    """-> exit code; 1 for what the user can mend, which is one message."""
    name = arguments[0] if arguments and arguments[0] in COMMANDS else ""
    command = import_module(COMMANDS.get(name, TABLES))
    parser = argparse.ArgumentParser(prog=f"{Path(sys.argv[0]).name} {name}".strip())
    command.add_arguments(parser)
    args = parser.parse_args(arguments[1:] if name else arguments)
    try:
        code = command.run(args)
        sys.stdout.flush()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # as in leaderboard.py outputs | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return int(code or 0)


def cli() -> None:
    """The command."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    cli()
