"""The folds of a cross-validation as one result."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Here
from results_factory import PRIMARY, Scores, make_result, make_scores
from ricercar.comparison.board import boards
from ricercar.comparison.collect import collect
from ricercar.comparison.rows import rows
from ricercar.harness.identity import system_id
from ricercar.harness.results import FoldId, Result

WHOLE = make_scores(num_tracks=12)
FINGERPRINT = "f01d" * 4


def fold_result(fold: int, number: int = 3, scores: Scores = WHOLE, seed: int = 0, **more: Any) -> Result:
    """Of every third track, from that of the fold's number on."""
    own = {name: each for i, (name, each) in enumerate(scores.items()) if i % number == fold}
    options = {"fold": fold, "folds": number, **more.pop("options", {})}
    result = make_result(scores=own, seed=seed, options=options, **more)
    folds = FoldId(fold, number, FINGERPRINT, len(scores))
    return replace(result, dataset=replace(result.dataset, folds=folds))


def write(folder: Path, results: Sequence[Result]) -> Path:
    for number, result in enumerate(results):
        (folder / f"r{number}").mkdir()
        result.write(folder / f"r{number}" / "result.json")
    return folder


def test_folds_are_one_result_of_all_tracks(tmp_path: Path) -> None:
    collection = collect([write(tmp_path, [fold_result(fold) for fold in (2, 0, 1)])])
    [found], problems = collection.found, collection.problems
    whole = found.result
    assert not problems
    assert {each.id: each.metrics for each in whole.tracks} == WHOLE
    assert whole.metrics[PRIMARY] == pytest.approx(np.mean([each[PRIMARY] for each in WHOLE.values()]))
    assert (whole.dataset.split, whole.dataset.fingerprint, whole.dataset.num_tracks) == ("all", FINGERPRINT, 12)
    assert whole.cost.train_s == 3 * 60
    assert len(found.folds) == 3
    [board] = boards(collection)
    assert len(board.systems) == 1
    assert any("Cross-validation over 3 folds" in note for note in board.notes)


def test_seeds_and_systems_stay_apart_and_have_intervals(tmp_path: Path) -> None:
    results = [
        fold_result(fold, seed=seed, scores=make_scores(num_tracks=12, seed=seed))
        for fold in range(3)
        for seed in (0, 1)
    ]
    results += [fold_result(fold, backbone="lstm", scores=make_scores(0.4, num_tracks=12)) for fold in range(3)]
    results += [fold_result(fold, system="baseline none", scores=make_scores(0.1, num_tracks=12)) for fold in range(3)]
    [board] = boards(collect([write(tmp_path, results)]))
    assert [(each.name, len(each.seeds)) for each in board.systems] == [
        ("mel cnn", 2), ("mel lstm", 1), ("baseline none", 1),
    ]  # fmt: skip
    first = rows(board)[0].metrics[PRIMARY]
    assert first.low < first.mean < first.high
    assert system_id(results[0].config or {}) == system_id(results[2].config or {})


