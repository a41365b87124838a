"""From a composed configuration to the objects that train.py and eval.py work with."""

import inspect
import json
import logging
import re
import traceback
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import torch
import yaml  # type: ignore[import-untyped]
from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from lightning_fabric import Fabric
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import Tensor, nn

from ricercar.checks import check_between, check_choice, check_flag, check_positive, check_whole
from ricercar.data.annotations.annotation import Annotation
from ricercar.data.audio.store import AudioStore
from ricercar.data.batches.augmentation import Augmentation
from ricercar.data.batches.crops import Crops, to_float
from ricercar.data.batches.spectrogram_store import Analysis
from ricercar.data.batches.windows import Samples, Windows
from ricercar.data.sources.folds import Fold, Folds
from ricercar.data.sources.source import ALL, Source
from ricercar.data.track import Track
from ricercar.errors import InputError
from ricercar.harness import team
from ricercar.harness.benchmark import Benchmark
from ricercar.harness.checkpoints import Checkpoints
from ricercar.harness.evaluate import Evaluation
from ricercar.harness.identity import LATER, PLACES, class_hashes, dataset_name, source_hash, stable_hash
from ricercar.harness.initial import Initial, run_of_file
from ricercar.harness.inside import num_steps
from ricercar.harness.parts import LR_FACTOR, Freezing, Groups, Parameters, grouped
from ricercar.harness.predict import Predict
from ricercar.harness.processes import ALONE, Processes, Scorers
from ricercar.harness.provenance import EncoderId, Past
from ricercar.harness.published import named
from ricercar.harness.results import Result
from ricercar.harness.run import check_seeds
from ricercar.harness.schedules import Schedule
from ricercar.harness.targets import check_classes
from ricercar.harness.trackers.tracker import Tracker
from ricercar.harness.training_state import Budget
from ricercar.models.backbones.backbone import Backbone
from ricercar.models.encoders.encoder import Encoder
from ricercar.models.frontends.frontend import Frontend
from ricercar.models.net import Net
from ricercar.tasks.heads import Window
from ricercar.tasks.multitask import Multitask
from ricercar.tasks.scoring import Scoring
from ricercar.tasks.task import Task

log = logging.getLogger(__name__)

# Whole numbers, and the least that each may be.
_WHOLE = {
    "hop_length": 1, "window_frames": 2, "border_frames": 0, "seed": 0, "seeds_per_job": 1, "num_threads": 1,
    "num_scorers": 0, "trainer.batch_size": 1, "trainer.accumulation": 1, "trainer.num_validations": 1,
    "trainer.patience": 1, "trainer.log_every_steps": 1, "trainer.num_workers": 0,
}  # fmt: skip
_MAY_BE_NULL = ("num_threads", "num_scorers", "trainer.patience")
PRECISIONS = ("32-true", "bf16-mixed")
STRATEGIES = ("auto", "ddp", "ddp_spawn")  # of several devices they mean the same
COMPILE_MODES = ("default", "reduce-overhead", "max-autotune")
_PARTS = ("task", "data", "frontend", "compression", "normalisation", "backbone", "trainer", "hardware")
_FROM_CALLS = (
    TypeError, ValueError, LookupError, ArithmeticError, RuntimeError, ImportError, InstantiationException,
    MisconfigurationException,
)  # fmt: skip
_CALLERS = ("", "hydra", "importlib", "functools")  # what stands between make() and a class
_LIBRARIES = ("torch", "lightning_fabric")  # their classes refuse values by errors of many kinds
# What the class of a group has to be.
_KINDS: dict[str, type] = {
    "frontend": Frontend, "backbone": Backbone, "compression": nn.Module, "normalisation": nn.Module, "data": Source,
    "optimizer": torch.optim.Optimizer, "schedule": Schedule, "augmentation": Augmentation, "tracker": Tracker,
    "hardware": Fabric,
}  # fmt: skip
_AT_A_TIME = 8  # windows that a normalisation is fitted on
NO_TRACKER = "ricercar.harness.trackers.none.NoTracker"


