"""A finished run as a folder to pass on, in the layout of the Hugging Face hub: what load() needs, and a model card.

    model.safetensors   the weights
    config.json         the configuration, and what the tasks chose in training
    README.md           the model card (card.py)
    result.json         the scores; of several tasks a folder of each, TASK/result.json

No file of it is a pickle, and none is read as one. Classes that the configuration names must be Ricercar's own, or of a
package that is trusted: a stranger's package runs no code.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

import ricercar
from ricercar.comparison.page.places import without_places
from ricercar.data.files import replaced, write_text
from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.harness.checkpoints import Checkpoints
from ricercar.harness.results import Result
from ricercar.harness.targets import check_classes
from ricercar.harness.trained import Trained, results_of, tell_changes
from ricercar.harness.typed_json import parse, parsed_file, to_json, typed
from ricercar.use.card import card

FORMAT = 1
CONFIG, WEIGHTS, CARD, RESULT = "config.json", "model.safetensors", "README.md", "result.json"
GRAPHS = ("*.onnx", "*.pt2", "*.onnx.json", "*.pt2.json")  # that export.py wrote, with their proofs
# Of a package; what else lies in its folder is not looked at.
FILES = (CONFIG, WEIGHTS, CARD, RESULT, f"*/{RESULT}", *GRAPHS)
# What of a configuration a network is made of, and predicts with.
_NEEDED = (
    "sample_rate", "hop_length", "window_frames", "border_frames", "trainer.batch_size", "frontend", "spectrogram",
    "compression", "normalisation", "backbone", "head", "task", "hardware",
)  # fmt: skip
PACKAGES = ("ricercar.models", "ricercar.tasks", "ricercar.data.batches.spectrograms", "torch.nn", "lightning_fabric")
_PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle")
_LONGEST = 32 << 20  # bytes of a config.json


@dataclass(frozen=True)
class Config:
    """config.json. vocabulary, decoding: {task: what it chose in training}."""

    library_name: str
    format: int
    ricercar: str
    run_id: str
    vocabulary: dict[str, list[str]]
    decoding: dict[str, dict[str, float]]
    config: dict[str, Any]


class Graph(NamedTuple):
    """A file that export.py wrote of a run, with its proof beside it. told: the proof in words."""

    path: Path
    run_id: str
    told: str

    @property
    def files(self) -> list[Path]:
        return [self.path, self.path.with_name(f"{self.path.name}.json")]


@dataclass(frozen=True)
class Package:
    """What is in a package. results: {task: its score}."""

    folder: Path
    about: Config
    weights: dict[str, Tensor]
    results: dict[str, Result]


def write(run: Path, folder: Path, licence: str, name: str | None, graphs: Sequence[Graph] = ()) -> Path:
    """Packs a finished run -> the folder, which is new. name: of the model, on its card; None: that of the run.

    graphs: of the run, which go into the package, and what they differ in onto the card.

    InputError where the run is none, is not finished or does not fit this version of the code, where it cannot do
    without files of this machine, and where the folder has something in it.
    """
    if is_package(run):
        raise InputError(f"{run} is a package already.")
    cfg = assemble.completed(assemble.read_config(run))
    check_self_contained(cfg)
    tasks = assemble.make_tasks(cfg)
    results = results_of(run, tasks)
    first = next(iter(results.values()))
    checkpoints = Checkpoints(run, first.run_id)
    weights = assemble.restore_best(tasks, checkpoints)
    assemble.use_weights(assemble.make_net(cfg, tasks), weights, checkpoints)  # or it would be found out elsewhere
    about = Config(
        "ricercar", FORMAT, ricercar.__version__, first.run_id, tasks.vocabulary, tasks.decoding, needed(cfg)
    )
    folder = folder.expanduser()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already, and not empty: give a new folder.")
    for graph in graphs:
        if graph.run_id != first.run_id:
            raise InputError(f"{graph.path} was exported from the run {graph.run_id}, {run} is {first.run_id}.")
    plain = without_places({task: parse(to_json(each)) for task, each in results.items()}, [])
    try:
        for task, each in assemble.folders(folder, tasks).items():
            write_text(each / RESULT, to_json(typed(Result, plain[task])))
        write_text(folder / CONFIG, to_json(about))
        write_text(
            folder / CARD,
            card(name or run.resolve().name, results, dict(tasks), licence, [each.told for each in graphs]),
        )
        for path in (file for graph in graphs for file in graph.files):
            shutil.copyfile(path, folder / path.name)
        with replaced(folder / WEIGHTS) as file:
            own = {key: value.detach().clone().contiguous() for key, value in weights.items()}
            file.write(save(own, metadata={"format": "pt"}))
    except OSError as error:
        raise InputError(f"cannot write the package into {folder}: {error.strerror}.") from error
    return folder


def needed(cfg: DictConfig) -> dict[str, Any]:
    """What of a configuration a package has, with values in place of interpolations, and nothing of this machine."""
    kept = OmegaConf.create()
    for key in _NEEDED:
        value = OmegaConf.select(cfg, key)
        OmegaConf.update(
            kept, key, OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        )
    if (classes := cfg.get("classes")) is not None:
        kept.classes = classes
    plain = OmegaConf.to_container(kept, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def check_self_contained(cfg: DictConfig) -> None:
    """InputError where weights that the network needs lie in files of their own."""
    model = OmegaConf.select(cfg, "frontend.model")
    if isinstance(model, str) and Path(model).expanduser().exists():
        raise InputError(
            f"frontend.model={model}: the encoder's weights are files of this machine, which a package has no place "
            "for. Train with a model of the hub (OWNER/NAME and its revision), which the package can name."
        )


def own_packages(cfg: Any) -> list[str]:
    """Packages of Python that a run has classes from, beside Ricercar."""
    return sorted({name.partition(".")[0] for name in cfg.get("classes") or {}})


def is_package(folder: Path) -> bool:
    return (folder / CONFIG).is_file() or (folder / WEIGHTS).is_file()


def read(folder: Path, trust: Sequence[str] = ()) -> Package:
    """The content of a package. trust: packages of Python whose classes it may name, beside Ricercar's.

    InputError names the file, and what is wrong with it.
    """
    about = _read_config(folder / CONFIG)
    check_classes(about.config, PACKAGES, list(trust))
    if OmegaConf.select(OmegaConf.create(about.config), "frontend.trust_remote_code") and "transformers" not in trust:
        raise InputError(
            f"{folder / CONFIG}: its encoder comes with code of its own (trust_remote_code). If you trust it, give "
            "--trust transformers."
        )
    path = folder / WEIGHTS
    if not path.is_file():
        pickles = sorted(each.name for each in folder.iterdir() if each.suffix in _PICKLES)
        hint = f" Weights in pickles ({', '.join(pickles)}) are not read: they can run code." if pickles else ""
        raise InputError(f"{folder} has no {WEIGHTS}.{hint} {_WHOLE}")
    try:
        weights = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path} is damaged, or no safetensors: {error}. {_WHOLE}") from error
    found = {}
    for task, each in assemble.folders(folder, about.decoding).items():
        found[task] = Result.read(each / RESULT)
        if found[task].run_id != about.run_id:
            raise InputError(
                f"{each / RESULT} is of the run {found[task].run_id}, {CONFIG} of {about.run_id}. {_WHOLE}"
            )
    return Package(folder, about, weights, found)


def trained(folder: Path, trust: Sequence[str] = ()) -> Trained:
    """What is in a package, as of the run that it was made of. InputError as in `read`, and where parts do not fit."""
    package = read(folder, trust)
    cfg = OmegaConf.create(package.about.config)
    tell_changes(cfg)
    tasks = assemble.make_tasks(cfg)
    try:
        tasks.restore(package.about.vocabulary)
        for name, task in tasks.items():
            task.decoding.update(package.about.decoding[name])
        net = assemble.make_net(cfg, tasks)
        net.load_state_dict(package.weights)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        told = " ".join(str(error).split())[:300]
        raise InputError(f"{folder}: {CONFIG} and {WEIGHTS} do not fit each other: {told} {_WHOLE}") from error
    assemble.check_encoder(net, next(iter(package.results.values())).encoder)
    return Trained(folder.resolve().name, cfg, tasks, net, package.results)


_WHOLE = "Take the whole package again, or make it anew: ricercar package RUN FOLDER."


def _read_config(path: Path) -> Config:
    if not path.is_file():
        raise InputError(f"{path.parent} has no {CONFIG}. {_WHOLE}")
    if path.stat().st_size > _LONGEST:
        raise InputError(f"{path} has {path.stat().st_size >> 20} MB, which no configuration has. {_WHOLE}")
    try:
        content = parsed_file(path)
    except InputError as error:
        raise InputError(f"{error} {_WHOLE}") from error
    if not isinstance(content, dict) or content.get("library_name") != "ricercar":
        raise InputError(f"{path} is not that of a package of Ricercar, but of another library.")
    if content.get("format") != FORMAT:
        raise InputError(
            f"{path} has the format {content.get('format')!r}, this version of Ricercar ({ricercar.__version__}) reads "
            f"{FORMAT}: it was written by {content.get('ricercar')}. Install that version."
        )
    try:
        return typed(Config, content)
    except InputError as error:
        raise InputError(f"{path}: {error} {_WHOLE}") from error
