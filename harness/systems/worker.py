"""A process that runs a system, recording after recording (see serve.py)."""

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ricercar.errors import InputError
from ricercar.harness.systems.environment import last_lines

SERVE = Path(__file__).parent / "serve.py"
_LAST_BYTES = 20_000


class SystemFailedError(Exception):
    """What went wrong with one recording, in words that follow its name."""


class CannotStartError(InputError):
    """A system that cannot be loaded: it is of no use to ask it for anything."""


class Worker:
    """Started when it is first asked, and again after it has ended or was ended.

    work     what serve.py is to load
    log      file for what the system prints
    timeout_s   for one answer
    """

    def __init__(
        self, python: Path, work: Mapping[str, Any], variables: Mapping[str, str], log: Path, timeout_s: float
    ) -> None:
        self.python = python
        self.work = work
        self.variables = variables
        self.log = log
        self.timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = False

    def ask(self, recording: Path, output: Path, times: float = 1.0) -> dict[str, Any]:
        """-> {"cost": ...}. times: the timeout of so many recordings."""
        if self._process is None:
            self._start()
        said = self.log.stat().st_size
        request = {"input": str(recording), "output": str(output)}
        answer = self._answer(json.dumps(request).encode() + b"\n", self.timeout_s * times, said)
        if answer["failure"] is not None:
            raise SystemFailedError(f"{answer['failure']}{self._told(said)}")
        return answer

    def end(self) -> None:
        """At once, whoever waits for an answer; it is not started again."""
        self._ended = True
        if (process := self._process) is not None:
            _kill(process)

    def _start(self) -> None:
        if self._ended:
            raise SystemFailedError("was not begun")
        command = [str(self.python), str(SERVE), json.dumps(self.work)]
        with self.log.open("ab") as log:
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=dict(self.variables),
                    bufsize=0,
                    start_new_session=True,
                )
            except OSError as error:
                raise CannotStartError(f"{self.python} cannot be started: {error.strerror}.") from error
        try:
            self._answer(b"", self.timeout_s, self.log.stat().st_size)
        except SystemFailedError as error:
            raise CannotStartError(f"the system cannot be loaded: it {error}") from error

    def _answer(self, request: bytes, timeout_s: float, said: int) -> dict[str, Any]:
        """said: how much there was in the log before."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        text, until = b"", time.monotonic() + timeout_s
        with suppress(BrokenPipeError):  # it has ended: there will be no answer either
            process.stdin.write(request)
        while not text.endswith(b"\n"):
            ready, _, _ = select.select([process.stdout], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                self._process = None
                _kill(process)
                raise SystemFailedError(f"took longer than {timeout_s:g} s (timeout_s){self._told(said)}")
            part = os.read(process.stdout.fileno(), 65536)
            if not part:
                self._process = None
                code = process.wait()
                _kill(process)  # what it may have left behind
                how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
                raise SystemFailedError(f"{how}{self._told(said)}")
            text += part
        answer: dict[str, Any] = json.loads(text)
        return answer

    def _told(self, since: int) -> str:
        """What the system has printed since the log had so many bytes."""
        with self.log.open("rb") as log:
            log.seek(max(since, self.log.stat().st_size - _LAST_BYTES))
            text = last_lines(log.read().decode("utf-8", "replace"))
        return f". It said:\n{text}" if text else ". It said nothing."


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """The process and all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
