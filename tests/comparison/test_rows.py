"""The table of a board as data, against numbers that others compute."""

import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from scipy import stats

from configs import make_task, option
from results_factory import COST, PRIMARY, PROTOCOL, make_result, make_scores, make_tuning
from ricercar.comparison.board import Board, boards
from ricercar.comparison.found import Collection, Found
from ricercar.comparison.pooled import pooled_of
from ricercar.comparison.report import report
from ricercar.comparison.rows import rows, sorted_by, table
from ricercar.data.annotations.tags import Tags
from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.harness.provenance import Cost, TrainingData, Trial, Tuning
from ricercar.harness.results import Result
from ricercar.tasks.protocol import plain
from ricercar.tasks.scale import ERROR, SHARE
from ricercar.tasks.scoring import Scoring
from ricercar.tasks.shared.pooling import pooled_drums

NAN = float("nan")


def board(*results: Result) -> Board:
    [only] = boards(Collection([Found(Path(f"run{i}/result.json"), each) for i, each in enumerate(results)], []))
    return only


def scored(*values: float) -> dict[str, dict[str, float]]:
    return {f"t{i}": {"F": value, "P": 1 - value} for i, value in enumerate(values)}


def test_differences_are_paired() -> None:
    rng = np.random.default_rng(0)
    worse = rng.uniform(0.2, 0.7, 14)
    better = worse + rng.normal(0.05, 0.05, 14)
    best, other = rows(board(*(make_result(system=f"baseline {name}", scores=scored(*each)) for name, each in
                               {"a": better, "b": worse}.items())))  # fmt: skip
    assert (best.rank, best.difference, best.verdict) == (1, None, "best")
    truth = stats.ttest_rel(worse, better)
    assert other.rank == 2
    assert other.difference is not None
    assert other.difference.mean == pytest.approx((worse - better).mean())
    low, high = truth.confidence_interval()
    assert (other.difference.low, other.difference.high) == pytest.approx((low, high), abs=0.05 * (high - low))
    assert other.difference.p == pytest.approx(truth.pvalue, rel=0.3)
    assert other.verdict == "told apart"


def test_one_seed_each_claims_nothing() -> None:
    """However far apart they are: its interval is of these trained weights alone."""
    first, second = rows(board(*(make_result(backbone=name, scores=make_scores(mean)) for name, mean in
                                 {"a": 0.3, "b": 0.8}.items())))  # fmt: skip
    assert first.verdict == second.verdict == "not known"
    assert second.difference is not None
    assert np.isnan([second.difference.low, second.difference.high, second.difference.p]).all()
    assert first.metrics[PRIMARY].of == "works"
    assert first.metrics[PRIMARY].low < first.metrics[PRIMARY].mean < first.metrics[PRIMARY].high


def test_seed_variance_is_borrowed_for_one_seed() -> None:
    """Three systems with three seeds, one with one, a baseline and predictions, of which there is one of a kind."""
    trained = [make_result(backbone=name, seed=seed) for name in "abc" for seed in range(3)]
    single = make_result(backbone="d", seed=0)
    others = [make_result(system="baseline x"), make_result(system="theirs", seed=None)]
    found = {row.system.name: row for row in rows(board(*trained, single, *others))}
    kinds = {name: row.metrics[PRIMARY].of for name, row in found.items()}
    assert kinds == dict.fromkeys(("mel a", "mel b", "mel c"), "works and seeds") | {
        "mel d": "works and borrowed seeds", "baseline x": "works", "theirs": "works"
    }  # fmt: skip
    assert {row.verdict for row in found.values()} == {"best", "not told apart"}


@pytest.mark.parametrize("num_seeds", [1, 3])
def test_intervals_of_bounded_scores_are_inside_the_bounds(num_seeds: int) -> None:
    """Near the top, where mean plus and minus t times its error is above 1."""
    values = np.array([1.0, 1.0, 0.99, 1.0, 0.8, 1.0])
    scales = {"F": SHARE, "P": SHARE}
    results = [
        make_result(seed=seed, scores=scored(*(values - 0.01 * seed)), scales=scales) for seed in range(num_seeds)
    ]
    for name, estimate in rows(board(*results))[0].metrics.items():
        assert 0 <= estimate.low < estimate.mean < estimate.high <= 1, name


