"""Recordings of several requests through one network: its batches are filled with the windows of all of them."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import chain, islice, zip_longest

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.audio.sound import Sound
from ricercar.harness.predict import Pieces
from ricercar.use.events import Event, Events
from ricercar.use.model import Model

log = logging.getLogger(__name__)
Estimates = dict[str, Annotation]


class Job:
    """A recording on its way. estimates: {task: annotation} in the future; cancelling that stops the work on it.

    told   events in the order in which they became certain, of the tasks that can be told before the end; whoever
           wants them takes them from the left
    """

    def __init__(self, pieces: Pieces, events: Events | None) -> None:
        self.pieces = pieces
        self.estimates: Future[Estimates] = Future()
        self.told: deque[Event] = deque()
        self._events, self._num_frames = events, 0
        self._ending = threading.Lock()

    @property
    def progress(self) -> float:
        """From 0 to 1, of what the network has to do."""
        return self.pieces.progress

    def tell(self) -> None:
        """What is certain by what has come through the network since."""
        first, self._num_frames = self._num_frames, self.pieces.num_frames
        if self._events is not None and self._num_frames > first:
            logits = self.pieces.stretch(first, self._num_frames)
            self.told.extend(self._events.add(logits, self._num_frames == self.pieces.total_frames))

    def end(self, estimates: Estimates | Exception) -> None:
        """Hands over what it has come to, unless it is cancelled or ended."""
        with self._ending:
            if self.estimates.done() or not self.estimates.set_running_or_notify_cancel():
                return
            if isinstance(estimates, Exception):
                self.estimates.set_exception(estimates)
            else:
                self.estimates.set_result(estimates)


class Batches:
    """One thread that computes for all who wait, and one that decodes what is complete.

    A batch takes windows of the recordings in turn, one of each, until it is full: a short recording that comes while a
    long one is computed does not wait for its end, and those that come together share batches.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._jobs: list[Job] = []
        self._changed = threading.Condition()
        self._closing = False
        self._decoder = ThreadPoolExecutor(1, thread_name_prefix=f"decode {model.name}")
        self._thread = threading.Thread(target=self._work, name=f"predict {model.name}", daemon=True)
        self._thread.start()

    def add(self, sound: Sound, telling: bool = False) -> Job:
        """telling: events, too, while the recording is on its way."""
        events = Events(self.model.tasks, self.model.fps) if telling else None
        job = Job(self.model.pieces(sound), events)
        with self._changed:
            assert not self._closing
            self._jobs.append(job)
            self._changed.notify()
        return job

    @property
    def waiting(self) -> int:
        """Recordings that are not complete."""
        return sum(_is_waiting(each) for each in list(self._jobs))

    def close(self) -> None:
        """Ends the threads once all that was added is done or cancelled."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        self._decoder.shutdown()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._jobs = [each for each in self._jobs if _is_waiting(each)]
                while not self._jobs and not self._closing:
                    self._changed.wait()
                jobs = list(self._jobs)
            if not jobs:
                return
            batch = list(islice(_in_turn(jobs), self.model.batch_size))
            given = list(dict.fromkeys(job for job, _ in batch))
            _guarded(given, partial(self.model.through, [(job.pieces, window) for job, window in batch]))
            for job in given:
                self._decoder.submit(_guarded, [job], partial(self._decode, job))

    def _decode(self, job: Job) -> None:
        """What is certain; and all, once it is complete."""
        if job.estimates.done():
            return
        job.tell()
        if job.pieces.complete:
            job.end(self.model.decode(job.pieces.logits()))


def _is_waiting(job: Job) -> bool:
    return not (job.estimates.done() or job.pieces.complete)


def _guarded(jobs: list[Job], work: Callable[[], None]) -> None:
    """Ends the jobs where the work on them fails."""
    try:
        work()
    except Exception as error:  # of any kind: a thread that serves all requests outlives what one of them meets
        log.error("a recording could not be computed", exc_info=error)
        for job in jobs:
            job.end(error)


def _in_turn(jobs: list[Job]) -> Iterator[tuple[Job, int]]:
    """Windows that are still to be computed: the first of each recording, then the second of each ..."""
    windows = ([(job, window) for window in job.pieces.left] for job in jobs)
    return (each for each in chain.from_iterable(zip_longest(*windows)) if each is not None)
