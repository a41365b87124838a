"""One submission against a frozen benchmark: verdicts in words, and its scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ricercar.comparison.collect import NAME, PACKED, collect
from ricercar.comparison.folds import joined
from ricercar.comparison.found import Found
from ricercar.comparison.frozen.file import Frozen, FrozenBenchmark
from ricercar.comparison.options import clean, listed, options
from ricercar.comparison.systems import is_baseline
from ricercar.data.annotations.annotation import Annotation
from ricercar.errors import InputError
from ricercar.harness.benchmark import prediction_file, score
from ricercar.harness.identity import stable_hash
from ricercar.harness.provenance import UNKNOWN, Outside, Provenance, TrainingData
from ricercar.harness.results import Result, TrackScore
from ricercar.tasks.scoring import Scoring

PASSED, REFUSED, NOTED = "ok", "refused", "note"
_SAME = 1e-4  # how far a told score may be from one that is computed from files rounded to microseconds


@dataclass(frozen=True)
class Verdict:
    """kind: PASSED, REFUSED or NOTED. text: what was looked at, and what came out."""

    kind: str
    text: str


@dataclass(frozen=True)
class Entry:
    """result: None where the submission is refused. folds: where those of a cross-validation are."""

    path: Path
    name: str
    verdicts: list[Verdict]
    result: Result | None
    folds: tuple[Path, ...] = ()

    @property
    def refusals(self) -> list[str]:
        return [each.text for each in self.verdicts if each.kind == REFUSED]


def enter(frozen: Frozen, scoring: Scoring, references: Mapping[str, Annotation], path: Path) -> list[Entry]:
    """path: a folder of predictions, a result.json, or the folder of one, or of several, each of which is an entry.

    The folds of a cross-validation are one. references: of the tracks, as far as known. InputError where there is
    nothing at `path`.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no such file or folder.")
    benchmark = FrozenBenchmark(frozen, scoring, references)
    if not path.is_dir():
        return [_of_file(benchmark, path, path)]
    file = next((path / each for each in (NAME, PACKED) if (path / each).exists()), None)
    if file is not None:
        return [_of_file(benchmark, file, path)]
    try:
        below = collect([path], join=False)
    except InputError:
        return [_of_predictions(benchmark, path)]  # there is no result
    runs = {each.path: each for each in below.found if not is_baseline(each.result)}
    found, incomplete = joined(runs.values())
    entries = [_of_result(benchmark, each, [runs[fold] for fold in each.folds], each.path.parent) for each in found]
    broken = [*below.problems, *incomplete]
    return entries + [
        Entry(each.path.parent, each.path.parent.name, [Verdict(REFUSED, each.text)], None) for each in broken
    ]


def _of_predictions(benchmark: FrozenBenchmark, folder: Path) -> Entry:
    frozen, name = benchmark.frozen, folder.resolve().name
    verdicts, scores = _scored(benchmark, [folder])
    if scores is None:
        return Entry(folder, name, verdicts, None)
    verdicts.append(
        Verdict(
            NOTED,
            "Nobody says what it learnt from: eval.py predictions=... system=... writes a result.json that does.",
        )
    )
    provenance = Provenance(
        run_id=stable_hash([frozen.seal, name, benchmark.predictions_hash(folder)]),
        choices={"task": frozen.task, "data": frozen.data, "system": name},
        config=frozen.config,
        system=Outside(paper=None, url=None, trained_on=[], works_known=False, licence=None, packages=None),
        training=TrainingData([], UNKNOWN, [], None),
    )
    return Entry(folder, name, verdicts, benchmark.result(scores, provenance))


def _of_file(benchmark: FrozenBenchmark, file: Path, given: Path) -> Entry:
    try:
        found = Found(file, Result.read(file))
    except InputError as error:
        what = "It is a benchmark, and no result." if _is_frozen(file) else f"The result cannot be read. {error}"
        return Entry(given, given.name, [Verdict(REFUSED, what)], None)
    return _of_result(benchmark, found, [], given)


def _is_frozen(file: Path) -> bool:
    try:
        Frozen.read(file)
    except InputError:
        return False
    return True


