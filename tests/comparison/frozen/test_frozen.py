"""ricercar bench: what is frozen, who can enter, and what is said to who cannot."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from configs import make_task
from conftest import Here
from results_factory import make_result
from ricercar.comparison.frozen.entry import enter, same_scores
from ricercar.comparison.frozen.file import Frozen
from ricercar.data.annotations.tags import Tags
from ricercar.errors import InputError

KEYS = ["C major", "A minor", "G major", "E minor", "F major", "D minor", "D major", "B minor"]


class Keys:
    """A data set of keys, eight of them to be found, its frozen benchmark, and predictions that find all but one."""

    def __init__(self, folder: Path, run_here: Here, cache: Path) -> None:
        self.folder, self.run_here, self.cache = folder, run_here, cache
        self.data = folder / "data"
        self.data.mkdir()
        rows = ["id,split,group,audio,key"]
        for i, key in enumerate([*KEYS, "C major", "G major"]):
            soundfile.write(self.data / f"s{i}.flac", 0.1 * np.random.default_rng(i).normal(size=8000), 8000)
            rows.append(f"s{i},{'test' if i < 8 else 'train'},w{i},s{i}.flac,{key}")
        (self.data / "index.csv").write_text("\n".join(rows) + "\n")
        self.predictions = self.predict("theirs", [*KEYS[:7], "F# major"])

    def predict(self, name: str, keys: list[str]) -> Path:
        (self.folder / name).mkdir()
        for i, key in enumerate(keys):
            (self.folder / name / f"s{i}.key").write_text(f"{key}\n")
        return self.folder / name

    def freeze(self, name: str, *options: str) -> tuple[int, str]:
        where = ["data=folder", f"data.root={self.data}", f"cache_dir={self.cache}", f"folder={self.folder}"]
        return self.run_here("frozen.py", "freeze", name, "task=key", *where, "development=[train]", *options)

    def score(self, name: str, *options: str) -> Path:
        """eval.py of the predictions -> the folder of their result."""
        out = self.folder / name
        where = ["data=folder", f"data.root={self.data}", f"cache_dir={self.cache}", f"hydra.run.dir={out}"]
        code, errors = self.run_here("eval.py", "task=key", f"predictions={self.predictions}", *where, *options)
        assert code == 0, errors
        return out

    def check(self, benchmark: str, submission: Path, *options: str) -> tuple[int, str]:
        return self.run_here("frozen.py", "check", str(self.folder / benchmark), str(submission), *options)


@pytest.fixture
def keys(tmp_path: Path, run_here: Here, cache: Path, capsys: pytest.CaptureFixture[str]) -> Keys:
    found = Keys(tmp_path, run_here, cache)
    assert found.freeze("keys", "references=include", "forbidden=[GTZAN]") == (0, "")
    assert "8 tracks, 2 baselines" in capsys.readouterr().out
    return found


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def edit(path: Path, change: Any) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_the_file_is_all_that_an_entrant_needs(keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(keys.data)
    assert keys.check("keys.json", keys.predictions) == (0, "")
    assert "accepted: key/Weighted_Score 0.8750" in said(capsys)
    content = json.loads((keys.folder / "keys.json").read_text())
    assert str(keys.folder) not in (keys.folder / "keys.json").read_text()
    assert [track["id"] for track in content["development"]["train"]] == ["s8", "s9"]
    code, _ = keys.check("keys.json", keys.predictions, "--json")
    found = json.loads(capsys.readouterr().out)
    assert (code, found["benchmark"]["seal"]) == (0, content["seal"])
    [entry] = found["submissions"]
    assert (entry["name"], entry["accepted"], entry["metrics"]["key/accuracy"]) == ("theirs", True, 0.875)


def test_predictions_that_cannot_enter(keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    (keys.predictions / "s3.key").write_text("H major\n")
    (keys.predictions / "s9.key").write_text("C major\n")
    code, _ = keys.check("keys.json", keys.predictions)
    assert (code, "NO A prediction cannot be scored: s3.key" in said(capsys)) == (1, True)
    (keys.predictions / "s3.key").unlink()
    code, _ = keys.check("keys.json", keys.predictions)
    assert (code, "lacks predictions of 1 of 8 tracks: s3" in said(capsys)) == (1, True)
    (keys.predictions / "s3.key").write_text("E minor\n")
    assert keys.check("keys.json", keys.predictions)[0] == 0
    assert "1 files are of no track of the benchmark: s9.key" in said(capsys)
    assert "there is no such file or folder" in keys.check("keys.json", keys.folder / "nowhere")[1]


def test_results(keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    """As they are; with other scores than their predictions have; of other tracks or works; against the rules."""
    about = keys.folder / "about.yaml"
    about.write_text("name: Theirs\ntrained_on: [theirs]\nworks: []\n")
    run = keys.score("run", f"system={about}")
    said(capsys)
    assert keys.check("keys.json", run)[0] == 0
    told = said(capsys)
    assert "The scores told are those of the predictions beside them" in told
    assert "learnt from theirs, and from no work that is scored" in told
    assert keys.check("keys.json", run / "result.json")[0] == 0
    result = (run / "result.json").read_text()

    def refused(change: Any, submission: Path = run) -> str:
        (run / "result.json").write_text(result)
        edit(run / "result.json", change)
        said(capsys)
        code, errors = keys.check("keys.json", submission)
        assert (code, errors) == (1, "")
        return said(capsys)

    def better(content: dict[str, Any]) -> None:
        last = content["tracks"][-1]["metrics"]
        last["key/Weighted_Score"] = 1.0
        content["metrics"]["key/Weighted_Score"] = 1.0

    assert "not those of the predictions beside them: 1 of 8 tracks differ, s7 by 1.0000" in refused(better)
    assert "on the split valid" in refused(lambda each: each["dataset"].update(split="valid"))
    assert "other audio, works or annotations" in refused(lambda each: each["dataset"].update(fingerprint="0" * 16))
    assert "of task beat" in refused(lambda each: each["choices"].update(task="beat"))
    assert "learnt from 1 works that are scored: w3" in refused(lambda each: each["training"].update(shared=["w3"]))
    chosen = refused(lambda each: each["training"].update(shared_choosing=["w3"]))
    assert "chosen by 1 works that are scored: w3" in chosen
    forbidden = refused(lambda each: each["system"].update(trained_on=["gtzan_genre"]))
    assert "The rules forbid GTZAN for development; it used gtzan_genre" in forbidden
    assert "The result cannot be read" in refused(lambda each: each.pop("tracks"))

    def fewer(content: dict[str, Any]) -> None:
        content["tracks"] = content["tracks"][:7]
        content["dataset"]["num_tracks"] = 7
        content["metrics"] = {
            name: float(np.mean([track["metrics"][name] for track in content["tracks"]])) for name in content["metrics"]
        }

    assert "lacks 1 of 8 tracks: s7" in refused(fewer)


def test_another_protocol_is_told_by_its_options(keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    run = keys.score("run", "task.protocol.averaging=works")
    said(capsys)
    assert keys.check("keys.json", run)[0] == 1
    assert "by another protocol: averaging works in place of tracks" in said(capsys)


def test_without_references_the_data_are_needed(keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    assert keys.freeze("closed")[0] == 0
    said(capsys)
    assert keys.check("closed.json", keys.predictions)[0] == 1
    assert "--data-root says where its data lie here" in said(capsys)
    here = ("--data-root", str(keys.data), "--cache-dir", str(keys.cache))
    assert keys.check("closed.json", keys.predictions, *here)[0] == 0
    assert keys.check("keys.json", keys.predictions, *here)[0] == 0  # where the file has them, data are compared too
    soundfile.write(keys.data / "s2.flac", np.zeros(8000), 8000)
    index = (keys.data / "index.csv").read_text()
    (keys.data / "index.csv").write_text(index.replace("s4.flac,F major", "s4.flac,F minor"))
    code, errors = keys.check("closed.json", keys.predictions, *here)
    assert code == 1
    assert "1 of 8 tracks: s2 has other audio" in errors
    assert "1 of 8 tracks: s4 has another annotation" in errors
    assert "1 of 8 tracks: s2 has other audio" in keys.check("keys.json", keys.predictions, *here)[1]


def test_data_of_several_places_are_found_again(keys: Keys, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No path of whoever froze it is in the file; who checks says where the parts lie."""
    shutil.copytree(keys.data, tmp_path / "more")
    synth = [f"data.parts.synth.num_{split}=1" for split in ("train", "valid", "test")]
    short = [*synth, "data.parts.synth.composer.duration_s=6"]
    options = ["task=key", f"data.parts.folder.root={keys.data}", f"cache_dir={keys.cache}", "development=[train]"]
    where = [*options, *short, f"folder={keys.folder}"]
    assert keys.run_here("frozen.py", "freeze", "two", "data=[folder,synth]", *where) == (0, "")
    assert str(keys.folder) not in (keys.folder / "two.json").read_text()
    theirs = tmp_path / "both"
    theirs.mkdir()
    for path in keys.predictions.iterdir():
        shutil.copy(path, theirs / f"folder.{path.name}")
    (theirs / "synth.synth_test_0000.key").write_text("C major\n")
    cache = ("--cache-dir", str(keys.cache))
    for place in (str(tmp_path / "more"), f"parts.folder.root={tmp_path / 'more'}"):
        said(capsys)
        assert keys.check("two.json", theirs, "--data-root", place, *cache) == (0, "")
        assert "Predictions of all 9 tracks" in said(capsys)


