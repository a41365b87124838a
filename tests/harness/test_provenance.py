"""Equal effort and origin: searches on the validation split, looks at the test split, systems from elsewhere."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from configs import SYNTH, composed
from ricercar.errors import InputError
from ricercar.harness.loop import Trained
from ricercar.harness.provenance import TrainingData
from ricercar.harness.results import Result
from ricercar.harness.run import Run, look
from ricercar.harness.systems.system import System
from ricercar.harness.tune import Tune, label, tuned
from ricercar.train import train
from trainings import informative

NET = ["frontend=mel", "backbone=dense", "backbone.width=16", "task=onset"]
DONE = Trained(steps=3, train_s=1.0, audio_s=2.0, best_score=0.5, best_step=3, diverged=None)
NAN = float("nan")


def run_in(folder: Path, cfg: DictConfig) -> Run:
    return Run(cfg, folder, {"task": "onset", "data": "folder", "frontend": "mel", "backbone": "dense"}, [])


def trained(folder: Path, on_tones: list[str], *overrides: str) -> Result:
    folder.mkdir(exist_ok=True)
    cfg = composed(*NET, *on_tones, *overrides)
    [result] = train(run_in(folder, cfg))
    return result


def test_search_ends_with_the_weights_of_its_best_trial(tmp_path: Path, on_tones: list[str]) -> None:
    search = ["tune=lr", "tune.space={optimizer.lr:[0.000001,0.02,0.000002]}"]
    found = trained(tmp_path / "search", on_tones, *search)
    assert found.tuning is not None
    assert [trial.values["optimizer.lr"] for trial in found.tuning.trials] == [1e-06, 0.02, 2e-06]
    assert found.tuning.chosen == 1
    chosen = found.tuning.trials[found.tuning.chosen]
    assert chosen.score == max(trial.score for trial in found.tuning.trials)
    alone = trained(tmp_path / "alone", on_tones, f"optimizer.lr={chosen.values['optimizer.lr']}")
    assert informative(found)
    assert found.tracks == alone.tracks
    assert alone.tuning is not None
    assert [trial.score for trial in alone.tuning.trials] == [chosen.score]
    assert (found.looks, alone.looks) == (1, 1)
    assert (tmp_path / "search" / "looks.csv").read_text().count("\n") == 1
    assert not (tmp_path / "search" / "trials").exists()
    again = trained(tmp_path / "search", on_tones, *search, "resume=true")
    assert again.tracks == found.tracks
    assert again.looks == 1


def test_search_goes_on_where_it_was_stopped(
    tmp_path: Path, on_tones: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the test split was scored: finished trials are not trained again."""
    search = ["tune=lr", "tune.space={optimizer.lr:[0.02,0.01]}"]
    monkeypatch.setattr("ricercar.train._test", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, on_tones, *search)
    assert not (tmp_path / "looks.csv").exists()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("trials/*/checkpoints/best.pt")}
    assert len(before) == 2
    monkeypatch.undo()
    monkeypatch.setattr("shutil.rmtree", lambda *arguments, **options: None)
    assert trained(tmp_path, on_tones, *search, "resume=true").looks == 1
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_diverged_trial_has_no_score() -> None:
    diverged = replace(DONE, best_score=NAN, diverged="it diverged")
    found = tuned([{"optimizer.lr": 1.0}, {"optimizer.lr": 0.1}], [diverged, DONE])
    assert found.chosen == 1
    assert label(found.trials[1].values) == "optimizer.lr=0.1"
    with pytest.raises(InputError, match="diverged"):
        tuned([{"optimizer.lr": 1.0}], [diverged])


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"optimizer.lr": []}, "Give a list of values"),
        ({"optimizer.lr": 0.1}, "Give a list of values"),
        ({"optimizer": {"lr": [0.1]}}, "Give a list of values"),
        ({"optimizer.lr": [1, 1.0]}, "twice"),
        ({"optimizer.rate": [0.1]}, "which is no option"),
        ({"optimizer": [0.1]}, "a group of options"),
        ({"optimizer._target_": ["torch.optim.SGD"]}, "a group of options"),
        ({"seed": [0, 1]}, "a run has one"),
        ({"data.num_train": [1, 2]}, "all trials share the tracks"),
        ({"cache_dir": ["a", "b"]}, "changes no result"),
        ({"task.protocol.onset_tolerance_s": [0.05, 1.0]}, "under different protocols"),
    ],
)
def test_searches_that_make_no_sense(space: dict[str, Any], message: str) -> None:
    cfg = composed(*SYNTH)
    with pytest.raises(InputError, match=message):
        Tune(space=space).trials(cfg)


def test_a_trial_that_cannot_be_made_is_refused_before_the_first_is_trained(
    tmp_path: Path, on_tones: list[str]
) -> None:
    with pytest.raises(InputError, match=r"frontend\.num_bins"):
        trained(tmp_path / "run", on_tones, "++tune.space={frontend.num_bins:[229,0]}")
    assert not list((tmp_path / "run").iterdir())


def test_looks_are_counted_for_each_split_and_data(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kinds = [("key", "a", "test"), ("key", "a", "valid"), ("key", "b, c", "test"), ("notes", "a", "test")]
    assert [look(tmp_path, *kind) for kind in (*kinds, *kinds)] == [1, 1, 1, 1, 2, 2, 2, 2]
    assert look(tmp_path / "nowhere", *kinds[0]) == 1
    assert "is not entered" in caplog.text


@pytest.mark.parametrize(
    ("works", "expected"),
    [("null", ("unknown", [])), ("[]", ("known", [])), ("[ravel, bach, satie]", ("known", ["bach", "ravel"]))],
)
def test_training_names_the_works_that_are_scored(tmp_path: Path, works: str, expected: tuple[str, list[str]]) -> None:
    (tmp_path / "system.yaml").write_text(f"{{name: a, trained_on: [maps], works: {works}}}")
    scored: list[Any] = [OmegaConf.create({"work": work}) for work in ("ravel", "bach", "bach", "liszt")]
    training = System.read(tmp_path / "system.yaml").training(scored)
    assert (training.works, training.shared) == expected
    assert TrainingData.of("maps", scored[:1], scored, "0") == TrainingData(["maps"], "known", ["ravel"], "0")
    assert json.dumps(training.data) == '["maps"]'
