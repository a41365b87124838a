"""result.json: what a run, or a folder of predictions, is worth. docs/result.md describes every field."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import numpy as np

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.files import write_text
from ricercar.data.track import AudioSource, Track
from ricercar.errors import InputError
from ricercar.harness import identity
from ricercar.harness.identity import Git, stable_hash
from ricercar.harness.provenance import Cost, EncoderId, Outside, Provenance, TrainingData, Tuning
from ricercar.harness.typed_json import parsed_file, to_json, typed
from ricercar.significance.scores import Ints, Scores
from ricercar.tasks.scale import HIGHER, LOWER, Scale, of_mir_eval

SCHEMA = 4
AVERAGING = ("tracks", "works")

_ROUNDING = 1e-6  # how far metrics may be from the mean of the tracks they come with, and from their bounds


@dataclass(frozen=True)
class TrackScore:
    """One test track.

    work       what statistics draw: the data set's `work`, or else its `group`
    metrics    {name: score}, NaN where the protocol leaves the track out
    seconds    of audio
    evidence   {name: number} that the metrics of all tracks together are made of (see Scoring.pooled)
    """

    id: str
    work: str
    metrics: dict[str, float]
    seconds: float
    evidence: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class FoldId:
    """The fold of a cross-validation that was scored, of `number`. fingerprint, num_tracks: of all folds together."""

    fold: int
    number: int
    fingerprint: str
    num_tracks: int


@dataclass(frozen=True)
class DatasetId:
    """What was scored on. fingerprint: hash of ids, works, audio and annotations of the split."""

    name: str
    split: str
    fingerprint: str
    num_tracks: int
    folds: FoldId | None = None


@dataclass(frozen=True)
class Result:
    """The content of result.json, in the order of the file. Scores are compared only where `comparable` is equal."""

    schema: int
    run_id: str
    choices: dict[str, str]
    seed: int | None
    overrides: list[str]
    config: dict[str, Any] | None
    system: Outside | None
    training: TrainingData | None
    tuning: Tuning | None
    looks: int | None
    reproducible: bool | None
    protocol: dict[str, Any]
    protocol_id: str
    dataset: DatasetId
    metrics: dict[str, float]
    scales: dict[str, Scale]
    primary: str
    shown: list[str]
    tracks: list[TrackScore]
    cost: Cost
    encoder: EncoderId | None
    versions: dict[str, str | None]
    git: Git | None
    code: str | None

    @property
    def provenance(self) -> Provenance:
        """Whose scores these are."""
        return Provenance(**{each.name: getattr(self, each.name) for each in fields(Provenance)})

    @property
    def comparable(self) -> tuple[str, str, str, str]:
        """(task, data fingerprint, split, protocol_id)"""
        return self.choices["task"], self.dataset.fingerprint, self.dataset.split, self.protocol_id

    @property
    def pooled(self) -> list[str]:
        """The metrics of all tracks together, which no track has, and which are no mean."""
        with_evidence = all(track.evidence for track in self.tracks)
        return [name for name in self.metrics if with_evidence and name not in self.tracks[0].metrics]

    @property
    def primary_of_tracks(self) -> str:
        """The primary metric, or where it is one of all tracks together, the first that tracks have and that has a
        best.
        """
        of_tracks = list(self.tracks[0].metrics)
        if self.primary in of_tracks:
            return self.primary
        return next((name for name in of_tracks if self.scales[name].better is not None), of_tracks[0])

    @property
    def worst_first(self) -> list[TrackScore]:
        """The tracks by `primary_of_tracks`; those without a score come last."""
        name = self.primary_of_tracks
        sign = self.scales[name].sign
        return sorted(self.tracks, key=lambda each: (np.isnan(each.metrics[name]), sign * each.metrics[name], each.id))

    def write(self, path: Path) -> None:
        """Writes the whole file or nothing. InputError names the folder."""
        text = to_json(self)
        try:
            write_text(path, text)
        except OSError as error:
            raise InputError(f"cannot write {path.name} into {path.parent}: {error.strerror}.") from error

    @classmethod
    def read(cls, path: Path) -> Self:
        """A file that ends in .gz is read as gzip has packed it.

        InputError names the file, the field and the value that is wrong, inconsistent or of another schema.
        """
        content = parsed_file(path)
        try:
            _check_schema(content)
            result = typed(cls, _completed(content))
            result._check()
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        return result

    def _check(self) -> None:
        """That the parts fit each other."""
        if "task" not in self.choices:
            raise InputError("choices has no field 'task'.")
        if self.primary not in self.metrics:
            raise InputError(f"primary is {self.primary!r}, which is not among metrics: {', '.join(self.metrics)}.")
        if unknown := sorted(set(self.shown) - set(self.metrics)):
            raise InputError(f"shown has {unknown[0]!r}, which is not among metrics: {', '.join(self.metrics)}.")
        check_scales(self.scales, self.metrics, self.primary)
        if self.tuning is not None and not 0 <= self.tuning.chosen < len(self.tuning.trials):
            raise InputError(f"tuning.chosen is {self.tuning.chosen}, but tuning.trials has {len(self.tuning.trials)}.")
        if not self.tracks or self.dataset.num_tracks != len(self.tracks):
            raise InputError(f"dataset.num_tracks is {self.dataset.num_tracks}, but tracks has {len(self.tracks)}.")
        ids = set()
        for i, track in enumerate(self.tracks):
            if track.id in ids:
                raise InputError(f"tracks[{i}].id is {track.id!r}, as of an earlier track.")
            ids.add(track.id)
            expected = set(self.metrics) - set(self.pooled)
            if set(track.metrics) != expected:
                odd = sorted(set(track.metrics) ^ expected)
                raise InputError(f"tracks[{i}].metrics differs from metrics in: {', '.join(odd)}.")
        if self.config is not None and self.system is None and self.run_id != (own := identity.run_id(self.config)):
            raise InputError(
                f"run_id is {self.run_id!r}, but the configuration gives {own!r}: it is another run's, or that of an "
                "earlier version, which counted other options."
            )
        if stable_hash(self.protocol) != self.protocol_id:
            raise InputError(f"protocol_id is {self.protocol_id!r}, but protocol gives {stable_hash(self.protocol)!r}.")
        means = mean_metrics(self.tracks, str(self.protocol.get("averaging")))
        for name, value in self.metrics.items():
            if name not in self.pooled and not np.isclose(
                value, means[name], rtol=_ROUNDING, atol=_ROUNDING, equal_nan=True
            ):
                raise InputError(f"metrics.{name} is {value:g}, but the mean of tracks is {means[name]:g}.")
        check_bounds(self.scales, self.metrics, [(track.id, track.metrics) for track in self.tracks])


def mean_metrics(tracks: Sequence[TrackScore], averaging: str) -> dict[str, float]:
    """-> {name: mean over tracks, or mean of the works' means}; a NaN is left out, NaN where nothing is left."""
    if averaging not in AVERAGING:
        raise InputError(f"protocol.averaging is {averaging!r}: choose one of {', '.join(AVERAGING)}.")
    names = list(dict.fromkeys(name for track in tracks for name in track.metrics))
    keys = [track.work if averaging == "works" else str(i) for i, track in enumerate(tracks)]
    means = {}
    for name in names:
        members: dict[str, list[float]] = {}
        for key, track in zip(keys, tracks, strict=True):
            if not np.isnan(track.metrics[name]):
                members.setdefault(key, []).append(track.metrics[name])
        of_members = [float(np.mean(each)) if len(each) > 1 else each[0] for each in members.values()]
        means[name] = float(np.mean(of_members)) if members else float("nan")
    return means


def fingerprint_of(
    tracks: Sequence[Track],
    used: Callable[[Mapping[str, Annotation]], Annotation | None],
    audio_key: Callable[[AudioSource], str],
) -> str:
    """-> hash of ids, works, audio and the annotation that `used` takes of each track, in any order.

    Tracks without it are left out.
    """
    rows = [
        (track.id, track.work, audio_key(track.audio), annotation.text())
        for track in tracks
        if (annotation := used(track.annotations)) is not None
    ]
    return stable_hash(sorted(rows))


def _completed(content: Any) -> Any:
    """With the fields that results from before them lack."""
    if not isinstance(content, dict):
        return content
    dataset = content.get("dataset")
    known: dict[str, Any] = {"dataset": {"folds": None, **dataset}} if isinstance(dataset, dict) else {}
    training = content.get("training")
    if isinstance(training, dict):
        known["training"] = {"choosing": None, "shared_choosing": [], **training}
    return {"encoder": None, **content, **known}


def _check_schema(content: Any) -> None:
    """Before anything else: a file of another schema is told so, not which of its fields look odd."""
    schema = content.get("schema", SCHEMA) if isinstance(content, dict) else SCHEMA
    if schema != SCHEMA or isinstance(schema, bool):
        raise InputError(
            f"schema is {json.dumps(schema)}, this version of Ricercar reads {SCHEMA}. "
            "Read it with the version that wrote it (versions.ricercar), or score the predictions again."
        )


def check_scales(scales: Mapping[str, Scale], metrics: Mapping[str, float], primary: str) -> None:
    """InputError where a metric has no scale or is the wrong way round, or nothing can be the best by `primary`."""
    if odd := sorted(set(scales) ^ set(metrics)):
        raise InputError(f"scales differs from metrics in: {', '.join(odd)}.")
    for name, scale in scales.items():
        if scale.better not in (HIGHER, LOWER, None):
            raise InputError(f"scales.{name}.better is {scale.better!r}: it must be 'higher', 'lower' or null.")
        known = of_mir_eval(name)
        if known is not None and known.better != scale.better:
            raise InputError(
                f"scales.{name}.better is {json.dumps(scale.better)}, but mir_eval's is {json.dumps(known.better)}."
            )
    if scales[primary].better is None:
        raise InputError(
            f"primary is {primary!r}, but scales.{primary}.better is null: systems are ranked by a metric of which "
            "either higher or lower is better."
        )


def check_bounds(
    scales: Mapping[str, Scale], metrics: Mapping[str, float], tracks: Sequence[tuple[str, Mapping[str, float]]]
) -> None:
    """tracks: (id, scores) of each. InputError names the metric, the track and the value that is out of bounds."""
    for name, scale in scales.items():
        if not scale.holds(metrics[name], _ROUNDING):
            raise InputError(f"metrics.{name} is {metrics[name]:g}, it must be {scale.bounds}.")
    for i, (id, scores) in enumerate(tracks):
        for name, value in scores.items():
            if not scales[name].holds(value, _ROUNDING):
                raise InputError(
                    f"tracks[{i}].metrics.{name} is {value:g} (track {id!r}), it must be {scales[name].bounds}."
                )


def scores_of(systems: Sequence[Sequence[Result]], metric: str) -> Scores:
    """[system][seed] results -> scores on the tracks of the first result, in its order.

    InputError where a result lacks one of these tracks.
    """
    tracks = systems[0][0].tracks
    values = np.full((len(systems), max(map(len, systems)), len(tracks)), np.nan)
    for s, seeds in enumerate(systems):
        for k, result in enumerate(seeds):
            own = {track.id: track.metrics[metric] for track in result.tracks}
            missing = [track.id for track in tracks if track.id not in own]
            if missing:
                raise InputError(f"{result.run_id} lacks {len(missing)} tracks, the first is {missing[0]!r}.")
            values[s, k] = [own[track.id] for track in tracks]
    return Scores(values, works_of(systems[0][0]), str(systems[0][0].protocol["averaging"]))


def works_of(result: Result) -> Ints:
    """(T,) the number of each track's work."""
    _, number = np.unique([track.work for track in result.tracks], return_inverse=True)
    return number.astype(np.int64)
