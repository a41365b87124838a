"""Trivial baselines beside a system: what its score is worth."""

from collections.abc import Sequence
from pathlib import Path

from ricercar.data.files import locked, share, what_to_do
from ricercar.errors import InputError
from ricercar.harness.benchmark import Benchmark, prediction_file
from ricercar.harness.identity import class_hash, source_hash, stable_hash, versions
from ricercar.harness.provenance import Provenance
from ricercar.harness.results import Result, TrackScore

_SOURCES = ("data", "metrics", "tasks", "harness/benchmark.py")  # what estimates and scores of baselines come from


def baseline_results(benchmark: Benchmark, data: str, folder: Path) -> list[Result]:
    """The results of all trivial baselines. data: the choice that gave the data set.

    `folder`/baselines/<name> gets each one's result.json and predictions: it is a system like any other.
    """
    names = benchmark.scoring.baselines
    return [baseline_result(name, benchmark, data, folder / "baselines" / name) for name in names]


def baseline_result(name: str, benchmark: Benchmark, data: str, folder: Path) -> Result:
    """Writes result.json and predictions of one baseline into `folder`.

    Both are kept beside the decoded audio for all runs that score the same baseline by the same code on the same data.
    """
    choices = {"task": benchmark.task, "data": data, "system": f"baseline {name}"}
    rate = benchmark.store.sample_rate  # of what it hears, if it does
    known = [choices, benchmark.comparable, [track.id for track in benchmark.training], rate]

    def result_of(scores: Sequence[TrackScore]) -> Result:
        return benchmark.result(scores, Provenance(stable_hash(known), choices))

    kept = benchmark.store.root / "baselines" / _key(name, benchmark)
    try:
        if not _is_whole(kept, benchmark):  # nothing is to be written of another user's
            with locked(kept.with_suffix(".lock")):
                if not _is_whole(kept, benchmark):
                    result_of(benchmark.score_baseline(name, kept / "predictions")).write(kept / "result.json")
                    share(kept)
    except OSError as error:
        raise InputError(
            f"Scores of baselines cannot be kept in {kept.parent}: {error.strerror}. {what_to_do(error)}, or name "
            "another folder: cache_dir=FOLDER."
        ) from error
    benchmark.keep_predictions(kept / "predictions", folder / "predictions")
    result = result_of(Result.read(kept / "result.json").tracks)
    result.write(folder / "result.json")
    return result


def _is_whole(kept: Path, benchmark: Benchmark) -> bool:
    """Whether all was written, result.json last."""
    try:
        Result.read(kept / "result.json")
    except InputError:
        return False
    files = [prediction_file(benchmark.scoring, kept / "predictions", track.id) for track in benchmark.tracks]
    return all(path is not None for path in files)


def _key(name: str, benchmark: Benchmark) -> str:
    """-> hash of all that the scores and the predictions depend on."""
    scoring = benchmark.scoring
    references = (scoring.reference(track.annotations) for track in benchmark.training)
    learnt = [reference.text() for reference in references if reference is not None]
    ids = [track.id for track in benchmark.tracks]
    data = [benchmark.fingerprint, ids, benchmark.store.sample_rate, learnt]
    kind = f"{type(scoring).__module__}.{type(scoring).__qualname__}"
    return stable_hash([name, kind, class_hash(kind), scoring.protocol, data, versions(), source_hash(*_SOURCES)])