def make(node: DictConfig, **runtime: Any) -> Any:
    """The object that a group's yaml describes. An option it does not know, or a value it refuses, is an InputError.

    What goes wrong further inside a class is a mistake in the class, and comes as it was raised.
    """
    for key in sorted(OmegaConf.missing_keys(node)):
        raise InputError(f"{key} is needed: give {key}=...")
    if "_target_" not in node:
        raise InputError(
            f"{node._get_full_key(None)} names no class: add `_target_: package.module.Class` to its yaml."
        )
    group = node._get_full_key(None)
    if str(node._target_).startswith("timm."):
        import_module("ricercar.models.backbones.timm_parts")  # knows how to import timm
    try:
        # In two steps: hydra would turn a dataclass among the runtime arguments into a plain dict.
        made = _recipe(node)(**runtime)
    except OmegaConfBaseException:
        raise
    except _FROM_CALLS as error:
        raised = _innermost(error)
        if isinstance(raised, InputError):
            raise InputError(_with_place(node, str(raised))) from error
        if _of_the_call(raised):
            told = str(error.__cause__ if isinstance(error, InstantiationException) and error.__cause__ else error)
            given = ", ".join(f"{key}={value!r}" for key, value in plain(node).items() if key != "_target_")
            advice = ". Install its package, or give the folder of its yamls: --config-dir=FOLDER" * _not_found(told)
            raise InputError(f"{group}: {' '.join(told.split())}{f' (with {given})' * bool(given)}{advice}") from error
    else:
        kind = _KINDS.get(group)
        if kind is not None and not isinstance(made, kind):
            raise InputError(
                f"{group}: {node._target_} gives a {type(made).__name__}, which is no {kind.__name__}: derive the "
                f"class from {kind.__module__}.{kind.__name__}."
            )
        return made
    raise raised  # out of the handler, so that its traceback is all there is to see


def _recipe(node: DictConfig) -> Callable[..., Any]:
    """What Hydra makes of a node, to be called with the rest of the arguments.

    Hydra takes 10 ms for each of the thirty nodes of a job. What it finds out about one is kept for those that say the
    same, while its name means the same, but where there are objects in it.
    """
    said = json.dumps(plain(node), default=repr)
    kept = _recipes.get(said)
    if kept is None or get_object(str(node._target_)) != kept.func:
        kept = instantiate(_apart(node), _convert_="all", _partial_=True)
        if said.count('"_target_"') > 1:
            return cast(Callable[..., Any], kept)
        if len(_recipes) == _MOST_RECIPES:
            del _recipes[next(iter(_recipes))]
        _recipes[said] = kept
    return partial(kept.func, *kept.args, **deepcopy(kept.keywords))


def _apart(node: DictConfig) -> DictConfig:
    """In a copy of the whole configuration, where a group is named in it, as in head.codec: ${codec}.

    Hydra writes values in place of interpolations into what it is given, and into what is named there. The run_id, in
    which interpolations stay, would be another one after that.
    """
    if not any(OmegaConf.is_interpolation(node, str(key)) and OmegaConf.is_config(node[key]) for key in node):
        return node
    return cast(DictConfig, OmegaConf.select(deepcopy(node._get_root()), node._get_full_key(None)))


_recipes: dict[str, "partial[Any]"] = {}
_MOST_RECIPES = 256


def _not_found(message: str) -> bool:
    """Whether Hydra says that there is no such module."""
    return bool(re.search(r"Error l\w+ '(?!ricercar\.).*No module named", message, re.DOTALL))


def _innermost(error: Exception) -> Exception:
    """What Hydra has wrapped, where it has."""
    while isinstance(error, _FROM_CALLS) and isinstance(error.__cause__, Exception) and _modules(error)[-1] == "hydra":
        error = error.__cause__
    return error


def _of_the_call(error: Exception) -> bool:
    """Whether an object was called or looked for in a wrong way, or a library's constructor refuses a value."""
    inside = [each for each in _modules(error) if each not in _CALLERS]
    return not inside or inside[0] in _LIBRARIES


