"""Which way is better: all that ranks, marks or picks by a metric says the same of an error as of 1 minus it."""

import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from ablation_examples import ablate, refused, rows
from configs import composed
from results_factory import Scores, make_result, make_run, make_scores
from ricercar.comparison.ablation.figures import frontier
from ricercar.comparison.board import Board, boards
from ricercar.comparison.collect import collect
from ricercar.comparison.excerpts import pick_tracks
from ricercar.comparison.overall import overall
from ricercar.comparison.page.payload import page_payload
from ricercar.comparison.rows import table
from ricercar.errors import InputError
from ricercar.harness import evaluate
from ricercar.harness.report import format_tracks
from ricercar.harness.results import check_bounds
from ricercar.harness.run import Run
from ricercar.leaderboard import main
from ricercar.tasks.multipitch import Multipitch
from ricercar.tasks.scale import COUNT, ERROR, SHARE, Scale
from ricercar.train import train

FOUND, LOST = "found", "lost"  # shares of one whole: what is found is not lost
VARY = ("--vary", "frontend,backbone")


def as_lost(scores: Scores) -> Scores:
    return {track: {LOST: 1 - next(iter(metrics.values()))} for track, metrics in scores.items()}


def as_found(scores: Scores) -> Scores:
    return {track: {FOUND: next(iter(metrics.values()))} for track, metrics in scores.items()}


def sweep(root: Path, *, lost: bool) -> Path:
    """Two tasks, four networks of two seeds, on six tracks."""
    networks = product(("mel", "cqt"), ("cnn", "lstm"))
    for i, (frontend, backbone) in enumerate(networks):
        for task, seed in product(("notes", "onset"), range(2)):
            scores = make_scores(0.8 - 0.15 * i + 0.01 * (task == "onset"), seed=10 * i + seed)
            make_run(
                root / f"{task}{frontend}{backbone}{seed}",
                task=task,
                frontend=frontend,
                backbone=backbone,
                seed=seed,
                scores=as_lost(scores) if lost else as_found(scores),
                scales={LOST: Scale("lower", 0.0, 1.0)} if lost else {FOUND: SHARE},
            )
    return root


@pytest.fixture
def both(tmp_path: Path) -> tuple[Path, Path]:
    return sweep(tmp_path / "found", lost=False), sweep(tmp_path / "lost", lost=True)


def boards_of(folders: tuple[Path, Path]) -> list[list[Board]]:
    return [boards(collect([folder])) for folder in folders]


def bold(text: str) -> list[str]:
    """The names of the systems in whose row something is bold, and the rows' order."""
    return [
        ("* " if "**" in line else "") + line.split("|")[2].strip(" *") for line in text.splitlines() if "|" in line
    ]


