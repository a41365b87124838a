"""Runs: what each is called, the folder it lives in, what it began with, and why it failed."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from omegaconf import DictConfig, OmegaConf
from yaml import YAMLError  # type: ignore[import-untyped]

from ricercar.data.files import write_text
from ricercar.data.track import AudioSource, Track
from ricercar.errors import InputError
from ricercar.harness import identity
from ricercar.harness.identity import (
    CODE,
    PLACES,
    determining,
    differing,
    essence,
    run_id,
    source_hash,
    stable_hash,
)
from ricercar.harness.lock import RunLock
from ricercar.harness.results import fingerprint_of
from ricercar.harness.typed_json import parse, to_json, typed

if TYPE_CHECKING:  # torch takes seconds, and whoever looks at runs does without
    from ricercar.harness.checkpoints import Checkpoints
    from ricercar.tasks.multitask import Multitask

log = logging.getLogger(__name__)
FAILED = "failed.json"
PACE = "pace.json"
OUTCOME = "trial.json"
LEDGER = "looks.csv"  # how often a run was scored on a split: many looks at the test split are tuning on it


@dataclass(frozen=True)
class Run:
    """A configuration with one seed, and the folder where all of it lives.

    choices     {group: what was chosen}
    overrides   options on the command line that determine the result
    sweep       name of the sweep that it is a job of
    """

    cfg: DictConfig
    folder: Path
    choices: dict[str, str]
    overrides: list[str]
    sweep: str | None = None

    @cached_property
    def id(self) -> str:
        return run_id(self.cfg)

    @property
    def checkpoints(self) -> "Checkpoints":
        from ricercar.harness.checkpoints import Checkpoints

        return Checkpoints(self.folder, self.id)


def run_folder(base: Path, choices: Mapping[str, str], seed: int, run_id: str, resume: bool) -> str:
    """-> the name of a folder below `base`: task-data-frontend-backbone-s<seed>-<run_id>, with -2, -3 ... for repeats.

    A new run never writes into an old one's folder; resume takes the newest of the same configuration.
    """
    name = run_name(choices, seed, run_id)
    number = 1
    while (base / _numbered(name, number)).exists():
        number += 1
    return _numbered(name, max(1, number - 1) if resume else number)


def run_name(choices: Mapping[str, str], seed: int, run_id: str) -> str:
    """-> task-data-frontend-backbone-s<seed>-<run_id>. InputError where one of them was not chosen."""
    for key in ("task", "data", "frontend", "backbone"):
        if not isinstance(choices.get(key), str):
            raise InputError(f"there is no {key}: choose one, as in {key}=NAME.")
    parts = [re.sub(r"[^\w.+]", "_", choices[key]) for key in ("task", "data", "frontend", "backbone")]
    return "-".join([*parts, f"s{seed}", run_id[:8]])


def runs_of(run: Run) -> list[Run]:
    """-> the runs of seed, seed + 1, ...: `seeds_per_job` of them, the first of which is `run` itself.

    The others' folders stand beside the first one's, and look as if each had been trained alone.
    """
    cfg, base = run.cfg, run.folder.parent
    runs = [run]
    for seed in range(cfg.seed + 1, cfg.seed + cfg.seeds_per_job):
        own = cfg.copy()
        own.seed = seed
        own.seeds_per_job = 1
        folder = base / run_folder(base, identity.named(run.choices, own), seed, run_id(own), cfg.resume)
        overrides = [*(each for each in run.overrides if not each.startswith("seed=")), f"seed={seed}"]
        runs.append(replace(run, cfg=own, folder=folder, overrides=overrides))
    return runs


def check_seeds(cfg: DictConfig) -> None:
    """What several seeds in one job need: they share every step, so nothing may depend on one's validation."""
    if cfg.seeds_per_job == 1:
        return
    if "minute" in str(cfg.trainer.budget):
        raise InputError(
            f"seeds_per_job={cfg.seeds_per_job} with trainer.budget={cfg.trainer.budget}: several seeds share the "
            "time. Give the budget in steps or epochs, such as trainer.budget=300steps."
        )
    if cfg.trainer.patience is not None:
        raise InputError(f"seeds_per_job={cfg.seeds_per_job} needs trainer.patience=null: all seeds end together.")
    if cfg.schedule._target_.endswith(".Plateau"):
        raise InputError(
            f"seeds_per_job={cfg.seeds_per_job}: schedule=plateau follows one seed's validation; choose another one."
        )