def _modules(error: Exception) -> list[str]:
    """The packages that an error has passed on its way from where it was raised, the last, to here."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return [
        "" if frame.f_globals is globals() else str(frame.f_globals.get("__name__")).split(".")[0] for frame in frames
    ]


def _with_place(node: DictConfig, message: str) -> str:
    """A message that begins with the name of an option of the group, or of a part of it, with the whole name."""
    option = re.match(r"\w+", message)
    for place in (node, *(part for part in node.values() if isinstance(part, DictConfig))):
        if option and option[0] in place:
            return f"{place._get_full_key(option[0])}{message[option.end() :]}"
    return message


def plain(cfg: DictConfig) -> dict[str, Any]:
    """The configuration as plain values, for logging."""
    values = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def completed(cfg: DictConfig) -> DictConfig:
    """A configuration from before an option came, or an optimizer's yaml without it, with the value that means so."""
    if all(_knows(cfg, key) for key in LATER):
        return cfg
    found = cfg.copy()
    OmegaConf.set_struct(found, False)
    for key, value in LATER.items():
        group, _, name = key.rpartition(".")
        node = OmegaConf.select(found, group) if group else found
        if node is not None and name not in node:  # a package has no more groups than predicting takes
            node[name] = value
    OmegaConf.set_struct(found, OmegaConf.is_struct(cfg))
    return found


def _knows(cfg: DictConfig, key: str) -> bool:
    group, _, name = key.rpartition(".")
    node = OmegaConf.select(cfg, group) if group else cfg
    return node is None or name in node


def check_data(cfg: DictConfig) -> None:
    """The values that reading any data relies on."""
    check_whole(sample_rate=cfg.sample_rate)
    if cfg.cache_dir is None:
        raise InputError("cache_dir=null: give the folder that decoded audio is kept in.")
    for key in ("cache_dir", "data.root", "run", "predictions", "baseline", "name"):
        value = OmegaConf.select(cfg, key)
        if value is not None and not isinstance(value, str):
            raise InputError(f"{key}={value}: expected text. A name that is a number is quoted: '{key}=\"2024\"'.")


def check(cfg: DictConfig) -> None:
    """The values of a training, as far as they can be told before any audio is decoded; of each trial of a search."""
    check_data(cfg)
    if space := OmegaConf.select(cfg, "search"):
        raise InputError(
            f"search={', '.join(map(str, space))}: a search is train.py -m hydra/sweeper=optuna search=..."
        )
    named(cfg.get("reproduces") or ())
    cfg = completed(cfg)
    trials = make(cfg.tune).trials(cfg)
    for _, trial in trials:
        _check_training(trial)
        if len(trials) > 1:  # hours may lie between the first trial and one that cannot be made
            check_parts(trial)


def check_parts(cfg: DictConfig) -> None:
    """Whether the frontend and the backbone can be made, and go together."""
    make(cfg.backbone, spectrogram=make(cfg.frontend).spectrogram(cfg.window_frames))


def _check_training(cfg: DictConfig) -> None:
    for key, least in _WHOLE.items():
        value = OmegaConf.select(cfg, key)
        if value is not None or key not in _MAY_BE_NULL:
            check_whole(least, **{key: value})
    check_between(0, 2**32 - 1, seed=cfg.seed)
    check_choice((None, False, True, "anyway"), resume=cfg.resume)
    check_between(0, 0.999999, **{"trainer.ema_decay": cfg.trainer.ema_decay})
    check_between(0, 1e9, **{"trainer.checkpoint_minutes": cfg.trainer.checkpoint_minutes})
    if cfg.trainer.clip_norm is not None:
        check_positive(**{"trainer.clip_norm": cfg.trainer.clip_norm})
    Budget(str(cfg.trainer.budget), steps_per_epoch=1.0)
    check_seeds(cfg)
    if cfg.trainer.batch_size % cfg.trainer.accumulation:
        raise InputError(
            f"trainer.accumulation={cfg.trainer.accumulation}: must divide trainer.batch_size={cfg.trainer.batch_size}."
        )
    if cfg.trainer.compile is not None:
        check_choice(COMPILE_MODES, **{"trainer.compile": cfg.trainer.compile})
    for key in ("profile", "find_lr"):
        if cfg.trainer[key] is not None:
            num_steps(cfg.trainer[key], f"trainer.{key}")
            if cfg.tune.space:
                raise InputError(f"trainer.{key} looks into one training, not into a search: give tune=none.")
    if cfg.hardware.precision not in PRECISIONS:
        raise InputError(
            f"hardware.precision={cfg.hardware.precision}: choose 32-true or, on hardware that is faster with it, "
            "bf16-mixed, which has the range of 32-true: nothing overflows, and gradients need no scaling."
        )
    make(cfg.schedule)
    make(cfg.augmentation)
    make_freezing(cfg)
    check_optimizer(cfg.optimizer)
    if cfg.init["from"] is not None:
        check_flag(**{"init.strict": cfg.init.strict})
        make_initial(cfg)
    if 2 * cfg.border_frames >= cfg.window_frames:
        raise InputError(
            f"border_frames={cfg.border_frames} leaves nothing of a window of {cfg.window_frames} frames: "
            "give less than half of window_frames."
        )


