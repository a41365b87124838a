"""What stands beside a system's scores: where it comes from, what it learnt from, and how much was tried."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from ricercar.data.track import Track

KNOWN, UNKNOWN = "known", "unknown"


@dataclass(frozen=True)
class Outside:
    """A system whose predictions come from elsewhere.

    trained_on    names of data sets
    works_known   whether the works that it was trained on were listed
    packages      of the environment that it was run in here, name==version; None: it was not, or has none
    """

    paper: str | None
    url: str | None
    trained_on: list[str]
    works_known: bool
    licence: str | None
    packages: list[str] | None


@dataclass(frozen=True)
class TrainingData:
    """What a system learnt from, and was chosen by.

    data      names of data sets that it learnt from
    works     known: `shared` and `shared_choosing` are all there is; unknown: nobody said which works were in it
    shared    works of the scored split that were in the training data too
    fingerprint   hash of the audio and annotations that were learnt and chosen from; None: not known
    choosing  names of data sets that checkpoints, decoding or settings were chosen by; None: not known
    shared_choosing   works of the scored split that were in these, too
    """

    data: list[str]
    works: str
    shared: list[str]
    fingerprint: str | None
    choosing: list[str] | None = None
    shared_choosing: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        data: str,
        training_tracks: Iterable[Track],
        scored: Sequence[Track],
        fingerprint: str | None,
        choosing_tracks: Sequence[Track] = (),
    ) -> Self:
        """The training of a system of our own, on `training_tracks` of one data set, chosen by others of it."""
        learnt, chosen = (
            sorted({track.work for track in tracks} & {track.work for track in scored})
            for tracks in (training_tracks, choosing_tracks)
        )
        return cls([data], KNOWN, learnt, fingerprint, [data] if choosing_tracks else None, chosen)

    def after(self, past: "Past | None", scored: Iterable[Track]) -> "TrainingData":
        """The same of a training that began with weights which had learnt before."""
        if past is None:
            return self
        shared = set(self.shared) | (past.works or set()) & {track.work for track in scored}
        data = list(dict.fromkeys([*self.data, *past.data]))
        works = UNKNOWN if past.works is None else self.works
        return replace(self, data=data, works=works, shared=sorted(shared))


@dataclass(frozen=True)
class Past:
    """What weights learnt from before a training began with them. works: None: not known."""

    data: list[str]
    works: set[str] | None


@dataclass(frozen=True)
class EncoderId:
    """A pretrained encoder that a run is built on.

    name, revision, weights   what it is called; its commit, where it has one; hash of its files
    layers    the numbers of those that were taken
    mix       the weights that the layers ended with, where the backbone takes their mean
    licence, trained_on, url   as the configuration says; null: it does not say
    """

    name: str
    revision: str | None
    weights: str
    layers: list[int]
    mix: list[float] | None
    licence: str | None
    trained_on: list[str] | None
    url: str | None


@dataclass(frozen=True)
class Trial:
    """One training of a search. values: options and what was tried for them. score: on the validation split, larger is
    better; NaN where the training diverged.
    """

    values: dict[str, Any]
    score: float
    train_s: float


@dataclass(frozen=True)
class Tuning:
    """A search on the validation split, by the mean of the tasks' primary metrics. chosen: number of the best trial."""

    chosen: int
    trials: list[Trial]


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
class Provenance:
    """Whose scores a result holds; its fields are those of Result by the same names. None: not known, or there is none.

    system        a system from elsewhere
    looks         how often its run was scored on the split
    """

    run_id: str
    choices: dict[str, str]
    seed: int | None = None
    overrides: list[str] = field(default_factory=list)
    config: dict[str, Any] | None = None
    system: Outside | None = None
    training: TrainingData | None = None
    tuning: Tuning | None = None
    looks: int | None = None
    reproducible: bool | None = None
    cost: Cost = field(default_factory=Cost)
    encoder: EncoderId | None = None
