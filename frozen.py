"""A benchmark as one file: freeze writes it, check says whether a submission can enter, board ranks them all."""

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from ricercar.errors import exit_code

_HELP = """A benchmark as one file, that others can enter:

  {program} freeze NAME task=notes data=folder data.root=PATH    writes NAME.json
  {program} check NAME.json SUBMISSION                           says whether predictions, or a result, can enter
  {program} board NAME.json SUBMISSION...                        ranks all submissions

Each has --help."""


def main(arguments: Sequence[str]) -> int:
    """-> exit code; 1 for what the user can mend, which is one message."""
    program = Path(sys.argv[0]).name
    name, *rest = arguments or ["--help"]
    if name == "freeze":
        # What stands alone is the name; the rest are overrides, as of train.py.
        alone = rest[:1] if rest and "=" not in rest[0] and not rest[0].startswith("-") else []
        sys.argv = [f"{program} freeze", *(f"name='{each}'" for each in alone), *rest[len(alone) :]]
        import_module("ricercar.comparison.frozen.freeze").cli()
        return 0
    if name in ("check", "board"):
        command = import_module("ricercar.comparison.frozen.command")
        return exit_code(lambda: command.run(name, rest, program))
    if name in ("--help", "-h"):
        print(_HELP.format(program=program))
        return 0
    print(f"error: there is no {program} {name}: choose one of freeze, check, board.", file=sys.stderr)
    return 2


def cli() -> None:
    """The command."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    cli()
