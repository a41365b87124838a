"""Trains one configuration, then evaluates it on whole tracks; `python train.py --help` lists the choices."""

import copy
import logging
import math
import shutil
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import hydra
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from lightning_fabric import Fabric
from omegaconf import DictConfig, OmegaConf
from tqdm.contrib.logging import logging_redirect_tqdm

from ricercar.data.audio.store import AudioStore
from ricercar.data.files import locked
from ricercar.data.sources.folds import Fold
from ricercar.data.track import Track
from ricercar.harness import assemble, identity, team
from ricercar.harness.benchmark import Benchmark
from ricercar.harness.checkpoints import Checkpoints
from ricercar.harness.command import command, logged
from ricercar.harness.console import tell_start
from ricercar.harness.cost import NetCost, PeakMemory, cost_of
from ricercar.harness.evaluate import Evaluation, primary_of
from ricercar.harness.folders import CONF
from ricercar.harness.jobs import run_of
from ricercar.harness.lock import RunLock
from ricercar.harness.loop import Member, Trained
from ricercar.harness.parts import freeze_for_good, with_times
from ricercar.harness.processes import Notice, Processes, threads
from ricercar.harness.provenance import Provenance, TrainingData, Tuning
from ricercar.harness.report import finish
from ricercar.harness.results import Result
from ricercar.harness.run import (
    FAILED,
    Record,
    Run,
    check_free,
    check_same,
    claim,
    describe,
    look,
    record_of,
    runs_of,
)
from ricercar.harness.search.trial import Trial, trial_of, tuning_of
from ricercar.harness.trackers.lasting import Lasting
from ricercar.harness.trackers.prefixed import Prefixed
from ricercar.harness.trackers.tracker import Tracker
from ricercar.harness.training_state import Budget, DivergenceError
from ricercar.harness.tune import label, tuned
from ricercar.harness.typed_json import to_json
from ricercar.models.net import Net
from ricercar.tasks.multitask import Multitask

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Data:
    """What is learnt from, chosen by and tested on. tracks: of each split. fold: the tested one, of several."""

    name: str
    tracks: dict[str, list[Track]]
    store: AudioStore
    fold: Fold | None


@dataclass(frozen=True)
class Fitted:
    """What a training has made, which a test needs. net: takes the best weights."""

    net: Net
    evaluation: Evaluation
    cost: NetCost
    trained: Trained


def train(
    run: Run, hydra: HydraConf | None = None, trial: Trial | None = None, tuning: Tuning | None = None
) -> list[Result]:
    """Trains, evaluates, and writes a result.json for each seed and task; of a finished one, resume only reads them.

    hydra    Hydra's own configuration, for .hydra/hydra.yaml
    trial    of a search that the run is: then it is not tested, and has no result, but writes trial.json
    tuning   the search by which the configuration was chosen before
    """
    run = replace(run, cfg=assemble.completed(run.cfg))
    cfg = run.cfg
    assemble.check(cfg)
    tasks = assemble.make_tasks(cfg)
    runs = runs_of(run)
    results = {
        each.folder: [folder / "result.json" for folder in assemble.folders(each.folder, tasks).values()]
        for each in runs
    }

    def left() -> list[Run]:
        """The runs that are not finished."""
        goes_on = cfg.resume and trial is None
        return [each for each in runs if not (goes_on and all(path.exists() for path in results[each.folder]))]

    with ExitStack() as locks:
        for each in left():
            locks.enter_context(RunLock(each.folder))
        for each in runs:
            check_free(each.folder, cfg.resume)
            check_same(each)
            (each.folder / FAILED).unlink(missing_ok=True)  # of the past
        if trial is not None and trial.known(run.folder) is not None:
            return []
        unfinished = left()  # which no other process has or can finish any more
        if unfinished:
            source = assemble.make_source(cfg)
            tracks = {split: assemble.tracks_of(source, tasks, split) for split in ("train", "valid", "test")}
            name = identity.dataset_name(cfg, run.choices["data"])
            data = Data(name, tracks, assemble.make_store(cfg), assemble.fold_of(source))
            record = record_of(run, tasks, tracks, data.store.key)
            begun = [claim(each.folder, replace(record, run_id=each.id), cfg.resume) for each in unfinished]
            if trial is not None:
                trial.begin(run.folder, begun[0], cfg.resume == "anyway")
            tasks.fit([tasks.training_annotations(track.annotations) for track in tracks["train"]])
            net = assemble.make_net(cfg, tasks)  # what does not go together is told before anything is kept
            assemble.check_start(cfg, net)
            fabric = assemble.make_fabric(cfg.hardware)
            windows = assemble.make_windows(cfg, net.frontend, data.store, fabric.device)
            windows.prepare([track for split in tracks.values() for track in split])
            for each, own in zip(unfinished, begun, strict=True):
                given = each.overrides if hydra is None or each != run else hydra.overrides.task
                describe(each.folder, each.cfg, given, hydra)
                own.write(each.folder)
            work = partial(_train, runs=unfinished, siblings=runs, tasks=tasks, data=data, trial=trial, tuning=tuning)
            team.launch(fabric, partial(assemble.make_fabric, cfg.hardware), work)
    if trial is not None:
        return []
    told = {folder: [_told(path, tuning) for path in paths] for folder, paths in results.items()}
    for folder in told.keys() - {each.folder for each in unfinished}:
        _tell_finished(folder, told[folder])
    return [result for own in told.values() for result in own]