def make_tasks(cfg: DictConfig) -> Multitask:
    """The tasks that a network is trained on: one, or those of task=[...]; what it says of them is the head's."""
    scorings, weights = _scorings(cfg)
    tasks = Multitask(parts=scorings, weights=weights)  # type: ignore[arg-type]  # it refuses what is no Task
    head, window = (
        make(completed(cfg).head),
        Window(cfg.window_frames, cfg.border_frames, cfg.sample_rate / cfg.hop_length),
    )
    return Multitask(parts={name: head.of(name, task, window) for name, task in tasks.items()}, weights=tasks.weights)


def make_scorings(cfg: DictConfig) -> dict[str, Scoring]:
    """{name: what can be scored}, also where no network learns it. A task's name is that of its yaml and module."""
    return _scorings(cfg)[0]


def _scorings(cfg: DictConfig) -> tuple[dict[str, Scoring], Mapping[str, float]]:
    """What can be scored, and the weights of several tasks."""
    scorings: dict[str, Scoring]
    if "parts" in cfg.task:
        tasks: Multitask = make(cfg.task)
        scorings, weights = dict(tasks), tasks.weights
    else:
        scorings, weights = {cfg.task._target_.split(".")[-2]: make(cfg.task)}, {}
    for scoring in scorings.values():
        scoring.rank()
    return scorings, weights


def rescored(cfg: DictConfig, protocols: Mapping[str, DictConfig]) -> dict[str, Scoring]:
    """{task: its scoring with other options}: the tasks of a configuration, under protocols of others."""
    found: dict[str, Scoring] = {}
    for name, options in protocols.items():
        several = "parts" in cfg.task
        own = cfg.task.parts.get(name) if several else cfg.task
        if own is None or (not several and own._target_.split(".")[-2] != name):
            known = ", ".join(cfg.task.parts) if several else own._target_.split(".")[-2]
            raise InputError(f"protocol={name}/...: the run's task is {known}. Give a protocol of that.")
        merged = OmegaConf.merge(OmegaConf.to_container(own), options)
        found |= make_scorings(OmegaConf.create({"task": merged}))
    return found


def folders(folder: Path, names: Iterable[str]) -> dict[str, Path]:
    """{task: where its result and predictions are}: the run's folder, or one below it where there are several."""
    names = list(names)
    return {name: folder if len(names) == 1 else folder / name for name in names}


def make_net(cfg: DictConfig, tasks: Multitask) -> Net:
    """Weights start from torch's current seed."""
    frontend = make(cfg.frontend)
    compression = make(cfg.compression, num_bins=frontend.num_bins)
    if frontend.signed and getattr(compression, "of_magnitudes", False):
        raise InputError(
            f"compression: {type(compression).__name__} takes magnitudes, and an encoder's features are signed: give "
            "compression=none (normalisation=whitening goes with it)."
        )
    return Net(
        frontend=frontend,
        compression=compression,
        normalisation=make(cfg.normalisation, num_channels=frontend.num_channels, num_bins=frontend.num_bins),
        backbone=make(cfg.backbone, spectrogram=frontend.spectrogram(cfg.window_frames)),
        outputs=tasks.outputs,
        analysed=make(cfg.spectrogram).cached,
    )


def make_initial(cfg: DictConfig) -> Initial | None:
    """The weights to start from; None: there are none."""
    given = cfg.init["from"]
    if given is not None and not isinstance(given, str):
        raise InputError(f"init.from={given}: give a run's folder, or a file with weights, as text.")
    return None if given is None else Initial.read(given)


