"""result.json: what a run, or a folder of predictions, is worth. docs/result.md describes every field."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.files import write_text
from ricercar.data.track import AudioSource, Track
from ricercar.errors import InputError
from ricercar.harness import identity
from ricercar.harness.identity import stable_hash
from ricercar.harness.origin import CODE, Git, git_state, source_hash, versions
from ricercar.harness.provenance import Outside, Training, Tuning
from ricercar.harness.scales import check_bounds, check_scales
from ricercar.harness.typed_json import parse, to_json, typed
from ricercar.tasks.scale import Scale

if TYPE_CHECKING:  # reading results needs no torch
    from ricercar.data.audio.store import AudioStore
    from ricercar.tasks.scoring import Scoring

SCHEMA = 4
AVERAGING = ("tracks", "groups")

_ROUNDING = 1e-6  # how far metrics may be from the mean of the tracks they come with


@dataclass(frozen=True)
class TrackScore:
    """One test track.

    group      its work: what statistics draw
    metrics    {name: score}, NaN where the protocol leaves the track out
    seconds    of audio
    evidence   {name: number} that the metrics of all tracks together are made of (see Scoring.pooled)
    """

    id: str
    group: str
    metrics: dict[str, float]
    seconds: float
    evidence: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class DatasetId:
    """What was scored on. fingerprint: hash of ids, works, audio and annotations of the split."""

    name: str
    split: str
    fingerprint: str
    num_tracks: int


@dataclass(frozen=True)
class Cost:
    """What training and prediction took; None is not known, as for predictions from elsewhere.

    real_time_factor: seconds that predicting one second of audio takes. audio_seconds_per_s: of training.
    """

    params: int | None = None
    macs_per_second_of_audio: float | None = None
    train_s: float | None = None
    steps: int | None = None
    audio_seconds_per_s: float | None = None
    peak_memory_bytes: int | None = None
    real_time_factor: float | None = None
    device: str | None = None


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
    training: Training | None
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
    versions: dict[str, str | None]
    git: Git | None
    code: str | None

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
        """InputError names the file, the field and the value that is wrong, inconsistent or of another schema."""
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not UTF-8 text (byte {error.start}).") from error
        try:
            content = parse(text)
            _check_schema(content)
            result = typed(cls, content)
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


def make_result(
    *,
    run_id: str,
    choices: dict[str, str],
    seed: int | None,
    overrides: Sequence[str],
    config: dict[str, Any] | None,
    system: Outside | None,
    training: Training | None,
    tuning: Tuning | None,
    looks: int | None,
    reproducible: bool | None = None,
    scoring: "Scoring",
    source: str,
    split: str,
    tracks: Sequence[Track],
    store: "AudioStore",
    scores: Sequence[TrackScore],
    cost: Cost,
) -> Result:
    """The result of `scores` on `tracks`, with means, hashes and versions. `source` names the data set."""
    metrics = metrics_of(scores, scoring)
    return Result(
        schema=SCHEMA,
        run_id=run_id,
        choices=dict(choices),
        seed=seed,
        overrides=list(overrides),
        config=config,
        system=system,
        training=training,
        tuning=tuning,
        looks=looks,
        reproducible=reproducible,
        protocol=dict(scoring.protocol),
        protocol_id=stable_hash(scoring.protocol),
        dataset=DatasetId(source, split, fingerprint(tracks, scoring, store.key), len(tracks)),
        metrics=metrics,
        scales={name: scoring.scale(name) for name in metrics},
        primary=scoring.primary,
        shown=[name for name in scoring.shown if name in metrics and name != scoring.primary],
        tracks=list(scores),
        cost=cost,
        versions=versions(),
        git=git_state(),
        code=source_hash(*CODE),
    )


def metrics_of(tracks: Sequence[TrackScore], scoring: "Scoring") -> dict[str, float]:
    """-> {name: mean over tracks} and the metrics of all tracks together."""
    pooled = scoring.pooled([track.evidence for track in tracks])
    return mean_metrics(tracks, scoring.protocol["averaging"]) | pooled


def mean_metrics(tracks: Sequence[TrackScore], averaging: str) -> dict[str, float]:
    """-> {name: mean over tracks, or mean of the groups' means}; a NaN is left out, NaN where nothing is left."""
    if averaging not in AVERAGING:
        raise InputError(f"protocol.averaging is {averaging!r}: choose one of {', '.join(AVERAGING)}.")
    names = list(dict.fromkeys(name for track in tracks for name in track.metrics))
    keys = [track.group if averaging == "groups" else str(i) for i, track in enumerate(tracks)]
    means = {}
    for name in names:
        members: dict[str, list[float]] = {}
        for key, track in zip(keys, tracks, strict=True):
            if not np.isnan(track.metrics[name]):
                members.setdefault(key, []).append(track.metrics[name])
        of_members = [float(np.mean(each)) if len(each) > 1 else each[0] for each in members.values()]
        means[name] = float(np.mean(of_members)) if members else float("nan")
    return means


def fingerprint(tracks: Sequence[Track], scoring: "Scoring", audio_key: Callable[[AudioSource], str]) -> str:
    """-> hash of ids, works, audio and references of the tracks, in any order."""
    return fingerprint_of(tracks, scoring.reference, audio_key)


def fingerprint_of(
    tracks: Sequence[Track],
    used: Callable[[Mapping[str, Annotation]], Annotation | None],
    audio_key: Callable[[AudioSource], str],
) -> str:
    """As `fingerprint`, with the annotation that `used` takes of each track; those without it are left out."""
    rows = [
        (track.id, track.work, audio_key(track.audio), annotation.text())
        for track in tracks
        if (annotation := used(track.annotations)) is not None
    ]
    return stable_hash(sorted(rows))


def _check_schema(content: Any) -> None:
    """Before anything else: a file of another schema is told so, not which of its fields look odd."""
    schema = content.get("schema", SCHEMA) if isinstance(content, dict) else SCHEMA
    if schema != SCHEMA or isinstance(schema, bool):
        raise InputError(
            f"schema is {json.dumps(schema)}, this version of Ricercar reads {SCHEMA}. "
            "Read it with the version that wrote it (versions.ricercar), or score the predictions again."
        )
