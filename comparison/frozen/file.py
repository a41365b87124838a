"""NAME.json: all that it takes to enter a benchmark; docs/frozen.md describes every field."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.audio.store import AudioStore
from ricercar.data.files import write_text
from ricercar.data.sources.source import ALL
from ricercar.data.track import Track
from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.harness.benchmark import Benchmark
from ricercar.harness.identity import stable_hash
from ricercar.harness.provenance import Provenance
from ricercar.harness.results import Result, TrackScore
from ricercar.harness.targets import check_classes
from ricercar.harness.typed_json import parse, parsed_file, to_json, typed
from ricercar.tasks.protocol import plain
from ricercar.tasks.scoring import Scoring

SCHEMA = 1
_PACKAGES = ("ricercar.data", "ricercar.tasks")


@dataclass(frozen=True)
class FrozenTrack:
    """A track. audio: hash of what determines its samples. annotation: hash of what is scored against; null: none.

    fold: of a cross-validation, where all tracks are scored, or that the data set names
    seconds: of audio; NaN where nobody measured them, as of tracks for development
    """

    id: str
    work: str
    fold: int | None
    seconds: float
    audio: str
    annotation: str | None


@dataclass(frozen=True)
class Rules:
    """What a system may learn and choose from.

    splits      of the benchmark's own data; their works are in `development`. None where all tracks are scored: where
                they have folds, for each fold the others
    forbidden   names of data sets that may not be used
    """

    splits: list[str]
    forbidden: list[str]


@dataclass(frozen=True)
class Frozen:
    """The content of the file, in its order. seal: hash of all the rest, by which a file that was edited is known.

    config        task, data (without places) and sample_rate, from which scoring and tracks are made
    development   {split: tracks} of the other splits, whether systems may learn from them or not
    baselines     {name of a trivial baseline: scores of the tracks}
    references    {track id: text of the annotation}; null: they are not in the file, but in the data
    """

    schema: int
    name: str
    version: int
    about: str
    task: str
    data: str
    split: str
    fingerprint: str
    protocol: dict[str, Any]
    protocol_id: str
    primary: str
    shown: list[str]
    rules: Rules
    config: dict[str, Any]
    tracks: list[FrozenTrack]
    development: dict[str, list[FrozenTrack]]
    baselines: dict[str, list[TrackScore]]
    references: dict[str, str] | None
    seal: str

    @property
    def title(self) -> str:
        return f"{self.name}, version {self.version} ({self.seal})"

    @property
    def folds(self) -> dict[str, int] | None:
        """{track: its fold} of a cross-validation; None: it is none."""
        folds = {each.id: each.fold for each in self.tracks if each.fold is not None}
        return folds if self.split == ALL and len(folds) == len(self.tracks) else None

    def sealed(self) -> str:
        """-> what `seal` has to be."""
        content: dict[str, Any] = parse(to_json(self))
        del content["seal"]
        return stable_hash(content)

    def write(self, path: Path) -> None:
        """InputError where a file of that name is there already: what is frozen stays as it is."""
        if path.exists():
            raise InputError(f"{path} is there already: give another name, or version={self.version + 1} and its name.")
        try:
            write_text(path, to_json(self))
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}.") from error

    @classmethod
    def read(cls, path: Path) -> Self:
        """InputError names the file and what is wrong in it, also where it was edited after it was frozen."""
        content = parsed_file(path)
        schema = content.get("schema") if isinstance(content, dict) else None
        if schema != SCHEMA or "seal" not in content:
            raise InputError(f"{path} is no frozen benchmark that this version reads (schema {SCHEMA}).")
        try:
            frozen = typed(cls, content)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        if frozen.sealed() != frozen.seal:
            raise InputError(
                f"{path} was edited after it was frozen: its seal is {frozen.seal}, its content gives "
                f"{frozen.sealed()}. Get the file again from who publishes it."
            )
        return frozen

    def scoring(self) -> Scoring:
        """InputError where this version of Ricercar scores in another way."""
        try:
            check_classes(self.config["task"], _PACKAGES, None)
            [(name, scoring)] = assemble.make_scorings(OmegaConf.create({"task": self.config["task"]})).items()
        except (KeyError, ValueError, OmegaConfBaseException) as error:
            raise InputError(f"{self.name}: its task cannot be made here: {error}") from error
        if name != self.task or stable_hash(plain(scoring.protocol)) != self.protocol_id:
            raise InputError(f"{self.name}: this version of Ricercar scores {self.task} by another protocol.")
        return scoring

    def read_references(self, scoring: Scoring) -> dict[str, Annotation]:
        """Those in the file, as they were."""
        return {name: from_text(scoring.annotation, text) for name, text in (self.references or {}).items()}

    def located(
        self, scoring: Scoring, places: Sequence[str], cache_dir: Path
    ) -> tuple[dict[str, Annotation], list[str]]:
        """-> the references from the data set, and how it differs from the one that was frozen.

        places: where it lies, a folder, or OPTION=PATH of what else says where files are; none for one in no folder
        """
        check_classes(self.config["data"], _PACKAGES, None)
        cfg = OmegaConf.create({**self.config, "cache_dir": str(cache_dir)})
        options = assemble.places_of(self.config["data"])
        for place in places:
            option, _, path = place.partition("=")
            if option in options:
                OmegaConf.update(cfg.data, option, str(Path(path).expanduser().absolute()))
            else:
                try:
                    assemble.move(cfg.data, place)
                except InputError as error:
                    told = f"--data-root {place}: {str(error).partition(': ')[2]}"
                    raise InputError(
                        f"{told} Give OPTION=PATH of {', '.join(options)}." if options else told
                    ) from error
        store = assemble.make_store(cfg)
        here = {track.id: track for track in assemble.tracks_in(assemble.make(cfg.data), self.split)}
        references, differs = {}, []
        found: dict[str, list[str]] = {"is not there": [], "has other audio": [], "has another annotation": []}
        for each in self.tracks:
            track = here.get(each.id)
            reference = None if track is None else scoring.reference(track.annotations)
            if track is None:
                found["is not there"].append(each.id)
                continue
            if store.key(track.audio) != each.audio:
                found["has other audio"].append(each.id)
            if reference is None or stable_hash(reference.text()) != each.annotation:
                found["has another annotation"].append(each.id)
            else:
                references[each.id] = reference
        for what, ids in found.items():
            if ids:
                differs.append(f"{len(ids)} of {len(self.tracks)} tracks: {ids[0]} {what}")
        return references, differs


def from_text(kind: type[Annotation], text: str) -> Annotation:
    """The annotation that a canonical text is of."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"annotation{kind.suffixes[0]}"
        path.write_text(text, encoding="utf-8")
        return kind.read(path)