def test_one_work_claims_nothing() -> None:
    """The range is that of the tracks, and says so."""
    values = np.linspace(0.2, 0.8, 13)
    works = {f"t{i}": "bach" for i in range(13)}
    results = [make_result(backbone=name, seed=seed, scores=scored(*(values + shift)), works=works)
               for name, shift in {"a": 0.1, "b": 0.0}.items() for seed in range(3)]  # fmt: skip
    first, second = rows(board(*results))
    estimate = second.metrics["F"]
    assert (estimate.mean, estimate.low, estimate.high) == pytest.approx((0.5, 0.35, 0.65))
    assert estimate.of == "middle half of tracks"
    assert first.verdict == second.verdict == "not known"
    assert second.difference is not None
    assert np.isnan([second.difference.low, second.difference.p]).all()


def test_a_system_with_scores_of_too_few_tracks_is_named() -> None:
    """Its column would say - as if it had none."""
    few = {f"t{i}": {"F": 0.5, "D": 0.8 if i < 4 else NAN} for i in range(10)}
    many = {f"t{i}": {"F": 0.6, "D": 0.1} for i in range(10)}
    content = table(board(*(make_result(system=name, scores=each) for name, each in (("A", few), ("B", many)))))
    assert [np.isnan(row.metrics["D"].mean) for row in content.rows] == [False, True]
    assert "D 10 of 10 (not of A: scores of too few)" in " ".join(report(content).under)


def test_means_are_those_of_the_results() -> None:
    results = [make_result(seed=seed) for seed in range(3)]
    [row] = rows(board(*results))
    for name, estimate in row.metrics.items():
        assert estimate.mean == pytest.approx(np.mean([each.metrics[name] for each in results]))
        assert estimate.low < estimate.mean < estimate.high
    assert (row.num_seeds, row.num_tracks) == (3, 6)


def test_works_are_averaged_as_the_protocol_says() -> None:
    by_work = make_result(
        scores=scored(0.2, 0.4, 0.9), works={"t0": "x", "t1": "x"}, protocol=PROTOCOL | {"averaging": "works"}
    )
    assert rows(board(by_work))[0].metrics["F"].mean == pytest.approx(0.6)


@pytest.mark.parametrize("values", [[0.5], [NAN, NAN]])
def test_without_an_interval(values: list[float]) -> None:
    one = make_result(scores=scored(*values))
    [row] = rows(board(one))
    assert math.isnan(row.metrics["F"].low)
    first, second = rows(board(one, make_result(backbone="b", scores=scored(*values))))
    assert first.rank == second.rank == (None if np.isnan(values[0]) else 1)


def test_equal_scores_share_a_rank() -> None:
    results = [make_result(backbone=name, scores=scored(*values)) for name, values in
               {"a": (0.5, 0.7), "b": (0.7, 0.5), "c": (0.1, 0.2), "d": (NAN, NAN)}.items()]  # fmt: skip
    assert [row.rank for row in rows(board(*results))] == [1, 1, 3, None]


def test_cost_is_the_mean_of_the_runs() -> None:
    other = Cost(100_001, None, 30.0, 100, None, None, None, "cuda")
    [row] = rows(board(make_result(), make_result(seed=1, cost=other)))
    assert row.cost == Cost(100_000, 5e7, 45.0, 100, 30.0, 2**30, 0.01, "cpu, cuda")
    assert COST.train_s == 60.0


def test_expected_best_of_trials() -> None:
    scores = [0.3, 0.9, 0.5]
    [row] = rows(board(make_result(tuning=make_tuning(*scores))))
    by_hand = [np.mean([max(draw) for draw in itertools.product(scores, repeat=k)]) for k in (1, 2, 3)]
    assert row.num_trials == 3
    assert row.expected_best == pytest.approx(by_hand)


