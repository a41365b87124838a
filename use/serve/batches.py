"""Recordings of several requests through one network: its batches are filled with the windows of all of them."""

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice, zip_longest

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.audio.sound import Sound
from ricercar.harness.predict import Pieces
from ricercar.use.model import Model

log = logging.getLogger(__name__)
Estimates = dict[str, Annotation]


class Job:
    """A recording on its way. estimates: {task: annotation} in the future; cancelling that stops the work on it."""

    def __init__(self, pieces: Pieces) -> None:
        self.pieces = pieces
        self.estimates: Future[Estimates] = Future()

    @property
    def progress(self) -> float:
        """From 0 to 1, of what the network has to do."""
        return self.pieces.progress


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

    def add(self, sound: Sound) -> Job:
        job = Job(self.model.pieces(sound))
        with self._changed:
            assert not self._closing
            self._jobs.append(job)
            self._changed.notify()
        return job

    @property
    def waiting(self) -> int:
        """Recordings that are not complete."""
        return sum(not (each.estimates.cancelled() or each.pieces.complete) for each in list(self._jobs))

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
                self._jobs = [each for each in self._jobs if not (each.estimates.cancelled() or each.pieces.complete)]
                while not self._jobs and not self._closing:
                    self._changed.wait()
                jobs = list(self._jobs)
            if not jobs:
                return
            batch = list(islice(_in_turn(jobs), self.model.batch_size))
            try:
                self.model.through([(job.pieces, window) for job, window in batch])
            except Exception as error:  # whatever it is: those who wait are told, and the others go on
                for job in {job for job, _ in batch}:
                    self._fail(job, error)
            for job in jobs:
                if job.pieces.complete:
                    self._decoder.submit(self._decode, job)

    def _decode(self, job: Job) -> None:
        if not job.estimates.set_running_or_notify_cancel():
            return
        try:
            job.estimates.set_result(self.model.decode(job.pieces.logits()))
        except Exception as error:  # as above
            job.estimates.set_exception(error)

    def _fail(self, job: Job, error: Exception) -> None:
        log.error("a recording could not be computed", exc_info=error)
        with self._changed:
            self._jobs.remove(job)
        if job.estimates.set_running_or_notify_cancel():
            job.estimates.set_exception(error)


def _in_turn(jobs: list[Job]) -> Iterator[tuple[Job, int]]:
    """Windows that are still to be computed: the first of each recording, then the second of each ..."""
    windows = ([(job, window) for window in job.pieces.left] for job in jobs)
    return (each for each in chain.from_iterable(zip_longest(*windows)) if each is not None)
