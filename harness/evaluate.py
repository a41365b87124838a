"""Scores of whole tracks: a network's, a trivial baseline's, or those of a folder of predictions."""

import hashlib
import logging
import shutil
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.audio.store import AudioStore
from ricercar.data.track import Track
from ricercar.errors import InputError
from ricercar.harness.identity import stable_hash
from ricercar.harness.predict import Logits, Predict
from ricercar.harness.processes import Processes
from ricercar.harness.results import TrackScore, metrics_of
from ricercar.harness.scales import check_scales
from ricercar.harness.scorers import Scorers
from ricercar.models.net import Net
from ricercar.tasks.multitask import Multitask
from ricercar.tasks.scale import LOWER
from ricercar.tasks.scoring import Clip, Scoring
from ricercar.tasks.task import Task

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Validated:
    """What a validation found.

    score   the mean of the tasks' primary metrics, by which the best checkpoint is chosen: larger is better. A metric
            of which lower is better counts negative; one that is undefined as the worst that it could be
    what    the score in words
    """

    score: float
    what: str
    metrics: dict[str, float]


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
            jobs = (_Decoding(task, track, logits, self.fps, None, 0.0) for track, _, logits in mine)
            scores = (done.score for done, _ in self.scorers.map(_scored, jobs))
            found = metrics_of(list(self.processes.together(scores, len(labelled))), task)
            check_scales({key: task.scale(key) for key in found}, found, task.primary)  # not only when all is trained
            primary.append(task.scale(task.primary).gain(found[task.primary]))
            prefix = f"{name}/" if len(self.tasks) > 1 else ""
            metrics |= {f"{prefix}{key}": value for key, value in found.items()}
        what = (
            ("minus " if task.scale(task.primary).better == LOWER else "") + task.primary
            for task in self.tasks.values()
        )
        return Validated(float(np.mean(primary)), " and ".join(what), metrics)

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
                        seconds = self.predict.windows.num_samples(track) / self.predict.windows.sample_rate
                        yield _Decoding(task, track, self.tasks.of(name, logits), self.fps, folder, seconds)
                start_s = time.monotonic()

        done = list(self.scorers.map(_scored, jobs()))
        scores: dict[str, list[TrackScore]] = {name: [] for name in folders}
        for name, (own, _) in zip(names, done, strict=True):
            scores[name].append(own.score)
        _tell(own for own, _ in done)
        return scores, predict_s + sum(decode_s for _, decode_s in done)


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
        path = job.folder / _file_name(estimate, job.track)
        write(estimate, job.folder, job.track)
        estimate = job.task.annotation.read(path)
    reference = job.task.reference(job.track.annotations)
    assert reference is not None
    return score(job.task, job.track, reference, estimate, job.seconds, path), decode_s


def score_baseline(
    scoring: Scoring, name: str, taught: Sequence[Track], tracks: Sequence[Track], store: AudioStore, folder: Path
) -> list[TrackScore]:
    """Writes the estimates of a trivial baseline, which learns from the references of `taught`, and scores them."""
    if name not in scoring.baselines:
        raise InputError(f"baseline={name} is not known: choose one of {', '.join(scoring.baselines)}.")
    references = [each for track in taught if (each := scoring.reference(track.annotations)) is not None]
    estimator = scoring.baselines[name](references)
    for track in annotated(tracks, scoring):
        audio = store.read(track, 0, store.num_samples(track)).astype(np.float32) / 32768.0
        reference = scoring.reference(track.annotations)
        assert reference is not None
        write(estimator(Clip(track.id, audio, store.sample_rate, scoring.given(reference))), folder, track)
    return [each.score for each in _scores_of_folder(scoring, tracks, folder, store)]


