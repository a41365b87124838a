"""leaderboard.py reproduce: the same run again from its result file, and a word on whether it holds."""

import argparse
import shutil
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from configs import ROOT, composed
from results_factory import make_result, make_scores
from ricercar.comparison import reproduce
from ricercar.comparison.board import boards
from ricercar.comparison.found import Collection, Found
from ricercar.comparison.rows import rows
from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.harness.results import Result
from ricercar.harness.run import Run
from ricercar.tasks.scale import SHARE
from ricercar.train import train
from trainings import informative

NAN = float("nan")
NET = ["frontend=mel", "backbone=dense", "backbone.width=16", "task=onset"]


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    reproduce.add_arguments(parser)
    return parser.parse_args(arguments)


@pytest.fixture
def before(tmp_path: Path, on_tones: list[str]) -> Result:
    """A trained run in tmp_path/outputs/run, on a copy of the data in tmp_path/data."""
    root = on_tones[-2].partition("=")[2]
    shutil.copytree(root, tmp_path / "data")
    cfg = composed(*NET, *on_tones, f"data.root={tmp_path / 'data'}")
    folder = tmp_path / "outputs" / "run"
    folder.mkdir(parents=True)
    choices = {"task": "onset", "data": "folder", "frontend": "mel", "backbone": "dense"}
    [result] = train(Run(cfg, folder, choices, []))
    return result


def arguments(before: Result, tmp_path: Path, on_tones: list[str], *more: str) -> argparse.Namespace:
    cache = on_tones[-1].partition("=")[2]
    where = [f"--output={tmp_path / 'again'}", f"--cache-dir={cache}", "--num-threads=1"]
    return parsed(before.run_id[:8], str(tmp_path / "outputs"), *where, *more)