def test_a_trial_that_diverged_is_a_trial() -> None:
    """By hand: F of 0 for one of two; of an error without a bound the worst that was seen."""
    trials = [Trial({"optimizer.lr": 0.1}, NAN, NAN), Trial({"optimizer.lr": 0.01}, 0.8, 60.0)]
    own = make_result(tuning=Tuning(1, trials), scales={PRIMARY: SHARE})
    assert rows(board(own))[0].expected_best == pytest.approx([0.4, 0.6])
    of_error = make_result(
        tuning=Tuning(1, [trials[0], Trial({}, -0.3, 60.0), Trial({}, -0.1, 60.0)]), scales={PRIMARY: ERROR}
    )
    assert rows(board(of_error))[0].expected_best[0] == pytest.approx(-0.7 / 3)


@pytest.mark.parametrize(
    ("training", "words"),
    [
        (TrainingData(["a"], "known", [], None), "no"),
        (TrainingData(["a"], "known", ["bach"], None), "1 work"),
        (TrainingData(["a"], "known", ["bach", "liszt"], None), "2 works"),
        (TrainingData(["a"], "unknown", [], None), "unknown"),
        (None, "-"),
    ],
)
def test_training(training: TrainingData | None, words: str) -> None:
    assert rows(board(make_result(training=training)))[0].training == words


def test_metrics_are_chosen_and_sort() -> None:
    own = board(make_result(scores=scored(0.5, 0.6)), make_result(backbone="b", scores=scored(0.6, 0.7)))
    content = table(own, ["P"])
    assert content.metrics == ["F", "P"]
    assert [row.rank for row in sorted_by(content, "P").rows] == [2, 1]
    with pytest.raises(InputError, match="metric Q is not known for notes on synth, test split: choose from F, P"):
        table(own, ["Q"])


def test_metrics_of_all_tracks_together() -> None:
    """Their interval draws tracks, and computes the metric anew."""
    rng = np.random.default_rng(0)
    protocol = plain(make_task("tag", empty="zero").protocol)
    evidence: dict[str, dict[str, float]] = {
        f"t{i}": {"num_tags": 1.0, f"label/{'ab'[i % 2]}": 1.0, "score/a": rng.uniform() + 0.3 * (1 - i % 2),
                  "score/b": rng.uniform()} for i in range(30)
    }  # fmt: skip
    pooled = make_task("tag", empty="zero").pooled(list(evidence.values()))
    values: dict[str, Any] = {"task": "tag", "protocol": protocol, "primary": "tag/macro_AP", "pooled": pooled}
    scores = {name: {"tag/F-measure": 0.5} for name in evidence}
    [row] = rows(board(make_result(scores=scores, evidence=evidence, **values)), [])
    estimate = row.metrics["tag/macro_AP"]
    assert estimate.mean == pooled["tag/macro_AP"]
    assert 0.02 < estimate.high - estimate.low < 0.5
    assert estimate.low < estimate.mean < estimate.high


def scoring_of(task: str, changes: dict[str, Any]) -> Scoring:
    """As task=... gives it."""
    merged = OmegaConf.merge(option("task", task), changes)
    return assemble.make_scorings(OmegaConf.create({"task": merged}))[task]


@pytest.mark.parametrize("task", ["beat", "chord", "drums", "tag"])
def test_tables_know_metrics_of_all_tracks_together(task: str) -> None:
    assert pooled_of(task, plain(scoring_of(task, {}).protocol)) is not None


@pytest.mark.parametrize("ranked_by", [None, "tag/macro_AP"])
@pytest.mark.parametrize("exclusive", [False, True])
def test_tables_claim_tags_as_the_task_does(exclusive: bool, ranked_by: str | None) -> None:
    """The highest score, 0.4, is a claim where each track has one tag, whatever ranks."""
    scoring = scoring_of("tag", {"exclusive": exclusive, "protocol": {"ranked_by": ranked_by}})
    estimate = Tags(("a", "b"), (0.4, 0.2))
    evidence = [scoring.evidence(Tags((name,)), estimate) for name in "ab"]
    pooled = pooled_of("tag", plain(scoring.protocol))
    assert pooled is not None
    assert pooled(evidence) == scoring.pooled(evidence)
    assert pooled(evidence)["tag/micro_F-measure"] == (0.5 if exclusive else 0.0)