def test_files_that_are_no_benchmark(keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    path = keys.folder / "keys.json"
    content = path.read_text()
    assert "is there already" in keys.freeze("keys")[1]
    edit(path, lambda each: each.update(references={**each["references"], "s0": "D major"}))
    assert "was edited after it was frozen" in keys.check("keys.json", keys.predictions)[1]
    path.write_text(content[:500])
    assert "not JSON" in keys.check("keys.json", keys.predictions)[1]
    path.write_text("[]")
    assert "is no frozen benchmark" in keys.check("keys.json", keys.predictions)[1]
    assert "cannot be read" in keys.check("nothing.json", keys.predictions)[1]
    path.write_text(content)
    said(capsys)
    assert keys.check("keys.json", path)[0] == 1
    assert "It is a benchmark, and no result" in said(capsys)


def test_a_file_of_a_stranger_runs_no_code(keys: Keys) -> None:
    frozen = Frozen.read(keys.folder / "keys.json")
    frozen.config["task"]["_target_"] = "os.system"
    with pytest.raises(InputError, match="is not a class of"):
        frozen.scoring()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["development=[valid]"], "another split of the data than 'test'; there are: train"),
        (["development=train"], "development=train: give a list of names"),
        (["forbidden=['']"], "forbidden=['']: give a list of names"),
        (["forbidden=[1]"], "forbidden=[1]: give a list of names"),
        (["references=maybe"], "references='maybe': choose one of none, include"),
        (["version=0"], "version=0: must be a whole number"),
        (["split=nothing"], "nothing"),
        (["folds=3"], "give fold=all, too"),
        (["fold=all", "folds=3"], "'train': what systems may learn from is another split of the data than 'all'"),
        (["frontend=mel"], "frontend"),
    ],
)
def test_what_cannot_be_frozen(tmp_path: Path, run_here: Here, cache: Path, options: list[str], expected: str) -> None:
    found = Keys(tmp_path, run_here, cache)
    code, errors = found.freeze("keys", *options)
    assert code == 1
    assert expected in errors
    assert not (tmp_path / "keys.json").exists()