def _of_result(benchmark: FrozenBenchmark, found: Found, folds: Sequence[Found], given: Path) -> Entry:
    """folds: that the result is joined from."""
    frozen, result = benchmark.frozen, found.result
    name = result.choices.get("system") or given.resolve().name
    verdicts = [*_same_benchmark(frozen, result)]
    if not any(each.kind == REFUSED for each in verdicts):
        verdicts += _same_tracks(frozen, result)
    verdicts += _same_folds(frozen, [each.result for each in folds])
    verdicts += _by_the_rules(frozen, result)
    if any(each.kind == REFUSED for each in verdicts):
        return Entry(given, name, verdicts, None)
    predictions = [each.path.parent / "predictions" for each in folds or [found]]
    if not all(each.is_dir() for each in predictions):
        verdicts.append(Verdict(NOTED, "There are no predictions beside the result: its scores are believed."))
    elif not benchmark.references:
        verdicts.append(
            Verdict(NOTED, "No references are here (--data-root): scores are believed, predictions not read.")
        )
    else:
        own, scores = _scored(benchmark, predictions)
        verdicts += own
        if scores is not None:
            verdicts.append(same_scores(result, scores, benchmark.scoring))
    accepted = not any(each.kind == REFUSED for each in verdicts)
    return Entry(given, name, verdicts, _in_one_table(result, frozen) if accepted else None, found.folds)


def _same_benchmark(frozen: Frozen, result: Result) -> list[Verdict]:
    """Task, split, protocol and data."""
    task = result.choices["task"]
    if task != frozen.task:
        return [Verdict(REFUSED, f"It is a result of task {clean(task)}, not of {frozen.task}.")]
    found = []
    folds = result.dataset.folds
    if folds is not None and frozen.folds is not None:
        found.append(f"It is fold {folds.fold} of {folds.number} alone: give the folder that has them all.")
    elif result.dataset.split != frozen.split:
        found.append(f"It was scored on the split {clean(result.dataset.split)}, not on {frozen.split}.")
    if result.protocol_id != frozen.protocol_id:
        own, wanted = options(result.protocol), options(frozen.protocol)
        differ = [
            f"{key} {own.get(key, 'not set')} in place of {wanted.get(key, 'not set')}"
            for key in dict.fromkeys([*wanted, *own])
            if own.get(key) != wanted.get(key)
        ]
        found.append(f"It was scored by another protocol: {listed(differ, 10)}.")
    if found:
        return [Verdict(REFUSED, text) for text in found]
    return [Verdict(PASSED, f"Task {frozen.task}, split {frozen.split}, protocol {frozen.protocol_id}.")]


def _same_tracks(frozen: Frozen, result: Result) -> list[Verdict]:
    wanted, own = {each.id for each in frozen.tracks}, {each.id for each in result.tracks}
    found = []
    if wanted - own:
        found.append(f"It lacks {len(wanted - own)} of {len(wanted)} tracks: {listed(sorted(wanted - own))}.")
    if own - wanted:
        found.append(
            f"It has {len(own - wanted)} tracks that are not of the benchmark: {listed(sorted(own - wanted))}."
        )
    if not found and result.dataset.fingerprint != frozen.fingerprint:
        seconds = {each.id: each.seconds for each in frozen.tracks}
        longer = sorted(each.id for each in result.tracks if abs(each.seconds - seconds[each.id]) > 0.01)
        where = f": {listed(longer)} of another length" if longer else ""
        found.append(
            f"It was scored on other audio, works or annotations of the same tracks (fingerprint "
            f"{result.dataset.fingerprint}, not {frozen.fingerprint}){where}."
        )
    if found:
        return [Verdict(REFUSED, text) for text in found]
    return [Verdict(PASSED, f"All {len(wanted)} tracks, their audio and their annotations.")]


def _same_folds(frozen: Frozen, folds: Sequence[Result]) -> list[Verdict]:
    """Of a cross-validation."""
    if not folds or frozen.folds is None:
        return []
    own = {track.id: each.dataset.folds.fold for each in folds if each.dataset.folds for track in each.tracks}
    others = {name: fold for name, fold in own.items() if frozen.folds.get(name, fold) != fold}
    if others:
        name = min(others)
        which = f"{name} in fold {others[name]}, not {frozen.folds[name]}"
        return [Verdict(REFUSED, f"Its folds are others: {len(others)} of {len(own)} tracks, {which}.")]
    return [Verdict(PASSED, f"The {len(folds)} folds of the benchmark, each track by a network that had not seen it.")]


