"""Weights that a training starts from: those of another run, or of a file."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ricercar.errors import InputError
from ricercar.harness.checkpoints import read_safely

log = logging.getLogger(__name__)
_NESTED = ("net", "state_dict", "model_state_dict", "model")  # where files keep weights beside other things
_MOST = 10  # names that are told
_COUNTER = "num_batches_tracked"  # of batch normalisation: changes nothing with a momentum


@dataclass(frozen=True)
class Initial:
    """weights: {name: tensor}, of the file `path`."""

    path: Path
    weights: dict[str, Tensor]

    @classmethod
    def read(cls, given: str) -> "Initial":
        """given: a run's folder, whose best checkpoint is taken, or a file of torch.save or safetensors.

        No code in a file is run. InputError where there is none, or it holds something else.
        """
        path = file_of(Path(given))
        if path.suffix == ".safetensors":
            try:
                weights: Any = load_file(path)
            except (SafetensorError, OSError, ValueError) as error:
                raise InputError(f"init.from={path} is damaged, or no safetensors: {error}.") from error
        else:
            weights = read_safely(path)
        nested = [weights[key] for key in _NESTED if isinstance(weights, dict) and isinstance(weights.get(key), dict)]
        weights = nested[0] if nested else weights
        if not isinstance(weights, dict) or not any(isinstance(each, Tensor) for each in weights.values()):
            raise InputError(
                f"init.from={path} has no weights in a place that is known: give a run's folder, its "
                "checkpoints/best.pt, or a file with {name: tensor}."
            )
        return cls(path, {str(name): each for name, each in weights.items() if isinstance(each, Tensor)})

    def fitting(self, net: nn.Module, strict: bool) -> dict[str, Tensor]:
        """-> what of the weights fits a network by name and shape. InputError where nothing does; if strict, where not
        all does.
        """
        own = {name: each for name, each in net.state_dict().items() if isinstance(each, Tensor)}
        taken = {name: each for name, each in self.weights.items() if name in own and own[name].shape == each.shape}
        other = [
            f"{name} is {_shape(each)}, here {_shape(own[name])}"
            for name, each in self.weights.items()
            if name in own and name not in taken
        ]
        missing = [name for name in own if name not in self.weights and not name.endswith(_COUNTER)]
        unknown = [name for name in self.weights if name not in own]
        problems = [
            f"{what}: {_listed(names)}."
            for what, names in (("of another shape", other), ("missing", missing), ("not in this network", unknown))
            if names
        ]
        if not taken or (strict and problems):
            way_out = f"init.strict=false takes the {len(taken)} that fit." if taken else "Nothing in it fits."
            raise InputError(f"init.from={self.path} does not fit this network. {' '.join(problems)} {way_out}")
        return taken

    def give(self, net: nn.Module, strict: bool) -> list[str]:
        """Gives the weights to a network -> the names of those that were taken."""
        taken = self.fitting(net, strict)
        net.load_state_dict(taken, strict=False)
        return list(taken)

    def tell(self, net: nn.Module, taken: Sequence[str]) -> None:
        """Logs how much was taken, by name what was not, and what in the file is not used."""
        own = net.state_dict()
        left = [name for name in own if name not in taken]
        unused = [name for name in self.weights if name not in taken]
        log.info("%-10s  %d of %d tensors of %s", "start", len(taken), len(own), self.path)
        for what, names in (("fresh", left), ("not used", unused)):
            if names:
                log.info("%-10s  %s", what, _listed(names))


def file_of(given: Path) -> Path:
    """The file with the weights. InputError where there is none."""
    path = given / "checkpoints" / "best.pt" if given.is_dir() else given
    if not path.is_file():
        what = "a run's folder has checkpoints/best.pt" if given.is_dir() else "there is no such file or folder"
        raise InputError(f"init.from={given}: {what}. Give the folder of a finished run, or a file with weights.")
    return path


def run_of_file(path: Path) -> Path | None:
    """The folder of the run that a checkpoint lies in; None of any other file."""
    folder = path.parent.parent
    return folder if path.parent.name == "checkpoints" and (folder / ".hydra" / "config.yaml").is_file() else None


def content_hash(given: Path) -> str | None:
    """Hash of the file, wherever it lies; None where there is none."""
    try:
        with file_of(given).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except (OSError, InputError):
        return None


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST]) + (f" and {len(names) - _MOST} more" if len(names) > _MOST else "")