def _tell_finished(folder: Path, results: Sequence[Result]) -> None:
    here = identity.source_hash(*identity.CODE)
    if all(result.code in (here, None) for result in results):
        log.info("%s is finished", folder)
    else:
        log.warning("%s is finished, and was made by other code of Ricercar: resume=false trains it anew", folder)


def _told(path: Path, tuning: Tuning | None) -> Result:
    """A result that may be of before the search that chose it had all of its trials."""
    result = Result.read(path)
    if tuning is not None and to_json(tuning) != to_json(result.tuning):
        result = replace(result, tuning=tuning)
        with locked(path.with_name(".result.lock")):  # another command of the search may be at it, too
            result.write(path)
    return result


def _train(
    fabric: Fabric,
    runs: list[Run],
    siblings: list[Run],
    tasks: Multitask,
    data: Data,
    trial: Trial | None,
    tuning: Tuning | None,
) -> None:
    """One process of the training; the first of them evaluates and writes the results.

    runs       what is to be trained
    siblings   all of this job: also those that are finished, which may have a checkpoint to go on from
    """
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    cfg = runs[0].cfg
    first, memory = fabric.is_global_zero, PeakMemory(fabric.device)
    with threads(cfg.num_threads), ExitStack() as stack:
        trackers: list[Tracker] = []
        for run in runs:
            made = assemble.make(cfg.tracker if first else OmegaConf.create({"_target_": assemble.NO_TRACKER}))
            tracker: Tracker = stack.enter_context(Lasting(made))
            trackers.append(tracker)
            label_of_run = identity.label(run.cfg, run.id, run.folder.name, run.choices, run.sweep)
            tracker.start(run.folder, label_of_run, _config(run), cfg.resume)
        every = {run.folder: _trials(run) for run in siblings}
        values = [each for each, _ in every[runs[0].folder]]
        trials = [list(each) for each in zip(*([own for _, own in every[run.folder]] for run in runs), strict=True)]
        fitted = []
        for number, (each, of_runs) in enumerate(zip(values, trials, strict=True)):
            own = tasks
            if each:
                own = assemble.make_tasks(of_runs[0].cfg)
                own.fit([own.training_annotations(track.annotations) for track in data.tracks["train"]])
            curves = [Prefixed(tracker, f"{label(each)}/") if each else tracker for tracker in trackers]
            places = [own[number][1].checkpoints for own in every.values()] if cfg.resume else []
            fitted.append(_fit(fabric, of_runs, curves, places, own, data, trial))
        if trial is not None:
            if first:
                trial.outcome(fitted[0][0].trained, primary_of(tasks)).write(runs[0].folder)
            return
        diverged = []
        for number, (run, tracker) in enumerate(zip(runs, trackers, strict=True)):
            try:
                own_tuning = tuned(values, [of_runs[number].trained for of_runs in fitted])
            except DivergenceError as error:
                diverged.append(error)
                continue
            if first:
                best = own_tuning.chosen
                if values[best]:
                    run = _chosen(run, trials[best][number], tracker)
                    log.info("chosen on valid: %s", label(values[best]))
                _test(fabric, run, tracker, fitted[best][number], tuning or own_tuning, data, memory)
        if diverged:
            raise diverged[0]
        if first:
            for run in siblings:
                shutil.rmtree(run.folder / "trials", ignore_errors=True)


