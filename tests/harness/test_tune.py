"""What a search has chosen is the run: tested, written down, evaluated again, reproduced, and logged."""

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import Here
from ricercar.harness.identity import run_id
from ricercar.harness.results import Result
from trainings import informative

NET = ["frontend=mel", "backbone=dense", "backbone.width=16", "task=onset"]
# None of the values is that of the configuration, so that it cannot be taken for a choice.
SPACES = {
    "stages": "{compression.offset:[0.5,0.1],backbone.context:[1]}",
    "window": "{window_frames:[30,50],trainer.clip_norm:[null]}",
}


def folder_of(root: Path, base: str = "outputs") -> Path:
    [path] = root.glob(f"{base}/*/result.json")
    return path.parent


def at(config: Any, key: str) -> Any:
    for part in key.split("."):
        config = config[part]
    return config


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_the_chosen_values_are_the_runs_own(space: str, on_tones: list[str], tmp_path: Path, run_here: Here) -> None:
    """The command, then the same with the values given, then the first evaluated again."""
    assert run_here("train.py", *NET, *on_tones, f"tune.space={space}") == (0, "")
    folder = folder_of(tmp_path)
    found = Result.read(folder / "result.json")
    assert informative(found)
    assert found.tuning is not None
    chosen = found.tuning.trials[found.tuning.chosen].values
    assert {key: at(found.config, key) for key in chosen} == chosen
    given = [f"{key}={'null' if value is None else value}" for key, value in chosen.items()]
    assert run_here("train.py", *NET, *on_tones, *given, "hydra.run.dir=alone") == (0, "")
    assert Result.read(tmp_path / "alone" / "result.json").tracks == found.tracks
    assert run_here("eval.py", f"run={folder}", "hydra.run.dir=again", on_tones[-1]) == (0, "")
    assert Result.read(tmp_path / "again" / "result.json").tracks == found.tracks


def test_a_searched_run_is_reproduced_and_its_seeds_are_one_system(
    on_tones: list[str], tmp_path: Path, run_here: Here, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here("train.py", *NET, *on_tones, f"tune.space={SPACES['stages']}") == (0, "")
    path = folder_of(tmp_path) / "result.json"
    assert informative(Result.read(path))
    name, cache = Result.read(path).run_id, on_tones[-1].partition("=")[2]
    assert run_here("leaderboard.py", "reproduce", name, f"--cache-dir={cache}", "--num-threads=1")[0] == 0
    assert "every track scores the same" in capsys.readouterr().out
    content = json.loads(path.read_text())
    other = 1 - content["tuning"]["chosen"]
    content["tuning"]["chosen"], content["seed"], content["config"]["seed"] = other, 1, 1
    content["config"]["compression"]["offset"] = content["tuning"]["trials"][other]["values"]["compression.offset"]
    content["run_id"] = run_id(content["config"])
    (tmp_path / "outputs" / "other").mkdir()
    (tmp_path / "outputs" / "other" / "result.json").write_text(json.dumps(content))
    assert run_here("leaderboard.py", str(path.parent), "outputs/other", "--no-baselines", "--format=json")[0] == 0
    [board] = json.loads(capsys.readouterr().out)["boards"]
    assert [(system["num_seeds"], system["name"]) for system in board["systems"]] == [(2, "mel dense")]