def test_the_same_scores_on_the_same_machine(
    before: Result, tmp_path: Path, on_tones: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert reproduce.run(arguments(before, tmp_path, on_tones)) == 0
    printed = capsys.readouterr().out
    assert "every track scores the same" in printed
    assert "There is no 95 % interval of 1 track: the new score is the same." in printed
    again = Result.read(tmp_path / "again" / "result.json")
    assert informative(before)
    assert again.tracks == before.tracks
    assert again.run_id == before.run_id
    assert assemble.trained_config(tmp_path / "again", OmegaConf.create(EVAL)).seed == before.seed
    with pytest.raises(InputError, match="has a result already"):
        reproduce.run(arguments(before, tmp_path, on_tones))


EVAL = {"cache_dir": "", "split": "test", "run": "", "accelerator": None, "data_root": None, "num_scorers": None}


def test_other_data_is_refused_before_training(before: Result, tmp_path: Path, on_tones: list[str]) -> None:
    notes = tmp_path / "data" / "notes" / "t3.tsv"
    notes.write_text("".join(notes.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(InputError, match=f"expected 1 with {before.dataset.fingerprint}"):
        reproduce.run(arguments(before, tmp_path, on_tones))
    assert not (tmp_path / "again" / "checkpoints").exists()


def found(**values: object) -> Found:
    return Found(Path("result.json"), make_result(**values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("results", "run_id", "message"),
    [
        ([{}], "none-such", "none of the 1 results"),
        ([{"run_id": "aa1"}, {"run_id": "aa2"}], "aa", "several: aa1, aa2"),
        ([{"system": "baseline majority", "run_id": "aa"}], "aa", "baseline majority was not trained here"),
        ([{"system": "Onsets and Frames", "run_id": "aa"}], "aa", "Onsets and Frames was not trained here"),
    ],
)
def test_what_cannot_be_reproduced(results: list[dict[str, object]], run_id: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        reproduce.chosen([found(**each) for each in results], run_id)


def test_of_several_protocols_the_run_s_own_counts() -> None:
    own, other = ({"onset_tolerance_s": each, "averaging": "tracks"} for each in (0.05, 0.1))
    trained = {f"task.protocol.{name}": value for name, value in own.items()}
    again, first = (found(options=trained, protocol=each, run_id="aa") for each in (other, own))
    assert reproduce.chosen([again, first], "aa").protocol == own
    with pytest.raises(InputError, match="only its score under another protocol"):
        reproduce.chosen([again], "aa")


@pytest.mark.parametrize(("drop", "expected"), [(0.0, True), (0.01, True), (0.4, False)])
@pytest.mark.parametrize("num_seeds", [1, 3])
def test_verdict(drop: float, expected: bool, num_seeds: int) -> None:
    seeds = [make_result(seed=seed, scores=make_scores(0.6, seed=seed)) for seed in range(num_seeds)]
    lower = {name: {"F-measure": each["F-measure"] - drop, "Precision": 0.5} for name, each in make_scores(0.6).items()}
    inside, text = reproduce.verdict(seeds[0], make_result(scores=lower), seeds)
    assert inside is expected
    assert ("inside" if expected else "OUTSIDE") in text
    assert (f"{num_seeds} seeds and 6 tracks" if num_seeds > 1 else "(6 tracks)") in text


@pytest.mark.parametrize(
    ("old", "new", "inside", "words"),
    [
        (
            [0.5],
            [0.5],
            True,
            "every track scores the same.\nThere is no 95 % interval of 1 track: the new score is the",
        ),
        ([0.5], [0.4], False, "is 0.4000; the track that moved most by 0.1000.\nThere is no 95 % interval of 1 track"),
        ([NAN], [NAN], True, "was not defined, is not defined; every track scores the same.\nThere is no 95 % interv"),
        ([NAN, 0.5], [NAN, 0.5], True, "every track scores the same"),
        ([0.5, 0.7], [0.6, NAN], True, "that moved most by 0.1000, 1 track with a score only before or only now"),
        ([0.5, 0.7], [NAN, NAN], False, "is not defined; 2 tracks with a score only before or only now"),
    ],
)
def test_what_has_no_interval_or_no_score(old: list[float], new: list[float], inside: bool, words: str) -> None:
    before, after = (
        make_result(scores={f"t{i}": {"F-measure": value} for i, value in enumerate(values)}) for values in (old, new)
    )
    found, text = reproduce.verdict(before, after, [before])
    assert found is inside
    assert words in text
    assert "nan" not in text


@pytest.mark.parametrize(
    "target", ["os.system", "ricercar.train.os.system", "ricercar.data.files.replaced", "torch.optim.adamw._params_doc"]
)
def test_a_result_file_makes_no_objects_but_ours(target: str) -> None:
    result = make_result(options={"optimizer._target_": target})
    with pytest.raises(InputError, match=r"_target_ .* is not a class of ricercar, torch"):
        reproduce.configuration(result, None, None, None, [])


@pytest.mark.parametrize("task", ["drums", "tag"])
def test_a_protocol_that_other_options_are_part_of_is_the_run_s_own(task: str) -> None:
    """Classes of drums and what claims a tag stand in the result's protocol, and not in task.protocol."""
    path = ROOT / "docs" / "results" / "synth" / task / "result.json.gz"
    result = Result.read(path)
    assert reproduce.chosen([Found(path, result)], result.run_id) == result


def test_the_interval_is_that_of_the_leaderboard() -> None:
    """It stays within the bounds of the metric."""
    high = {f"t{i}": {"F-measure": value} for i, value in enumerate([1.0, 1.0, 1.0, 1.0, 1.0, 0.7])}
    before = make_result(scores=high, scales={"F-measure": SHARE})
    [row] = rows(boards(Collection([Found(Path("result.json"), before)], []))[0])
    shown = row.metrics["F-measure"]
    _, text = reproduce.verdict(before, before, [before])
    assert f"{shown.low:.4f} to {shown.high:.4f}" in text
    assert shown.high < 1


def test_changes_are_named() -> None:
    lines = reproduce.changes(make_result(versions={"python": "2.7", "nonsense": "1"}, git=None))
    assert any(line.startswith("python was 2.7, is 3.") for line in lines)
    assert "nonsense was 1, is not installed" in lines
    assert "the commit of the code is not known" in lines


COMMITTED = [
    "maps_harmonic/result.json",
    "maps_table/mel-cnn-s0/result.json.gz",
    "synth/melody/result.json.gz",
]


@pytest.mark.parametrize("place", COMMITTED)
def test_committed_results_can_be_trained_again(place: str) -> None:
    cfg = reproduce.configuration(Result.read(ROOT / "docs" / "results" / place), None, None, None, [])
    assemble.make(cfg.trainer)
    assemble.make(cfg.schedule)
    assemble.make_optimizer(cfg.optimizer, [torch.nn.Parameter(torch.zeros(1))])
    assemble.make_net(cfg, assemble.make_tasks(cfg))