class FrozenBenchmark(Benchmark):
    """Scores what is submitted. Of tracks it knows what the file says: how long they are, and what is to find there."""

    def __init__(self, frozen: Frozen, scoring: Scoring, references: Mapping[str, Annotation]) -> None:
        self.frozen = frozen
        super().__init__(
            task=frozen.task, scoring=scoring, data=frozen.data, split=frozen.split, tracks=[], training=[],
            store=_Lengths({each.id: each.seconds for each in frozen.tracks}),
        )  # fmt: skip
        self.references = references
        self.tracks = [
            Track(each.id, frozen.split, each.work, _Hash(each.audio), self._annotations(each.id), each.work)
            for each in frozen.tracks
        ]
        self.__dict__["fingerprint"] = frozen.fingerprint  # of a cached property

    def _annotations(self, track_id: str) -> dict[str, Annotation]:
        reference = self.references.get(track_id)
        return {} if reference is None else {self.scoring.annotation.name: reference}

    def baselines(self) -> list[Result]:
        """As results, to stand in a table."""
        found = []
        for name, scores in self.frozen.baselines.items():
            choices = {"task": self.task, "data": self.frozen.data, "system": f"baseline {name}"}
            found.append(self.result(scores, Provenance(stable_hash([choices, self.frozen.seal]), choices)))
        return found


@dataclass(frozen=True)
class _Hash:
    """Audio of which the hash alone is known."""

    hash: str

    def key(self) -> str:
        return self.hash

    def decode(self, sample_rate: int) -> Any:
        raise InputError("A frozen benchmark has no sound in it.")


class _Lengths(AudioStore):
    """Knows how long tracks are, and no samples."""

    def __init__(self, seconds: Mapping[str, float]) -> None:
        self.seconds = seconds

    def key(self, audio: Any) -> str:
        found: str = audio.key()
        return found

    def duration_s(self, track: Track) -> float:
        return self.seconds[track.id]


def frozen_tracks(tracks: Sequence[Track], scoring: Scoring, store: AudioStore, *, lengths: bool) -> list[FrozenTrack]:
    """lengths: whether the audio is decoded to know them; else they are NaN."""
    found = []
    for track in tracks:
        reference = scoring.reference(track.annotations)
        annotation = None if reference is None else stable_hash(reference.text())
        seconds = store.duration_s(track) if lengths else float("nan")
        found.append(FrozenTrack(track.id, track.work, track.fold, seconds, store.key(track.audio), annotation))
    return found
