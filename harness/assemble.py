"""From a composed configuration to the objects that train.py and eval.py work with."""

import logging
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from ricercar.data.audio_store import AudioStore
from ricercar.data.augmentation import Augmentation
from ricercar.data.crops import Crops, to_float
from ricercar.data.source import Source
from ricercar.data.track import Track
from ricercar.errors import InputError
from ricercar.harness.checkpoints import Checkpoints
from ricercar.harness.evaluate import Evaluation, annotated
from ricercar.harness.predict import Predict
from ricercar.harness.results import stable_hash
from ricercar.models.net import Net
from ricercar.tasks.task import Task

log = logging.getLogger(__name__)

NO_TRACKER = "ricercar.harness.trackers.none.NoTracker"

# What does not change a result; everything else in the configuration goes into the run_id.
_NEUTRAL = ("hydra", "resume", "tracker", "cache_dir", "num_threads", "run", "split")


def make(node: DictConfig, **runtime: Any) -> Any:
    """The object that a group's yaml describes. An option it does not know, or a value it refuses, is an InputError."""
    try:
        # In two steps: hydra would turn a dataclass among the runtime arguments into a plain dict.
        return instantiate(node, _convert_="all", _partial_=True)(**runtime)
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"{node._get_full_key(None)}: {error}") from error


def plain(cfg: DictConfig) -> dict[str, Any]:
    """The configuration as plain values, for logging."""
    values = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def check(cfg: DictConfig) -> None:
    """The shared values that every part relies on."""
    for key in ("sample_rate", "hop_length", "window_frames", "trainer.batch_size", "trainer.num_validations"):
        value = OmegaConf.select(cfg, key)
        if not isinstance(value, int) or value < 1:
            raise InputError(f"{key}={value}: expected a whole number of 1 or more.")
    if not 0 <= 2 * cfg.border_frames < cfg.window_frames:
        raise InputError(
            f"border_frames={cfg.border_frames} leaves nothing of a window of {cfg.window_frames} frames: "
            "give less than half of window_frames."
        )


def run_id(cfg: DictConfig) -> str:
    """Hash of what determines the result."""
    plain = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(plain, dict)
    return stable_hash({str(key): value for key, value in plain.items() if key not in _NEUTRAL})


def make_task(cfg: DictConfig) -> Task:
    task: Task = make(cfg.task)
    return task


def make_net(cfg: DictConfig, task: Task) -> Net:
    """Weights start from torch's current seed."""
    frontend = make(cfg.frontend)
    return Net(
        frontend=frontend,
        compression=make(cfg.compression, num_bins=frontend.num_bins),
        normalisation=make(cfg.normalisation, num_channels=frontend.num_channels, num_bins=frontend.num_bins),
        backbone=make(cfg.backbone, picture=frontend.picture(cfg.window_frames)),
        outputs=task.outputs,
        clip_level=task.clip_level,
    )


def make_crops(
    cfg: DictConfig, task: Task, tracks: list[Track], store: AudioStore, augmentation: Augmentation
) -> Crops:
    return Crops(
        tracks=tracks,
        annotation=task.annotation.name,
        encode=task.encode,
        store=store,
        hop_length=cfg.hop_length,
        num_frames=cfg.window_frames,
        seed=cfg.seed,
        pitch_shift_semitones=augmentation.pitch_shift_semitones,
        detune_cents=augmentation.detune_cents,
    )


def fit_normalisation(net: Net, crops: Crops, num_crops: int, device: torch.device) -> None:
    """Fits a normalisation that has something to fit on pictures of training crops, without augmentation."""
    if hasattr(net.normalisation, "fit"):
        audio = (to_float(torch.as_tensor(crops[i]["audio"])[None].to(device)) for i in range(num_crops))
        with torch.no_grad():
            net.normalisation.fit(net.compressed(clip) for clip in audio)  # type: ignore[operator]


def use_best(net: Net, task: Task, checkpoints: Checkpoints) -> None:
    """Gives `net` and `task` the weights and the decoding of the best checkpoint."""
    best = checkpoints.load("best")
    if best is None:
        raise InputError(f"{checkpoints.folder} has no best.pt: the run was never validated. Go on with resume=true.")
    net.load_state_dict(best["net"])
    task.decoding.update(best["decoding"])


def trained_config(run_dir: Path, cfg: DictConfig) -> DictConfig:
    """The configuration that a run was trained with, with the split and the cache of `cfg`."""
    path = run_dir / ".hydra" / "config.yaml"
    if not path.is_file():
        raise InputError(f"run={run_dir}: there is no {path}. Give the folder that train.py wrote.")
    trained = OmegaConf.load(path)
    assert isinstance(trained, DictConfig)
    merged = OmegaConf.merge(trained, {"cache_dir": cfg.cache_dir, "split": cfg.split, "run": cfg.run})
    assert isinstance(merged, DictConfig)
    return merged


def make_store(cfg: DictConfig) -> AudioStore:
    return AudioStore(Path(cfg.cache_dir).expanduser(), cfg.sample_rate)


def dataset_name(cfg: DictConfig, choice: str) -> str:
    """What a data set is called in a result: the choice, and the folder's name where it reads one."""
    root = OmegaConf.select(cfg, "data.root")
    return choice if root is None else f"{choice}:{Path(root).expanduser().resolve().name}"


def tracks_of(source: Source, task: Task, split: str) -> list[Track]:
    """The tracks of a split that have the task's annotation; says how many have not."""
    everything = source.tracks(split)
    tracks = annotated(everything, task, split)
    if len(tracks) < len(everything):
        log.info("%s: %d of %d tracks have %s", split, len(tracks), len(everything), task.annotation.name)
    return tracks


def make_evaluation(cfg: DictConfig, task: Task, store: AudioStore, device: torch.device) -> Evaluation:
    predict = Predict(
        store=store,
        hop_length=cfg.hop_length,
        num_frames=cfg.window_frames,
        border_frames=cfg.border_frames,
        batch_size=cfg.trainer.batch_size,
        device=device,
    )
    return Evaluation(task=task, predict=predict, fps=cfg.sample_rate / cfg.hop_length)
