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
from ricercar.harness.command import find_own_classes
from ricercar.use.files import Loading, Wanted, predict_all, recordings, summary
from ricercar.use.model import load
from ricercar.use.stream import Event, Pcm, Stream

_BLOCK_BYTES = 1 << 16
_USAGE = "%(prog)s run=RUN FILE_OR_FOLDER... [options]"


def main(arguments: Sequence[str]) -> int:
    """-> exit code; 1 where a recording failed, or for what the user can mend, which is one message."""
    parser = argparse.ArgumentParser(
        prog=Path(sys.argv[0]).name, usage=_USAGE, description="Writes what a finished run hears in recordings."
    )
    parser.add_argument("given", nargs="*", metavar="run=RUN FILE_OR_FOLDER", help="the run's folder; audio")
    parser.add_argument("--output", type=Path, default=Path("predictions"), metavar="FOLDER", help="predictions")
    parser.add_argument(
        "--format", default="", metavar="F,F", help="mid, jams, csv ... of what the task has; its own where left out"
    )
    parser.add_argument("--skip-existing", action="store_true", help="leave out recordings that have their files")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes, each with a model: 1")
    parser.add_argument("--play", action="store_true", help="also the recording and what was heard, left and right")
    parser.add_argument(
        "--page", action="store_true", help="also NAME.html, to see and hear it: up to 1 MB for each of 30 minutes"
    )
    parser.add_argument(
        "--stream", action="store_true", help="events as JSON lines from raw 16-bit PCM on standard input, as it comes"
    )
    parser.add_argument("--sample-rate", type=int, metavar="HZ", help="of --stream; what the model hears")
    parser.add_argument("--channels", type=int, default=1, metavar="N", help="of --stream: 1")
    parser.add_argument("--accelerator", metavar="NAME", help="cpu, gpu or auto; what the run was trained on")
    parser.add_argument("--config-dir", metavar="FOLDER", help="of your own yamls, where the run used classes of yours")
    args = parser.parse_intermixed_args(arguments)
    return exit_code(lambda: _predict(args), interrupted=": --skip-existing goes on after what is written")


def _predict(args: argparse.Namespace) -> int:
    if args.stream:
        return _stream(args)
    runs = [each.removeprefix("run=") for each in args.given if each.startswith("run=")]
    given = [each for each in args.given if not each.startswith("run=")]
    if len(runs) != 1 or not given:
        raise InputError("give one run and what to predict: predict.py run=RUN FILE_OR_FOLDER...")
    if args.jobs < 1:
        raise InputError(f"--jobs {args.jobs}: give 1 or more.")
    begun_s = time.monotonic()
    found = recordings(given)
    find_own_classes()
    model = load(runs[0], args.accelerator)
    formats = tuple(each.strip() for each in args.format.split(",") if each.strip())
    wanted = Wanted(args.output.expanduser(), formats, args.skip_existing, args.play, args.page)
    wanted.check(model)
    every = predict_all(model, Loading(runs[0], args.accelerator), found, wanted, args.jobs)
    done = list(tqdm(every, total=len(found), unit="file", disable=None))
    print(summary(done, time.monotonic() - begun_s))
    return int(any(each.problem for each in done))


def _stream(args: argparse.Namespace) -> int:
    """Reads to the end of standard input; each event is a line, written as soon as it is certain."""
    if len(args.given) != 1 or not args.given[0].startswith("run="):
        raise InputError("give one run, and sound on standard input: predict.py run=RUN --stream.")
    find_own_classes()
    model = load(args.given[0].removeprefix("run="), args.accelerator)
    rate = args.sample_rate or model.sample_rate
    if not 1_000 <= rate <= 1_000_000 or not 1 <= args.channels <= 64:
        raise InputError(f"--sample-rate {rate} --channels {args.channels}: give Hz from 1,000, and 1 to 64 channels.")
    stream, pcm = Stream(model), Pcm(rate, args.channels, model.sample_rate)
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
