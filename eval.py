"""Scores a finished run again, a system or predictions from elsewhere, or a trivial baseline; --help tells more."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import hydra
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from ricercar.data.track import Track
from ricercar.errors import InputError
from ricercar.harness import assemble, identity
from ricercar.harness.baselines import baseline_result
from ricercar.harness.benchmark import Benchmark, annotated
from ricercar.harness.command import command, logged
from ricercar.harness.folders import CONF, own_conf
from ricercar.harness.identity import stable_hash
from ricercar.harness.lock import RunLock
from ricercar.harness.processes import threads
from ricercar.harness.provenance import UNKNOWN, Cost, Outside, Past, Provenance, TrainingData
from ricercar.harness.report import finish, report
from ricercar.harness.results import Result
from ricercar.harness.run import check_free, describe, look
from ricercar.harness.settled import settled
from ricercar.harness.systems.described import described, running
from ricercar.harness.systems.run import predict
from ricercar.harness.trackers.none import NoTracker
from ricercar.harness.trained import network, results_of, tell_changes

log = logging.getLogger(__name__)
# Options that only some of the modes look at; those of a system's yaml too that say how it is run.
_OF_MODES = {
    ("run",): ("accelerator", "data_root", "num_scorers"),
    ("system",): ("num_jobs", "timeout_s", "again", "system.command", "system.script", "system.options",
                  "system.reads", "system.sample_rate", "system.environment"),
    ("system", "predictions"): ("name",),
    ("system", "predictions", "baseline"): ("sample_rate",),
}  # fmt: skip
_MODES = """give one of
  run=FOLDER            a finished run, to predict and score again; with data= on other data
  system=NAME           a system from elsewhere, to run and score, with task= and data= (ricercar systems list)
  predictions=FOLDER    one file for each track, to score, with task= and data=
  baseline=NAME         a trivial baseline of the task, with task= and data="""


def evaluate(cfg: DictConfig, folder: Path, choices: dict[str, str], hydra: HydraConf | None = None) -> list[Result]:
    """Writes result.json, baselines, and predictions where there were none, into `folder`. InputError if it is a run's.

    hydra: Hydra's own configuration, for .hydra/hydra.yaml.
    """
    with RunLock(folder):
        check_free(folder, resume=False)
        describe(folder, cfg, [] if hydra is None else hydra.overrides.task, hydra)
        return _evaluate(cfg, folder, choices, [] if hydra is None else hydra.overrides.task)


def _evaluate(cfg: DictConfig, folder: Path, choices: dict[str, str], given: Sequence[str]) -> list[Result]:
    modes = sum(cfg[mode] is not None for mode in ("run", "predictions", "baseline"))
    if modes > 1 or (modes == 0 and "system" not in cfg):
        raise InputError(_MODES)
    if modes == 1 and "system" in cfg and cfg.predictions is None:
        raise InputError("system= is given with predictions=, or alone.")
    mode = next((each for each in ("run", "predictions", "baseline") if cfg[each] is not None), "system")
    _check_used(mode, given)
    assemble.check_data(cfg)
    if cfg.run is not None:
        return _of_run(cfg, folder, choices)
    benchmark, _ = assemble.make_benchmark(cfg, choices)
    benchmark.store.prepare(benchmark.tracks)
    if cfg.baseline is not None:
        result = baseline_result(cfg.baseline, benchmark, choices["data"], folder)
        report(result, [], benchmark, folder, NoTracker())
        return [result]
    result = _of_outside(cfg, benchmark, choices, folder)
    finish(result, benchmark, folder, NoTracker())
    return [result]


def _check_used(mode: str, given: Sequence[str]) -> None:
    """InputError names an option that the mode does not look at. given: overrides."""
    keys = [each.lstrip("+~").partition("=")[0].partition("@")[0] for each in given]
    for modes, names in _OF_MODES.items():
        for key in keys:
            if mode not in modes and any(key == name or key.startswith(f"{name}.") for name in names):
                of = " or ".join(f"{each}=" for each in modes)
                raise InputError(f"{key}= is of {of}, and does nothing with {mode}=: leave it out.")


def _of_outside(cfg: DictConfig, benchmark: Benchmark, choices: dict[str, str], folder: Path) -> Result:
    """Of a system from elsewhere: run here, or its predictions, which may be described by system= or not at all."""
    about, called = described(cfg, choices["system"]) if "system" in cfg else (None, "")
    own = {"task": benchmark.task, "data": choices["data"]}
    outside = about.outside if about else Outside(None, None, [], False, None, None)
    cost = Cost()
    if cfg.predictions is not None:
        predictions = Path(cfg.predictions).expanduser()
        benchmark.keep_predictions(predictions, folder / "predictions")
    else:
        assert about is not None
        predictions = folder / "predictions"
        program = running(about, called, cfg, own_conf())
        cost = predict(program, benchmark, predictions, cfg.again)
        outside = replace(outside, packages=program.place.packages)
    own["system"] = cfg.name or (about.name if about else predictions.resolve().name)
    scores = benchmark.score_folder(predictions)
    known = [own, benchmark.comparable, asdict(outside), benchmark.predictions_hash(predictions)]
    provenance = Provenance(
        run_id=stable_hash(known),
        choices=own,
        seed=about.seed if about else None,
        config=identity.determining(cfg),
        system=outside,
        training=about.training(benchmark.tracks) if about else TrainingData([], UNKNOWN, [], None),
        cost=cost,
    )
    return benchmark.result(scores, provenance)


def _of_run(cfg: DictConfig, folder: Path, choices: dict[str, str]) -> list[Result]:
    """Predicts and scores with a finished run, on its own data or on other."""
    given = Path(cfg.run).expanduser()
    accelerator, trained = cfg.accelerator, assemble.trained_config(given, cfg)
    protocols = _protocols(cfg, choices)
    own = trained.copy()
    if "data" in cfg:
        trained.data, trained.fold, trained.folds = cfg.data, None, None
    cfg = trained
    tell_changes(cfg)
    assemble.check_data(cfg)
    tasks = assemble.make_tasks(cfg)
    rescored = assemble.rescored(cfg, protocols)
    before = results_of(given, tasks)
    source = assemble.make_source(cfg)
    everything = assemble.tracks_in(source, cfg.split)
    scored = {name: task for name, task in tasks.items() if annotated(everything, task)} or dict(tasks)
    if len(scored) < len(tasks):
        log.warning("not scored, for want of annotations: %s", ", ".join(name for name in tasks if name not in scored))
    tracks = assemble.tracks_of(source, scored, cfg.split)
    store = assemble.make_store(cfg)
    store.prepare(tracks)

    device = assemble.device_of(cfg.hardware, accelerator)
    net = network(cfg, given, tasks, before)
    folders = {name: each for name, each in assemble.folders(folder, tasks).items() if name in scored}
    data = {
        name: each.dataset.name if "data" not in choices else identity.dataset_name(cfg, choices["data"])
        for name, each in before.items()
    }
    looks = {name: look(given, name, data[name], cfg.split) for name in scored}
    windows = assemble.make_windows(cfg, net.frontend, store, device)
    evaluation = assemble.make_evaluation(cfg, tasks, windows, device)
    with threads(cfg.num_threads):
        predictions = {name: each / "predictions" for name, each in folders.items()}
        scores, _ = evaluation.test(net.to(device), tracks, predictions)
    training, choosing = _tracks_of_training(own)
    scored_too = {(track.id, track.work) for track in tracks} & {(track.id, track.work) for track in training}
    past = assemble.past_of(cfg)
    results = []
    for name, task in scored.items():
        benchmark = Benchmark(
            task=name,
            scoring=rescored.get(name, task),
            data=data[name],
            split=cfg.split,
            tracks=tracks,
            training=[] if scored_too else training,  # no baseline learns from what it is scored on
            store=store,
            fold=assemble.fold_of(source) if cfg.split == "test" else None,
        )
        if name in rescored:
            scores[name] = benchmark.score_folder(predictions[name])
        provenance = replace(
            before[name].provenance,
            choices=before[name].choices | ({"data": choices["data"]} if "data" in choices else {}),
            training=_training(before[name], training, choosing, benchmark.tracks, past),
            looks=looks[name],
        )
        result = benchmark.result(scores[name], provenance)
        finish(result, benchmark, folders[name], NoTracker())
        results.append(result)
    return results


def _protocols(cfg: DictConfig, choices: dict[str, str]) -> dict[str, DictConfig]:
    """{task: options} of another protocol than the run's own."""
    if "task" in choices:
        raise InputError(
            "run=: the task is the run's own. Leave task= out; another protocol is protocol=<task>/<name>."
        )
    if "task" not in cfg or not ("protocol" in choices or "parts" in cfg.task):
        return {}
    return dict(cfg.task.parts) if "parts" in cfg.task else {choices["protocol"].partition("/")[0]: cfg.task}