def start(net: Net, initial: Initial | None, cfg: DictConfig, crops: Crops, device: torch.device) -> list[str]:
    """Gives a network its initial weights, and fits a normalisation that has none -> the names of what was given."""
    taken = [] if initial is None else initial.give(net, cfg.init.strict)
    if not any(name.startswith("normalisation.") for name in taken):
        fit_normalisation(net, crops, device)
    return taken


def past_of(cfg: DictConfig) -> Past | None:
    """What the initial weights of a configuration, and its encoder, had learnt from; None where it has neither.

    Of a run whose data are still there the works are known, and so of those that it began with in turn.
    """
    given, model = (OmegaConf.select(cfg, key) for key in ("init.from", "frontend.model"))
    is_run = isinstance(model, str) and (Path(model) / ".hydra").is_dir()
    told = list(OmegaConf.select(cfg, "frontend.about.trained_on") or [])
    pasts = [_past_of_weights(each) for each in (given, model if is_run else None) if each is not None]
    if OmegaConf.select(cfg, "frontend.about") is not None and not is_run and not cfg.frontend.get("random"):
        pasts.append(Past([], None))
    if not pasts:
        return None
    works = [past.works for past in pasts]
    data = dict.fromkeys([*told, *(name for past in pasts for name in past.data)])
    return Past(list(data), None if None in works else set().union(*(each for each in works if each)))


def _past_of_weights(given: str) -> Past:
    """What the weights of a run, or in a file, had learnt from."""
    path = Path(given)
    run = path if path.is_dir() else run_of_file(path)
    try:
        if run is None:
            raise InputError("it is no run's")
        trained = OmegaConf.load(run / ".hydra" / "config.yaml")
        assert isinstance(trained, DictConfig)
        check_classes(OmegaConf.to_container(trained.data, resolve=True), ("ricercar.data",), None)
        result = Result.read(min([*run.glob("result.json"), *run.glob("*/result.json")], default=run / "result.json"))
        before = past_of(trained)
        works = {track.work for track in make_source(trained).tracks("train")}
    except (InputError, OSError, yaml.YAMLError, OmegaConfBaseException) as error:
        log.warning("which works %s was trained on is not known: %s", given, error)
        return Past([path.name], None)
    data = result.training.data if result.training is not None else [result.dataset.name]
    if before is None:
        return Past(data, works)
    return Past(list(dict.fromkeys([*data, *before.data])), None if before.works is None else works | before.works)


def encoder_of(net: Net) -> EncoderId | None:
    """The pretrained encoder of a trained network."""
    encoder = net.frontend
    if not isinstance(encoder, Encoder):
        return None
    mix = getattr(net.backbone, "mixed", None)
    return EncoderId(encoder.name, encoder.revision, encoder.weights, encoder.layers, mix, **encoder.about)


def check_encoder(net: Net, trained: EncoderId | None) -> None:
    """InputError where the files of an encoder are not those that a run was trained with."""
    weights = net.frontend.weights if isinstance(net.frontend, Encoder) else None
    if trained is not None and weights != trained.weights:
        raise InputError(
            f"frontend.model: the files of the encoder {trained.name} have changed (hash {weights}, in training "
            f"{trained.weights}): put back those that the run was trained with."
        )


def make_freezing(cfg: DictConfig) -> Freezing:
    values = plain(cfg)
    return Freezing(values["freeze"], values["unfreeze_at"])


def make_groups(optimizer: DictConfig) -> Groups:
    values = plain(optimizer)
    check_flag(**{"optimizer.decay_biases_and_norms": values["decay_biases_and_norms"]})
    if not isinstance(values["groups"], dict):
        raise InputError(
            f"optimizer.groups={values['groups']!r}: give options by name, such as {{frontend: {{lr: 0.1}}}}."
        )
    return Groups(values["groups"], values["decay_biases_and_norms"])


def make_optimizer(node: DictConfig, parameters: Parameters) -> torch.optim.Optimizer:
    """Of any class that takes parameters, or groups of them, as torch.optim does."""
    key, own = node._key(), plain(node)
    for name in ("groups", "decay_biases_and_norms"):
        own.pop(name, None)
    # Under its name, but not in its configuration, where Hydra 1.4 finds again what was taken out.
    alone = OmegaConf.create(own) if key is None else OmegaConf.create({key: own})[key]
    made: torch.optim.Optimizer = make(alone, params=parameters)
    for group in made.param_groups:
        if LR_FACTOR in group:
            group["lr"] *= group.pop(LR_FACTOR)
    return made


