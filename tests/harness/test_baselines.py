"""Trivial baselines are scored once for all runs on the same data, and then only copied."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from configs import make_task
from conftest import Here
from ricercar.data.audio.store import AudioStore
from ricercar.data.sources.folder import Folder
from ricercar.data.track import Track
from ricercar.harness import baselines
from ricercar.harness.baselines import baseline_result
from ricercar.harness.benchmark import Benchmark
from ricercar.harness.results import Result, TrackScore
from trainings import benchmark


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The baselines that are really scored, one entry for each time."""
    names: list[str] = []

    score_baseline = Benchmark.score_baseline

    def noted(own: Benchmark, name: str, folder: Path) -> list[TrackScore]:
        names.append(name)
        time.sleep(0.1)
        return score_baseline(own, name, folder)

    monkeypatch.setattr(Benchmark, "score_baseline", noted)
    return names


@pytest.fixture
def tracks(tones: Path) -> dict[str, list[Track]]:
    source = Folder(root=str(tones))
    return {split: source.tracks(split) for split in ("train", "test")}


Score = Callable[..., Result]


@pytest.fixture
def score(tracks: dict[str, list[Track]], tmp_path: Path) -> Score:
    """score(folder): one of the baselines of notes on the tones, into `folder`."""

    def scored(folder: str, name: str = "common_pitches", **given: Any) -> Result:
        own = {"scoring": make_task("notes"), "training": tracks["train"], "tracks": tracks["test"]} | given
        own = {"store": AudioStore(tmp_path / "cache", 16000)} | own
        return baseline_result(name, benchmark(**own), "folder", tmp_path / folder)

    return scored


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["common_pitches", "spectral_peaks"])
def test_kept_result_is_the_same(name: str, score: Score, scored: list[str], tmp_path: Path) -> None:
    first, second = score("one", name), score("two", name)
    assert scored == [name]
    assert first == second == Result.read(tmp_path / "two" / "result.json")
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert sorted(files(tmp_path / "one")) == ["predictions/t3.tsv", "result.json"]


def test_names_of_the_run_are_its_own(score: Score, tracks: dict[str, list[Track]], tmp_path: Path) -> None:
    score("one")
    store = AudioStore(tmp_path / "cache", 16000)
    other_name = benchmark(make_task("notes"), tracks["test"], store, tracks["train"], "b:x")
    other = baseline_result("common_pitches", other_name, "b", tmp_path / "b")
    assert (other.choices["data"], other.dataset.name) == ("b", "b:x")


@pytest.mark.parametrize("changed", ["protocol", "training", "tracks", "annotations", "rate", "code", "name"])
def test_whatever_matters_is_scored_anew(
    changed: str,
    score: Score,
    scored: list[str],
    tracks: dict[str, list[Track]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = score("one")
    given: dict[str, Any] = {}
    if changed == "protocol":
        given["scoring"] = make_task("notes")
        given["scoring"].protocol["onset_tolerance_s"] = 0.01
    elif changed == "training":
        given["training"] = tracks["train"][:1]
    elif changed == "tracks":
        given["tracks"] = tracks["train"]
    elif changed == "annotations":
        [track] = tracks["test"]
        notes = track.annotations["notes"].transposed(1)
        given["tracks"] = [replace(track, annotations={**track.annotations, "notes": notes})]
    elif changed == "rate":
        given["store"] = AudioStore(tmp_path / "cache", 8000)
    elif changed == "code":
        monkeypatch.setattr(baselines, "source_hash", lambda *_: "other")
    else:
        given["name"] = "spectral_peaks"
    second = score("two", **given)
    assert len(scored) == 2
    assert (first.run_id != second.run_id) == (changed != "code")  # what is another system is no copy of the first


@pytest.mark.parametrize("damage", ["no result", "half a result", "no prediction"])
def test_what_was_cut_short_is_scored_anew(damage: str, score: Score, scored: list[str], tmp_path: Path) -> None:
    score("one")
    [kept] = (path for path in (tmp_path / "cache" / "baselines").iterdir() if path.is_dir())
    if damage == "no result":
        (kept / "result.json").unlink()
    elif damage == "half a result":
        (kept / "result.json").write_bytes((kept / "result.json").read_bytes()[:100])
    else:
        (kept / "predictions" / "t3.tsv").unlink()
    score("two")
    assert len(scored) == 2
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_one_scores_and_the_others_wait(score: Score, scored: list[str], tmp_path: Path) -> None:
    threads = [threading.Thread(target=score, args=(f"run{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(scored) == 1
    assert files(tmp_path / "run0") == files(tmp_path / "run1") == files(tmp_path / "run2")


def test_beside_a_run_baselines_learn_from_nothing_that_they_are_scored_on(
    run_here: Here, on_tones: list[str], tones: Path, cache: Path, tmp_path: Path
) -> None:
    """They are then the same as alone, whose name says what was learnt from."""
    where = ["data=folder", f"data.root={tones}", f"cache_dir={cache}"]
    assert run_here("train.py", *on_tones, "task=key", "hydra.run.dir=run") == (0, "")
    for split in ("train", "test"):
        assert run_here("eval.py", "run=run", "accelerator=cpu", f"split={split}", f"hydra.run.dir={split}") == (0, "")
        alone = ["baseline=majority", "task=key", f"split={split}", f"hydra.run.dir={split}_alone"]
        assert run_here("eval.py", *alone, *where) == (0, "")
        beside = Result.read(tmp_path / split / "baselines" / "majority" / "result.json")
        assert beside.run_id == Result.read(tmp_path / f"{split}_alone" / "result.json").run_id
