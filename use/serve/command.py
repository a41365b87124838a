"""ricercar serve: the command."""

import argparse
import logging
import os
import re
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ricercar.checks import check_positive, check_whole
from ricercar.errors import InputError, exit_code
from ricercar.harness.command import add_config_dir, find_own_classes
from ricercar.use.model import Model, load
from ricercar.use.serve.limits import Limits

log = logging.getLogger(__name__)
TOKEN = "RICERCAR_TOKEN"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_ENDING_S = 30  # for requests that are worked on when the service is told to end


def main(arguments: Sequence[str]) -> int:
    """-> exit code; 1 for what the user can mend, which is one message."""
    parser = argparse.ArgumentParser(
        prog="ricercar serve",
        description="Serves trained models over HTTP: POST /transcribe, GET /models, /health, /docs, and a page at /. "
        f"With the environment's {TOKEN} clients have to send it: Authorization: Bearer TOKEN.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "models", nargs="+", metavar="[NAME=]MODEL",
        help="the folder of a finished run or of a package, or OWNER/NAME of the hub; NAME is its folder's by default",
    )  # fmt: skip
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 is all of this machine")
    parser.add_argument("--port", type=int, default=8000, help="0: any that is free")
    parser.add_argument(
        "--accelerator", metavar="KIND", help="cpu, gpu or auto; by default what a model was trained on"
    )
    parser.add_argument("--num-threads", type=int, metavar="N", help="of PyTorch on the CPU; by default its choice")
    parser.add_argument("--max-mb", type=float, default=100.0, help="size of a recording as it is sent")
    parser.add_argument("--max-minutes", type=float, default=30.0, help="length of a recording")
    parser.add_argument("--max-requests", type=int, default=32, help="recordings at once")
    parser.add_argument("--max-per-client", type=int, default=8, help="of them from one address")
    parser.add_argument("--timeout", type=float, default=300.0, metavar="S", help="seconds for one request")
    parser.add_argument("--trust", action="append", default=[], metavar="PACKAGE",
                        help="of Python, whose classes a package of a model may use (repeatable)")  # fmt: skip
    add_config_dir(parser)
    args = parser.parse_args(arguments)
    return exit_code(lambda: _serve(args))


def _serve(args: argparse.Namespace) -> None:
    try:
        import fastapi  # noqa: F401
        import uvicorn
    except ModuleNotFoundError as error:
        raise InputError(f'serve needs {error.name}: pip install "ricercar[serve]"') from error
    from ricercar.use.serve.app import Service, make

    find_own_classes()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    limits = _limits(args)
    if args.num_threads is not None:
        check_whole(**{"--num-threads": args.num_threads})
        torch.set_num_threads(args.num_threads)
    service = Service(_loaded(args.models, args.accelerator, args.trust), limits, os.environ.get(TOKEN) or None)
    if args.host not in _LOOPBACK and service.token is None:
        log.warning("Whoever reaches %s may use this service: set %s to have them know it.", args.host, TOKEN)
    family = socket.AF_INET6 if ":" in args.host else socket.AF_INET
    try:
        listening = socket.create_server((args.host, args.port), family=family)
    except OSError as error:
        told = error.strerror or error
        raise InputError(
            f"--host {args.host} --port {args.port} cannot be listened on ({told}): choose others."
        ) from error
    with listening:
        log.info("http://%s:%d", args.host, listening.getsockname()[1])
        config = uvicorn.Config(
            make(service), log_config=None, server_header=False, lifespan="on", timeout_graceful_shutdown=_ENDING_S
        )
        for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises them again once it has ended
            signal.signal(number, lambda *_: None)
        uvicorn.Server(config).run(sockets=[listening])


def _limits(args: argparse.Namespace) -> Limits:
    check_positive(**{"--max-mb": args.max_mb, "--max-minutes": args.max_minutes, "--timeout": args.timeout})
    check_whole(**{"--max-requests": args.max_requests, "--max-per-client": args.max_per_client})
    check_whole(0, **{"--port": args.port})
    return Limits(args.max_mb, args.max_minutes, args.max_requests, args.max_per_client, args.timeout)


def _loaded(given: Sequence[str], accelerator: str | None, trust: Sequence[str]) -> dict[str, Model]:
    """{name: model}. InputError where two have one name."""
    places: dict[str, str] = {}
    for each in given:
        named = re.fullmatch(r"([\w.-]+)=(.+)", each)
        name, place = named.groups() if named else (Path(each).expanduser().resolve().name, each)
        if name in places:
            raise InputError(f"two models are called {name!r}: give one another name, NAME={place}.")
        places[name] = place
    models: dict[str, Any] = {}
    for name, place in places.items():
        models[name] = load(place, accelerator, trust)
        log.info("%s: %s", name, ", ".join(models[name].tasks))
    return models


def cli() -> None:
    """The command."""
    sys.exit(main(sys.argv[1:]))