def check_optimizer(node: DictConfig) -> None:
    """InputError for options, of groups too, that the class does not take, and for one that needs a closure."""
    _check_class(node)
    for place, options in make_groups(node).own_options.items():
        own = node.copy()
        OmegaConf.set_struct(own, False)
        own.update(options)
        try:
            _check_class(own)
        except InputError as error:
            raise InputError(f"{place}: {error}") from error


def _check_class(node: DictConfig) -> None:
    """On a few numbers. A step itself is not tried: it may need a device."""
    optimizer = make_optimizer(node, [torch.nn.Parameter(torch.ones(2, 2))])
    needed = [
        name
        for name, each in inspect.signature(type(optimizer).step).parameters.items()
        if name != "self" and each.default is each.empty and each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
    ]
    if needed:
        raise InputError(
            f"optimizer: a step of {type(optimizer).__name__} needs {', '.join(needed)}, which is not given here: "
            "a step follows the gradient of one batch. Choose another one."
        )


def check_start(cfg: DictConfig, net: Net) -> None:
    """Whether options that name parts of a network, and weights to start from, fit this one."""
    initial = make_initial(cfg)
    if initial is not None:
        initial.fitting(net, cfg.init.strict)
    make_freezing(cfg).of(net)
    make_optimizer(cfg.optimizer, grouped_of(cfg, net))


def grouped_of(cfg: DictConfig, net: Net) -> Parameters:
    """All parameters of a network, as its optimizer is given them."""
    return grouped(dict(net.named_parameters()), make_groups(cfg.optimizer).options(net))


def make_windows(cfg: DictConfig, frontend: Frontend, store: AudioStore, device: torch.device) -> Windows:
    """What a network with that frontend is fed: windows of the audio, or of spectrograms that are kept."""
    spectrogram = make(cfg.spectrogram)
    spectrogram.check(make(cfg.augmentation), frontend.trained)
    windows: Windows = spectrogram.windows(store, cfg.hop_length, _analysis(cfg, frontend, device))
    return windows


def passing_windows(
    cfg: DictConfig, frontend: Frontend, sounds: Samples, device: torch.device
) -> Callable[[], Windows]:
    """As `make_windows`, of sounds that are in no data set: nothing of them is kept, but what was read last."""
    return partial(make(cfg.spectrogram).passing, sounds, cfg.hop_length, _analysis(cfg, frontend, device))


def _analysis(cfg: DictConfig, frontend: Frontend, device: torch.device) -> Analysis:
    options = frontend.determining(plain(cfg.frontend))
    key = stable_hash([options, class_hashes(options), *map(source_hash, frontend.sources)])
    shape = (frontend.num_channels, frontend.num_bins) if frontend.signed else None
    make_one = _Frontend(cfg.frontend, device)
    return Analysis(key, frontend.reach, make_one, frontend.at_once, frontend.kept_as, shape)


class _Frontend:
    """(B, N) audio -> what a frontend makes of it, on `device`. Another process makes a frontend of its own."""

    def __init__(self, frontend: DictConfig, device: torch.device) -> None:
        self.node, self.device = frontend, device
        self._frontend: Frontend | None = None

    def __call__(self, audio: Tensor) -> Tensor:
        if self._frontend is None:
            self._frontend = make(self.node).to(self.device)
        return self._frontend.analyse(audio.to(self.device))

    def __reduce__(self) -> tuple[type["_Frontend"], tuple[DictConfig, torch.device]]:
        return _Frontend, (self.node, self.device)


def make_crops(
    cfg: DictConfig, tasks: Multitask, tracks: list[Track], windows: Windows, augmentation: Augmentation
) -> Crops:
    return Crops(
        tracks=tracks,
        training_annotations=tasks.training_annotations,
        encode=tasks.encode,
        windows=windows,
        num_frames=cfg.window_frames,
        seed=cfg.seed,
        pitch_shift_semitones=augmentation.pitch_shift_semitones,
        detune_cents=augmentation.detune_cents,
        mix_examples=augmentation.mix_examples,
        mix_db=augmentation.mix_db,
        balance=OmegaConf.select(cfg, "data.balance", default=1.0),
    )