def _by_the_rules(frozen: Frozen, result: Result) -> list[Verdict]:
    """What it learnt from, and how often it looked."""
    training, found = result.training, []
    if training is not None and training.shared:
        found.append(
            Verdict(REFUSED, f"It learnt from {len(training.shared)} works that are scored: {listed(training.shared)}.")
        )
    if training is not None and training.shared_choosing:
        works = training.shared_choosing
        found.append(Verdict(REFUSED, f"It was chosen by {len(works)} works that are scored: {listed(works)}."))
    learnt = [*training.data, *(training.choosing or [])] if training else []
    learnt += result.system.trained_on if result.system else []
    for name in frozen.rules.forbidden:
        used = [each for each in dict.fromkeys(learnt) if name.lower() in each.lower()]
        if used:
            found.append(Verdict(REFUSED, f"The rules forbid {name} for development; it used {listed(used)}."))
    if training is None or training.works == UNKNOWN:
        found.append(Verdict(NOTED, "Nobody says which works it learnt from."))
    elif not found:
        found.append(Verdict(PASSED, f"It learnt from {listed(training.data)}, and from no work that is scored."))
    if result.looks is not None and result.looks > 1:
        found.append(Verdict(NOTED, f"It was scored {result.looks} times on this split."))
    return found


def _scored(benchmark: FrozenBenchmark, folders: Sequence[Path]) -> tuple[list[Verdict], list[TrackScore] | None]:
    """-> verdicts on the files, and the scores; None where not all can be read. folders: of a cross-validation."""
    scoring, tracks = benchmark.scoring, benchmark.tracks
    files = {
        track.id: next((file for each in folders if (file := prediction_file(scoring, each, track.id))), None)
        for track in tracks
    }
    missing = [name for name, file in files.items() if file is None]
    if missing:
        endings = ", ".join(scoring.annotation.suffixes)
        what = f"It lacks predictions of {len(missing)} of {len(tracks)} tracks: {listed(missing)}."
        return [Verdict(REFUSED, f"{what} Expected is TRACK with one of the endings {endings}.")], None
    unread, scores = [], []
    for track in tracks:
        file, reference = files[track.id], benchmark.references.get(track.id)
        assert file is not None
        if reference is None:
            without = f"{benchmark.frozen.name} has no references in it: --data-root says where its data lie here."
            return [Verdict(REFUSED, without)], None
        try:
            estimate = scoring.annotation.read(file)
            scores.append(score(scoring, track, reference, estimate, benchmark.store.duration_s(track), file).score)
        except InputError as error:
            unread.append(str(error).removeprefix(f"{file.parent}/"))
    if unread:
        return [Verdict(REFUSED, f"A prediction cannot be scored: {clean(text, 500)}") for text in unread], None
    known = set(files.values())
    more = [each.name for folder in folders for each in folder.iterdir() if each not in known]
    more = sorted(name for name in more if not name.startswith("."))
    found = [Verdict(PASSED, f"Predictions of all {len(tracks)} tracks can be read and scored.")]
    if more:
        found.append(Verdict(NOTED, f"{len(more)} files are of no track of the benchmark: {listed(more)}."))
    return found, scores


def same_scores(result: Result, scores: Sequence[TrackScore], scoring: Scoring) -> Verdict:
    """scores: of the predictions beside the result."""
    told = {each.id: each.metrics for each in result.tracks}
    apart = {}
    for each in scores:
        own = told[each.id]
        values = [abs(own[name] - value) for name, value in each.metrics.items() if name in own]
        lost = [name for name, value in each.metrics.items() if name in own and np.isnan(value) != np.isnan(own[name])]
        if lost or (values and np.nanmax([0.0, *values]) > _SAME):
            apart[each.id] = max((value for value in values if not np.isnan(value)), default=np.nan)
    if apart:
        worst = max(apart, key=lambda name: apart[name])
        return Verdict(
            REFUSED,
            f"The scores told are not those of the predictions beside them: {len(apart)} of {len(scores)} tracks "
            f"differ, {worst} by {apart[worst]:.4f}.",
        )
    for name, value in scoring.pooled([each.evidence for each in scores]).items():
        if name in result.metrics and not np.isclose(result.metrics[name], value, rtol=0, atol=_SAME, equal_nan=True):
            return Verdict(REFUSED, f"{name} is told as {result.metrics[name]:.4f}, the predictions give {value:.4f}.")
    return Verdict(PASSED, "The scores told are those of the predictions beside them.")


def _in_one_table(result: Result, frozen: Frozen) -> Result:
    """Under the name that the benchmark has for its data."""
    return replace(result, dataset=replace(result.dataset, name=frozen.data))
