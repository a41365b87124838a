"""Runs a system from elsewhere on the tracks of a benchmark: several at once, and only on those that are not done."""

import hashlib
import json
import logging
import os
import queue
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ricercar.data.files import locked, share, what_to_do, write_text
from ricercar.data.track import Track
from ricercar.errors import InputError
from ricercar.harness.benchmark import Benchmark
from ricercar.harness.identity import stable_hash, versions
from ricercar.harness.provenance import Cost
from ricercar.harness.systems.environment import Place
from ricercar.harness.systems.recordings import hand_over, handed_as
from ricercar.harness.systems.system import System
from ricercar.harness.systems.worker import CannotStartError, SystemFailedError, Worker

log = logging.getLogger(__name__)
_NUM_NAMED = 5  # failures that the error message has in full; the log has all


@dataclass(frozen=True)
class Running:
    """A system that can be run.

    place      its environment
    beside     the folder of its yaml, where its script is
    num_jobs   tracks at once
    timeout_s  for each track
    """

    system: System
    place: Place
    beside: Path
    num_jobs: int
    timeout_s: float

    def work(self, task: str) -> dict[str, Any]:
        """What harness/systems/serve.py is to load."""
        if self.system.script is not None:
            path = self.beside / self.system.script
            if not path.is_file():
                raise InputError(f"system={self.place.choice}: there is no script {path}.")
            return {"script": str(path), "task": task, "options": self.system.options or {}}
        assert self.system.command is not None
        try:
            words = shlex.split(self.system.command.replace("%task", task))
        except ValueError as error:
            raise InputError(f"system={self.place.choice}: command is {self.system.command!r}: {error}.") from error
        named = self._here(words[0])
        program = shutil.which(named, path=self.place.variables.get("PATH"))
        if program is None:
            raise InputError(f"system={self.place.choice}: there is no program {named}, or it may not be executed.")
        return {"command": [program, *words[1:]]}

    def _here(self, program: str) -> str:
        """A program that is named with its folder, from where the command is given, or from where the yaml is."""
        if "/" not in program:
            return program
        path = Path(program).expanduser()
        return str(path.absolute() if path.exists() else (self.beside / path).absolute())

    def variables(self) -> dict[str, str]:
        """Several processes at once do not take more threads than there are cores."""
        own = self.place.variables
        if self.num_jobs > 1:
            own.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // self.num_jobs)))
        return own


@dataclass(frozen=True)
class Done:
    """What is known of a track that was predicted.

    seconds   that it took, by the clock; not what loading the system took, where it is a script
    audio_s   how long it is
    """

    seconds: float
    peak_bytes: int
    audio_s: float


class Kept:
    """The predictions of one system in one folder, whichever data sets the recordings are from.

    <recording><ending> is a prediction and <recording>.json what it took, which is written first.
    """

    def __init__(self, folder: Path, ending: str, running: Running, benchmark: Benchmark) -> None:
        self.folder = folder
        self.ending = ending
        self.system = running.system
        self.store = benchmark.store

    def path(self, track: Track) -> Path:
        name = f"{self.store.name(track.audio)}-{handed_as(self.system, track, self.store).replace(' ', '-')}"
        return self.folder / f"{name}{self.ending}"

    def done(self, track: Track) -> Done | None:
        path = self.path(track)
        try:
            content = json.loads(path.with_suffix(".json").read_text("utf-8"))
            return Done(**content) if path.exists() else None
        except (OSError, ValueError, TypeError):
            return None

    def keep(self, track: Track, written: Path, done: Done) -> None:
        path = self.path(track)
        write_text(path.with_suffix(".json"), json.dumps(asdict(done)))
        os.replace(written, path)

    def forget(self, track: Track) -> None:
        self.path(track).unlink(missing_ok=True)