def test_repeats_of_a_seed_are_averaged_in_metrics_of_all_tracks_together() -> None:
    """The interval and the difference are about the mean that is shown."""
    rng = np.random.default_rng(0)
    results = []
    for right, backbone in ((0.5, "cnn"), (0.7, "cnn"), (0.5, "lstm")):
        evidence = {f"t{i}": chord_evidence(rng, right) for i in range(10)}
        values: dict[str, Any] = {"task": "chord", "primary": "chord/WCSR_majmin", "backbone": backbone}
        pooled = make_task("chord").pooled(list(evidence.values()))
        scores = {name: {"chord/root": right} for name in evidence}
        results.append(make_result(scores=scores, evidence=evidence, pooled=pooled, **values))
    content = table(board(*results))
    best, other = (row.metrics["chord/WCSR_majmin"] for row in content.rows)
    assert best.mean == pytest.approx(np.mean([each.metrics["chord/WCSR_majmin"] for each in results[:2]]))
    assert content.comparisons is not None
    assert content.comparisons.difference[1, 0] == pytest.approx(other.mean - best.mean)


def chord_evidence(rng: np.random.Generator, right: float) -> dict[str, float]:
    names = ("root", "majmin", "majmin_inv", "sevenths", "sevenths_inv")
    seconds = rng.uniform(20, 300)
    each = {name: (seconds * np.clip(rng.normal(right, 0.1), 0, 1), seconds) for name in names}
    return {
        f"{name}/{part}": x
        for name, both in each.items()
        for part, x in zip(("right_s", "compared_s"), both, strict=True)
    }


def drum_evidence(rng: np.random.Generator, right: float) -> dict[str, float]:
    found = {}
    for name in ("KD", "SD"):
        reference = int(rng.integers(20, 200))
        matched = rng.binomial(reference, right)
        found |= {f"matched_{name}": matched, f"reference_{name}": reference, f"estimate_{name}": matched + 10.0}
    return found


@pytest.mark.parametrize(
    ("task", "protocol", "make_evidence", "metric"),
    [
        ("chord", {"incomparable": "exclude"}, chord_evidence, "chord/WCSR_majmin"),
        (
            "drums",
            {"classes": {"KD": ["KD"], "SD": ["SD"]}, "empty": "mir_eval"},
            drum_evidence,
            "drums/pooled_F-measure",
        ),
    ],
)
def test_intervals_of_sums_over_all_tracks(
    task: str, protocol: dict[str, Any], make_evidence: Callable[..., dict[str, float]], metric: str
) -> None:
    """As wide as the spread of the metric over draws of tracks, computed here; systems are compared by them, too."""
    rng = np.random.default_rng(0)
    scoring = make_task(task)
    protocol = protocol | {"averaging": "tracks"}
    every = [{f"t{i}": make_evidence(rng, right) for i in range(40)} for right in (0.8, 0.5)]

    def pooled(evidence: Sequence[dict[str, float]]) -> dict[str, float]:
        if task == "drums":
            return pooled_drums(evidence, ["KD", "SD"], "mir_eval")
        found: dict[str, float] = scoring.pooled(evidence)
        return found

    results = [
        make_result(
            task=task,
            system=f"baseline {i}",
            protocol=protocol,
            primary=metric,
            evidence=own,
            pooled=pooled(list(own.values())),
            scores={name: {f"{task}/x": 0.5} for name in own},
        )
        for i, own in enumerate(every)
    ]
    content = table(board(*results))
    draws = rng.integers(40, size=(2000, 40))
    for row, own in zip(content.rows, every, strict=True):
        tracks = list(own.values())
        spread = np.std([pooled([tracks[i] for i in draw])[metric] for draw in draws])
        estimate = row.metrics[metric]
        assert estimate.mean == pooled(tracks)[metric]
        assert (estimate.high - estimate.low) / (2 * 1.96 * spread) == pytest.approx(1.0, abs=0.25)
    assert content.comparisons is not None
    assert content.comparisons.p[0, 1] < 0.001


def test_primary_comes_first() -> None:
    assert list(rows(board(make_result(scores=make_scores())))[0].metrics) == [PRIMARY, "Precision"]
