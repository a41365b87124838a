"""A system from elsewhere, as a yaml describes it: what it is, what it learnt from, and how it is run."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml  # type: ignore[import-untyped]

from ricercar.data.track import Track
from ricercar.errors import InputError
from ricercar.harness.provenance import KNOWN, UNKNOWN, Outside, TrainingData
from ricercar.harness.typed_json import typed

CONF = Path(__file__).parents[2] / "conf" / "system"
YAML = (".yaml", ".yml")
_PLAIN = {
    "packages": [],
    "no_deps": [],
    "ours": False,
    "python": None,
    "fetch": None,
}  # an environment of which nothing is said
_NEEDED = ("name", "trained_on")


@dataclass(frozen=True)
class Environment:
    """The Python that a system runs in. docs/systems.md has what the fields mean."""

    packages: list[str]
    no_deps: list[str]
    ours: bool
    python: str | None
    fetch: str | None


@dataclass(frozen=True)
class System:
    """The fields of the yaml; docs/systems.md has what they mean. None: not known, or not needed.

    works   those that the system was trained on or chosen by, as the data set names them (Track.work)
    chosen_on   names of data sets that checkpoints or settings were chosen by
    seed    number of the training, where there are predictions of several
    """

    name: str
    trained_on: list[str]
    works: list[str] | None
    chosen_on: list[str] | None
    paper: str | None
    url: str | None
    licence: str | None
    seed: int | None
    params: int | None
    writes: dict[str, str] | None
    script: str | None
    options: dict[str, Any] | None
    command: str | None
    reads: list[str] | None
    sample_rate: int | None
    environment: Environment | None

    @classmethod
    def of(cls, content: Any, where: str) -> Self:
        """Only `name` and `trained_on` are needed. InputError names the field. where: the yaml, in messages."""
        optional = {name: None for name in cls.__dataclass_fields__ if name not in _NEEDED}
        try:
            if isinstance(content, dict):
                content = optional | content
                if isinstance(content["environment"], dict):
                    content = content | {"environment": _PLAIN | content["environment"]}
            made = typed(cls, content)
            made._check()
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
        return made

    @classmethod
    def read(cls, path: Path) -> Self:
        """InputError names the file and the field."""
        return cls.of(read_yaml(path), f"system={path}")

    @property
    def outside(self) -> Outside:
        return Outside(self.paper, self.url, self.trained_on, self.works is not None, self.licence, None)

    def training(self, scored: Iterable[Track]) -> TrainingData:
        if self.works is None:
            return TrainingData(self.trained_on, UNKNOWN, [], None, self.chosen_on)
        shared = sorted(set(self.works) & {track.work for track in scored})
        return TrainingData(self.trained_on, KNOWN, shared, None, self.chosen_on)

    def _check(self) -> None:
        if not self.name.strip():
            raise InputError("name is empty.")
        if self.script is not None and self.command is not None:
            raise InputError("has script and command: give one of them.")
        if (self.script is not None or self.command is not None) and not self.writes:
            raise InputError("writes is empty: give {task: ending of its files}, such as {beat: .beats}.")
        if self.command is not None:
            check_command(self.command)
        for task, ending in (self.writes or {}).items():
            if "." not in ending or "/" in ending:
                raise InputError(f"writes.{task} is {ending!r}, it must be an ending such as .mid or _notes.mid.")
        for ending in self.reads or []:
            if not ending.startswith("."):
                raise InputError(f"reads has {ending!r}: endings begin with a point, such as .flac.")
        if self.sample_rate is not None and self.sample_rate < 1:
            raise InputError(f"sample_rate is {self.sample_rate}, it must be a whole number above 0.")


def check_command(command: str) -> None:
    """InputError where it does not say what it reads and where it writes."""
    inputs, outputs = (set(re.findall(f"%{name}s?", command)) for name in ("input", "output"))
    if not inputs or not outputs or (inputs != {"%input"} and (inputs, outputs) != ({"%inputs"}, {"%outputs"})):
        raise InputError(
            f"command is {command!r}: it must name %input, a recording (or %inputs, a folder with all of them), and "
            "%output, the file to write (or %outputs, a folder that gets <name of the recording><ending>)."
        )


def read_yaml(path: Path) -> Any:
    """InputError names the file."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"system={path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"system={path} is not YAML: {str(error).replace(chr(10), ' ')}") from error


def yaml_of(choice: str, own: Path | None) -> Path:
    """The yaml of a choice: Ricercar's, in the user's folder `own`, or a file. InputError lists the choices."""
    if choice.endswith(YAML):
        return Path(choice).expanduser()
    found = [path for folder in _folders(own) if (path := folder / f"{choice}.yaml").is_file()]
    if not found:
        raise InputError(f"there is no system {choice!r}: choose one of {', '.join(names(own))}.")
    return found[0]


def names(own: Path | None) -> list[str]:
    """What can be chosen, and run."""
    return sorted({path.stem for folder in _folders(own) for path in folder.glob("*.yaml")} - {"file"})


def _folders(own: Path | None) -> list[Path]:
    return [CONF, *([own / "system"] if own is not None else [])]
