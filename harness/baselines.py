"""Trivial baselines beside a system: what its score is worth."""

from collections.abc import Sequence
from pathlib import Path

from ricercar.data.audio_store import AudioStore
from ricercar.data.track import Track
from ricercar.harness.evaluate import annotated, score_baseline
from ricercar.harness.results import Cost, Result, make_result, stable_hash
from ricercar.tasks.scoring import Scoring


def score_baselines(
    result: Result, scoring: Scoring, taught: Sequence[Track], tracks: Sequence[Track], store: AudioStore, folder: Path
) -> list[Result]:
    """The results of all trivial baselines of a task on the tracks of `result`.

    `folder`/baselines/<name> gets each one's result.json and predictions: it is a system like any other.
    """
    return [
        baseline_result(
            name,
            result.choices,
            result.dataset.name,
            result.dataset.split,
            scoring,
            taught,
            tracks,
            store,
            folder / "baselines" / name,
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
    """Writes result.json and predictions of one baseline into `folder`. choices: has `task` and `data`."""
    tracks = annotated(tracks, scoring)
    scores = score_baseline(scoring, name, taught, tracks, store, folder / "predictions")
    own = {"task": choices["task"], "data": choices["data"], "system": f"baseline {name}"}
    result = make_result(
        run_id=stable_hash([own, source, split, [track.id for track in taught]]),
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
    result.write(folder / "result.json")
    return result
