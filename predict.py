"""Predicts with a finished run: python predict.py run=RUN FILE_OR_FOLDER...; --help lists the options."""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ricercar.errors import InputError, exit_code
from ricercar.harness.command import add_config_dir, find_own_classes
from ricercar.use.events import Event
from ricercar.use.files import Loading, Wanted, predict_all, recordings, summary
from ricercar.use.model import ENGINES
from ricercar.use.pcm import FORMATS, Pcm
from ricercar.use.stream import Stream

_BLOCK_BYTES = 1 << 16
_USAGE = "%(prog)s run=RUN FILE_OR_FOLDER... [options]"


def main(arguments: Sequence[str]) -> int:
    """-> exit code; 1 where a recording failed, or for what the user can mend, which is one message."""
    parser = argparse.ArgumentParser(
        prog=Path(sys.argv[0]).name, usage=_USAGE, description="Writes what a finished run hears in recordings."
    )
    parser.add_argument("given", nargs="*", metavar="run=RUN FILE_OR_FOLDER", help="the run's folder; audio")
    parser.add_argument(
        "--engine", choices=ENGINES, help="onnx: RUN/export/model.onnx, which ricercar export wrote (default: torch)"
    )
    parser.add_argument("--accelerator", metavar="NAME", help="cpu, gpu or auto (default: what the run was trained on)")
    add_config_dir(parser)
    parser.add_argument("--trust", action="append", default=[], metavar="PACKAGE",
                        help="of Python, whose classes a package or a graph may use (repeatable)")  # fmt: skip
    files = parser.add_argument_group("of files")
    files.add_argument("--output", type=Path, metavar="FOLDER", help="where (default: predictions)")
    files.add_argument("--format", metavar="F,F", help="mid, jams, csv ... of what the task has (default: its own)")
    files.add_argument(
        "--skip-existing", action="store_true", default=None, help="leave out recordings that have their files"
    )
    files.add_argument("--jobs", type=int, metavar="N", help="processes, each with a model (default: 1)")
    files.add_argument(
        "--play", action="store_true", default=None, help="also the recording and what was heard, left and right"
    )
    files.add_argument(
        "--page", action="store_true", default=None,
        help="also NAME.html, to see and hear it: up to 1 MB for each of 30 minutes",
    )  # fmt: skip
    parser.add_argument(
        "--stream", action="store_true",
        help="no files: events as JSON lines, as they sound, of a WAV or raw PCM on standard input",
    )  # fmt: skip
    stream = parser.add_argument_group("of --stream, where it is raw; a WAV says it itself")
    stream.add_argument("--sample-rate", type=int, metavar="HZ", help="(default: what the model hears)")
    stream.add_argument("--channels", type=int, metavar="N", help="(default: 1)")
    stream.add_argument(
        "--sample-format", choices=FORMATS, help="bits of PCM, or of floating-point numbers (default: s16)"
    )
    args = parser.parse_intermixed_args(arguments)
    return exit_code(lambda: _predict(args), interrupted=": --skip-existing goes on after what is written")


_OF_FILES = ("output", "format", "skip_existing", "jobs", "play", "page")
_OF_STREAM = ("sample_rate", "channels", "sample_format")


def _predict(args: argparse.Namespace) -> int:
    without = _OF_FILES if args.stream else _OF_STREAM
    if told := [f"--{name.replace('_', '-')}" for name in without if getattr(args, name) is not None]:
        where = "not with --stream, which writes no files" if args.stream else "with --stream alone"
        raise InputError(f"{', '.join(told)}: {where}.")
    if args.stream:
        return _stream(args)
    runs = [each.removeprefix("run=") for each in args.given if each.startswith("run=")]
    given = [each for each in args.given if not each.startswith("run=")]
    if len(runs) != 1 or not given:
        raise InputError("give one run and what to predict: predict.py run=RUN FILE_OR_FOLDER...")
    jobs = 1 if args.jobs is None else args.jobs
    if jobs < 1:
        raise InputError(f"--jobs {jobs}: give 1 or more.")
    begun_s = time.monotonic()
    found = recordings(given)
    find_own_classes()
    loading = Loading(runs[0], args.accelerator, args.trust, args.engine)
    model = loading.load()
    formats = tuple(each.strip() for each in (args.format or "").split(",") if each.strip())
    output = (args.output or Path("predictions")).expanduser()
    wanted = Wanted(output, formats, bool(args.skip_existing), bool(args.play), bool(args.page))
    wanted.check(model)
    every = predict_all(model, loading, found, wanted, jobs)
    done = list(tqdm(every, total=len(found), unit="file", disable=None))
    print(summary(done, time.monotonic() - begun_s))
    return int(any(each.problem for each in done))


def _stream(args: argparse.Namespace) -> int:
    """Reads to the end of standard input; each event is a line, written as soon as it is certain."""
    if len(args.given) != 1 or not args.given[0].startswith("run="):
        raise InputError("give one run, and sound on standard input: predict.py run=RUN --stream.")
    find_own_classes()
    model = Loading(args.given[0].removeprefix("run="), args.accelerator, args.trust, args.engine).load()
    said = {"sample_rate": args.sample_rate, "num_channels": args.channels, "sample_format": args.sample_format}
    usual = {"sample_rate": model.sample_rate, "num_channels": 1, "sample_format": "s16"}
    stream = Stream(model)
    pcm = Pcm(model.sample_rate, {name: each for name, each in said.items() if each is not None}, usual)
    print(
        f"{model.name}: told {stream.latency_s:.2f} s after it sounds at most, by windows of "
        f"{stream.num_frames / model.fps:g} s every {stream.step / model.fps:g} s, and the time of computing",
        file=sys.stderr,
    )
    source: Any = sys.stdin.buffer  # read1 gives what is there, and waits only where nothing is
    while content := source.read1(_BLOCK_BYTES):
        _tell(stream.push(pcm.take(content)))
    _tell(stream.push(pcm.take(b"", last=True)))
    _tell(stream.close())
    return 0


def _tell(events: Iterable[Event]) -> None:
    for event in events:
        print(json.dumps(event), flush=True)


def cli() -> None:
    """The command."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    cli()