def predict(running: Running, benchmark: Benchmark, folder: Path, again: bool) -> Cost:
    """Writes `folder`/<track id>.<ending> for each track -> what it took.

    Predictions are kept below the cache folder, so that the same command goes on after it was interrupted, and so that
    another protocol needs no other prediction. again: None that is kept is used. InputError names the tracks that
    failed, after all others are done.
    """
    system, choice = running.system, running.place.choice
    ending = ending_of(system, choice, benchmark)
    running.place.check()
    work = running.work(benchmark.task)
    root = benchmark.store.root / "systems" / "predictions" / _key(running, work, benchmark.task)
    kept = Kept(root, last(ending), running, benchmark)
    lock = root.with_suffix(".lock")
    if lock.exists():
        log.info("another evaluation runs %s: this one waits for it", choice)
    try:
        with locked(lock):
            for track in benchmark.tracks if again else []:
                kept.forget(track)
            missing = [track for track in benchmark.tracks if kept.done(track) is None]
            if len(missing) < len(benchmark.tracks):
                had = len(benchmark.tracks) - len(missing)
                log.info("%s: %d of %d tracks are kept from before", choice, had, len(benchmark.tracks))
            failures = _run(running, work, ending, missing, benchmark, kept) if missing else {}
            share(root)
            if failures:
                raise _failed(failures, choice, benchmark)
            return _collected(kept, benchmark, folder, system)
    except OSError as error:
        raise InputError(
            f"Predictions of {choice} cannot be kept in {root}: {error.strerror}. {what_to_do(error)}, or name "
            "another folder: cache_dir=FOLDER."
        ) from error


def ending_of(system: System, choice: str, benchmark: Benchmark) -> str:
    """InputError where the system is not run, or does not do the task, or does not write what can be read."""
    if system.script is None and system.command is None:
        raise InputError(
            f"system={choice} says how predictions came about, and not how they are made: give predictions=FOLDER, or "
            "add a script or a command to its yaml."
        )
    writes = system.writes or {}
    if benchmark.task not in writes:
        raise InputError(f"system={choice} does not do task={benchmark.task}; it does: {', '.join(writes)}.")
    ending = writes[benchmark.task]
    readable = benchmark.scoring.annotation.suffixes
    if last(ending) not in readable:
        raise InputError(
            f"system={choice}: writes.{benchmark.task} is {ending!r}, it must end in one of {', '.join(readable)}."
        )
    return ending


def last(ending: str) -> str:
    """.mid of _notes.mid"""
    return ending[ending.rindex(".") :]


def _key(running: Running, work: Mapping[str, Any], task: str) -> str:
    """-> hash of what predictions depend on, but for the recording."""
    system = running.system
    files = [Path(word) for word in work.get("command", [work.get("script")]) if Path(word).is_file()]
    contents = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    command = system.command and system.command.replace("%task", task)
    said = [command, system.script and [task, work["options"]], system.writes]
    environment = system.environment
    ours = versions() if environment is None or environment.ours else None
    return stable_hash([said, contents, running.place.packages, ours])


def _run(
    running: Running, work: Mapping[str, Any], ending: str, tracks: Sequence[Track], benchmark: Benchmark, kept: Kept
) -> dict[str, str]:
    """Predicts tracks -> {id of those that failed: why}."""
    kept.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="work-", dir=kept.folder) as folder:
        jobs = [_Job(track, Path(folder), ending, running, benchmark, kept) for track in tracks]
        if work.get("command") and any("%inputs" in word for word in work["command"]):
            return _run_folder(running, work, jobs, Path(folder))
        failures = {}
        with (
            ThreadPoolExecutor(running.num_jobs) as pool,  # outside: its threads end where their workers have ended
            _workers(running, work, Path(folder)) as workers,
            tqdm(total=len(tracks), desc=running.place.choice, unit="track", disable=None) as progress,
        ):
            for id, failure in _done(jobs, workers, pool):
                progress.update()
                if failure is not None:
                    log.warning("track %s: %s %s", id, running.place.choice, failure)
                    failures[id] = failure
        return failures


@contextmanager
def _workers(running: Running, work: Mapping[str, Any], folder: Path) -> Iterator["queue.Queue[Worker]"]:
    """Processes that are free. They end at the end, or with whatever stops this."""
    made = [
        Worker(running.place.python, work, running.variables(), folder / f"log{number}", running.timeout_s)
        for number in range(running.num_jobs)
    ]
    free: queue.Queue[Worker] = queue.Queue()
    for each in made:
        each.log.touch()
        free.put(each)
    try:
        yield free
    finally:
        for each in made:
            each.end()


def _done(
    jobs: Sequence["_Job"], workers: "queue.Queue[Worker]", pool: ThreadPoolExecutor
) -> Iterator[tuple[str, str | None]]:
    """-> (track id, what went wrong) as they are done."""

    def do(job: "_Job") -> str | None:
        worker = workers.get()
        try:
            return job.do(worker)
        finally:
            workers.put(worker)

    futures = {pool.submit(do, job): job for job in jobs}
    try:
        for future in as_completed(futures):
            yield futures[future].track.id, future.result()
    finally:
        for future in futures:
            future.cancel()