def fit_normalisation(net: Net, crops: Crops, device: torch.device) -> None:
    """Fits a normalisation that can be, on as many training windows as it asks for; they are not augmented."""
    normalisation: Any = net.normalisation
    if hasattr(normalisation, "fit"):
        total = normalisation.num_windows
        parts = [range(first, min(first + _AT_A_TIME, total)) for first in range(0, total, _AT_A_TIME)]
        with torch.no_grad():
            normalisation.fit(net.compressed(to_float(crops.batch(each)["input"].to(device))) for each in parts)


def restore_best(tasks: Multitask, checkpoints: Checkpoints) -> dict[str, Any]:
    """-> the best checkpoint's weights; gives `tasks` its vocabulary, which outputs depend on, and decoding."""
    best = checkpoints.load("best")
    if best is None:
        raise InputError(f"{checkpoints.folder} has no best.pt. Train again: the run was not validated, or lost it.")
    with checkpoints.fitting("best"):
        vocabulary = {name: best["vocabulary"][name] for name in tasks}
        decoding = {name: best["decoding"][name] for name in tasks}
        weights: dict[str, Any] = best["net"]
    tasks.restore(vocabulary)
    for name, task in tasks.items():
        task.decoding.update(decoding[name])
    return weights


def use_weights(net: Net, weights: dict[str, Any], checkpoints: Checkpoints) -> None:
    """Gives `net` the weights of the best checkpoint."""
    with checkpoints.fitting("best"):
        net.load_state_dict(weights)