def _trials(run: Run) -> list[tuple[dict[str, Any], Run]]:
    """What each training of a search changes, and its run, in a folder of its own; without a search, the run itself."""
    return [
        (values, replace(run, cfg=cfg, folder=run.folder / "trials" / label(values)) if values else run)
        for values, cfg in assemble.make(run.cfg.tune).trials(run.cfg)
    ]


def _chosen(run: Run, trial: Run, tracker: Tracker) -> Run:
    """From here on the run is its best trial, which is tested, evaluated later and reproduced."""
    run.checkpoints.take(trial.checkpoints, "best")
    describe(run.folder, trial.cfg, None, None)
    run = replace(run, cfg=trial.cfg)
    tracker.configure(_config(run))
    return run


def _config(run: Run) -> dict[str, Any]:
    """For the tracker; `choices` are plain texts, by which its views can group, as by the system that seeds share."""
    return {**assemble.plain(run.cfg), "choices": run.choices, "system_id": identity.system_id(run.cfg)}


def _fit(
    fabric: Fabric,
    runs: Sequence[Run],
    trackers: Sequence[Tracker],
    resume_from: Sequence[Checkpoints],
    tasks: Multitask,
    data: Data,
    trial: Trial | None,
) -> list[Fitted]:
    """Trains runs that differ in their seeds, each into its own checkpoints. The score of one that diverged is NaN."""
    cfg = runs[0].cfg
    augmentation = assemble.make(cfg.augmentation)
    initial, freezing, groups = (
        assemble.make_initial(cfg),
        assemble.make_freezing(cfg),
        assemble.make_groups(cfg.optimizer),
    )
    members, fitted = [], []
    for run, tracker in zip(runs, trackers, strict=True):
        fabric.seed_everything(run.cfg.seed, verbose=False)
        own = copy.deepcopy(tasks)
        net = assemble.make_net(cfg, own)
        frozen = freezing.of(net)
        freeze_for_good(net, frozen)
        windows = assemble.make_windows(cfg, net.frontend, data.store, fabric.device)
        crops = assemble.make_crops(run.cfg, own, data.tracks["train"], windows, augmentation)
        cost = cost_of(net, crops.num_samples, cfg.window_frames, cfg.sample_rate)
        net.to(fabric.device)
        taken = assemble.start(net, initial, cfg, crops, fabric.device)
        evaluation = assemble.make_evaluation(cfg, own, windows, fabric.device, Processes.of(fabric))
        validate = partial(evaluation.validate, tracks=data.tracks["valid"])
        stops = None if trial is None else trial.stops
        members.append(Member(run.cfg.seed, net, own, crops, validate, run.checkpoints, tracker, stops))
        fitted.append((evaluation, cost))
    if fabric.is_global_zero:
        if not Budget(str(cfg.trainer.budget), 1.0).reproducible:
            log.info("trainer.budget=%s: the clock decides, so that no two runs score the same", cfg.trainer.budget)
        tell_start(fabric, runs, tasks, data.name, data.tracks, net.frontend, cost.params, cost.macs)
        if initial is not None:
            initial.tell(net, taken)
    averaged = copy.deepcopy(members[0].net)
    try:
        with logging_redirect_tqdm(), Notice(fabric.is_global_zero) as notice:  # lines go above the bar
            trained = assemble.make(cfg.trainer).fit(
                fabric=fabric,
                members=members,
                averaged=averaged,
                augmentation=augmentation,
                optimizer=partial(assemble.make_optimizer, cfg.optimizer),
                options=with_times(groups.options(net), frozen),
                frozen=frozen,
                schedule=assemble.make(cfg.schedule),
                resume_from=resume_from,
                notice=notice,
            )
    except DivergenceError as error:  # of all seeds
        if cfg.tune.space:
            log.warning("%s: %s", runs[0].folder.name, error)
        trained = [Trained(0, math.nan, 0.0, math.nan, 0, str(error)) for _ in runs]
    return [Fitted(averaged, evaluation, cost, each) for (evaluation, cost), each in zip(fitted, trained, strict=True)]