def _training(
    before: Result, training: list[Track], choosing: list[Track], scored: list[Track], past: Past | None
) -> TrainingData:
    """Which works that the run was trained on, or chosen by, are scored now."""
    told = before.training or TrainingData([], UNKNOWN, [], None)
    if not training:
        return replace(told, works=UNKNOWN, shared=[], shared_choosing=[])
    found = TrainingData.of("", training, scored, told.fingerprint, choosing).after(past, scored)
    return replace(found, data=told.data, choosing=told.choosing)


def _tracks_of_training(trained: DictConfig) -> tuple[list[Track], list[Track]]:
    """What a run was trained on, for baselines, and chosen by; none, with a word, where it is no longer there."""
    try:
        source = assemble.make_source(trained)
        training, choosing = (source.tracks(each) if each in source.splits else [] for each in ("train", "valid"))
    except InputError as error:
        log.warning("the baselines have no training data to learn from: %s", error)
        return [], []
    return training, choosing


def _job(cfg: DictConfig) -> float:
    """-> the mean of the primary metrics; larger is better, as a sweeper needs it."""
    hydra_cfg = HydraConfig.get()
    cfg = settled(cfg, Path(hydra_cfg.runtime.cwd))
    choices = identity.choices_of(hydra_cfg.runtime.choices)
    results = evaluate(cfg, Path(hydra_cfg.runtime.output_dir), choices, hydra_cfg)
    gains = [result.scales[result.primary].gain(result.metrics[result.primary]) for result in results]
    return sum(gains) / len(gains)


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="eval")
def main(cfg: DictConfig) -> float:
    return logged(_job, cfg)


def cli() -> None:
    """The command."""
    command(main, "eval")


if __name__ == "__main__":
    cli()