class _Job:
    """One track. folder: for what is written meanwhile."""

    def __init__(
        self, track: Track, folder: Path, ending: str, running: Running, benchmark: Benchmark, kept: Kept
    ) -> None:
        self.track = track
        self.choice = running.place.choice
        self.folder = folder / "tracks" / track.id
        self.output = self.folder / "output" / f"{track.id}{ending}"
        self.system = running.system
        self.benchmark = benchmark
        self.kept = kept

    def do(self, worker: Worker) -> str | None:
        """-> what went wrong, if anything did."""
        try:
            self.output.parent.mkdir(parents=True)
            recording = hand_over(self.system, self.track, self.benchmark.store, self.folder)
            by_folder = any("%outputs" in word for word in worker.work.get("command", []))
            answer = worker.ask(recording, self.output.parent if by_folder else self.output)
            recording.unlink()
            return self.take(self.output, answer["cost"])
        except CannotStartError as error:
            raise InputError(f"system={self.choice}: {error}") from error
        except (SystemFailedError, InputError) as error:
            return str(error)

    def take(self, written: Path, cost: Mapping[str, Any]) -> str | None:
        """Keeps what was written -> what is wrong with it, if anything is."""
        if not written.is_file():
            others = sorted(path.name for path in written.parent.iterdir())
            return f"wrote no {written.name}" + (f", but {', '.join(others[:3])}." if others else ".")
        try:
            self.benchmark.scoring.annotation.read(written)
        except InputError as error:
            return f"wrote what cannot be read: {str(error).replace(f'{written.parent}/', '')}"
        audio_s = self.benchmark.store.duration_s(self.track)
        self.kept.keep(self.track, written, Done(**cost, audio_s=audio_s))
        return None


def _run_folder(running: Running, work: Mapping[str, Any], jobs: Sequence[_Job], folder: Path) -> dict[str, str]:
    """All recordings in one go; the time is shared out by their lengths."""
    recordings, outputs = folder / "recordings", folder / "outputs"
    for each in (recordings, outputs):
        each.mkdir()
    failures = {}
    for job in jobs:
        try:
            hand_over(running.system, job.track, job.benchmark.store, recordings)
        except InputError as error:
            failures[job.track.id] = str(error)
    said, cost = "", {"seconds": 0.0, "peak_bytes": 0}
    with _workers(running, work, folder) as workers:
        try:
            cost = workers.get().ask(recordings, outputs, times=len(jobs))["cost"]
        except (SystemFailedError, CannotStartError) as error:
            said = f" The command {error}"
    total_s = sum(job.benchmark.store.duration_s(job.track) for job in jobs)
    for job in jobs:
        if job.track.id not in failures:
            part = job.benchmark.store.duration_s(job.track) / total_s
            own = {name: value if name == "peak_bytes" else value * part for name, value in cost.items()}
            if (failure := job.take(outputs / job.output.name, own)) is not None:
                failures[job.track.id] = failure + said
    for id, failure in failures.items():
        log.warning("track %s: %s %s", id, running.place.choice, failure)
    return failures


def _failed(failures: Mapping[str, str], choice: str, benchmark: Benchmark) -> InputError:
    ids = [track.id for track in benchmark.tracks if track.id in failures]
    told = "\n".join(f"  {id}: {failures[id]}" for id in ids[:_NUM_NAMED])
    more = f"\n  ... and {len(ids) - _NUM_NAMED} more, in the log" if len(ids) > _NUM_NAMED else ""
    return InputError(
        f"system={choice} failed on {len(ids)} of {len(benchmark.tracks)} tracks; nothing is scored:\n{told}{more}\n"
        "The others are kept: the same command tries only what is missing."
    )


def _collected(kept: Kept, benchmark: Benchmark, folder: Path, system: System) -> Cost:
    """Copies what is kept into `folder` -> what it took."""
    folder.mkdir(parents=True, exist_ok=True)
    every = []
    for track in benchmark.tracks:
        done = kept.done(track)
        assert done is not None
        (folder / f"{track.id}{kept.ending}").write_bytes(kept.path(track).read_bytes())
        every.append(done)
    total_s = sum(each.audio_s for each in every)
    return Cost(
        params=system.params,
        real_time_factor=sum(each.seconds for each in every) / total_s,
        peak_memory_bytes=max(each.peak_bytes for each in every),
    )
