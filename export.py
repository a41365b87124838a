"""Exports a finished run: python export.py RUN --to onnx writes one file, and proves it; --help lists the options."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ricercar.errors import InputError, exit_code
from ricercar.harness.assemble import move
from ricercar.harness.command import find_own_classes
from ricercar.harness.trained import Trained
from ricercar.use.export import KINDS, PRECISIONS, export, prove, told, write_proof


def main(arguments: Sequence[str]) -> int:
    """-> exit code; 1 for what the user can mend, which is one message."""
    parser = argparse.ArgumentParser(
        prog=Path(sys.argv[0]).name, description="Writes a graph: audio of a window in, logits out."
    )
    parser.add_argument("run", metavar="RUN", help="folder of a finished run")
    parser.add_argument("--to", choices=KINDS, default="onnx", help="onnx; weights alone: ricercar package")
    parser.add_argument("--output", type=Path, metavar="FILE", help="RUN/export/model.onnx")
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="fp32", help="fp16: weights in 16 bits; int8: matrix products in 8"
    )
    parser.add_argument("--split", default="valid", help="of the run's data, that it is proved on: valid")
    parser.add_argument("--tracks", type=int, default=8, metavar="N", help="of these, at most; 0: no proof: 8")
    parser.add_argument("--data-root", metavar="FOLDER", help="where the run's data lie now; where they lay")
    parser.add_argument("--config-dir", metavar="FOLDER", help="of your own yamls, where the run used classes of yours")
    args = parser.parse_args(arguments)
    return exit_code(lambda: _export(args))


def _export(args: argparse.Namespace) -> None:
    if args.tracks < 0:
        raise InputError(f"--tracks {args.tracks}: give a number of tracks, or 0.")
    find_own_classes()
    run = Path(args.run.removeprefix("run=")).expanduser()
    trained = Trained.of_run(run)
    if args.data_root is not None:
        move(trained.cfg.data, args.data_root)
    narrow = "" if args.precision == "fp32" else f".{args.precision}"
    path = args.output or run / "export" / f"model{narrow}.{args.to}"
    export(trained, path, args.to, args.precision)
    if not args.tracks:
        print(f"{path}, not proved")
        return
    try:
        proof = prove(trained, path, args.to, args.precision, args.split, args.tracks)
    except InputError as error:
        raise InputError(f"{path} is written, and not proved: {error}") from error
    write_proof(proof, path)
    print(told(proof))


def cli() -> None:
    """The command."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    cli()
