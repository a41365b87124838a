"""Trains one configuration, then evaluates it on whole tracks; `python train.py --help` lists the choices."""

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from lightning_fabric import Fabric
from omegaconf import DictConfig, OmegaConf

from ricercar.data.track import Track
from ricercar.harness import assemble
from ricercar.harness.checkpoints import Checkpoints
from ricercar.harness.command import command, logged
from ricercar.harness.cost import cost_of
from ricercar.harness.evaluate import annotated
from ricercar.harness.report import finish
from ricercar.harness.results import Result, make_result
from ricercar.harness.run_folder import RunLock

log = logging.getLogger(__name__)
NUM_CROPS_TO_FIT = 128  # windows that a normalisation is fitted on


@dataclass(frozen=True)
class Run:
    """What a run is called and where it lives."""

    folder: Path
    id: str
    choices: dict[str, str]
    overrides: list[str]


def train(cfg: DictConfig, run: Run) -> list[Result]:
    """Trains, evaluates and writes a result.json for each task; a finished run that is resumed is only read."""
    assemble.check(cfg)
    tasks = assemble.make_tasks(cfg)
    results = [folder / "result.json" for folder in assemble.folders(run.folder, tasks).values()]
    if cfg.resume and all(path.exists() for path in results):
        log.info("%s is finished", run.folder)
        return [Result.read(path) for path in results]
    with RunLock(run.folder):
        source = assemble.make(cfg.data)
        tracks = {split: assemble.tracks_of(source, tasks, split) for split in ("train", "valid", "test")}
        assemble.make_store(cfg).prepare([track for split in tracks.values() for track in split])
        fabric: Fabric = assemble.make(cfg.hardware)
        fabric.launch(partial(_train, cfg=cfg, run=run, tracks=tracks))
    return [Result.read(path) for path in results]


def _train(fabric: Fabric, cfg: DictConfig, run: Run, tracks: dict[str, list[Track]]) -> None:
    """One process of the training; the first of them evaluates and writes the result."""
    if not logging.getLogger().handlers:  # a spawned process
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    fabric.seed_everything(cfg.seed, verbose=False)
    torch.set_num_threads(cfg.num_threads or torch.get_num_threads())
    tasks = assemble.make_tasks(cfg)
    tasks.fit([tasks.taught(track.annotations) for track in tracks["train"]])
    store = assemble.make_store(cfg)
    net = assemble.make_net(cfg, tasks)
    augmentation = assemble.make(cfg.augmentation)
    crops = assemble.make_crops(cfg, tasks, tracks["train"], store, augmentation)
    cost = cost_of(net, crops.num_samples, cfg.window_frames, cfg.sample_rate)
    net.to(fabric.device)
    assemble.fit_normalisation(net, crops, NUM_CROPS_TO_FIT, fabric.device)
    evaluation = assemble.make_evaluation(cfg, tasks, store, fabric.device)
    checkpoints = Checkpoints(run.folder, run.id)

    first = fabric.is_global_zero
    with assemble.make(cfg.tracker if first else OmegaConf.create({"_target_": assemble.NO_TRACKER})) as tracker:
        tracker.start(run.folder, run.folder.name, assemble.plain(cfg), run.id, cfg.resume)
        if first:
            log.info("%s", run.folder)
            log.info("%s parameters, %.0f million multiplications per s of audio", f"{cost.params:,}", cost.macs / 1e6)
        trained = assemble.make(cfg.trainer).fit(
            fabric=fabric,
            net=net,
            tasks=tasks,
            crops=crops,
            augmentation=augmentation,
            optimizer=assemble.make(cfg.optimizer, params=[p for p in net.parameters() if p.requires_grad]),
            schedule=assemble.make(cfg.schedule),
            validate=lambda averaged: evaluation.validate(averaged, tracks["valid"]),
            checkpoints=checkpoints,
            tracker=tracker,
            resume=cfg.resume,
        )
        if not first:
            return
        assemble.use_weights(net, assemble.best_of(tasks, checkpoints), checkpoints)
        folders = assemble.folders(run.folder, tasks)
        predictions = {name: folder / "predictions" for name, folder in folders.items()}
        scores, predict_s = evaluation.test(net, tracks["test"], predictions)
        total = cost.with_run(trained, predict_s, sum(map(store.duration_s, tracks["test"])), fabric.device)
        several = {"tasks": run.choices["task"]} if len(tasks) > 1 else {}
        for name, task in tasks.items():
            result = make_result(
                run_id=run.id,
                choices=run.choices | {"task": name} | several,
                seed=cfg.seed,
                overrides=run.overrides,
                scoring=task,
                source=assemble.dataset_name(cfg, run.choices["data"]),
                split="test",
                tracks=annotated(tracks["test"], task),
                store=store,
                scores=scores[name],
                cost=total,
            )
            finish(result, tracks["train"], tracks["test"], task, store, folders[name], predictions[name], tracker)


def _job(cfg: DictConfig) -> float:
    """-> the mean of the tasks' primary metrics, with the checkpoint that validation chose: what a sweeper sees."""
    hydra_cfg = HydraConfig.get()
    run = Run(
        folder=Path(hydra_cfg.runtime.output_dir),
        id=assemble.run_id(cfg),
        choices=assemble.choices_of(hydra_cfg.runtime.choices),
        overrides=list(hydra_cfg.overrides.task),
    )
    results = train(cfg, run)
    return sum(result.metrics[result.primary] for result in results) / len(results)


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg: DictConfig) -> float:
    return logged(_job, cfg)


if __name__ == "__main__":
    command(main, "config")
