"""Trains one configuration, then evaluates it on whole tracks; `python train.py --help` lists the choices."""

import logging
import math
import shutil
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import hydra
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from lightning_fabric import Fabric
from omegaconf import DictConfig, OmegaConf

from ricercar.data.track import Track
from ricercar.harness import assemble, identity
from ricercar.harness.budget import Budget
from ricercar.harness.checkpoints import Checkpoints
from ricercar.harness.command import command, logged
from ricercar.harness.cost import NetCost, PeakMemory, cost_of
from ricercar.harness.divergence import DivergenceError
from ricercar.harness.evaluate import annotated
from ricercar.harness.looks import look
from ricercar.harness.loop import Trained
from ricercar.harness.member import Member
from ricercar.harness.processes import Processes
from ricercar.harness.provenance import Training, Tuning
from ricercar.harness.report import finish
from ricercar.harness.results import Result, make_result
from ricercar.harness.run_folder import Record, RunLock, check_free, check_same, claim
from ricercar.harness.seeds import Run, describe, record_of, seeds_of
from ricercar.harness.settled import settled
from ricercar.harness.threads import threads
from ricercar.harness.trackers.prefixed import Prefixed
from ricercar.harness.trackers.tracker import Tracker
from ricercar.harness.tune import label, tuned

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seed:
    """One seed of this job."""

    cfg: DictConfig
    run: Run
    tracker: Tracker


def train(cfg: DictConfig, run: Run, hydra: HydraConf | None = None) -> list[Result]:
    """Trains, evaluates, and writes a result.json for each seed and task; of a finished one, resume only reads them.

    hydra: Hydra's own configuration, for .hydra/hydra.yaml.
    """
    assemble.check(cfg)
    tasks = assemble.make_tasks(cfg)
    entries = seeds_of(cfg, run)
    runs = [each for _, each in entries]
    results = [[each / "result.json" for each in assemble.folders(run.folder, tasks).values()] for run in runs]
    with ExitStack() as locks:
        for own, each in entries:
            locks.enter_context(RunLock(each.folder))
            check_free(each.folder, cfg.resume)
            check_same(each.folder, own)
        source = assemble.make(cfg.data)
        tracks = {split: assemble.tracks_of(source, tasks, split) for split in ("train", "valid", "test")}
        everything = [track for split in tracks.values() for track in split]
        store = assemble.make_store(cfg)
        claimed = [
            (own, each, claim(each.folder, record_of(own, each.id, tasks, tracks, store.key), cfg.resume))
            for own, each in entries
        ]
        done = [cfg.resume and all(path.exists() for path in paths) for paths in results]
        unfinished = [entry for entry, is_done in zip(claimed, done, strict=True) if not is_done]
        if any(done):
            finished = [str(run.folder) for run, is_done in zip(runs, done, strict=True) if is_done]
            log.info("%s is finished", " and ".join(finished))
        if not unfinished:
            return [Result.read(path) for paths in results for path in paths]
        tasks.fit([tasks.taught(track.annotations) for track in tracks["train"]])
        assemble.make_net(cfg, tasks)  # what does not go together is told before anything is kept
        fabric: Fabric = assemble.make(cfg.hardware)
        assemble.make_windows(cfg, store, fabric.device).prepare(everything)
        for own, each, record in unfinished:
            given = each.overrides if hydra is None or each != run else hydra.overrides.task
            describe(each.folder, own, given, hydra)
            record.write(each.folder)
        fabric.launch(partial(_train, entries=[(own, each) for own, each, _ in unfinished], runs=runs, tracks=tracks))
    return [Result.read(path) for paths in results for path in paths]


