"""A benchmark: a task on a split of a data set, under a protocol; and the scores of predictions on it."""

import hashlib
import logging
import re
import shutil
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.audio.store import AudioStore
from ricercar.data.sources.folds import Fold
from ricercar.data.track import Track
from ricercar.errors import InputError
from ricercar.harness.identity import CODE, git_state, own_packages, source_hash, stable_hash, versions
from ricercar.harness.protocols import name_of
from ricercar.harness.provenance import Provenance
from ricercar.harness.results import SCHEMA, DatasetId, FoldId, Result, TrackScore, fingerprint_of, mean_metrics
from ricercar.tasks.protocol import plain
from ricercar.tasks.scoring import Clip, Scoring

log = logging.getLogger(__name__)
_NUM_IDS = 3  # of tracks that a warning names


class Benchmark:
    """What is scored, and on what. Two results may be compared where their benchmarks are the same.

    task       its name, as in the choices of a result
    data       name of the data set
    tracks     those of the split that have a reference
    training   tracks that trivial baselines learn from
    fold       of a cross-validation, that the tracks are of; None: there is none
    """

    def __init__(
        self,
        *,
        task: str,
        scoring: Scoring,
        data: str,
        split: str,
        tracks: Iterable[Track],
        training: Sequence[Track],
        store: AudioStore,
        fold: Fold | None = None,
    ) -> None:
        self.task = task
        self.scoring = scoring
        self.data = data
        self.split = split
        self.tracks = annotated(tracks, scoring)
        self.training = training
        self.store = store
        self.fold = fold

    @cached_property
    def fingerprint(self) -> str:
        """Hash of ids, works, audio and references of the tracks, in any order."""
        return fingerprint_of(self.tracks, self.scoring.reference, self.store.key)

    @property
    def protocol_id(self) -> str:
        """Hash of every convention that moves a score."""
        return stable_hash(plain(self.scoring.protocol))

    @property
    def comparable(self) -> tuple[str, str, str, str]:
        """As of a result: what has to be the same for scores to be compared."""
        return self.task, self.fingerprint, self.split, self.protocol_id

    @cached_property
    def folds(self) -> FoldId | None:
        """Which fold of which tracks it is."""
        if self.fold is None:
            return None
        every = annotated(self.fold.every, self.scoring)
        hashed = fingerprint_of(every, self.scoring.reference, self.store.key)
        return FoldId(self.fold.fold, self.fold.number, hashed, len(every))

    def result(self, scores: Sequence[TrackScore], provenance: Provenance) -> Result:
        """scores: one for each track."""
        metrics, protocol = metrics_of(scores, self.scoring), plain(self.scoring.protocol)
        if self.scoring.primary not in metrics:
            raise InputError(
                f"task.protocol.ranked_by={self.scoring.primary}: there is no such metric. "
                f"There are: {', '.join(metrics)}."
            )
        named = {"protocol": name} if (name := name_of(self.task, protocol)) is not None else {}
        choices = {group: choice for group, choice in provenance.choices.items() if group != "protocol"} | named
        return Result(
            schema=SCHEMA,
            **vars(replace(provenance, choices=choices)),
            protocol=protocol,
            protocol_id=self.protocol_id,
            dataset=DatasetId(self.data, self.split, self.fingerprint, len(self.tracks), self.folds),
            metrics=metrics,
            scales={name: self.scoring.scale(name) for name in metrics},
            primary=self.scoring.primary,
            shown=[name for name in self.scoring.shown if name in metrics and name != self.scoring.primary],
            tracks=list(scores),
            versions=versions() | own_packages(provenance.config),
            git=git_state(),
            code=source_hash(*CODE),
        )

    def score_folder(self, folder: Path) -> list[TrackScore]:
        """Scores the predictions in `folder`, one for each track. A missing one is an error.

        What mir_eval warns of is logged, with track and file.
        """
        scored = self._scored(folder)
        tell(scored)
        return [each.score for each in scored]

    def score_baseline(self, name: str, folder: Path) -> list[TrackScore]:
        """Writes the estimates of a trivial baseline into `folder`, and scores them."""
        scoring, store = self.scoring, self.store
        if name not in scoring.baselines:
            raise InputError(f"baseline={name} is not known: choose one of {', '.join(scoring.baselines)}.")
        references = [each for track in self.training if (each := scoring.reference(track.annotations)) is not None]
        estimator = scoring.baselines[name](references)
        for track in self.tracks:
            audio = store.read(track, 0, store.num_samples(track)).astype(np.float32) / 32768.0
            reference = scoring.reference(track.annotations)
            assert reference is not None
            write(estimator(Clip(track.id, audio, store.sample_rate, scoring.given(reference))), folder, track)
        return [each.score for each in self._scored(folder)]

    def predictions_hash(self, folder: Path) -> str:
        """-> hash of the predictions of all tracks."""
        found = [(track.id, prediction_file(self.scoring, folder, track.id)) for track in self.tracks]
        return stable_hash([[each, hashlib.sha256(path.read_bytes()).hexdigest()] for each, path in found if path])

    def keep_predictions(self, folder: Path, kept: Path) -> None:
        """Copies the predictions into `kept`, so that they stand beside their result."""
        if not folder.is_dir() or folder.resolve() == kept.resolve():
            return
        try:
            kept.mkdir(parents=True, exist_ok=True)
            for track in self.tracks:
                if (path := prediction_file(self.scoring, folder, track.id)) is not None:
                    shutil.copyfile(path, kept / path.name)
        except OSError as error:
            raise InputError(
                f"cannot copy the predictions from {folder} into {kept}: {error.strerror or error}."
            ) from error

    def _scored(self, folder: Path) -> list["Scored"]:
        if not folder.is_dir():
            raise InputError(f"predictions={folder}: there is no such folder.")
        files = {track.id: prediction_file(self.scoring, folder, track.id) for track in self.tracks}
        missing = [track_id for track_id, path in files.items() if path is None]
        if missing:
            raise InputError(
                f"predictions={folder} lacks {len(missing)} of {len(files)} tracks, the first is {missing[0]!r}: "
                f"expected <track id> with one of the endings {', '.join(self.scoring.annotation.suffixes)}."
            )
        scores = []
        for track in self.tracks:
            path, reference = files[track.id], self.scoring.reference(track.annotations)
            assert path is not None
            assert reference is not None
            estimate = self.scoring.annotation.read(path)
            scores.append(score(self.scoring, track, reference, estimate, self.store.duration_s(track), path))
        return scores


