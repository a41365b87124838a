"""A served model under load: wrong answers, what is left behind, and throughput beside a loop.

    python bench/serving.py RUN [--requests 200] [--clients 16]

The requests are recordings of 1 to 12 seconds, made here. Every tenth is broken, every tenth is cancelled. After half
of the first round the service is restarted; a client that finds it gone, or is told to wait, asks again. Each answer is
compared with that of the model called directly in this process. The figures are printed as tables of Markdown.
"""

import argparse
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import psutil
import soundfile
import torch

import ricercar
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.audio.sound import Sound
from ricercar.use.model import Model
from ricercar.use.serve import answers

RATE = 16_000
LENGTHS_S = (1, 2, 3, 5, 8, 12)
TOLERANCE_S = 0.001  # sums are rounded otherwise in other batches


def recording(number: int) -> bytes:
    """-> a WAV of tones, another for each number."""
    random = np.random.default_rng(number)
    time_s = np.arange(LENGTHS_S[number % len(LENGTHS_S)] * RATE) / RATE
    audio = 0.01 * random.normal(size=len(time_s))
    for start_s in np.arange(0.1, time_s[-1] - 0.3, 0.31):
        since_s = time_s - start_s
        freq_hz = 440 * 2 ** ((random.integers(40, 80) - 69) / 12)
        audio += (since_s >= 0) * np.exp(-6 * since_s.clip(0)) * 0.3 * np.sin(2 * np.pi * freq_hz * since_s)
    file = io.BytesIO()
    soundfile.write(file, audio, RATE, format="WAV")
    return file.getvalue()


def estimates(model: Model, content: bytes) -> dict[str, Annotation]:
    samples, rate = soundfile.read(io.BytesIO(content), dtype="int16")
    found = model(samples, rate)
    return found if isinstance(found, dict) else {next(iter(model.tasks)): found}


def is_right(expected: dict[str, Any], answer: dict[str, Any]) -> bool:
    """Whether an answer has the same events; their times, pitches and levels may differ by rounding."""
    mine, other = expected.get("events", [expected]), answer.get("events", [answer])
    return len(mine) == len(other) and all(
        abs(value - b[key]) <= (1 if key == "velocity" else TOLERANCE_S)
        if isinstance(value, int | float) and not isinstance(value, bool)
        else value == b[key]
        for a, b in zip(mine, other, strict=True)
        for key, value in a.items()
    )


@contextmanager
def service(run: Path, port: int, num_threads: int, log: Path) -> Iterator[psutil.Process]:
    command = [sys.executable, "-m", "ricercar", "serve", f"model={run}", "--port", str(port), "--accelerator", "cpu"]
    command += ["--num-threads", str(num_threads), "--max-per-client", "64", "--max-requests", "64"]
    with log.open("a") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                time.sleep(0.1)
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
        assert code == 0, code


def ask(port: int, content: bytes) -> tuple[int, Any]:
    """-> status and answer; goes on asking while the service is not there or is full."""
    while True:
        request = urllib.request.Request(f"http://127.0.0.1:{port}/transcribe", content, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=300) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503):
                return error.code, json.load(error)
        except OSError:
            pass
        time.sleep(0.2)


def cancel(port: int, content: bytes, after: float) -> None:
    """Sends a share of a recording, or all of it, and goes."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(
                f"POST /transcribe HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            )
            connection.sendall(content[: int(after * len(content))])
            time.sleep(0.05)
    except OSError:
        pass


def state(process: psutil.Process) -> dict[str, float]:
    files = [os.readlink(each) for each in Path(f"/proc/{process.pid}/fd").iterdir()]
    return {
        "memory, MB": process.memory_info().rss / 2**20,
        "open files": len(files),
        "of them recordings": sum("(deleted)" in each for each in files),
        "threads": process.num_threads(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--num-threads", type=int, default=1)
    parser.add_argument("--log", type=Path, default=Path("serving.log"))
    args = parser.parse_args()
    torch.set_num_threads(args.num_threads)
    model = ricercar.load(args.run, "cpu")
    contents = [recording(number) for number in range(len(LENGTHS_S) * 2)]
    seconds = [LENGTHS_S[number % len(LENGTHS_S)] for number in range(len(contents))]
    plain = [{task: answers.plain(each) for task, each in estimates(model, content).items()} for content in contents]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    half, found = Event(), Counter[str]()

    def one(number: int) -> str:
        which = number % len(contents)
        if number == args.requests // 2:
            half.set()
        if number % 10 == 3:
            return f"broken: {ask(port, contents[which][: 40 + number % 4])[0]}"
        if number % 10 == 7:
            cancel(port, contents[which], (number % 4) / 3)
            return "cancelled"
        status, answer = ask(port, contents[which])
        right = status == 200 and all(is_right(each, answer["estimates"][task]) for task, each in plain[which].items())
        return "right" if right else f"wrong: {status}"

    rows: dict[str, dict[str, float]] = {}
    with ThreadPoolExecutor(args.clients) as pool:
        with service(args.run, port, args.num_threads, args.log) as process:
            list(pool.map(one, range(3 * args.clients)))  # what is made once is made
            work = pool.map(one, range(args.requests))
            half.wait()
        with service(args.run, port, args.num_threads, args.log) as process:
            found.update(work)
            for round_number in (1, 2, 3):
                found.update(pool.map(one, range(args.requests)))
                time.sleep(2)
                rows[f"after round {round_number}"] = state(process)
            good = [number % len(contents) for number in range(4 * args.clients)]
            begun = time.monotonic()
            list(pool.map(lambda which: ask(port, contents[which]), good))
            served_s = time.monotonic() - begun
    sounds = [Sound.make(*soundfile.read(io.BytesIO(contents[which]), dtype="int16"), RATE) for which in good]
    begun = time.monotonic()
    for sound in sounds:
        model(sound)
    looped_s = time.monotonic() - begun
    audio_s = sum(seconds[which] for which in good)
    print("| requests | " + " | ".join(found) + " |\n|---|" + "---:|" * len(found))
    print(f"| {found.total()} | " + " | ".join(map(str, found.values())) + " |\n")
    names = list(next(iter(rows.values())))
    print("| the service | " + " | ".join(names) + " |\n|---|" + "---:|" * len(names))
    for name, values in rows.items():
        print(f"| {name} | " + " | ".join(f"{value:.0f}" for value in values.values()) + " |")
    print(f"\n{len(good)} recordings of {audio_s} s together, seconds of audio in a second:", end=" ")
    print(f"{audio_s / served_s:.1f} served to {args.clients} clients, {audio_s / looped_s:.1f} in a loop")


if __name__ == "__main__":
    main()