def read_config(run_dir: Path) -> DictConfig:
    """The configuration that a run was trained with."""
    path = run_dir / ".hydra" / "config.yaml"
    if not path.is_file():
        raise InputError(f"run={run_dir}: there is no {path}. Give the folder that train.py wrote.")
    try:
        trained = OmegaConf.load(path)
    except (yaml.YAMLError, OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    missing = [key for key in _PARTS if not isinstance(trained, DictConfig) or key not in trained]
    if missing:
        raise InputError(f"{path} has no {', '.join(missing)}: it is not the configuration of a training.")
    assert isinstance(trained, DictConfig)
    return trained


def trained_config(run_dir: Path, cfg: DictConfig) -> DictConfig:
    """The configuration that a run was trained with, but for what `cfg` says of the split and of this machine."""
    trained = read_config(run_dir)
    here = {key: cfg[key] for key in ("cache_dir", "split", "run", "num_scorers")}
    content = OmegaConf.to_container(trained)
    merged = OmegaConf.merge(content, here)
    assert isinstance(merged, DictConfig)
    if cfg.data_root is not None:
        move(merged.data, cfg.data_root)
    return merged


def move(data: DictConfig, root: str) -> None:
    """Has a data set, or the one part of it that is, read from another folder. InputError where it is not one."""
    parts = [part for part in (data, *data.get("parts", {}).values()) if {"root", "home"} & set(part)]
    if len(parts) != 1:
        several = f"are read from {len(parts)} folders" if parts else "are not read from a folder"
        raise InputError(f"data_root={root}: the data ({data._target_}) {several}.")
    parts[0]["root" if "root" in parts[0] else "home"] = str(Path(root).expanduser().absolute())


def places_of(data: Mapping[str, Any], before: str = "") -> list[str]:
    """Options of a data set, by their names within it, that say where files are."""
    found = []
    for key, value in data.items():
        if key in PLACES:
            found.append(f"{before}{key}")
        elif isinstance(value, Mapping):
            found += places_of(value, f"{before}{key}.")
    return found


def make_source(cfg: DictConfig) -> Source:
    """The data set of a configuration, in folds where it says so."""
    source: Source = make(cfg.data)
    fold, number = cfg.get("fold"), cfg.get("folds")
    if fold is not None:
        return Folds(source, fold, number)
    if number is not None:
        raise InputError(f"folds={number}: say which is tested, as in fold=0. fold=all trains for one after the other.")
    return source


def fold_of(source: Source) -> Fold | None:
    """Which fold of a cross-validation a source's test split is; None: it is none."""
    return source.fold if isinstance(source, Folds) else None


def make_store(cfg: DictConfig) -> AudioStore:
    return AudioStore(Path(cfg.cache_dir).expanduser(), cfg.sample_rate)


def tracks_in(source: Source, split: str) -> list[Track]:
    """Of a split, or of all of them."""
    if split == ALL:
        return [track for each in source.splits for track in source.tracks(each)]
    return source.tracks(split)


def tracks_of(source: Source, scorings: Mapping[str, Scoring], split: str) -> list[Track]:
    """The tracks of a split that have what one of the tasks at least needs; says how many have not."""
    everything = tracks_in(source, split)
    used = set()
    for name, scoring in scorings.items():
        trains = split == "train" and isinstance(scoring, Task)
        needed = scoring.training_annotation if trains else scoring.reference  # type: ignore[attr-defined]
        ids = {track.id for track in everything if _has(needed, track)}
        if not ids:
            kinds = sorted({key for track in everything for key in track.annotations})
            raise InputError(
                f"None of the {len(everything)} tracks of split {split!r} has what task={name} needs "
                f"({scoring.annotation.name}). They have: {', '.join(kinds) or 'no annotations'}."
            )
        if len(ids) < len(everything):
            log.info("%s: %d of %d tracks have what task=%s needs", split, len(ids), len(everything), name)
        used |= ids
    return [track for track in everything if track.id in used]


def make_benchmark(cfg: DictConfig, choices: Mapping[str, str]) -> tuple[Benchmark, Source]:
    """Of what was not trained here: one task on a split of a data set, and that data set. No audio is read yet."""
    for group in ("task", "data"):
        if group not in choices:
            raise InputError(f"{group}= is needed: say what is to be scored, and on which data.")
    check_data(cfg)
    scorings = make_scorings(cfg)
    if len(scorings) > 1:
        raise InputError("Systems, predictions and baselines are scored for one task at a time: give task=NAME.")
    [(task, scoring)] = scorings.items()
    source: Source = make(cfg.data)
    learns = "train" in source.splits and cfg.split not in (ALL, "train")  # no baseline from what it is scored on
    benchmark = Benchmark(
        task=task,
        scoring=scoring,
        data=dataset_name(cfg, choices["data"]),
        split=cfg.split,
        tracks=tracks_of(source, scorings, cfg.split),
        training=source.tracks("train") if learns else [],
        store=make_store(cfg),
    )
    return benchmark, source


def _has(needed: Callable[[Mapping[str, Annotation]], Annotation | None], track: Track) -> bool:
    """Whether a task finds what it needs. InputError names the track where an annotation does not fit the task."""
    try:
        return needed(track.annotations) is not None
    except InputError as error:
        raise InputError(f"track {track.id}: {error}") from error


def make_fabric(hardware: DictConfig) -> Fabric:
    """Of as many processes as there are devices, whoever starts them (see harness/team.py)."""
    check_choice(STRATEGIES, **{"hardware.strategy": hardware.strategy})
    node = hardware.copy()
    node.strategy = "auto"
    fabric: Fabric = make(node, plugins=team.environment())
    team.check_size(fabric)
    return fabric


def device_of(hardware: DictConfig, accelerator: str | None) -> torch.device:
    """One device to predict with, of the kind that `accelerator` names; None: that a training had, if it is here.

    How many devices the training had, and how it used them, this machine need not be able to.
    """
    node = hardware.copy()
    node.update(accelerator=accelerator or hardware.accelerator, devices=1, strategy="auto", precision="32-true")
    if "num_nodes" in node:
        node.num_nodes = 1
    try:
        device: torch.device = make(node, plugins=team.environment()).device
    except InputError as error:
        if accelerator is not None:
            raise
        log.warning("predicted on the CPU, for want of what the run was trained on: %s", error)
        return torch.device("cpu")
    return device


def make_evaluation(
    cfg: DictConfig, tasks: Multitask, windows: Windows, device: torch.device, processes: Processes = ALONE
) -> Evaluation:
    predict = Predict(
        windows=windows,
        num_frames=cfg.window_frames,
        border_frames=cfg.border_frames,
        batch_size=cfg.trainer.batch_size,
        device=device,
    )
    scorers = Scorers.beside(device, cfg.num_scorers)
    fps = cfg.sample_rate / cfg.hop_length
    return Evaluation(tasks=tasks, predict=predict, fps=fps, scorers=scorers, processes=processes)