def metrics_of(tracks: Sequence[TrackScore], scoring: Scoring) -> dict[str, float]:
    """-> {name: mean over tracks} and the metrics of all tracks together."""
    pooled = scoring.pooled([track.evidence for track in tracks])
    return mean_metrics(tracks, scoring.protocol["averaging"]) | pooled


def write(estimate: Annotation, folder: Path, track: Track) -> None:
    """Writes `folder`/<track id>.<suffix>."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        estimate.write(folder / file_name(estimate, track))
    except OSError as error:
        raise InputError(f"cannot write the prediction for track {track.id} into {folder}: {error}") from error


def file_name(estimate: Annotation, track: Track) -> str:
    return f"{track.id}{estimate.suffixes[0]}"


@dataclass(frozen=True)
class Scored:
    """The score of one track, the file of its estimate, and what mir_eval, or the task, warned of meanwhile."""

    score: TrackScore
    path: Path | None
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
    score = TrackScore(track.id, track.work, metrics, seconds, evidence)
    return Scored(score, path, tuple(" ".join(text.split()) for text in texts))


def tell(scored: Iterable[Scored]) -> None:
    """Logs each warning once, with its tracks; of those that differ in numbers only, the first."""
    alike: dict[tuple[str, Path | None], dict[str, tuple[str, Path | None]]] = {}
    for each in scored:
        folder = each.path.parent if each.path else None
        for text in each.warnings:
            alike.setdefault((re.sub(r"[\d.]+", "#", text), folder), {})[each.score.id] = (text, each.path)
    for (_, folder), tracks in alike.items():
        ids = list(tracks)
        text, path = tracks[ids[0]]
        if len(ids) == 1:
            log.warning("track %s%s: %s", ids[0], f" ({path})" if path else "", text)
        else:
            named = ", ".join([*ids[:_NUM_IDS], *(["..."] if len(ids) > _NUM_IDS else [])])
            first = "" if len({each for each, _ in tracks.values()}) == 1 else "the first: "
            log.warning("%d tracks (%s%s): %s%s", len(ids), named, f"; in {folder}" if folder else "", first, text)


def prediction_file(scoring: Scoring, folder: Path, track_id: str) -> Path | None:
    """The prediction of a track: the first of the annotation's endings that there is."""
    candidates = (folder / f"{track_id}{suffix}" for suffix in scoring.annotation.suffixes)
    return next((path for path in candidates if path.exists()), None)


def annotated(tracks: Iterable[Track], scoring: Scoring) -> list[Track]:
    """The tracks that have what estimates are scored against."""
    return [track for track in tracks if scoring.reference(track.annotations) is not None]