def describe(folder: Path, cfg: DictConfig, overrides: Sequence[str] | None, hydra: Any) -> None:
    """Writes what is known of a run into its folder .hydra, as Hydra does, and the modules of the user's own classes.

    hydra: its own configuration, or None.

    Hydra itself does not (hydra.output_subdir): it would do so before anyone has looked whether the folder is free.
    """
    parts: dict[str, Any] = {
        "config": cfg,
        "overrides": overrides,
        "hydra": None if hydra is None else {"hydra": hydra},
    }
    try:
        for name, content in parts.items():
            if content is not None:
                node = content if OmegaConf.is_config(content) else OmegaConf.create(content)
                write_text(folder / ".hydra" / f"{name}.yaml", OmegaConf.to_yaml(node))
        for name in cfg.get("classes") or ():
            for module, text in identity.sources_of(name).items():
                write_text(folder / ".hydra" / f"{module}.py", text)
    except OSError as error:
        raise InputError(f"cannot write into the run's folder {folder}: {error}") from error


@dataclass(frozen=True)
class Record:
    """run.json: what a training began with, so that another one does not go on in its place.

    data      {split: hash of the ids, groups, audio and annotations that the tasks use}
    code      hash of the files of Ricercar that scores come from; of classes of the user's own run_id tells
    mixed     whether it went on, by resume=anyway, with other data or code than it had begun with
    """

    run_id: str
    data: dict[str, str]
    code: str
    mixed: bool = False

    @property
    def trained_on(self) -> str:
        """Hash of what is learnt and chosen from."""
        return stable_hash([self.data["train"], self.data["valid"]])

    def write(self, folder: Path) -> None:
        """InputError names the folder."""
        try:
            write_text(folder / "run.json", to_json(self))
        except OSError as error:
            raise InputError(f"cannot write into the run's folder {folder}: {error.strerror}.") from error

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """None where no training began. InputError names what is wrong with the file."""
        path = folder / "run.json"
        if not path.exists():
            return None
        try:
            return typed(cls, parse(path.read_text(encoding="utf-8")))
        except (InputError, OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} cannot be read: {error} Start without resume=true.") from error

    def differences(self, other: Self) -> list[str]:
        """What has changed since, in words."""
        splits = [split for split in self.data if self.data[split] != other.data.get(split)]
        return [
            *([f"the data ({', '.join(splits)})"] if splits else []),
            *(["the code of Ricercar"] if self.code != other.code else []),
        ]


@dataclass(frozen=True)
class Failure:
    """failed.json: why a job of a sweep failed; a training that begins or goes on in the folder removes it.

    overrides   the seed is among them
    trace       of what is no error of the user's
    passing     whether the same command tries it again: the disk was full
    """

    reason: str
    overrides: list[str]
    seconds: float
    trace: str | None = None
    passing: bool = False

    def write(self, folder: Path) -> None:
        """Not where another process holds the folder, whose run it is then."""
        try:
            with RunLock(folder):
                write_text(folder / FAILED, to_json(self))
        except (InputError, OSError) as error:
            log.warning("why it failed is not noted: %s", error)

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """None where nothing failed. InputError names what is wrong with the file."""
        path = folder / FAILED
        try:
            if not path.exists():
                return None
            content = parse(path.read_text(encoding="utf-8"))
            return typed(cls, {"passing": False, **content} if isinstance(content, dict) else content)  # some lack it
        except (InputError, OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} cannot be read: {error}") from error


@dataclass(frozen=True)
class Pace:
    """pace.json: how far a training is, for those who look at it from outside.

    progress   share of the budget
    score      name of what validations give
    best       the best of these so far; None before the first
    """

    step: int
    progress: float
    elapsed_s: float
    left_s: float
    score: str
    best: float | None

    def write(self, folder: Path) -> None:
        with suppress(OSError):  # a full disk stops where something is lost by it
            write_text(folder / PACE, to_json(self))

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """None where there is none that can be read: it is no more than a sign."""
        paths = [*folder.glob(PACE), *folder.glob(f"trials/*/{PACE}")]
        with suppress(InputError, OSError, UnicodeDecodeError):
            newest = max(paths, key=lambda path: path.stat().st_mtime, default=None)
            return None if newest is None else typed(cls, parse(newest.read_text(encoding="utf-8")))
        return None


