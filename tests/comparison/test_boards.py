"""Which results stand in one table, as which systems, and what is said about them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from results_factory import PRIMARY, PROTOCOL, make_result, make_scores, make_tuning
from ricercar.comparison.board import Board, boards
from ricercar.comparison.found import Collection, Found
from ricercar.comparison.rows import rows
from ricercar.harness.identity import Git
from ricercar.harness.provenance import Outside, TrainingData
from ricercar.harness.results import Result
from ricercar.tasks.scale import Scale

NAN = float("nan")


def found(*results: Result) -> list[Board]:
    return boards(Collection([Found(Path(f"run{i}/result.json"), each) for i, each in enumerate(results)], []))


def board(*results: Result) -> Board:
    [only] = found(*results)
    return only


def names(*results: Result) -> set[str]:
    return {system.name for system in board(*results).systems}


def scored(*values: float) -> dict[str, dict[str, float]]:
    return {f"t{i}": {"F": value} for i, value in enumerate(values)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": "maps"}, "data: synth here, maps there"),
        ({"split": "valid"}, "split: test here, valid there"),
        ({"protocol": PROTOCOL | {"onset_tolerance_s": 0.1}}, "protocol onset_tolerance_s: 0.05 here, 0.1 there"),
        ({"protocol": PROTOCOL | {"pedal": "ignore"}}, "protocol pedal: not set here, ignore there"),
        ({"works": {"track0": "bach"}}, "data of the same name, but other tracks, audio or annotations"),
    ],
)
def test_what_differs_stands_apart(changes: dict[str, Any], words: str) -> None:
    both = found(make_result(), make_result(**changes))
    assert len(both) == 2
    assert len({each.id for each in both}) == 2
    [own] = [each for each in both if each.systems[0].runs[0].path == Path("run0/result.json")]
    assert words in own.apart


def test_tasks_stand_apart_without_a_word() -> None:
    assert [(each.task, each.apart) for each in found(make_result(), make_result(task="beat"))] == [
        ("beat", ""),
        ("notes", ""),
    ]


def test_the_best_is_first_and_unknown_last() -> None:
    systems = board(
        make_result(backbone="dense", scores=scored(0.5, 0.7)),
        make_result(backbone="none", scores=scored(NAN, NAN)),
        make_result(backbone="cnn", scores=scored(0.6, 0.8)),
        make_result(backbone="lstm", scores=scored(0.6, NAN)),
    ).systems
    assert [system.name for system in systems] == ["mel cnn", "mel dense", "mel lstm", "mel none"]


@pytest.mark.parametrize(("better", "order"), [("higher", [0.8, 0.5, 0.2]), ("lower", [0.2, 0.5, 0.8])])
def test_the_primary_metric_says_what_is_the_best(better: str, order: list[float]) -> None:
    scales = {"F": Scale(better, 0.0, None)}
    results = [make_result(backbone=f"b{x}", scores=scored(x, x), scales=scales) for x in (0.5, 0.2, 0.8)]
    found = board(*results)
    assert [found.mean(system, "F") for system in found.systems] == order
    assert found.scale("F") == scales["F"]
    assert [row.rank for row in rows(found)] == [1, 2, 3]


def test_results_that_do_not_agree_about_a_direction() -> None:
    """By the primary metric they are apart; by another one nothing is the best."""
    scores = {f"t{i}": {"F": 0.5, "size": 3.0} for i in range(2)}
    higher, lower = Scale("higher", 0.0, None), Scale("lower", 0.0, None)
    same = board(
        *(make_result(backbone=str(i), scores=scores, scales={"size": x}) for i, x in enumerate((higher, lower)))
    )
    assert same.scale("size") == Scale(None, 0.0, None)
    assert same.notes == []
    apart = board(
        *(make_result(backbone=str(i), scores=scores, scales={"F": x}) for i, x in enumerate((higher, higher, lower)))
    )
    assert len(apart.systems) == 2
    assert "says that lower F is better, others say higher" in apart.notes[0]


def test_scores_of_seeds_in_the_order_of_systems_and_tracks() -> None:
    tracks = {"b": {"F": 0.2}, "a": {"F": 0.4}}
    both = board(
        make_result(scores=tracks, works={"a": "x", "b": "x"}, seed=1),
        make_result(scores={"a": {"F": 0.6}, "b": {"F": NAN}}, works={"a": "x", "b": "x"}, seed=0),
        make_result(scores=tracks, works={"a": "x", "b": "x"}, seed=7, backbone="zzz"),
    )
    values = both.scores("F")
    order = [track.id for track in both.tracks]
    expected = {"a": [[0.6, 0.4], [0.4, NAN]], "b": [[NAN, 0.2], [0.2, NAN]]}
    np.testing.assert_array_equal(values.values, np.array([expected[each] for each in order]).transpose(1, 2, 0))
    assert values.work.tolist() == [0, 0]
    assert values.averaging == "tracks"
    np.testing.assert_allclose([both.mean(system, "F") for system in both.systems], [0.5, 0.4])  # of track a


# Names


@pytest.mark.parametrize(
    ("systems", "expected"),
    [
        ([{}], {"mel cnn"}),
        ([{}, {"backbone": "lstm"}], {"mel cnn", "mel lstm"}),
        ([{}, {"choices": {"compression": "db"}}], {"mel cnn, compression log", "mel cnn, compression db"}),
        ([{}, {"options": {"optimizer.lr": 0.001}}], {"mel cnn, lr 0.003", "mel cnn, lr 0.001"}),
        ([{}, {"options": {"data.seed": 1}}], {"mel cnn, data.seed 0", "mel cnn, data.seed 1"}),
        ([{}, {"options": {"frontend.sample_rate": 8000}}],
         {"mel cnn, frontend.sample_rate ${sample_rate}", "mel cnn, frontend.sample_rate 8000"}),
        ([{}, {"options": {"backbone.width": None}}], {"mel cnn, width -", "mel cnn, width null"}),
        ([{"options": {"optimizer.lr": 0.1}}, {"backbone": "lstm"}], {"mel cnn", "mel lstm"}),
        ([{"training": TrainingData(["a"], "known", [], None)}, {"backbone": "b"}],
         {"mel cnn, trained on a", "mel b, trained on synth"}),
    ],
)  # fmt: skip
def test_names_say_what_differs(systems: list[dict[str, Any]], expected: set[str]) -> None:
    assert names(*(make_result(**each) for each in systems)) == expected


def test_of_many_differences_those_that_tell_apart() -> None:
    many = {
        "optimizer.lr": 1,
        "optimizer.betas": [1],
        "trainer.budget": "x",
        "trainer.batch_size": 1,
        "backbone.dropout": 0,
    }
    assert names(make_result(), make_result(options=many)) == {
        "mel cnn, dropout 0.2, 4 more options",
        "mel cnn, dropout 0, 4 more options",
    }


def test_names_are_unique_and_on_one_line() -> None:
    outside = [Outside(paper, None, [], False, None, None) for paper in ("a", "b")]
    of_all = names(*(make_result(system="my\nsystem\u202e\x1b[0m", outside=each) for each in outside), make_result())
    assert len(of_all) == 3
    assert all(name.isprintable() for name in of_all)
    assert sum(name.startswith("my system [0m (") for name in of_all) == 2


# Seeds and repeats


def test_seeds_are_one_system() -> None:
    [system] = board(*(make_result(seed=seed) for seed in (2, 0, 1))).systems
    assert [run.result.seed for run in system.runs] == [0, 1, 2]


def test_seeds_of_another_origin_are_another_system() -> None:
    ours, theirs = make_result(system="a", seed=0), make_result(system="a", seed=1)
    assert len(board(ours, theirs).systems) == 1
    other = make_result(system="a", seed=1, outside=Outside("paper", None, [], True, None, None))
    assert len(board(ours, other).systems) == 2


def test_namesakes_from_elsewhere_are_other_systems() -> None:
    scores = [make_scores(mean) for mean in (0.4, 0.6, 0.6)]
    both = board(*(make_result(system="mine", seed=None, scores=each) for each in scores))
    systems = both.systems
    assert [len(system.runs) for system in systems] == [1, 1]
    assert len({system.key for system in systems}) == 2
    assert len({system.name for system in systems}) == 2
    [note] = [each for each in both.notes if each.startswith("2 systems are called mine")]
    assert all(f"{system.name} is {system.runs[0].path}" in note for system in systems)


def test_a_system_keeps_its_key_on_other_data() -> None:
    trained = make_result()
    elsewhere = replace(make_result(data="maps"), config=trained.config)
    both = found(trained, elsewhere)
    assert len({each.systems[0].key for each in both}) == 1


def test_copies_count_once() -> None:
    both = board(make_result(), make_result())
    assert [len(system.runs) for system in both.systems] == [1]
    assert both.notes == ["mel cnn: the same scores again, which count once: run1/result.json."]


def test_a_copy_tells_of_its_looks() -> None:
    [system] = board(make_result(), make_result(looks=3)).systems
    assert system.first.looks == 3
    assert system.runs[0].path == Path("run0/result.json")


def test_baselines_of_every_run_count_once_without_a_word() -> None:
    same = [make_result(system="baseline x", run_id=run_id) for run_id in ("a" * 16, "a" * 16, "b" * 16)]
    other = make_result(system="baseline x", run_id="c" * 16, scores=make_scores(0.2))
    both = board(*same, other)
    assert [(system.name, len(system.runs)) for system in both.systems] == [
        ("baseline x (aaaa)", 1),
        ("baseline x (cccc)", 1),
    ]
    assert both.notes == []


def test_the_same_run_with_other_scores_is_averaged() -> None:
    both = board(
        make_result(scores=scored(0.2, 0.4)),
        make_result(scores=scored(0.4, 0.6)),
        make_result(scores=scored(0, 0), seed=1),
    )
    np.testing.assert_allclose(both.scores("F").values, [[[0.3, 0.5], [0, 0]]])
    assert both.mean(both.systems[0], "F") == pytest.approx(0.2)
    assert "run0/result.json (0.3000), run1/result.json (0.5000)" in both.notes[0]


def test_results_without_the_primary_metric_are_left_out() -> None:
    full = [make_result(scores=scored(0.5, 0.7), seed=seed) for seed in range(2)]
    other = {f"x{i}": {"G": 0.5} for i in range(2)}
    strange = [replace(make_result(scores=other, seed=seed), dataset=full[0].dataset) for seed in range(2)]
    both = board(*full, *strange)
    assert len(both.systems) == 1
    assert both.notes == [f"Left out: run{i}/result.json has no F." for i in (2, 3)]


# Notes


def test_other_tracks_never_share_a_table() -> None:
    full = make_result(scores=scored(0.5, 0.7, 0.9))
    fewer = replace(make_result(scores=scored(0.9, 0.9), backbone="lstm"), dataset=full.dataset)
    both = board(full, make_result(scores=scored(0.4, 0.5, 0.6), seed=1), replace(fewer, dataset=full.dataset))
    assert [system.name for system in both.systems] == ["mel cnn"]
    assert both.notes == ["Left out: run2/result.json lacks 1 tracks: t2."]


@pytest.mark.parametrize(
    ("one", "other", "note"),
    [
        ({"git": Git("a" * 40, False)}, {"git": Git("b" * 40, True)},
         "The code differs: commits aaaaaaaa (1 results), bbbbbbbb+ (1 results)"),
        ({"versions": {"torch": "2.6"}}, {"versions": {"torch": "2.7"}},
         "Versions differ: torch 2.6 (1 results), 2.7 (1 results)."),
        ({"tuning": make_tuning(0.1, 0.2)}, {"tuning": make_tuning(0.1)},
         "Unequal effort: 1 trials for mel lstm, 2 for mel cnn."),
        ({"looks": 4}, {}, "Scored on this split more than once, so choices may be fitted to it: mel cnn 4 times."),
        ({"training": TrainingData(["synth"], "known", ["bach", "liszt"], None)}, {},
         "Warning: mel cnn was trained on 2 works that it is scored on: bach, liszt."),
    ],
)  # fmt: skip
def test_notes(one: dict[str, Any], other: dict[str, Any], note: str) -> None:
    [said] = board(make_result(**one), make_result(backbone="lstm", **other)).notes
    assert said.startswith(note)


def on_works(*counts: int) -> Result:
    """So many tracks of each work."""
    works = [f"work{i}" for i, count in enumerate(counts) for _ in range(count)]
    scores = scored(*np.linspace(0.3, 0.8, len(works)))
    return make_result(scores=scores, works={f"t{i}": work for i, work in enumerate(works)})


@pytest.mark.parametrize(
    ("counts", "notes"),
    [
        ((12, 6, *[1] * 12),
         ["2 of 14 works have 60 % of the tracks: work0, work1. The mean is mostly theirs, "
          "as if there were 4.7 works."]),
        ((10, *[1] * 8),
         ["1 of 9 works has 56 % of the tracks: work0. The mean is mostly theirs, "
          "as if there were 3.0 works."]),
        ((4, 4, 4, 4, 4, 4), []),
    ],
)  # fmt: skip
def test_few_works_that_have_most_of_the_tracks_are_named(counts: tuple[int, ...], notes: list[str]) -> None:
    assert board(on_works(*counts)).notes == notes


def test_means_over_other_tracks_are_not_ranked_together() -> None:
    """a is better than b wherever both have a score; b lacks the hard tracks."""
    easy, hard = [0.9, 0.8, 0.9, 0.8, 0.9, 0.8], [0.1, 0.2]
    a = make_result(backbone="a", scores=scored(*easy, *hard))
    b = make_result(backbone="b", scores=scored(*(each - 0.1 for each in easy), NAN, NAN))
    both = board(a, b)
    assert [system.name for system in both.systems] == ["mel a", "mel b"]
    np.testing.assert_allclose(both.means("F"), [0.85, 0.75])
    assert both.notes == ["Ranked on the 6 tracks that all have a score of; 2 more have scores of some systems."]


def test_a_system_with_too_few_scores_stands_apart() -> None:
    full = [make_result(backbone=name, scores=scored(*[0.5] * 6)) for name in "ab"]
    both = board(*full, make_result(backbone="c", scores=scored(0.9, *[NAN] * 5)))
    assert [system.name for system in both.systems] == ["mel a", "mel b", "mel c"]
    np.testing.assert_array_equal(both.means("F"), [0.5, 0.5, NAN])
    assert both.notes == ["Not ranked: mel c has scores of 1 of 6 tracks, so that its mean is not comparable."]


def test_nothing_to_say() -> None:
    assert board(make_result(), make_result(seed=1), make_result(backbone="lstm")).notes == []


# All tracks together


def test_pooled_metrics_have_no_scores_of_tracks() -> None:
    evidence: Mapping[str, Mapping[str, float]] = {"a": {"n": 1.0}, "b": {"n": 2.0}}
    tracks = {"a": {"F": 0.5}, "b": {"F": 0.7}}
    own = board(make_result(scores=tracks, evidence=evidence, pooled={"AP": 0.8}, primary="AP"))
    assert own.pooled == ["AP"]
    assert own.track_metric == "F"
    assert own.evidence() == [[[{"n": 1.0}, {"n": 2.0}]]]
    assert own.mean(own.systems[0], "AP") == 0.8


def test_primary_and_shown() -> None:
    own = board(make_result())
    assert (own.primary, own.shown, own.metrics) == (PRIMARY, ["Precision"], [PRIMARY, "Precision"])
