"""Scores of whole tracks: a network's, or those of a folder of predictions."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.track import Track
from ricercar.errors import InputError
from ricercar.harness.predict import Predict
from ricercar.harness.results import TrackScore, mean_metrics
from ricercar.models.net import Net
from ricercar.tasks.task import Task


class Evaluation:
    """Predicts, decodes and scores whole tracks of a task."""

    def __init__(self, *, task: Task, predict: Predict, fps: float) -> None:
        self.task = task
        self.predict = predict
        self.fps = fps

    def validate(self, net: Net, tracks: Sequence[Track]) -> dict[str, float]:
        """-> {metric: mean}. Chooses the task's decoding on the same tracks."""
        logits = [self.predict(net, track) for track in tracks]
        references = [track.annotations[self.task.annotation.name] for track in tracks]
        self.task.tune(list(zip(references, logits, strict=True)), self.fps)
        scores = [
            TrackScore(track.id, track.group, self.task.score(reference, self.task.decode(each, self.fps)), 0.0)
            for track, reference, each in zip(tracks, references, logits, strict=True)
        ]
        return mean_metrics(scores, self.task.protocol["averaging"])

    def test(self, net: Net, tracks: Sequence[Track], folder: Path) -> tuple[list[TrackScore], float]:
        """Writes each estimate into `folder`, and scores what was written -> scores, seconds of prediction."""
        spent_s = 0.0
        for track in tracks:
            start_s = time.monotonic()
            estimate = self.task.decode(self.predict(net, track), self.fps)
            spent_s += time.monotonic() - start_s
            write(estimate, folder, track)
        return score_folder(self.task, tracks, folder, self._durations(tracks)), spent_s

    def _durations(self, tracks: Sequence[Track]) -> dict[str, float]:
        return {track.id: self.predict.store.duration_s(track) for track in tracks}


def write(estimate: Annotation, folder: Path, track: Track) -> None:
    """Writes `folder`/<track id>.<suffix>."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        estimate.write(folder / f"{track.id}{estimate.suffixes[0]}")
    except OSError as error:
        raise InputError(f"cannot write the prediction for track {track.id} into {folder}: {error}") from error


def score_folder(task: Task, tracks: Sequence[Track], folder: Path, durations: Mapping[str, float]) -> list[TrackScore]:
    """Scores the predictions in `folder`, one file for each track. A missing file is an error."""
    if not folder.is_dir():
        raise InputError(f"predictions={folder}: there is no such folder.")
    files = {track.id: prediction_file(task, folder, track.id) for track in tracks}
    missing = [track_id for track_id, path in files.items() if path is None]
    if missing:
        raise InputError(
            f"predictions={folder} lacks {len(missing)} of {len(tracks)} tracks, the first is {missing[0]!r}: "
            f"expected <track id> with one of the endings {', '.join(task.annotation.suffixes)}."
        )
    scores = []
    for track in tracks:
        path = files[track.id]
        assert path is not None
        metrics = task.score(track.annotations[task.annotation.name], task.annotation.read(path))
        scores.append(TrackScore(track.id, track.group, metrics, durations[track.id]))
    return scores


def prediction_file(task: Task, folder: Path, track_id: str) -> Path | None:
    """The prediction of a track: the first of the annotation's endings that there is."""
    candidates = (folder / f"{track_id}{suffix}" for suffix in task.annotation.suffixes)
    return next((path for path in candidates if path.is_file()), None)


def annotated(tracks: Sequence[Track], task: Task, split: str) -> list[Track]:
    """The tracks that have what the task needs."""
    name = task.annotation.name
    found = [track for track in tracks if name in track.annotations]
    if not found:
        raise InputError(
            f"None of the {len(tracks)} tracks of split {split!r} has the annotation {name!r} that this task needs. "
            f"They have: {', '.join(sorted({key for track in tracks for key in track.annotations})) or 'none'}."
        )
    return found