@pytest.mark.parametrize(("there", "told"), [([0, 2], "fold 1 of 3 is missing"), ([1], "folds 0, 2 of 3 are missing")])
def test_incomplete_folds_are_told_and_not_ranked(
    run_here: Here, tmp_path: Path, there: list[int], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    results = [*(fold_result(fold, backbone="lstm") for fold in there), *(fold_result(fold) for fold in range(3))]
    write(tmp_path, results)
    code, error = run_here("leaderboard.py", ".")
    assert code == 0
    assert told in error
    printed = capsys.readouterr().out
    assert "mel cnn" in printed
    assert "lstm" not in printed


def test_a_fold_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    results = [fold_result(fold) for fold in (0, 1, 2, 2)]
    collection = collect([write(tmp_path, results)])
    assert len(collection.found) == 1
    assert [each.text for each in collection.problems] == [
        f"it is fold 2 again, as {tmp_path / 'r2' / 'result.json'}, which counts."
    ]


def test_baselines_that_heard_another_rate_stay_apart(tmp_path: Path) -> None:
    """Beside the runs of one sample rate they score 0.2, beside those of another 0.8, whatever folders are called."""
    for fold in range(3):
        for rate, mean, name in ((16000, 0.2, "b"), (22050, 0.8, "c" if fold else "a")):
            run = fold_result(fold, options={"sample_rate": rate})
            heard = fold_result(fold, system="baseline peaks", scores=make_scores(mean, num_tracks=12, spread=0.01))
            heard = replace(heard, run_id=f"{rate} {fold}")
            for each, folder in ((run, ""), (heard, "baselines/peaks")):
                place = tmp_path / f"{name}{fold}" / folder
                place.mkdir(parents=True)
                each.write(place / "result.json")
    [board] = boards(collect([tmp_path]))
    means = [each.mean(PRIMARY) for each in board.systems if each.is_baseline]
    assert means == pytest.approx([0.8, 0.2], abs=0.05)


def test_the_real_time_factor_of_folds_is_that_of_all_audio(tmp_path: Path) -> None:
    """Tracks last 20 s: three folds of 3, 3 and 1 of them."""
    scores = make_scores(num_tracks=7)
    parts = [list(scores)[:3], list(scores)[3:6], list(scores)[6:]]
    results = []
    for fold, ids in enumerate(parts):
        result = make_result(scores={name: scores[name] for name in ids}, options={"fold": fold, "folds": 3})
        folds = FoldId(fold, 3, FINGERPRINT, 7)
        cost = replace(result.cost, real_time_factor=0.1 * (1 + fold))
        results.append(replace(result, dataset=replace(result.dataset, folds=folds), cost=cost))
    [found] = collect([write(tmp_path, results)]).found
    assert found.result.cost.real_time_factor == pytest.approx((3 * 0.1 + 3 * 0.2 + 0.3) / 7)


def test_metrics_of_all_tracks_together_are_of_all_folds(tmp_path: Path) -> None:
    """Chords that are right for 3 of 4 seconds, and for 1 of 4 in the other folds."""
    right = {f"track{i}": {"majmin/right_s": 3.0 if i % 3 == 0 else 1.0, "majmin/compared_s": 4.0} for i in range(12)}
    names = ("root", "majmin_inv", "sevenths", "sevenths_inv")
    evidence = {
        name: {**each, **{f"{other}/{part}": 1.0 for other in names for part in ("right_s", "compared_s")}}
        for name, each in right.items()
    }
    pooled = dict.fromkeys(("chord/WCSR_majmin", *(f"chord/WCSR_{name}" for name in names)), 0.5)
    results = [fold_result(fold, task="chord", evidence=evidence, pooled=pooled) for fold in range(3)]
    [found] = collect([write(tmp_path, results)]).found
    assert found.result.metrics["chord/WCSR_majmin"] == pytest.approx((4 * 3 + 8 * 1) / 48)


def test_training_in_folds(run_here: Here, on_tones: list[str], tmp_path: Path, cache: Path, tones: Path) -> None:
    """Each track is tested once; who scored all tracks at once is on the same board."""
    code, error = run_here("train.py", *on_tones, "task=key", "fold=3", "folds=4", "hydra.run.dir=f3")
    assert (code, error) == (0, "")
    result = Result.read(tmp_path / "f3" / "result.json")
    folds = result.dataset.folds
    assert folds is not None
    assert (folds.fold, folds.number, folds.num_tracks, result.dataset.num_tracks) == (3, 4, 4, 1)
    assert run_here("eval.py", "run=f3", "accelerator=cpu", "hydra.run.dir=again") == (0, "")
    again = Result.read(tmp_path / "again" / "result.json")
    assert (again.metrics, again.dataset) == (result.metrics, result.dataset)
    whole = ["baseline=majority", "task=key", "data=folder", f"data.root={tones}", "split=all", f"cache_dir={cache}"]
    assert run_here("eval.py", *whole, "hydra.run.dir=whole") == (0, "")
    told = json.loads((tmp_path / "whole" / "result.json").read_text())["dataset"]
    assert (told["fingerprint"], told["split"], told["num_tracks"]) == (folds.fingerprint, "all", 4)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["fold=0"], "names no folds: say how many"),
        (["folds=4"], "folds=4: say which is tested"),
        (["fold=4", "folds=4"], "fold=4"),
        (["fold=0", "folds=5"], "folds=5: there are 4 groups"),
        (["fold=all"], "fold=all needs folds=K"),
    ],
)
def test_wrong_folds_are_told(run_here: Here, on_tones: list[str], given: list[str], told: str) -> None:
    code, error = run_here("train.py", *on_tones, "task=key", *given)
    assert code == 1
    assert told in error