def test_a_name_and_a_command_are_needed(run_here: Here) -> None:
    code, errors = run_here("frozen.py", "freeze", "task=key")
    assert (code, "a name is needed" in errors) == (1, True)
    code, errors = run_here("frozen.py", "thaw", "keys.json")
    assert (code, "choose one of freeze, check, board" in errors) == (2, True)


def test_the_board(keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    """Who can enter stands beside the baselines, best first; who cannot is named."""
    worse = keys.predict("worse", [*KEYS[:3], *["F# major"] * 5])
    hasty = keys.predict("hasty", KEYS[:2])
    submissions = [str(each) for each in (worse, hasty, keys.predictions)]
    file = str(keys.folder / "keys.json")
    code, errors = keys.run_here("frozen.py", "board", file, *submissions, "--format", "json")
    assert (code, "hasty: It lacks predictions of 6 of 8 tracks" in errors) == (0, True)
    [board] = json.loads(capsys.readouterr().out)["boards"]
    assert [each["name"] for each in board["systems"]][:2] == ["theirs", "worse"]
    assert sorted(each["name"] for each in board["systems"])[:2] == ["baseline majority", "baseline template"]
    code, _ = keys.run_here("frozen.py", "board", file, str(hasty))
    assert (code, "baseline majority" in said(capsys)) == (1, True)


def test_a_cross_validation(
    run_here: Here, on_tones: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three trainings are one entry; one alone, with one lacking, or with other folds than those frozen are none."""
    data = [each for each in on_tones if each.startswith(("data", "cache_dir"))]
    given = ["freeze", "of3", "task=key", *data, "references=include", "fold=all", "folds=3"]
    assert run_here("frozen.py", *given) == (0, "")
    code, error = run_here("train.py", *on_tones, "task=key", "fold=all", "folds=3", "seed=1")
    assert (code, error) == (0, "")
    said(capsys)
    assert run_here("frozen.py", "check", "of3.json", "multirun") == (0, "")
    words = said(capsys)
    assert "The 3 folds of the benchmark, each track by a network that had not seen it" in words
    assert "The scores told are those of the predictions beside them" in words
    assert run_here("frozen.py", "board", "of3.json", "multirun", "--format", "json")[0] == 0
    [ranked] = json.loads(capsys.readouterr().out)["boards"]
    assert run_here("leaderboard.py", "multirun", "--format", "json")[0] == 0
    [board] = json.loads(capsys.readouterr().out)["boards"]
    means = [{each["name"]: each["metrics"] for each in found["systems"]} for found in (ranked, board)]
    assert len(means[0]) == 3
    assert means[0] == means[1]  # baselines, too: they learnt from the same tracks

    frozen = Frozen.read(tmp_path / "of3.json")
    moved = replace(frozen, tracks=[replace(each, fold=(each.fold or 0) + 1) for each in frozen.tracks])
    scoring = frozen.scoring()
    [entry] = enter(moved, scoring, frozen.read_references(scoring), tmp_path / "multirun")
    assert [text.partition(":")[0] for text in entry.refusals] == ["Its folds are others"]
    first, *others = sorted((tmp_path / "multirun").glob("key-*"))
    assert run_here("frozen.py", "check", "of3.json", str(first))[0] == 1
    assert "alone: give the folder that has them all" in said(capsys)
    shutil.rmtree(others[0])
    assert run_here("frozen.py", "check", "of3.json", "multirun", "--json")[0] == 1
    [told] = json.loads(capsys.readouterr().out)["submissions"]
    assert (told["accepted"], "of 3 is missing" in told["verdicts"][0]["text"]) == (False, True)


@pytest.mark.parametrize(("told", "kind"), [({}, "ok"), ({"tag/macro_AP": 0.95}, "refused")])
def test_metrics_of_all_tracks_together_are_those_of_the_predictions(told: dict[str, float], kind: str) -> None:
    """No track has them, so that reading a result does not hold them against the tracks. Truly 0.833."""
    scoring = make_task("tag")
    estimates = [Tags(("a", "b"), (0.9 - 0.2 * i, 0.3 * i)) for i in range(4)]
    evidence = {f"t{i}": scoring.evidence(Tags(("ab"[i % 2],)), each) for i, each in enumerate(estimates)}
    own = {name: {"tag/accuracy": 1.0} for name in evidence}
    pooled = scoring.pooled(list(evidence.values()))
    result = make_result(task="tag", scores=own, evidence=evidence, pooled=pooled | told)
    verdict = same_scores(result, result.tracks, scoring)
    assert verdict.kind == kind
    assert ("tag/macro_AP is told as 0.9500, the predictions give 0.8333" in verdict.text) == (kind == "refused")
