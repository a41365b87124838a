"""Runs one system: its script, or its command, on the recordings that it is asked for, until its input ends.

It runs in the system's own Python: nothing but the standard library is imported, and no word of Ricercar.
A request is a line {"input": ..., "output": ...} of JSON, and so is an answer. The first one says that all is loaded.
Whatever else is printed goes to the standard error.
"""

from __future__ import annotations

import importlib.util
import json
import os
import queue
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TextIO


def main() -> None:
    sys.path.pop(0)  # the folder of this file: a system may have modules of the same names
    work = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    requests: queue.Queue[dict[str, str]] = queue.Queue()
    threading.Thread(target=read, args=(requests,), daemon=True).start()
    begun = time.perf_counter()
    run, of = loaded(work)
    answer(answers, {"ready": True, "seconds": time.perf_counter() - begun})
    while True:
        request = requests.get()
        begun = time.perf_counter()
        failure = run(request["input"], request["output"])
        seconds = time.perf_counter() - begun
        cost = {"seconds": seconds, "peak_bytes": 1024 * resource.getrusage(of).ru_maxrss}
        answer(answers, {"failure": failure, "cost": cost})


def read(requests: queue.Queue[dict[str, str]]) -> None:
    """Requests as they come. Where there are no more, or who asks was killed, this ends with all that it started."""
    for line in sys.stdin:
        requests.put(json.loads(line))
    os.killpg(0, signal.SIGKILL)


def answer(answers: TextIO, content: dict[str, Any]) -> None:
    answers.write(json.dumps(content) + "\n")
    answers.flush()


def loaded(work: dict[str, Any]) -> tuple[Callable[[str, str], str | None], int]:
    """-> what transcribes one recording, and whose memory that takes."""
    if "command" in work:
        return lambda *paths: run_command(work["command"], *paths), resource.RUSAGE_CHILDREN
    spec = importlib.util.spec_from_file_location("the_system", work["script"])
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    transcribe = script.load(work["task"], **work["options"])

    def run(recording: str, output: str) -> None:
        transcribe(recording, output)

    return run, resource.RUSAGE_SELF


def run_command(words: Sequence[str], recording: str, output: str) -> str | None:
    """-> what went wrong, if anything did."""
    places = {"input": recording, "output": output}
    filled = [re.sub("%(input|output)s?", lambda found: places[found[1]], word) for word in words]
    try:
        code = subprocess.call(filled, stdin=subprocess.DEVNULL)
    except OSError as error:
        return f"{filled[0]} cannot be started: {error.strerror}"
    if code < 0:
        return f"was killed by signal {-code}"
    return f"ended with exit code {code}" if code else None


if __name__ == "__main__":
    main()
