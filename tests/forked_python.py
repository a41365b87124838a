"""Processes that start at once: each command runs in a fork of a process that has imported the packages already.

python forked_python.py FOLDER PID

serves until the process PID has ended, and puts programs `python` and `ricercar` into FOLDER once they can be used.
Started from Python: Forked(FOLDER, ...). EXTRA_ARGUMENTS in the environment of a command: {script, module or command
of ricercar: arguments that are added}, as JSON.
"""

import atexit
import contextlib
import gc
import json
import os
import random
import runpy
import select
import signal
import socket
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import numpy as np

from configs import merge_once

# What costs seconds to import. Nothing of Ricercar: every command imports its own.
PACKAGES = ("torch", "lightning_fabric", "hydra", "mir_eval", "scipy.stats", "scipy.signal", "pandas", "tabulate")
PACKAGES += ("matplotlib.pyplot", "scikit_posthocs", "soundfile", "soxr", "pretty_midi", "tinysoundfont", "pytest")

_CLIENT = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({address!r})
    arguments = ["-m"] * sys.argv[0].endswith("ricercar") + sys.argv[not sys.argv[0].endswith("ricercar"):]
    request = json.dumps([arguments, os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(connection, [len(request).to_bytes(8, "big")], [0, 1, 2])
    connection.sendall(request)
    connection.recv(8, socket.MSG_WAITALL)
    sys.exit(int(connection.recv(8) or b"1"))
"""


class Forked:
    """A process that runs `python ARGUMENTS` in a folder, without an input. What it prints goes to files."""

    def __init__(
        self, server: Path, arguments: list[str], folder: Path, environment: dict[str, str], files: list[IO[Any]]
    ) -> None:
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.connect(str(server / "socket"))
        request = json.dumps([arguments, str(folder), environment]).encode()
        with open(os.devnull) as nothing:
            numbers = [file.fileno() for file in (nothing, *files)]
            socket.send_fds(self.connection, [len(request).to_bytes(8, "big")], numbers)
            self.connection.sendall(request)
            self.pid = int.from_bytes(self.connection.recv(8, socket.MSG_WAITALL), "big")

    def wait(self, timeout_s: float = 240.0) -> int:
        """-> exit code; as of a subprocess, -9 where it was killed."""
        self.connection.settimeout(timeout_s)
        code = self.connection.recv(8)
        self.connection.close()
        return int(code or -signal.SIGKILL)

    def running(self) -> bool:
        return self.connection.fileno() >= 0 and not select.select([self.connection], [], [], 0)[0]

    def send(self, number: signal.Signals) -> None:
        """A signal, unless it has ended."""
        if self.running():
            os.kill(self.pid, number)


def serve(folder: Path, of: int) -> None:
    merge_once(Path(os.environ["RICERCAR_TESTS_MERGED"]))
    del sys.modules["configs"]  # another checkout has its own
    address = str(folder / "socket")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        server.settimeout(1.0)
        for name in PACKAGES:
            with contextlib.suppress(ImportError):
                import_module(name)
        gc.freeze()  # what is imported by now is no garbage, and need not be looked through in every fork
        client = folder / "client"
        client.write_text(_CLIENT.format(python=sys.executable, address=address))
        client.chmod(0o755)
        (folder / "ricercar").symlink_to(folder / "python")
        client.rename(folder / "python")
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
        while _exists(of):
            with contextlib.suppress(TimeoutError):
                connection, _ = server.accept()
                if os.fork() == 0:
                    server.close()
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background ignores
                    _answer(connection)
                connection.close()


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _answer(connection: socket.socket) -> None:
    """Runs one command, in the place and with the streams of the client; does not return."""
    connection.sendall(os.getpid().to_bytes(8, "big"))
    length, files, *_ = socket.recv_fds(connection, 8, 3)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    text = b""
    while len(text) < int.from_bytes(length, "big"):
        text += connection.recv(1 << 16)
    arguments, folder, environment = json.loads(text)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    random.seed()
    np.random.seed()
    code = 0
    try:
        _run(arguments, json.loads(environment.get("EXTRA_ARGUMENTS", "{}")))
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(str(code).encode())
    os._exit(0)


def _run(arguments: list[str], extra: dict[str, list[str]]) -> None:
    """As `python ARGUMENTS` does."""
    path = [each for each in os.environ.get("PYTHONPATH", "").split(":") if each]
    if arguments[0] == "-m" and arguments[1].endswith("/ricercar"):
        sys.path[:1] = path
        sys.argv = ["ricercar", *_more(arguments[2:], extra.get(f"{arguments[2]}.py", []))]
        import_module("ricercar.__main__").main()
    elif arguments[0] == "-m":
        sys.path[:1] = [os.getcwd(), *path]
        sys.argv = [arguments[1], *_more(arguments[2:], extra.get(arguments[1], []))]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    elif arguments[0] == "-c":
        sys.path[:1] = ["", *path]
        sys.argv = ["-c", *arguments[2:]]
        exec(compile(arguments[1], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.path[:1] = [str(Path(arguments[0]).resolve().parent), *path]
        sys.argv = [arguments[0], *_more(arguments[1:], extra.get(arguments[0], []))]
        runpy.run_path(arguments[0], run_name="__main__")


def _more(arguments: list[str], extra: list[str]) -> list[str]:
    """`data.` options are of data=synth, and left out where another data set is named."""
    other = any(each.startswith("data=") and each != "data=synth" for each in arguments)
    return [*arguments, *(each for each in extra if not (other and each.startswith("data.")))]


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