def _test(
    fabric: Fabric, run: Run, tracker: Tracker, fitted: Fitted, tuning: Tuning, data: Data, memory: PeakMemory
) -> None:
    """Scores the best checkpoint on the test split, once, and writes the results."""
    cfg, evaluation, tracks = run.cfg, fitted.evaluation, data.tracks
    weights = assemble.restore_best(evaluation.tasks, run.checkpoints)
    assemble.use_weights(fitted.net, weights, run.checkpoints)
    folders = assemble.folders(run.folder, evaluation.tasks)
    looks = {name: look(run.folder, name, data.name, "test") for name in folders}
    predictions = {name: folder / "predictions" for name, folder in folders.items()}
    scores, predict_s = evaluation.test(fitted.net, tracks["test"], predictions)
    begun, past = Record.read(run.folder), assemble.past_of(cfg)
    assert begun is not None
    same_again = Budget(str(cfg.trainer.budget), 1.0).reproducible and fabric.device.type == "cpu"
    audio_s = sum(map(data.store.duration_s, tracks["test"]))
    of_all = Provenance(
        run_id=run.id,
        choices=run.choices | ({"tasks": run.choices["task"]} if len(folders) > 1 else {}),
        seed=cfg.seed,
        overrides=run.overrides,
        config=identity.determining(cfg),
        tuning=tuning,
        reproducible=same_again and not begun.mixed,
        cost=fitted.cost.with_run(fitted.trained, predict_s, audio_s, memory, fabric.device),
        encoder=assemble.encoder_of(fitted.net),
    )
    for name, task in evaluation.tasks.items():
        benchmark = Benchmark(
            task=name,
            scoring=task,
            data=data.name,
            split="test",
            tracks=tracks["test"],
            training=tracks["train"],
            store=data.store,
            fold=data.fold,
        )
        provenance = replace(
            of_all,
            choices=of_all.choices | {"task": name},
            training=TrainingData.of(
                data.name, tracks["train"], benchmark.tracks, begun.trained_on, tracks["valid"]
            ).after(past, benchmark.tracks),
            looks=looks[name],
        )
        finish(
            benchmark.result(scores[name], provenance), benchmark, folders[name], tracker, cfg.get("reproduces") or ()
        )


def _job(cfg: DictConfig) -> float:
    """-> the score on the validation split: a sweeper that searches must not see the test split."""
    run, hydra_cfg = run_of(cfg), HydraConfig.get()
    if (trial := trial_of(cfg, hydra_cfg.sweeper, hydra_cfg.sweep.dir)) is not None:
        return trial.train(run.folder, partial(train, run, hydra_cfg, trial))
    tuning = tuning_of(hydra_cfg.sweeper, hydra_cfg.sweep.dir)
    tunings = [result.tuning for result in train(run, hydra_cfg, tuning=tuning)]
    return statistics.fmean(tuning.trials[tuning.chosen].score for tuning in tunings if tuning is not None)


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def main(cfg: DictConfig) -> float:
    return logged(_job, cfg)


def cli() -> None:
    """The command."""
    for plugins in ("launchers", "search.sweeper"):
        import_module(f"ricercar.harness.{plugins}")  # registers them with Hydra
    command(main, "config")


if __name__ == "__main__":
    cli()
