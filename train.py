"""Trains one configuration, then evaluates it on whole tracks; `python train.py --help` lists the choices."""

import logging
import math
import shutil
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from lightning_fabric import Fabric
from omegaconf import DictConfig, OmegaConf

from ricercar.data.track import Track
from ricercar.harness import assemble, identity
from ricercar.harness.checkpoints import Checkpoints
from ricercar.harness.command import command, logged
from ricercar.harness.cost import NetCost, cost_of
from ricercar.harness.entry import Training, Tuning
from ricercar.harness.evaluate import annotated
from ricercar.harness.looks import look
from ricercar.harness.loop import DivergenceError, Trained
from ricercar.harness.report import finish
from ricercar.harness.results import Result, make_result
from ricercar.harness.run_folder import RunLock
from ricercar.harness.trackers.prefixed import Prefixed
from ricercar.harness.trackers.tracker import Tracker
from ricercar.harness.tune import label, tuned

log = logging.getLogger(__name__)
NUM_CROPS_TO_FIT = 128  # windows that a normalisation is fitted on


@dataclass(frozen=True)
class Run:
    """What a run is called and where it lives."""

    folder: Path
    id: str
    choices: dict[str, str]
    overrides: list[str]

    @property
    def checkpoints(self) -> Checkpoints:
        return Checkpoints(self.folder, self.id)


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
    torch.set_num_threads(cfg.num_threads or torch.get_num_threads())
    first = fabric.is_global_zero
    with assemble.make(cfg.tracker if first else OmegaConf.create({"_target_": assemble.NO_TRACKER})) as tracker:
        job = identity.job(cfg, run.id, run.folder.name, run.choices)
        tracker.start(run.folder, job, assemble.plain(cfg), cfg.resume)
        if first:
            log.info("%s", run.folder)
        trials = assemble.make(cfg.tune).trials(cfg)
        fitted, trained = [], []
        for values, trial_cfg in trials:
            own = replace(run, folder=run.folder / "trials" / label(values)) if len(trials) > 1 else run
            curves = Prefixed(tracker, f"{label(values)}/") if len(trials) > 1 else tracker
            cost, result = _fit(fabric, trial_cfg, own, tracks, curves, alone=len(trials) == 1)
            trained.append(result)
            fitted.append((own, cost))
        if not first:
            return
        tuning = tuned([values for values, _ in trials], trained)
        if len(trials) > 1:
            run.checkpoints.take(fitted[tuning.chosen][0].checkpoints, "best")
            log.info("chosen on valid: %s", label(trials[tuning.chosen][0]))
        _test(fabric, cfg, run, tracks, fitted[tuning.chosen][1], trained[tuning.chosen], tuning, tracker)
        shutil.rmtree(run.folder / "trials", ignore_errors=True)


def _fit(
    fabric: Fabric, cfg: DictConfig, run: Run, tracks: dict[str, list[Track]], tracker: Tracker, alone: bool
) -> tuple[NetCost, Trained]:
    """Trains once, into the checkpoints of `run`. One of several trainings may diverge: its score is NaN."""
    fabric.seed_everything(cfg.seed, verbose=False)
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
    if fabric.is_global_zero:
        log.info("%s parameters, %.0f million multiplications per s of audio", f"{cost.params:,}", cost.macs / 1e6)
    try:
        trained = assemble.make(cfg.trainer).fit(
            fabric=fabric,
            net=net,
            tasks=tasks,
            crops=crops,
            augmentation=augmentation,
            optimizer=assemble.make(cfg.optimizer, params=[p for p in net.parameters() if p.requires_grad]),
            schedule=assemble.make(cfg.schedule),
            validate=lambda averaged: evaluation.validate(averaged, tracks["valid"]),
            checkpoints=run.checkpoints,
            tracker=tracker,
            resume=cfg.resume,
        )
    except DivergenceError as error:
        if alone:
            raise
        log.warning("%s: %s", run.folder.name, error)
        trained = Trained(steps=0, train_s=math.nan, audio_s=0.0, best_score=math.nan, best_step=0)
    return cost, trained


def _test(
    fabric: Fabric,
    cfg: DictConfig,
    run: Run,
    tracks: dict[str, list[Track]],
    cost: NetCost,
    trained: Trained,
    tuning: Tuning,
    tracker: Tracker,
) -> None:
    """Scores the best checkpoint on the test split, once, and writes the results."""
    tasks = assemble.make_tasks(cfg)
    weights = assemble.best_of(tasks, run.checkpoints)
    net = assemble.make_net(cfg, tasks).to(fabric.device)
    assemble.use_weights(net, weights, run.checkpoints)
    store = assemble.make_store(cfg)
    folders = assemble.folders(run.folder, tasks)
    predictions = {name: folder / "predictions" for name, folder in folders.items()}
    data = identity.dataset_name(cfg, run.choices["data"])
    looks = {name: look(run.folder, name, data, "test") for name in tasks}
    evaluation = assemble.make_evaluation(cfg, tasks, store, fabric.device)
    scores, predict_s = evaluation.test(net, tracks["test"], predictions)
    total = cost.with_run(trained, predict_s, sum(map(store.duration_s, tracks["test"])), fabric.device)
    several = {"tasks": run.choices["task"]} if len(tasks) > 1 else {}
    for name, task in tasks.items():
        scored = annotated(tracks["test"], task)
        result = make_result(
            run_id=run.id,
            choices=run.choices | {"task": name} | several,
            seed=cfg.seed,
            overrides=run.overrides,
            config=identity.determining(cfg),
            system=None,
            training=Training.of(data, tracks["train"], scored),
            tuning=tuning,
            looks=looks[name],
            scoring=task,
            source=data,
            split="test",
            tracks=scored,
            store=store,
            scores=scores[name],
            cost=total,
        )
        finish(result, tracks["train"], tracks["test"], task, store, folders[name], predictions[name], tracker)


def _job(cfg: DictConfig) -> float:
    """-> the score on the validation split: a sweeper that searches must not see the test split."""
    hydra_cfg = HydraConfig.get()
    run = Run(
        folder=Path(hydra_cfg.runtime.output_dir),
        id=identity.run_id(cfg),
        choices=identity.choices_of(hydra_cfg.runtime.choices),
        overrides=identity.telling(hydra_cfg.overrides.task),
    )
    tuning = train(cfg, run)[0].tuning
    assert tuning is not None
    return tuning.trials[tuning.chosen].score


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg: DictConfig) -> float:
    return logged(_job, cfg)


if __name__ == "__main__":
    command(main, "config")
