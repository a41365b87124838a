"""Checkpoints: written whole or not at all, and read without running what is in them."""

import os
import pickle
import re
import warnings
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ricercar.errors import InputError

FORMAT = 1


class Checkpoints:
    """The folder `checkpoints/` of a run: `last.pt` to go on from, `best.pt` to predict with.

    Every checkpoint carries the run_id of its configuration; another configuration's is refused.
    """

    def __init__(self, run_dir: Path, run_id: str) -> None:
        self.folder = run_dir / "checkpoints"
        self.run_id = run_id

    def save(self, name: str, state: dict[str, Any]) -> None:
        """Replaces `name`.pt at once: a crash or a full disk leaves the previous one."""
        path = self.folder / f"{name}.pt"
        partial = path.with_suffix(".tmp")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                torch.save({"format": FORMAT, "run_id": self.run_id, **state}, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        except (OSError, RuntimeError) as error:  # torch's zip writer turns a full disk into a RuntimeError
            partial.unlink(missing_ok=True)
            raise InputError(
                f"cannot write the checkpoint {path}: {_reason(error)}. The previous checkpoint is kept. "
                "Free disk space or mend the folder's permissions, then run the same command with resume=true."
            ) from error

    def take(self, other: "Checkpoints", name: str) -> None:
        """Copies a checkpoint of another training of the same run."""
        state = other.load(name)
        assert state is not None
        self.save(name, {key: value for key, value in state.items() if key not in ("format", "run_id")})

    def load(self, name: str) -> dict[str, Any] | None:
        """The state that was saved, or None if there is none."""
        path = self.folder / f"{name}.pt"
        if not path.exists():
            return None
        state = read_safely(path)
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            raise InputError(f"{path} is not a checkpoint of this version of Ricercar (format {FORMAT}).")
        if state.get("run_id") != self.run_id:
            raise InputError(
                f"{path} belongs to another configuration (run_id {state.get('run_id')}, here {self.run_id}). "
                "Compare .hydra/config.yaml in that folder with the command, or start without resume=true."
            )
        return state

    @contextmanager
    def fitting(self, name: str) -> Iterator[None]:
        """Around the use of a checkpoint's content: says of what does not fit which file it is from."""
        try:
            yield
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise InputError(
                f"{self.folder / name}.pt does not fit this configuration ({_first_line(error)}). It is damaged, or "
                "from another version of the code: use that version, or start without resume=true."
            ) from error


@dataclass(frozen=True)
class Found:
    """A checkpoint, and where it is from."""

    place: Checkpoints
    name: str
    state: dict[str, Any]


def furthest(places: Iterable[Checkpoints], seeds: Collection[int]) -> Found | None:
    """Of the checkpoints `last*`, that of the most steps which has all of `seeds`; None where there is none."""
    found = []
    for place in places:
        for path in sorted(place.folder.glob("last*.pt")):
            state = place.load(path.stem)
            with place.fitting(path.stem):
                if state is not None and set(seeds) <= set(state["seeds"]):
                    found.append((state["state"]["step"], Found(place, path.stem, state)))
    return max(found, key=lambda each: each[0])[1] if found else None


def read_safely(path: Path) -> Any:
    """What torch.save has written: tensors and plain values. InputError for a file that holds anything else."""
    try:
        with warnings.catch_warnings(action="ignore"):  # torch's, on pickles that it refuses anyway
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # Not torch's text, which tells how to load the file all the same.
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise InputError(
            f"{path} is not a checkpoint that can be loaded safely: it holds "
            f"{found[1] if found else 'something'} beside weights and plain values. Do not trust the file: "
            "delete it, and take it from the run again."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path} is damaged or cut short ({_reason(error)}). Delete it, or take it from the run again."
        ) from error


def _reason(error: BaseException) -> str:
    """The operating system's, which torch's own error may hide."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__context__
    return (isinstance(cause, OSError) and cause.strerror) or _first_line(error)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
