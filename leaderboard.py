"""Compares results: tables and a page, ablations, reproductions, label audits; --help lists the options."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from ricercar.errors import exit_code

# Each has add_arguments(parser) and run(args); read only when asked for, so that tables do not wait for torch.
COMMANDS = {
    "ablate": "ricercar.comparison.ablation.command",
    "audit": "ricercar.comparison.audit.command",
    "reproduce": "ricercar.comparison.reproduce",
}
TABLES = "ricercar.comparison.command"


def main(arguments: Sequence[str]) -> int:
    """-> exit code; 1 for what the user can mend, which is one message."""
    name = arguments[0] if arguments and arguments[0] in COMMANDS else ""
    command = import_module(COMMANDS.get(name, TABLES))
    parser = argparse.ArgumentParser(prog=f"{Path(sys.argv[0]).name} {name}".strip())
    command.add_arguments(parser)
    args = parser.parse_args(arguments[1:] if name else arguments)
    return exit_code(lambda: command.run(args))


def cli() -> None:
    """The command."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    cli()
