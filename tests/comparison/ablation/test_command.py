"""leaderboard.py ablate: the numbers of a report, and what it says of gaps in a sweep."""

import re
from pathlib import Path

import pytest

from ablation_examples import MEANS, VARY, ablate, make_sweep, make_unfinished, refused, rows, scores_of
from results_factory import make_run
from ricercar.harness.provenance import Cost


def test_combinations(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The means of scores_of, and the differences to the first levels by the alphabet."""
    text = ablate(capsys, make_sweep(tmp_path), *VARY)
    assert "4 combinations of frontend and backbone, 3 seeds each, on 8 tracks of 8 works." in text
    (baseline,) = rows(text, "cqt", "cnn")[:1]
    assert baseline[2] == "0.9000"
    assert baseline[4:] == ["3", "baseline", "-", "-", "40 M"]
    (row,) = rows(text, "mel", "dense")[:1]
    assert [row[2], row[4], row[5], row[8]] == ["0.5000", "3", "-0.4000", "10 M"]


def test_effects(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """By hand: grand mean 0.675; mel 0.55, cqt 0.8; dense 0.6, cnn 0.75; departures 0.025."""
    text = ablate(capsys, make_sweep(tmp_path), *VARY)
    assert rows(text, "frontend", "mel")[0][2:4] == ["0.5500", "-0.1250"]
    assert rows(text, "backbone", "cnn")[0][2:4] == ["0.7500", "+0.0750"]
    assert rows(text, "frontend", "mel minus cqt")[0][2] == "-0.2500"
    assert rows(text, "mel", "dense")[1][2] == "+0.0250"
    assert rows(text, "frontend with backbone")[0][3] == "\\< 0.001"


def test_baseline(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = ablate(capsys, make_sweep(tmp_path), *VARY, "--baseline", "backbone=dense,frontend=mel")
    assert "Baseline: frontend mel, backbone dense." in text
    assert rows(text, "cqt", "cnn")[0][5] == "+0.4000"
    assert rows(text, "frontend", "cqt minus mel")[0][2] == "+0.2500"


def test_front_by_cost(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """mel cnn costs 20 M for 0.6, cqt dense 30 M for 0.55: it is not on the front."""
    means = MEANS | {("cqt", "dense"): 0.55}
    front = ablate(capsys, make_sweep(tmp_path, means), *VARY).partition("### Score and cost")[2]
    assert [row[:2] for row in rows(front) if row[3][:1] == "0"] == [["mel", "dense"], ["mel", "cnn"], ["cqt", "cnn"]]


def test_unknown_cost_is_left_out(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "Score and cost" not in ablate(capsys, make_sweep(tmp_path, cost=Cost()), *VARY)


@pytest.mark.parametrize(
    ("expected", "answer"),
    [("frontend=cqt>mel", "confirmed"), ("frontend=mel>cqt", "contradicted"), ("backbone=cnn > dense", "confirmed")],
)
def test_expectations(capsys: pytest.CaptureFixture[str], tmp_path: Path, expected: str, answer: str) -> None:
    text = ablate(capsys, make_sweep(tmp_path), *VARY, "--expect", expected)
    factor, levels = expected.split("=")
    assert rows(text, f"{factor}: {re.sub(' *> *', ' above ', levels)}")[0][3] == answer


def test_a_difference_within_the_noise_is_not_decided(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path, {("mel", "cnn"): 0.5, ("cqt", "cnn"): 0.501, ("stft", "cnn"): 0.6})
    text = ablate(capsys, sweep, "--vary", "frontend", "--expect", "frontend=stft>cqt>mel")
    assert rows(text, "frontend: stft above cqt")[0][3] == "confirmed"
    assert rows(text, "frontend: cqt above mel")[0][3] == "not decided"


def test_one_factor_of_the_options(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Levels are in the order of numbers."""
    for lr, mean in ((0.003, 0.6), (0.01, 0.4), (1e-05, 0.5)):
        for seed in range(2):
            make_run(tmp_path / f"{lr}-{seed}", seed=seed, scores=scores_of(mean, seed), options={"optimizer.lr": lr})
    text = ablate(capsys, tmp_path, "--vary", "optimizer.lr")
    assert "3 choices of optimizer.lr, 2 seeds each" in text
    assert [row[0] for row in rows(text)[2:5]] == ["1e-05", "0.003", "0.01"]
    assert rows(text, "0.003")[0][4] == "+0.1000"
    assert "Interactions" not in text


def test_three_factors(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for compression in ("log", "none"):
        mean = 0.1 * (compression == "log")
        means = {cell: each - mean for cell, each in MEANS.items()}
        make_sweep(tmp_path / compression, means, 1, choices={"compression": compression})
    text = ablate(capsys, tmp_path, "--vary", "frontend,backbone,compression")
    assert rows(text, "compression", "none")[0][3] == "+0.0500"
    assert rows(text, "backbone with compression")[0][0] == "backbone with compression"
    assert rows(text, "mel", "dense", "log")[0][3] == "0.3900"


def test_missing_and_failed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path, {cell: mean for cell, mean in MEANS.items() if cell != ("cqt", "cnn")})
    make_unfinished(sweep / "failed", frontend="cqt", backbone="cnn", seed=2)
    make_unfinished(sweep / "other", frontend="cqt", backbone="cnn", seed=1, **{"optimizer.lr": 0.5})
    make_unfinished(sweep / "made-up-for", frontend="cqt", backbone="dense", seed=1)
    text = ablate(capsys, sweep, *VARY)
    assert "* No result: cqt, cnn." in text
    failed = [line for line in text.splitlines() if "unfinished" in line]
    assert len(failed) == 1
    assert failed[0].startswith("* Failed or unfinished: cqt, cnn, seed 2 (")
    assert "least-squares fit" in text
    assert rows(text, "backbone", "cnn minus dense")[0][2] == "+0.1000"  # of mel alone
    assert "Too few combinations have a result to tell." in text


def test_factors_that_never_vary_apart(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path, {("mel", "dense"): 0.5, ("cqt", "cnn"): 0.9})
    text = ablate(capsys, sweep, *VARY, "--expect", "frontend=cqt>mel")
    assert "There is no telling the factors apart" in text
    assert rows(text, "frontend: cqt above mel")[0][1:] == ["-", "-", "not decided"]
    assert rows(text, "mel", "dense")[0][5] == "-0.4000"


def test_one_seed_says_what_intervals_are_of(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = ablate(capsys, make_sweep(tmp_path, num_seeds=1), *VARY)
    assert "Intervals of means are of these trained weights on other tracks" in text
    assert "Nothing is said of differences: with one seed each, another seed may turn them round." in text
    assert rows(text, "mel", "dense")[0][5:8] == ["-0.4000", "-", "-"]
    assert "1 seed each" in text


def test_some_with_one_seed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    make_sweep(tmp_path)
    make_run(tmp_path / "single", frontend="stft", backbone="cnn", scores=scores_of(0.5))
    text = ablate(capsys, tmp_path, *VARY)
    assert "1 to 3 seeds each" in text
    assert "Where there is one seed, the seed variance is borrowed from the 4 with several" in text
    assert rows(text, "stft", "cnn")[0][7] != "-"


def test_one_seed_and_one_track(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    make_run(tmp_path / "a", frontend="mel", scores={"a": {"F": 0.5}})
    make_run(tmp_path / "b", frontend="cqt", scores={"a": {"F": 0.6}})
    text = ablate(capsys, tmp_path, "--vary", "frontend")
    assert "There are no intervals" in text
    assert rows(text, "mel")[0][1:7] == ["0.5000", "-", "1", "-0.1000", "-", "-"]


def test_tracks_without_a_score_somewhere_are_left_out(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    scores = {"a": {"F": 0.5}, "b": {"F": 0.7}, "c": {"F": 0.9}}
    make_run(tmp_path / "a", frontend="mel", scores=scores)
    make_run(tmp_path / "b", frontend="cqt", scores=scores | {"c": {"F": float("nan")}})
    text = ablate(capsys, tmp_path, "--vary", "frontend")
    assert "on 2 tracks of 2 works" in text
    assert "1 track left out" in text
    assert rows(text, "mel")[0][1] == "0.6000"


def test_a_choice_without_any_score(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    nothing = {name: {"F-measure": float("nan")} for name in scores_of(0.5)}
    make_sweep(tmp_path)
    make_run(tmp_path / "diverged", frontend="stft", backbone="cnn", scores=nothing)
    text = ablate(capsys, tmp_path, *VARY)
    assert rows(text, "stft", "cnn")[0][2] == "-"
    assert rows(text, "mel", "dense")[0][2] == "0.5000"


def test_boards_are_sections(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    make_sweep(tmp_path / "notes")
    make_sweep(tmp_path / "beat", task="beat")
    make_run(tmp_path / "baseline", system="baseline grid", scores=scores_of(0.1))
    text = ablate(capsys, tmp_path, *VARY)
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == ["## beat on synth, test split: F-measure", "## notes on synth, test split: F-measure"]
    assert "* Trivial baseline grid on the same tracks: 0.0900." in text
    assert "## notes" not in ablate(capsys, tmp_path, *VARY, "--where", "task=beat")


def test_options_of_a_varied_group_may_differ_with_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    make_run(tmp_path / "a", backbone="cnn", scores=scores_of(0.5), options={"backbone.kernel": 3})
    make_run(tmp_path / "b", backbone="dense", scores=scores_of(0.6), options={"backbone.context": 2})
    assert rows(ablate(capsys, tmp_path, "--vary", "backbone"), "dense")[0][4] == "+0.1000"


@pytest.fixture
def two_rates(tmp_path: Path) -> Path:
    make_sweep(tmp_path / "slow", options={"optimizer.lr": 0.001, "trainer.batch_size": 8})
    means = {cell: mean - 0.1 for cell, mean in MEANS.items()}
    return make_sweep(tmp_path / "fast", means, options={"optimizer.lr": 0.01, "trainer.batch_size": 4}).parent


def test_what_else_differs_is_an_error(capsys: pytest.CaptureFixture[str], two_rates: Path) -> None:
    message = refused(capsys, two_rates, *VARY)
    assert "optimizer.lr is 0.001, 0.01; trainer.batch_size is 4, 8. Add optimizer.lr to --vary" in message
    assert "--where optimizer.lr=0.001" in message


def test_what_else_differs_can_be_chosen(capsys: pytest.CaptureFixture[str], two_rates: Path) -> None:
    text = ablate(capsys, two_rates, *VARY, "--where", "optimizer.lr=0.001")
    assert rows(text, "mel", "dense")[0][2] == "0.5000"


def test_what_else_differs_can_be_ignored(capsys: pytest.CaptureFixture[str], two_rates: Path) -> None:
    text = ablate(capsys, two_rates, *VARY, "--ignore", "optimizer.lr", "--ignore", "trainer")
    assert "but optimizer.lr, trainer may differ" in text
    assert "mel, dense: 2 configurations, whose mean counts for each seed." in text
    assert rows(text, "mel", "dense")[0][2:5:2] == ["0.4500", "3"]


def test_metrics_of_all_tracks_together(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Those that have an interval, as the tags' do, can be compared; others are refused by name."""
    make_sweep(tmp_path, num_seeds=1, pooled={"pooled": 0.5}, evidence={name: {"a": 1.0} for name in scores_of(0)})
    assert "choose one of F-measure" in refused(capsys, tmp_path, *VARY, "--metric", "pooled")
    assert rows(ablate(capsys, tmp_path, *VARY), "mel", "dense")[0][2] == "0.4900"