def _train(
    fabric: Fabric, entries: list[tuple[DictConfig, Run]], runs: list[Run], tracks: dict[str, list[Track]]
) -> None:
    """One process of the training; the first of them evaluates and writes the results.

    entries   what is to be trained
    runs      all of this job: also those that are finished, which may have a checkpoint to go on from
    """
    if not logging.getLogger().handlers:  # a spawned process
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    cfg = entries[0][0]
    first, memory = fabric.is_global_zero, PeakMemory(fabric.device)
    with threads(cfg.num_threads), ExitStack() as trackers:
        seeds = []
        for own, run in entries:
            tracker = assemble.make(cfg.tracker if first else OmegaConf.create({"_target_": assemble.NO_TRACKER}))
            job = identity.job(own, run.id, run.folder.name, run.choices)
            trackers.enter_context(tracker).start(run.folder, job, assemble.plain(own), cfg.resume)
            seeds.append(Seed(own, run, tracker))
            if first:
                log.info("%s", run.folder)
        values = [each for each, _ in assemble.make(cfg.tune).trials(cfg)]
        trials = [_trials(seed) for seed in seeds]
        fitted = []
        for changes, of_seeds in zip(values, zip(*trials, strict=True), strict=True):
            places = [_of_trial(run, changes).checkpoints for run in runs if cfg.resume]
            fitted.append(_fit(fabric, of_seeds, places, tracks))
        diverged = []
        for seed, own_trials, trained_costs in zip(seeds, trials, zip(*fitted, strict=True), strict=True):
            try:
                tuning = tuned(values, [trained for _, trained in trained_costs])
            except DivergenceError as error:
                diverged.append(error)
                continue
            if first:
                cost, trained = trained_costs[tuning.chosen]
                if values[tuning.chosen]:
                    seed = _chosen(seed, own_trials[tuning.chosen])
                    log.info("chosen on valid: %s", label(values[tuning.chosen]))
                _test(fabric, seed, tracks, cost, trained, tuning, memory)
        if diverged:
            raise diverged[0]
        if first:
            for run in runs:
                shutil.rmtree(run.folder / "trials", ignore_errors=True)


def _trials(seed: Seed) -> list[Seed]:
    """The trainings of a search, each in a folder of its own; without a search, the only one."""
    return [
        Seed(cfg, _of_trial(seed.run, values), Prefixed(seed.tracker, f"{label(values)}/")) if values else seed
        for values, cfg in assemble.make(seed.cfg.tune).trials(seed.cfg)
    ]


def _of_trial(run: Run, values: dict[str, Any]) -> Run:
    return replace(run, folder=run.folder / "trials" / label(values)) if values else run


def _chosen(seed: Seed, trial: Seed) -> Seed:
    """From here on the run is its best trial, which is tested, evaluated later and reproduced."""
    seed.run.checkpoints.take(trial.run.checkpoints, "best")
    describe(seed.run.folder, trial.cfg, None, None)
    seed.tracker.configure(assemble.plain(trial.cfg))
    return Seed(trial.cfg, seed.run, seed.tracker)