def write(estimate: Annotation, folder: Path, track: Track) -> None:
    """Writes `folder`/<track id>.<suffix>."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        estimate.write(folder / _file_name(estimate, track))
    except OSError as error:
        raise InputError(f"cannot write the prediction for track {track.id} into {folder}: {error}") from error


def _file_name(estimate: Annotation, track: Track) -> str:
    return f"{track.id}{estimate.suffixes[0]}"


@dataclass(frozen=True)
class Scored:
    """The score of one track, and what mir_eval, or the task, warned of meanwhile: each a line with track and file."""

    score: TrackScore
    warnings: tuple[str, ...]


def score(
    scoring: Scoring, track: Track, reference: Annotation, estimate: Annotation, seconds: float, path: Path | None
) -> Scored:
    """path: of the estimate, if it is in a file. InputError names the track."""
    reference = scoring.of_recording(reference, seconds)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            metrics, evidence = scoring.score(reference, estimate), scoring.evidence(reference, estimate)
        except InputError as error:
            raise InputError(f"track {track.id}: {error}") from error
    for each in caught:
        if each.category is not UserWarning:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    texts = dict.fromkeys(str(each.message) for each in caught if each.category is UserWarning)
    where = f"track {track.id}" + (f" ({path})" if path else "")
    return Scored(
        TrackScore(track.id, track.work, metrics, seconds, evidence),
        tuple(f"{where}: {' '.join(text.split())}" for text in texts),
    )


def _tell(scored: Iterable[Scored]) -> None:
    """Logs each warning once."""
    for line in dict.fromkeys(line for each in scored for line in each.warnings):
        log.warning("%s", line)


def score_folder(scoring: Scoring, tracks: Iterable[Track], folder: Path, store: AudioStore) -> list[TrackScore]:
    """Scores the predictions in `folder`, one for each track that has a reference. A missing one is an error.

    What mir_eval warns of is logged, with track and file.
    """
    scored = _scores_of_folder(scoring, tracks, folder, store)
    _tell(scored)
    return [each.score for each in scored]


def _scores_of_folder(scoring: Scoring, tracks: Iterable[Track], folder: Path, store: AudioStore) -> list[Scored]:
    if not folder.is_dir():
        raise InputError(f"predictions={folder}: there is no such folder.")
    tracks = annotated(tracks, scoring)
    files = {track.id: prediction_file(scoring, folder, track.id) for track in tracks}
    missing = [track_id for track_id, path in files.items() if path is None]
    if missing:
        raise InputError(
            f"predictions={folder} lacks {len(missing)} of {len(tracks)} tracks, the first is {missing[0]!r}: "
            f"expected <track id> with one of the endings {', '.join(scoring.annotation.suffixes)}."
        )
    scores = []
    for track in tracks:
        path, reference = files[track.id], scoring.reference(track.annotations)
        assert path is not None
        assert reference is not None
        estimate = scoring.annotation.read(path)
        scores.append(score(scoring, track, reference, estimate, store.duration_s(track), path))
    return scores


def predictions_hash(scoring: Scoring, tracks: Iterable[Track], folder: Path) -> str:
    """-> hash of the predictions of all tracks that have a reference."""
    found = [(track.id, prediction_file(scoring, folder, track.id)) for track in annotated(tracks, scoring)]
    return stable_hash([[each, hashlib.sha256(path.read_bytes()).hexdigest()] for each, path in found if path])


def keep_predictions(scoring: Scoring, tracks: Iterable[Track], folder: Path, kept: Path) -> None:
    """Copies the predictions into `kept`, so that they stand beside their result."""
    if not folder.is_dir() or folder.resolve() == kept.resolve():
        return
    try:
        kept.mkdir(parents=True, exist_ok=True)
        for track in annotated(tracks, scoring):
            if (path := prediction_file(scoring, folder, track.id)) is not None:
                shutil.copyfile(path, kept / path.name)
    except OSError as error:
        raise InputError(f"cannot copy the predictions from {folder} into {kept}: {error}") from error


def prediction_file(scoring: Scoring, folder: Path, track_id: str) -> Path | None:
    """The prediction of a track: the first of the annotation's endings that there is."""
    candidates = (folder / f"{track_id}{suffix}" for suffix in scoring.annotation.suffixes)
    return next((path for path in candidates if path.exists()), None)


def annotated(tracks: Iterable[Track], scoring: Scoring) -> list[Track]:
    """The tracks that have what estimates are scored against."""
    return [track for track in tracks if scoring.reference(track.annotations) is not None]
