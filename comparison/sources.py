"""What the tracks of a board are and how they are scored, as far as this machine has it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml  # type: ignore[import-untyped]
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ricercar.comparison.board import Board
from ricercar.comparison.systems import System
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.track import Track
from ricercar.errors import InputError
from ricercar.harness.identity import stable_hash
from ricercar.harness.results import fingerprint_of
from ricercar.harness.targets import check_classes
from ricercar.tasks import protocol
from ricercar.tasks.scoring import Scoring

if TYPE_CHECKING:
    from ricercar.data.audio.store import AudioStore

_PACKAGES = ("ricercar.data", "ricercar.tasks")


@dataclass(frozen=True)
class Sources:
    """The very tracks that a board's results were scored on, and the scoring."""

    scoring: Scoring
    tracks: dict[str, Track]
    store: "AudioStore"

    def reference(self, track: Track) -> Annotation:
        reference = self.scoring.reference(track.annotations)
        assert reference is not None
        return reference

    def estimate(self, system: System, track: Track) -> Annotation | None:
        """The prediction of the system's first seed, from beside its result; None where it is not there."""
        from ricercar.harness.benchmark import prediction_file

        run = system.runs[0]
        for result in run.folds or (run.path,):
            path = prediction_file(self.scoring, result.parent / "predictions", track.id)
            if path is not None:
                return self.scoring.annotation.read(path)
        return None


def sources_of(board: Board, cache_dir: Path, data_root: str | None = None) -> Sources:
    """By the configuration of the first of the board's results that still leads to the tracks that were scored.

    cache_dir: where decoded audio is kept; data_root: where the data lies now, in place of data.root.
    InputError says why there is no such configuration.
    """
    reason = "no result tells where the tracks are: none of them has a configuration."
    tried = set()
    for config in _configurations(board):
        key = stable_hash([config[name] for name in ("task", "data", "sample_rate")])
        if key not in tried:
            tried.add(key)
            try:
                return _sources(config, board, cache_dir, data_root)
            except (InputError, OmegaConfBaseException) as error:
                reason = str(error)
    raise InputError(reason)


def _configurations(board: Board) -> Iterator[dict[str, Any]]:
    """Of the results, and where a run was scored on other data than its own, with these."""
    for run in (run for system in board.systems for run in system.runs):
        config = run.result.config or {}
        if isinstance(config.get("task"), dict) and "sample_rate" in config:
            for data in (config.get("data"), *map(_commanded_data, run.path.parents[:2])):
                if isinstance(data, dict):
                    yield {**config, "data": data}


def _commanded_data(folder: Path) -> Any:
    """The data of the command that wrote into a folder; None where that is not known."""
    try:
        commanded = OmegaConf.to_container(OmegaConf.load(folder / ".hydra" / "config.yaml"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, OmegaConfBaseException):
        return None
    return commanded.get("data") if isinstance(commanded, dict) else None


def _sources(config: dict[str, Any], board: Board, cache_dir: Path, data_root: str | None) -> Sources:
    from ricercar.harness import assemble  # brings torch, which tables and statistics do without

    whole = OmegaConf.create(config)
    parts = {part: OmegaConf.to_container(whole[part], resolve=True) for part in ("task", "data")}
    check_classes(parts, _PACKAGES, None)
    _score_as(board, parts["task"])
    cfg = OmegaConf.create({**parts, "sample_rate": whole.sample_rate, "cache_dir": str(cache_dir)})
    if data_root is not None and any(each.split(".")[-1] in ("root", "home") for each in assemble.places_of(cfg.data)):
        assemble.move(cfg.data, data_root)
    scorings = assemble.make_scorings(cfg)
    if board.task not in scorings:
        raise InputError(f"the configuration is that of task {', '.join(scorings)}, not {board.task}.")
    scoring = scorings[board.task]
    if stable_hash(protocol.plain(scoring.protocol)) != board.protocol_id:
        raise InputError("this version of Ricercar scores the task by another protocol.")
    tracks = assemble.tracks_of(assemble.make(cfg.data), {board.task: scoring}, board.split)
    store = assemble.make_store(cfg)
    if fingerprint_of(tracks, scoring.reference, store.key) != board.fingerprint:
        raise InputError(f"the tracks of {board.data} that are here are not those that were scored.")
    return Sources(scoring, {track.id: track for track in tracks}, store)


def _score_as(board: Board, task: Any) -> None:
    """Gives a task the protocol of the board, under which a run may have been scored later."""
    own = task["parts"].get(board.task, {}) if "parts" in task else task
    if "protocol" in own:
        own["protocol"] = protocol.configured(board.protocol)
        own |= {name: board.protocol[name] for name in protocol.OF_TASK if name in board.protocol and name in own}
