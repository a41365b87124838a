"""Where a run lives: a folder named after what it is, found again by the same command, and never written by another."""

import fcntl
import logging
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from omegaconf import DictConfig, OmegaConf
from yaml import YAMLError  # type: ignore[import-untyped]

from ricercar.data.files import is_at, write_text
from ricercar.errors import InputError
from ricercar.harness.identity import PLACES, determining, differing, essence, run_id, stable_hash
from ricercar.harness.typed_json import parse, to_json, typed

log = logging.getLogger(__name__)
_LEFT_BY_A_START = {".lock", ".hydra", "train.log", "eval.log", "app.log"}  # app: later jobs of a sweep


def run_folder(base: Path, choices: Mapping[str, str], seed: int, run_id: str, resume: bool) -> str:
    """-> the name of a folder below `base`: task-data-frontend-backbone-s<seed>-<run_id>, with -2, -3 ... for repeats.

    A new run never writes into an old one's folder; resume takes the newest of the same configuration.
    """
    for key in ("task", "data", "frontend", "backbone"):
        if not isinstance(choices.get(key), str):
            raise InputError(f"there is no {key}: choose one, as in {key}=NAME.")
    parts = [re.sub(r"[^\w.+]", "_", choices[key]) for key in ("task", "data", "frontend", "backbone")]
    name = "-".join([*parts, f"s{seed}", run_id[:8]])
    number = 1
    while (base / _numbered(name, number)).exists():
        number += 1
    return _numbered(name, max(1, number - 1) if resume else number)


@dataclass(frozen=True)
class Record:
    """run.json: what a training began with, so that another one does not go on in its place.

    data      {split: hash of the ids, groups, audio and annotations that the tasks use}
    code      hash of the files of Ricercar that scores come from
    classes   {name of a class in the configuration that is not of Ricercar: hash of its files}
    mixed     whether it went on, by resume=anyway, with other data or code than it had begun with
    """

    run_id: str
    data: dict[str, str]
    code: str
    classes: dict[str, str]
    mixed: bool = False

    @property
    def taught(self) -> str:
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
        names = [name for name in self.classes if self.classes[name] != other.classes.get(name)]
        return [
            *([f"the data ({', '.join(splits)})"] if splits else []),
            *(["the code of Ricercar"] if self.code != other.code else []),
            *(f"the code of {name}" for name in names),
        ]


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


def check_same(folder: Path, cfg: DictConfig) -> None:
    """InputError where a training of another configuration began in a folder."""
    before = Record.read(folder)
    if before is None or before.run_id == run_id(cfg):
        return
    try:
        theirs = OmegaConf.load(folder / ".hydra" / "config.yaml")
    except (OSError, YAMLError):
        theirs = OmegaConf.create()
    assert isinstance(theirs, DictConfig)
    found = differing(essence(determining(theirs)), essence(determining(cfg)))
    names = [f"what lies at {name}" if name.rpartition(".")[2] in PLACES else name for name in found]
    raise InputError(
        f"{folder} belongs to another configuration (run_id {before.run_id}, here {run_id(cfg)}), which differs in "
        f"{', '.join(names[:10])}. Give the same options, or another folder."
    )


def discard(folder: Path) -> None:
    """Removes a folder in which nothing began: it has no more than a start leaves, and no other process holds it."""
    if folder.is_dir() and not folder.samefile(Path.cwd()):
        with suppress(InputError), RunLock(folder) as lock:
            lock.discard()


class RunLock:
    """Holds a run's folder: a second process that wants it is told so, and the lock goes with the process.

    The folder is made, and after an error removed again, if nothing began in it.
    """

    def __init__(self, run_dir: Path) -> None:
        self.path = run_dir / ".lock"
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        try:
            while self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                file = self.path.open("a")
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if is_at(file.fileno(), self.path):
                    self._file = file
        except BlockingIOError as error:
            raise InputError(f"{self.path.parent} is in use by another process: wait for it.") from error
        except OSError as error:
            raise InputError(f"cannot write into the run's folder {self.path.parent}: {error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        if error is not None:
            self.discard()
        self._file.close()

    def discard(self) -> None:
        """Removes the folder if all that it has is what any start leaves there."""
        folder = self.path.parent
        try:
            content = list(folder.iterdir())
            if not {each.name for each in content} <= _LEFT_BY_A_START or folder.samefile(Path.cwd()):
                return
            for each in content:
                for file in each.iterdir() if each.is_dir() else ():
                    file.unlink()
                each.rmdir() if each.is_dir() else each.unlink()
            folder.rmdir()
        except OSError as error:
            log.warning("%s, in which nothing began, cannot be removed: %s", folder, error.strerror)


def _traces(folder: Path) -> list[str]:
    """What is there of a run."""
    own = [name for name in ("run.json", "result.json", "checkpoints") if (folder / name).exists()]
    return own + [f"{path.parent.name}/{path.name}" for path in folder.glob("*/result.json")]


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"
