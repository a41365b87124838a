"""Cross-validation: the results of all folds as one, where a network that had not seen it has scored each track."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from ricercar.comparison.found import Found, Problem
from ricercar.comparison.options import listed
from ricercar.comparison.pooled import pooled_of
from ricercar.comparison.systems import is_baseline
from ricercar.data.sources.source import ALL
from ricercar.harness.identity import stable_hash, system_id
from ricercar.harness.provenance import KNOWN, UNKNOWN, Cost, TrainingData
from ricercar.harness.results import DatasetId, Result, mean_metrics


def joined(found: Iterable[Found]) -> tuple[list[Found], list[Problem]]:
    """-> one result for each system and seed in place of those of its folds, and what cannot be joined.

    Of a set that lacks a fold nothing is shown: it would be of other tracks than the complete ones.
    """
    kept: list[Found] = []
    members: dict[str, list[Found]] = {}
    found = list(found)
    key_in = {each.path.parent: _key(each.result) for each in found if each.result.dataset.folds is not None}
    for each in found:
        if each.result.dataset.folds is None:
            kept.append(each)
            continue
        key = _key(each.result)
        if is_baseline(each.result):  # of <run>/baselines/<name>: beside another run it may have heard another rate
            key += key_in.get(each.path.parent.parent.parent, "")
        members.setdefault(key, []).append(each)
    problems = []
    for runs in members.values():
        by_fold: dict[int, Found] = {}
        for run in runs:
            folds = run.result.dataset.folds
            assert folds is not None
            first = by_fold.setdefault(folds.fold, run)
            if first is not run and not is_baseline(run.result):
                problems.append(Problem(run.path, f"it is fold {folds.fold} again, as {first.path}, which counts."))
        one = _one([by_fold[fold] for fold in sorted(by_fold)])
        if isinstance(one, Problem):
            problems += [one] * (not is_baseline(runs[0].result))  # whose folds are those of the systems beside it
        else:
            kept.append(one)
    return sorted(kept, key=lambda each: each.path), problems


def _key(result: Result) -> str:
    """The same for all folds of one system and seed."""
    folds = result.dataset.folds
    assert folds is not None
    same = [result.choices["task"], result.dataset.split, result.protocol_id, folds.number, folds.fingerprint]
    if is_baseline(result) or result.config is None:
        return stable_hash([*same, result.choices.get("system")])
    return stable_hash([*same, system_id(result.config), result.seed])


def _one(runs: Sequence[Found]) -> Found | Problem:
    """The folds of one system and seed, in their order."""
    first = runs[0]
    folds = first.result.dataset.folds
    assert folds is not None
    there = {each.result.dataset.folds.fold for each in runs if each.result.dataset.folds is not None}
    if missing := [fold for fold in range(folds.number) if fold not in there]:
        names = listed(map(str, missing), folds.number)
        told = f"fold{'s' * (len(missing) > 1)} {names} of {folds.number} {'are' if len(missing) > 1 else 'is'} missing"
        return Problem(first.path, f"cross-validation is not complete: {told}. It is not ranked.")
    results = [each.result for each in runs]
    tracks = [track for result in results for track in result.tracks]
    if len(tracks) != folds.num_tracks or len({track.id for track in tracks}) != len(tracks):
        return Problem(first.path, f"its folds have {len(tracks)} tracks, but the data set {folds.num_tracks}.")
    whole = first.result
    pooled = whole.pooled
    metrics = mean_metrics(tracks, str(whole.protocol["averaging"]))
    if pooled:
        make = pooled_of(whole.choices["task"], whole.protocol)
        of_all = make([track.evidence for track in tracks]) if make is not None else {}
        metrics |= {name: of_all[name] for name in pooled if name in of_all}
        if whole.primary not in metrics:
            return Problem(first.path, f"how {whole.primary} of all folds together is made is not known here.")
    return Found(
        first.path,
        replace(
            whole,
            run_id=stable_hash(sorted(result.run_id for result in results)),
            overrides=[each for each in whole.overrides if not each.startswith("fold=")],
            config=None if whole.config is None else {**whole.config, "fold": None},
            training=_training([result.training for result in results if result.training is not None]),
            tuning=max(
                (each.tuning for each in results if each.tuning), key=lambda each: len(each.trials), default=None
            ),
            looks=max((result.looks for result in results if result.looks is not None), default=None),
            reproducible=None if whole.reproducible is None else all(result.reproducible for result in results),
            dataset=DatasetId(whole.dataset.name, ALL, folds.fingerprint, folds.num_tracks, None),
            metrics=metrics,
            scales={name: whole.scales[name] for name in metrics},
            shown=[name for name in whole.shown if name in metrics],
            tracks=tracks,
            cost=_cost(results),
        ),
        tuple(each.path for each in runs),
    )


def _training(trainings: Sequence[TrainingData]) -> TrainingData | None:
    """Of all folds. A work is shared where the training of its own fold had it."""
    if not trainings:
        return None
    return TrainingData(
        data=list(dict.fromkeys(name for each in trainings for name in each.data)),
        works=KNOWN if all(each.works == KNOWN for each in trainings) else UNKNOWN,
        shared=sorted({work for each in trainings for work in each.shared}),
        fingerprint=stable_hash([each.fingerprint for each in trainings]),
        choosing=list(dict.fromkeys(name for each in trainings for name in each.choosing or [])) or None,
        shared_choosing=sorted({work for each in trainings for work in each.shared_choosing}),
    )


def _cost(results: Sequence[Result]) -> Cost:
    """All trainings together, and one prediction of all tracks."""
    costs = [each.cost for each in results]

    def known(name: str) -> list[float]:
        return [value for each in costs if (value := getattr(each, name)) is not None]

    def total(name: str) -> float | None:
        values = known(name)
        return sum(values) if len(values) == len(costs) else None

    steps = total("steps")
    factors, memory = known("real_time_factor"), known("peak_memory_bytes")
    timed = [each for each in results if each.cost.real_time_factor is not None]
    seconds = [sum(track.seconds for track in each.tracks) for each in timed]
    return replace(
        costs[0],
        train_s=total("train_s"),
        steps=None if steps is None else int(steps),
        real_time_factor=float(np.average(factors, weights=seconds)) if factors else None,
        peak_memory_bytes=int(max(memory)) if memory else None,
        device=", ".join(sorted({each.device for each in costs if each.device})) or None,
    )