def shown(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([*map(str, arguments), "--format", "md"]) == 0
    return capsys.readouterr().out


def test_order_bold_and_words(both: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    found, lost = (shown(capsys, folder) for folder in both)
    assert bold(found) == bold(lost)
    assert any(each.startswith("* ") for each in bold(lost))
    alike = re.compile("Not told apart from the best: .*")
    assert alike.findall(found) == alike.findall(lost)
    assert "Lower is better: lost." in lost
    assert "better" not in found


def test_ranks_over_boards_and_works(both: tuple[Path, Path]) -> None:
    found, lost = boards_of(both)
    averages = [overall(each) for each in (found, lost)]
    assert averages[0] is not None
    assert averages[1] is not None
    assert averages[0].ranks.average == averages[1].ranks.average
    contents = [
        page_payload(collect([folder]), each, {}, "", {}) for folder, each in zip(both, (found, lost), strict=True)
    ]
    assert contents[0]["boards"][0]["ranks"] == contents[1]["boards"][0]["ranks"]
    assert contents[0]["boards"][0]["better"] == {FOUND: "higher"}
    assert contents[1]["boards"][0]["better"] == {LOST: "lower"}


def test_tracks_to_hear(both: tuple[Path, Path]) -> None:
    found, lost = boards_of(both)
    assert pick_tracks(found[0], 6) == pick_tracks(lost[0], 6)


def test_the_worst_track_is_first() -> None:
    scores = make_scores()
    results = [
        make_result(scores=as_found(scores), scales={FOUND: SHARE}),
        make_result(scores=as_lost(scores), scales={LOST: Scale("lower", 0.0, 1.0)}),
    ]
    orders = []
    for result in results:
        text = format_tracks(result, type("Shows", (), {"shown": ()}), [])  # type: ignore[arg-type]
        orders.append(re.findall(r"^track\d", text, re.MULTILINE))
    assert orders[0] == orders[1] == sorted(scores, key=lambda name: next(iter(scores[name].values())))


def test_ablations(both: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    expected = ("--where", "task=notes", "--expect", "frontend=mel>cqt", "--expect", "backbone=lstm>cnn")
    found, lost = (ablate(capsys, folder, *VARY, *expected) for folder in both)
    assert [row[-1] for row in rows(found, "backbone: lstm above cnn")] == ["contradicted"]
    assert [row[-1] for row in rows(lost, "backbone: lstm below cnn")] == ["contradicted"]
    assert [row[-1] for row in rows(lost, "frontend: mel below cqt")] == ["confirmed"]
    front = [text.split("### Score and cost")[1].split("!")[0].replace(LOST, FOUND) for text in (found, lost)]
    assert [re.findall(r"^\| (mel|cqt) *\| (\w+)", each, re.MULTILINE) for each in front] == [[("mel", "cnn")]] * 2
    assert "lower is better" in lost


def test_colours_of_a_heat_map(both: tuple[Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The best is light, with dark letters: an error's spectrogram has the same colours."""
    colours = []
    for folder in both:
        output = tmp_path / f"{folder.name}.html"
        assert ablate(capsys, folder, *VARY, "--where", "task=notes", "--output", output) == ""
        spectrogram = output.read_text().split("<svg")[1]
        colours.append((re.findall("#[0-9a-f]{6}", spectrogram), re.findall(r"data:image/png[^\"]*", spectrogram)))
    assert colours[0] == colours[1]


def test_front_by_hand() -> None:
    """Of an error the second costs more than the first for less of it; the third costs still more, for more of it."""
    assert [point.best for point in frontier([1, 2, 3], [0.5, 0.3, 0.4], ERROR)] == [True, True, False]
    assert [point.best for point in frontier([1, 2, 3], [0.5, 0.3, 0.4], COUNT)] == [False] * 3


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """By the primary metric all are alike; "a" has the fewest errors, "c" the largest size."""
    for name, errors, size in (("a", 1.0, 5.0), ("b", 2.0, 6.0), ("c", 3.0, 7.0)):
        scores = {f"track{i}": {"F-measure": 0.5 + 0.05 * i, "errors": errors, "size": size} for i in range(6)}
        for seed in range(2):
            folder = tmp_path / name / str(seed)
            make_run(folder, backbone=name, seed=seed, scores=scores, scales={"errors": ERROR, "size": COUNT})
    return tmp_path


def test_of_other_metrics_nothing_is_bold(three: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the primary one no two are told apart; of the others no verdict is known."""
    text = shown(capsys, three)
    assert re.findall(r"\*\*(.*?)\*\*", text) == ["mel a", "0.6250", "mel b", "0.6250", "mel c", "0.6250"]
    assert "Lower is better: errors." in text
    assert "Neither lower nor higher is better, so that none is the best: size." in text


@pytest.mark.parametrize(
    ("metric", "order", "words"),
    [("errors", "abc", "Sorted by errors, the lowest first."), ("size", "cba", "Sorted by size, the highest first.")],
)
def test_sorting(three: Path, capsys: pytest.CaptureFixture[str], metric: str, order: str, words: str) -> None:
    text = shown(capsys, three, "--sort", metric)
    assert "".join(re.findall(r"\| mel ([abc])", text))[:3] == order
    assert words in text


def test_nothing_is_expected_of_a_metric_without_a_best(three: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (three, "--vary", "backbone", "--metric", "size")
    error = refused(capsys, *arguments, "--expect", "backbone=a>b")
    assert "--expect needs a metric that has a best: of size neither lower nor higher is" in error
    text = ablate(capsys, *arguments)
    assert "neither higher nor lower is better" in text
    assert "Score and cost" not in text


def test_tracks_are_shown_by_a_metric_that_has_a_best(tmp_path: Path) -> None:
    """Where the primary metric is one of all tracks together."""
    scores = {f"t{i}": {"size": 1.0, "errors": float(i)} for i in range(3)}
    own = make_result(
        scores=scores,
        scales={"size": COUNT, "errors": ERROR},
        evidence={name: {"x": 1.0} for name in scores},
        pooled={"all": 0.5},
        primary="all",
    )
    own.write(tmp_path / "run" / "result.json")
    [board] = boards(collect([tmp_path]))
    assert own.primary_of_tracks == board.track_metric == "errors"
    assert pick_tracks(board, 3)[0] == "t2"
    assert table(board).rows[0].rank == 1


@pytest.mark.parametrize(
    ("values", "step", "score", "primary"),
    [
        ([0.9, 0.3, 0.6], 2, -0.3, "multipitch/Total_Error"),
        ([float("nan"), 0.6, 0.9], 2, -0.6, "multipitch/Total_Error"),
        ([0.3, 0.9, 0.6], 2, 0.9, "multipitch/F-measure"),
        ([0.3, float("nan"), float("nan")], 1, 0.3, "multipitch/F-measure"),
    ],
)
def test_the_best_checkpoint(
    on_tones: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    values: list[float],
    step: int,
    score: float,
    primary: str,
) -> None:
    """A search, a sweeper, early stopping and the schedule see the same number: larger is better."""
    monkeypatch.setattr(Multipitch, "primary", primary)
    validations = iter(values)
    monkeypatch.setattr(evaluate, "metrics_of", lambda scores, task: {primary: next(validations)})
    small = ["task=multipitch", "frontend=mel", "backbone=dense", "backbone.num_params=20000"]
    cfg = composed(*on_tones, *small, "trainer.num_validations=3")
    [result] = train(Run(cfg, tmp_path, {"task": "multipitch", "data": "folder"}, []))
    best = torch.load(tmp_path / "checkpoints" / "best.pt", weights_only=True)
    assert (best["step"], best["score"]) == (step, pytest.approx(score))
    assert result.tuning is not None
    assert result.tuning.trials[0].score == pytest.approx(score)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("multipitch/new", "the metric multipitch/new has no scale: say in the task's `scales` which way is better"),
        ("tag/num_ranked_tags", "primary is 'tag/num_ranked_tags', but scales.tag/num_ranked_tags.better is null"),
    ],
)
def test_a_task_that_does_not_say_it_is_stopped_at_its_first_validation(
    on_tones: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metric: str, message: str
) -> None:
    monkeypatch.setattr(Multipitch, "primary", metric)
    monkeypatch.setattr(Multipitch, "scales", {COUNT: "tag/num_ranked_tags"})
    monkeypatch.setattr(evaluate, "metrics_of", lambda scores, task: {metric: 0.5})
    cfg = composed(*on_tones, "task=multipitch", "frontend=mel", "backbone=dense", "trainer.num_validations=3")
    with pytest.raises(InputError, match=re.escape(message)):
        train(Run(cfg, tmp_path, {"task": "multipitch", "data": "folder"}, []))


@pytest.mark.parametrize(
    ("scale", "value", "gain"),
    [
        (SHARE, 0.3, 0.3),
        (SHARE, np.nan, 0.0),
        (ERROR, 0.3, -0.3),
        (ERROR, np.nan, -1e6),
        (Scale("lower", 0.0, 127.0), np.nan, -127.0),
        (Scale("higher", None, None), np.nan, -1e6),
    ],
)
def test_gain(scale: Scale, value: float, gain: float) -> None:
    assert scale.gain(value) == gain


def test_rounding_is_not_out_of_bounds() -> None:
    scale = {"segment/Normalized_Mutual_Information": SHARE}
    check_bounds(scale, {"segment/Normalized_Mutual_Information": -1e-7}, [])
    with pytest.raises(InputError, match="must be from 0 to 1"):
        check_bounds(scale, {"segment/Normalized_Mutual_Information": -1e-5}, [])
