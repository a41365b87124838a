"""result.json files with given scores, for tests of what reads them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ricercar.harness.identity import Git, run_id, stable_hash
from ricercar.harness.provenance import Cost, Outside, TrainingData, Trial, Tuning
from ricercar.harness.results import SCHEMA, DatasetId, Result, TrackScore, mean_metrics
from ricercar.tasks.scale import HIGHER, Scale, of_mir_eval

PROTOCOL: dict[str, Any] = {"onset_tolerance_s": 0.05, "averaging": "tracks"}
PRIMARY = "F-measure"
COST = Cost(100_000, 5e7, 60.0, 100, 30.0, 2**30, 0.01, "cpu")
Scores = Mapping[str, Mapping[str, float]]


def make_scores(mean: float = 0.7, *, num_tracks: int = 6, seed: int = 0, spread: float = 0.1) -> Scores:
    """{"track0": {"F-measure": ..., "Precision": ...}}: a difficulty per track, the same for every seed, plus noise."""
    difficulty = np.random.default_rng(12345).normal(0.0, spread, num_tracks)
    noise = np.random.default_rng(seed).normal(0.0, spread / 5, (2, num_tracks))
    values = np.clip(mean + difficulty + noise, 0.0, 1.0)
    return {f"track{i}": {PRIMARY: float(values[0, i]), "Precision": float(values[1, i])} for i in range(num_tracks)}


def make_result(
    *,
    task: str = "notes",
    data: str = "synth",
    frontend: str = "mel",
    backbone: str = "cnn",
    seed: int | None = 0,
    scores: Scores | None = None,
    works: Mapping[str, str] | None = None,
    evidence: Mapping[str, Mapping[str, float]] | None = None,
    pooled: Mapping[str, float] | None = None,
    scales: Mapping[str, Scale] | None = None,
    options: Mapping[str, Any] | None = None,
    choices: Mapping[str, str] | None = None,
    system: str | None = None,
    outside: Outside | None = None,
    split: str = "test",
    protocol: Mapping[str, Any] | None = None,
    primary: str | None = None,
    **changes: Any,
) -> Result:
    """A run, a baseline (system="baseline NAME") or predictions from elsewhere (any other system).

    scores      {track id: {metric: score}}; make_scores() with the seed where there are none
    works       {track id: work}; each track is a work of its own where it is not in it
    scales      {metric: scale}; of the others mir_eval's, or else higher is better
    evidence    {track id: ...} and `pooled`, the metrics of all tracks together that are made of it
    options     {dotted name: value} of the configuration, such as {"optimizer.lr": 0.003}
    choices     of further groups, such as {"compression": "db"}
    changes     of any field of Result
    """
    scores = make_scores(seed=seed or 0) if scores is None else scores
    works, evidence, protocol = works or {}, evidence or {}, dict(protocol or PROTOCOL)
    tracks = [
        TrackScore(name, works.get(name, name), dict(metrics), 20.0, dict(evidence.get(name, {})))
        for name, metrics in scores.items()
    ]
    metrics = mean_metrics(tracks, protocol["averaging"]) | dict(pooled or {})
    primary = primary or next(iter(metrics))
    own = {"task": task, "data": data}
    config: dict[str, Any] | None
    if system is None:
        own |= {"frontend": frontend, "backbone": backbone, "compression": "log", **(choices or {})}
        config = make_config(own, seed, options or {})
    else:
        own["system"] = system
        config = None if _is_baseline(system) else {"task": task, "data": data, "sample_rate": 16000}
        seed = None if _is_baseline(system) else seed
        if not _is_baseline(system) and outside is None:
            outside = Outside(None, None, ["elsewhere"], False, None, None)
    values: dict[str, Any] = {
        "schema": SCHEMA,
        "run_id": stable_hash([own, seed, config]),
        "choices": own,
        "seed": seed,
        "overrides": [],
        "config": config,
        "system": outside,
        "training": None if system else TrainingData([data], "known", [], None),
        "tuning": None,
        "looks": None if system else 1,
        "reproducible": None if system else True,
        "protocol": protocol,
        "protocol_id": stable_hash(protocol),
        "dataset": DatasetId(
            data, split, stable_hash([data, split, sorted((each.id, each.work) for each in tracks)]), len(tracks)
        ),
        "metrics": metrics,
        "scales": {name: of_mir_eval(name) or Scale(HIGHER, None, None) for name in metrics} | dict(scales or {}),
        "primary": primary,
        "shown": [name for name in metrics if name != primary],
        "tracks": tracks,
        "cost": Cost() if system else COST,
        "encoder": None,
        "versions": {"python": "3.11.7", "torch": "2.13.0"},
        "git": Git("0" * 40, False),
        "code": "c0de" * 4,
    }
    values |= changes
    if system is None and values["config"] is not None and "run_id" not in changes:
        values["run_id"] = run_id(values["config"])
    return Result(**values)


def make_config(choices: Mapping[str, str], seed: int | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """A small configuration of the same shape as a real one."""
    config: dict[str, Any] = {
        "seed": seed,
        "sample_rate": 16000,
        "task": {"_target_": f"ricercar.tasks.{choices['task']}.{choices['task'].title()}", "targets": "regression"},
        "data": {"_target_": "ricercar.data.sources.synth.Synth", "name": choices["data"], "seed": 0},
        "frontend": {
            "_target_": f"ricercar.models.frontends.{choices['frontend']}.{choices['frontend'].title()}",
            "sample_rate": "${sample_rate}",
            "num_bins": 229,
        },
        "compression": {"_target_": f"ricercar.models.compression.{choices['compression']}"},
        "backbone": {
            "_target_": f"ricercar.models.backbones.{choices['backbone']}.{choices['backbone'].title()}",
            "num_layers": 3,
            "dropout": 0.2,
        },
        "optimizer": {"_target_": "torch.optim.AdamW", "lr": 0.003, "betas": [0.9, 0.99]},
        "trainer": {"budget": "100steps", "batch_size": 8},
    }
    for key, value in options.items():
        *path, last = key.split(".")
        node = config
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    return config


def make_run(folder: Path, **values: Any) -> Path:
    """Writes folder/result.json with make_result(**values) -> its path."""
    path = folder / "result.json"
    make_result(**values).write(path)
    return path


def make_tuning(*scores: float) -> Tuning:
    """A search over the learning rate with these scores on the validation split."""
    trials = [Trial({"optimizer.lr": 0.001 * (i + 1)}, score, 60.0) for i, score in enumerate(scores)]
    return Tuning(scores.index(max(scores)), trials)


def _is_baseline(system: str) -> bool:
    return system.startswith("baseline ")
