"""Scores of a network on whole tracks: it predicts, the tasks decode, mir_eval scores."""

import logging
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ricercar.data.track import Track
from ricercar.harness.benchmark import Scored, file_name, metrics_of, score, tell, write
from ricercar.harness.predict import Logits, Predict
from ricercar.harness.processes import Processes, Scorers
from ricercar.harness.results import TrackScore, check_scales
from ricercar.models.net import Net
from ricercar.tasks.multitask import Multitask
from ricercar.tasks.scale import LOWER
from ricercar.tasks.task import Task

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Validated:
    """What a validation found.

    score   the mean of the tasks' primary metrics, by which the best checkpoint is chosen: larger is better. A metric
            of which lower is better counts negative; one that is undefined as the worst that it could be
    """

    score: float
    metrics: dict[str, float]


def primary_of(tasks: Multitask) -> str:
    """What `score` is, in words."""
    minus = {name: "minus " if task.scale(task.primary).better == LOWER else "" for name, task in tasks.items()}
    names = [minus[name] + task.primary for name, task in tasks.items()]
    return names[0] if len(names) == 1 else f"the mean of {', '.join(names)}"


class Evaluation:
    """Predicts, decodes and scores whole tracks; `scorers` decode and score while the next track is predicted.

    processes   share out the tracks of a validation; all of them come to the same scores and decoding
    """

    def __init__(
        self, *, tasks: Multitask, predict: Predict, fps: float, scorers: Scorers, processes: Processes
    ) -> None:
        self.tasks = tasks
        self.predict = predict
        self.fps = fps
        self.scorers = scorers
        self.processes = processes

    def validate(self, net: Net, tracks: Sequence[Track]) -> Validated:
        """Chooses the tasks' decoding on the same tracks: on all of them."""
        own = (logits for _, logits in self.predict(net, self.processes.own(tracks)))
        predicted = list(zip(tracks, self.processes.together(own, len(tracks)), strict=True))
        metrics: dict[str, float] = {}
        primary = []
        for name, task in self.tasks.items():
            labelled = [
                (track, reference, self.tasks.of(name, logits))
                for track, logits in predicted
                if (reference := task.reference(track.annotations)) is not None
            ]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # mir_eval's, of estimates that are only tried
                task.tune([(reference, logits) for _, reference, logits in labelled], self.fps)
            mine = self.processes.own(labelled)
            jobs = (_Decoding(task, track, logits, self.fps, None, self._seconds(track)) for track, _, logits in mine)
            scores = (done.score for done, _ in self.scorers.map(_scored, jobs))
            found = metrics_of(list(self.processes.together(scores, len(labelled))), task)
            check_scales({key: task.scale(key) for key in found}, found, task.primary)  # not only when all is trained
            primary.append(task.scale(task.primary).gain(found[task.primary]))
            prefix = f"{name}/" if len(self.tasks) > 1 else ""
            metrics |= {f"{prefix}{key}": value for key, value in found.items()}
        return Validated(float(np.mean(primary)), metrics)

    def test(
        self, net: Net, tracks: Sequence[Track], folders: Mapping[str, Path]
    ) -> tuple[dict[str, list[TrackScore]], float]:
        """Writes the estimates of each task in `folders`, scores what was written -> scores, seconds of prediction."""
        predict_s = 0.0
        names = []

        def jobs() -> Iterator[_Decoding]:
            nonlocal predict_s
            start_s = time.monotonic()
            for track, logits in self.predict(net, tracks):
                predict_s += time.monotonic() - start_s
                for name, folder in folders.items():
                    task = self.tasks[name]
                    if task.reference(track.annotations) is not None:
                        names.append(name)
                        own = self.tasks.of(name, logits)
                        yield _Decoding(task, track, own, self.fps, folder, self._seconds(track))
                start_s = time.monotonic()

        done = list(self.scorers.map(_scored, jobs()))
        scores: dict[str, list[TrackScore]] = {name: [] for name in folders}
        for name, (own, _) in zip(names, done, strict=True):
            scores[name].append(own.score)
        tell(own for own, _ in done)
        return scores, predict_s + sum(decode_s for _, decode_s in done)

    def _seconds(self, track: Track) -> float:
        """Of audio."""
        windows = self.predict.windows
        return windows.num_samples(track) / windows.sample_rate


@dataclass(frozen=True)
class _Decoding:
    """What becomes a score of one track. folder: where the estimate is written and read again; None: nowhere."""

    task: Task
    track: Track
    logits: Logits
    fps: float
    folder: Path | None
    seconds: float


def _scored(job: _Decoding) -> "tuple[Scored, float]":
    """-> score, seconds of decoding."""
    start_s = time.monotonic()
    estimate = job.task.decode(job.logits, job.fps)
    decode_s = time.monotonic() - start_s
    path = None
    if job.folder is not None:
        path = job.folder / file_name(estimate, job.track)
        write(estimate, job.folder, job.track)
        estimate = job.task.annotation.read(path)
    reference = job.task.reference(job.track.annotations)
    assert reference is not None
    scored = score(job.task, job.track, reference, estimate, job.seconds, path)
    scored.score.metrics.update(job.task.diagnosis(job.logits))
    return scored, decode_s