VALIDATED, PRUNED, DIVERGED = "validated", "pruned", "diverged"


@dataclass(frozen=True)
class Outcome:
    """trial.json: what the training of a search's trial came to, which the test split has not seen.

    state    validated: trained to its end; pruned: ended before, for the sake of better ones; diverged
    study    that it was a trial of
    metric   name of the score on the validation split
    score    the best, of what was pruned the last; NaN where it diverged
    """

    state: str
    study: str
    metric: str
    score: float
    train_s: float

    def write(self, folder: Path) -> None:
        """InputError names the folder."""
        try:
            write_text(folder / OUTCOME, to_json(self))
        except OSError as error:
            raise InputError(f"cannot write into the run's folder {folder}: {error.strerror}.") from error

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """None where there is none that can be read: the training goes on, and writes it."""
        with suppress(InputError, OSError, UnicodeDecodeError):
            return typed(cls, parse((folder / OUTCOME).read_text(encoding="utf-8")))
        return None


def record_of(
    run: Run, tasks: "Multitask", tracks: Mapping[str, Sequence[Track]], audio_key: Callable[[AudioSource], str]
) -> Record:
    """What the training of a run would begin with now. tracks: of each split."""
    data = {
        split: stable_hash(
            [
                fingerprint_of(every, task.training_annotation if split == "train" else task.reference, audio_key)
                for task in tasks.values()
            ]
        )
        for split, every in tracks.items()
    }
    return Record(run.id, data, source_hash(*CODE))


def claim(folder: Path, record: Record, resume: bool | str) -> Record:
    """-> the record of a training that may begin in a folder that was checked, or go on there.

    InputError where it was begun with other data or code, unless told "anyway".
    """
    before = Record.read(folder)
    if before is None:
        return replace(record, mixed=bool(_traces(folder)))
    changed = before.differences(record)
    if changed and resume != "anyway":
        raise InputError(
            f"{folder} was made with what is no longer the same: {'; '.join(changed)}. Put it back, start a new run "
            "without resume=true, or give resume=anyway, which goes on all the same."
        )
    return replace(record, mixed=before.mixed or bool(changed))


def check_free(folder: Path, resume: bool | str) -> None:
    """InputError where a folder has a run in it that is not to be gone on with."""
    holds = _traces(folder)
    if holds and not resume:
        raise InputError(
            f"{folder} has a run in it already ({holds[0]}): give another folder, or none, which makes a new one; "
            "train.py goes on with an interrupted run by resume=true."
        )
    if holds and resume is True and "run.json" not in holds:
        raise InputError(
            f"{folder} does not say what it was made with: it has no run.json, as those of earlier versions. "
            "Start a new run without resume=true, or give resume=anyway."
        )


def check_same(run: Run) -> None:
    """InputError where a training of another configuration began in the run's folder."""
    folder, before = run.folder, Record.read(run.folder)
    if before is None or before.run_id == run.id:
        return
    try:
        theirs = OmegaConf.load(folder / ".hydra" / "config.yaml")
    except (OSError, YAMLError):
        theirs = OmegaConf.create()
    assert isinstance(theirs, DictConfig)
    found = differing(essence(determining(theirs)), essence(determining(run.cfg)))
    names = [f"what lies at {name}" if name.rpartition(".")[2] in PLACES else name for name in found]
    raise InputError(
        f"{folder} belongs to another configuration (run_id {before.run_id}, here {run.id}), which differs in "
        f"{', '.join(names[:10])}. Give the same options, or another folder."
    )


def look(run_dir: Path, task: str, data: str, split: str) -> int:
    """Enters one look into the run's ledger, before anything is predicted -> how many there are of that kind now."""
    path = run_dir / LEDGER
    line = ",".join(f'"{part}"' for part in (task, data, split))
    try:
        before = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    except (OSError, UnicodeDecodeError) as error:
        log.warning("this look at the %s split is not entered into %s: %s", split, path, error)
        before = []
    return before.count(line) + 1


def _traces(folder: Path) -> list[str]:
    """What is there of a run."""
    own = [name for name in ("run.json", "result.json", "checkpoints") if (folder / name).exists()]
    return own + [f"{path.parent.name}/{path.name}" for path in folder.glob("*/result.json")]


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"
