"""Trivial baselines beside a system: what its score is worth."""

from collections.abc import Sequence
from pathlib import Path

from ricercar.data.audio.store import AudioStore
from ricercar.data.files import locked
from ricercar.data.track import Track
from ricercar.errors import InputError
from ricercar.harness.evaluate import annotated, keep_predictions, prediction_file, score_baseline
from ricercar.harness.identity import stable_hash
from ricercar.harness.origin import source_hash, versions
from ricercar.harness.results import Cost, Result, TrackScore, fingerprint, make_result
from ricercar.tasks.scoring import Scoring

_SOURCES = ("data", "metrics", "tasks", "harness/evaluate.py")  # what estimates and scores of baselines come from


def score_baselines(
    result: Result, scoring: Scoring, taught: Sequence[Track], tracks: Sequence[Track], store: AudioStore, folder: Path
) -> list[Result]:
    """The results of all trivial baselines of a task on the tracks of `result`.

    `folder`/baselines/<name> gets each one's result.json and predictions: it is a system like any other.
    """
    choices, data = result.choices, result.dataset
    return [
        baseline_result(
            name, choices, data.name, data.split, scoring, taught, tracks, store, folder / "baselines" / name
        )
        for name in scoring.baselines
    ]


def baseline_result(
    name: str,
    choices: dict[str, str],
    source: str,
    split: str,
    scoring: Scoring,
    taught: Sequence[Track],
    tracks: Sequence[Track],
    store: AudioStore,
    folder: Path,
) -> Result:
    """Writes result.json and predictions of one baseline into `folder`. choices: has `task` and `data`.

    Both are kept beside the decoded audio for all runs that score the same baseline by the same code on the same data.
    """
    tracks = annotated(tracks, scoring)
    own = {"task": choices["task"], "data": choices["data"], "system": f"baseline {name}"}
    data = fingerprint(tracks, scoring, store.key)

    def result_of(scores: Sequence[TrackScore]) -> Result:
        return make_result(
            run_id=stable_hash([own, data, split, [track.id for track in taught]]),
            choices=own,
            seed=None,
            overrides=[],
            config=None,
            system=None,
            training=None,
            tuning=None,
            looks=None,
            scoring=scoring,
            source=source,
            split=split,
            tracks=tracks,
            store=store,
            scores=scores,
            cost=Cost(),
        )

    kept = store.root / "baselines" / _key(name, scoring, taught, tracks, store)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with locked(kept.with_suffix(".lock")):
            if not _is_whole(kept, scoring, tracks):
                scores = score_baseline(scoring, name, taught, tracks, store, kept / "predictions")
                result_of(scores).write(kept / "result.json")
    except OSError as error:
        raise InputError(f"cannot keep baselines in {kept.parent}: {error.strerror}; see cache_dir.") from error
    keep_predictions(scoring, tracks, kept / "predictions", folder / "predictions")
    result = result_of(Result.read(kept / "result.json").tracks)
    result.write(folder / "result.json")
    return result


def _is_whole(kept: Path, scoring: Scoring, tracks: Sequence[Track]) -> bool:
    """Whether all was written, result.json last."""
    try:
        Result.read(kept / "result.json")
    except InputError:
        return False
    return all(prediction_file(scoring, kept / "predictions", track.id) is not None for track in tracks)


def _key(name: str, scoring: Scoring, taught: Sequence[Track], tracks: Sequence[Track], store: AudioStore) -> str:
    """-> hash of all that the scores and the predictions depend on."""
    learnt = [reference.text() for track in taught if (reference := scoring.reference(track.annotations)) is not None]
    data = [fingerprint(tracks, scoring, store.key), [track.id for track in tracks], store.sample_rate, learnt]
    kind = f"{type(scoring).__module__}.{type(scoring).__qualname__}"
    return stable_hash([name, kind, scoring.protocol, data, versions(), source_hash(*_SOURCES)])
