"""Exports a finished run: python export.py RUN --to onnx writes one file, and proves it; --help lists the options."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ricercar.errors import InputError, exit_code
from ricercar.harness.assemble import move
from ricercar.harness.command import add_config_dir, find_own_classes
from ricercar.harness.trained import Trained
from ricercar.use import package
from ricercar.use.card import NO_LICENCE
from ricercar.use.export import KINDS, PRECISIONS, export, prove, told, write_proof

WEIGHTS = "safetensors"
_OF_GRAPHS = ("precision", "split", "tracks", "data_root")


def main(arguments: Sequence[str]) -> int:
    """-> exit code; 1 for what the user can mend, which is one message."""
    parser = argparse.ArgumentParser(
        prog=Path(sys.argv[0]).name, description="Writes a graph: audio of a window in, logits out; or the weights."
    )
    parser.add_argument("run", metavar="RUN", help="folder of a finished run")
    parser.add_argument(
        "--to", choices=[*KINDS, WEIGHTS], default="onnx",
        help="pt2: PyTorch's graph; safetensors: the weights, as a package, see ricercar package (default: onnx)",
    )  # fmt: skip
    parser.add_argument(
        "--output",
        type=Path,
        metavar="PATH",
        help="(default: RUN/export/model.onnx, or what it is); of weights a new folder",
    )
    add_config_dir(parser)
    graphs = parser.add_argument_group("of graphs, and their proof")
    graphs.add_argument(
        "--precision", choices=PRECISIONS, help="fp16: weights in 16 bits; int8: matrix products in 8 (default: fp32)"
    )
    graphs.add_argument("--split", help="of the run's data, that it is proved on (default: valid)")
    graphs.add_argument("--tracks", type=int, metavar="N", help="of these, at most; 0: no proof (default: 8)")
    graphs.add_argument("--data-root", metavar="FOLDER", help="where the run's data lie now (default: where they lay)")
    args = parser.parse_args(arguments)
    return exit_code(lambda: _export(args))


def _export(args: argparse.Namespace) -> None:
    find_own_classes()
    run = Path(args.run.removeprefix("run=")).expanduser()
    (_weights if args.to == WEIGHTS else _graph)(args, run)


def _weights(args: argparse.Namespace, run: Path) -> None:
    """A package: the weights are of no use without what it says beside them."""
    given = [f"--{name.replace('_', '-')}" for name in _OF_GRAPHS if getattr(args, name) is not None]
    if given:
        raise InputError(f"{', '.join(given)}: of graphs, --to {' or '.join(KINDS)}: weights are copied as they are.")
    print(package.write(run, args.output or run / "export" / WEIGHTS, NO_LICENCE, None))


def _graph(args: argparse.Namespace, run: Path) -> None:
    precision, split = args.precision or "fp32", args.split or "valid"
    num_tracks = 8 if args.tracks is None else args.tracks
    if num_tracks < 0:
        raise InputError(f"--tracks {num_tracks}: give a number of tracks, or 0.")
    if not num_tracks and (args.split or args.data_root):
        raise InputError("--tracks 0: without a proof, --split and --data-root say nothing. Leave them out.")
    trained = Trained.of_run(run)
    if args.data_root is not None:
        move(trained.cfg.data, args.data_root)
    narrow = "" if precision == "fp32" else f".{precision}"
    path = args.output or run / "export" / f"model{narrow}.{args.to}"
    export(trained, path, args.to, precision)
    if not num_tracks:
        print(f"{path}, not proved")
        return
    try:
        proof = prove(trained, path, args.to, precision, split, num_tracks)
    except InputError as error:
        raise InputError(f"{path} is written, and not proved: {error}") from error
    write_proof(proof, path)
    print(told(proof))


def cli() -> None:
    """The command."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    cli()