def _fit(
    fabric: Fabric, seeds: Sequence[Seed], resume_from: Sequence[Checkpoints], tracks: dict[str, list[Track]]
) -> list[tuple[NetCost, Trained]]:
    """Trains each seed once, into the checkpoints of its run. The score of one that diverged is NaN."""
    cfg = seeds[0].cfg
    augmentation = assemble.make(cfg.augmentation)
    members, costs = [], []
    for seed in seeds:
        fabric.seed_everything(seed.cfg.seed, verbose=False)
        tasks = assemble.make_tasks(cfg)
        tasks.fit([tasks.taught(track.annotations) for track in tracks["train"]])
        store = assemble.make_store(cfg)
        net = assemble.make_net(cfg, tasks)
        windows = assemble.make_windows(cfg, store, fabric.device)
        crops = assemble.make_crops(seed.cfg, tasks, tracks["train"], windows, augmentation)
        costs.append(cost_of(net, crops.num_samples, cfg.window_frames, cfg.sample_rate))
        net.to(fabric.device)
        assemble.fit_normalisation(net, crops, fabric.device)
        evaluation = assemble.make_evaluation(cfg, tasks, windows, fabric.device, Processes.of(fabric))
        validate = partial(evaluation.validate, tracks=tracks["valid"])
        members.append(Member(seed.cfg.seed, net, tasks, crops, validate, seed.run.checkpoints, seed.tracker))
    if fabric.is_global_zero:
        if not Budget(str(cfg.trainer.budget), 1.0).reproducible:
            log.info("trainer.budget=%s: the clock decides, so that no two runs score the same", cfg.trainer.budget)
        params, macs = costs[0].params, costs[0].macs / 1e6
        log.info("%s parameters, %.0f million multiplications per s of audio", f"{params:,}", macs)
    try:
        trained = assemble.make(cfg.trainer).fit(
            fabric=fabric,
            members=members,
            augmentation=augmentation,
            optimizer=lambda parameters: assemble.make(cfg.optimizer, params=parameters),
            schedule=assemble.make(cfg.schedule),
            resume_from=resume_from,
        )
    except DivergenceError as error:  # of all seeds
        if cfg.tune.space:
            log.warning("%s: %s", seeds[0].run.folder.name, error)
        trained = [Trained(0, math.nan, 0.0, math.nan, 0, str(error)) for _ in seeds]
    return list(zip(costs, trained, strict=True))


def _test(
    fabric: Fabric,
    seed: Seed,
    tracks: dict[str, list[Track]],
    cost: NetCost,
    trained: Trained,
    tuning: Tuning,
    memory: PeakMemory,
) -> None:
    """Scores the best checkpoint on the test split, once, and writes the results."""
    cfg, run = seed.cfg, seed.run
    tasks = assemble.make_tasks(cfg)
    weights = assemble.best_of(tasks, run.checkpoints)
    net = assemble.make_net(cfg, tasks).to(fabric.device)
    assemble.use_weights(net, weights, run.checkpoints)
    store = assemble.make_store(cfg)
    folders = assemble.folders(run.folder, tasks)
    predictions = {name: folder / "predictions" for name, folder in folders.items()}
    data = identity.dataset_name(cfg, run.choices["data"])
    looks = {name: look(run.folder, name, data, "test") for name in tasks}
    evaluation = assemble.make_evaluation(cfg, tasks, assemble.make_windows(cfg, store, fabric.device), fabric.device)
    scores, predict_s = evaluation.test(net, tracks["test"], predictions)
    begun = Record.read(run.folder)
    assert begun is not None
    total = cost.with_run(trained, predict_s, sum(map(store.duration_s, tracks["test"])), memory, fabric.device)
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
            training=Training.of(data, tracks["train"], scored, begun.taught),
            tuning=tuning,
            looks=looks[name],
            reproducible=not begun.mixed
            and Budget(str(cfg.trainer.budget), 1.0).reproducible
            and fabric.device.type == "cpu",
            scoring=task,
            source=data,
            split="test",
            tracks=scored,
            store=store,
            scores=scores[name],
            cost=total,
        )
        finish(result, tracks["train"], tracks["test"], task, store, folders[name], predictions[name], seed.tracker)


def _job(cfg: DictConfig) -> float:
    """-> the score on the validation split: a sweeper that searches must not see the test split."""
    hydra_cfg = HydraConfig.get()
    cfg = settled(cfg, Path(hydra_cfg.runtime.cwd))
    run = Run(
        folder=Path(hydra_cfg.runtime.output_dir),
        id=identity.run_id(cfg),
        choices=identity.choices_of(hydra_cfg.runtime.choices),
        overrides=identity.telling(hydra_cfg.overrides.task),
    )
    tunings = [result.tuning for result in train(cfg, run, hydra_cfg)]
    return statistics.fmean(tuning.trials[tuning.chosen].score for tuning in tunings if tuning is not None)


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg: DictConfig) -> float:
    return logged(_job, cfg)


if __name__ == "__main__":
    command(main, "config")
