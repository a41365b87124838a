"""leaderboard.py audit, on labels in which errors are planted: late, drifting, lacking, and of nothing."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from configs import composed
from conftest import Here
from ricercar.harness import assemble, identity
from ricercar.harness.benchmark import Benchmark
from ricercar.harness.identity import stable_hash
from ricercar.harness.provenance import Outside, Provenance, TrainingData

LENGTH_S = 60.0
TRACKS = ("good1", "good2", "good3", "late", "drift", "lacks", "extra")
Rows = list[tuple[float, str]]  # (onset, whatever else tells an event)

random = np.random.default_rng


def pieces(rng: np.random.Generator, kinds: list[str]) -> Rows:
    """120 events in a minute."""
    onset_s = np.sort(rng.uniform(1.0, LENGTH_S - 1, 120))
    return [(float(time_s), str(kind)) for time_s, kind in zip(onset_s, rng.choice(kinds, 120), strict=True)]


def beats(rng: np.random.Generator, _: list[str]) -> Rows:
    """100 a minute and more, in bars of four."""
    onset_s = np.arange(6.0, LENGTH_S - 1, rng.uniform(0.45, 0.6))
    return [(float(time_s), str(i % 4 + 1)) for i, time_s in enumerate(onset_s)]


def labels(name: str, truth: Rows, rng: np.random.Generator) -> Rows:
    """What the annotation says of what there is to hear."""
    if name == "late":
        return [(time_s + 0.04, kind) for time_s, kind in truth]
    if name == "drift":
        return [(time_s - 0.06 + 0.05 * time_s / LENGTH_S, kind) for time_s, kind in truth]
    if name == "lacks":
        return [row for i, row in enumerate(truth) if i % 6]
    if name == "extra":
        ghosts = [(float(time_s), kind) for time_s, (_, kind) in zip(rng.uniform(7, 58, 20), truth, strict=False)]
        return sorted(truth + ghosts)
    return truth


def heard(truth: Rows, rng: np.random.Generator, late_s: float) -> Rows:
    """What a system makes of the sound: it misses some, adds some, and is never exact."""
    kept = [(time_s + late_s + rng.normal(0, 0.006), kind) for time_s, kind in truth if rng.random() < 0.92]
    more = [(rng.uniform(7, LENGTH_S), truth[i][1]) for i in range(4)]
    return sorted((float(time_s), kind) for time_s, kind in kept + more)


TASKS: dict[str, tuple[str, str, list[str], Callable[[Rows], str]]] = {
    "notes": (
        "notes", ".tsv", [str(pitch) for pitch in range(48, 72)],
        lambda rows: "onset\toffset\tpitch\tvelocity\n"
        + "".join(f"{time_s:.4f}\t{time_s + 0.2:.4f}\t{kind}\t80\n" for time_s, kind in rows),
    ),
    "onset": ("onsets", ".onsets", [""], lambda rows: "".join(f"{time_s:.4f}\n" for time_s, _ in rows)),
    "drums": (
        "onsets", ".onsets", ["KD", "SD", "HH"],
        lambda rows: "".join(f"{time_s:.4f}\t{kind}\n" for time_s, kind in rows),
    ),
    "beat": ("beats", ".beats", [""], lambda rows: "".join(f"{time_s:.4f}\t{kind}\n" for time_s, kind in rows)),
}  # fmt: skip


class Planted:
    """A data set of `task` on disk, and the predictions of systems."""

    def __init__(self, folder: Path, task: str) -> None:
        self.folder, self.task = folder, task
        column, suffix, kinds, self.text = TASKS[task]
        self.suffix = suffix
        make = beats if task == "beat" else pieces
        self.truth = {name: make(random(i), kinds) for i, name in enumerate(TRACKS)}
        (folder / "data").mkdir(parents=True)
        lines = [f"id,split,group,audio,{column}"]
        for i, name in enumerate(TRACKS):
            soundfile.write(folder / "data" / f"{name}.flac", 0.01 * random(i).normal(size=int(LENGTH_S * 2000)), 2000)
            told = labels(name, self.truth[name], random(i))
            (folder / "data" / f"{name}{suffix}").write_text(self.text(told))
            lines.append(f"{name},test,{name},{name}.flac,{name}{suffix}")
        (folder / "data" / "index.csv").write_text("\n".join(lines) + "\n")

    def enter(self, system: str, seed: int, cache: Path, *, late_s: float = 0.0, **told: Any) -> None:
        """What eval.py predictions=... writes of a system, without the trivial baselines."""
        folder = self.folder / "outputs" / system
        (folder / "predictions").mkdir(parents=True)
        for i, (name, truth) in enumerate(self.truth.items()):
            found = heard(truth, random(1000 * seed + i), late_s)
            (folder / "predictions" / f"{name}{self.suffix}").write_text(self.text(found))
        cfg = composed(f"task={self.task}", "data=folder", f"data.root={self.folder}/data", f"cache_dir={cache}")
        [scoring] = assemble.make_scorings(cfg).values()
        benchmark = Benchmark(
            task=self.task, scoring=scoring, data="folder:data", split="test",
            tracks=assemble.make(cfg.data).tracks("test"), training=[], store=assemble.make_store(cfg),
        )  # fmt: skip
        provenance = Provenance(
            run_id=stable_hash([system]), choices={"task": self.task, "data": "folder", "system": system},
            config=identity.determining(cfg), system=Outside(None, None, [], False, None, None), **told,
        )  # fmt: skip
        benchmark.result(benchmark.score_folder(folder / "predictions"), provenance).write(folder / "result.json")


@pytest.fixture(scope="module", params=list(TASKS))
def planted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Planted:
    """Two systems, one of them 4 ms late."""
    found = Planted(tmp_path_factory.mktemp(request.param) / "set", request.param)
    found.enter("one", 1, cache)
    found.enter("two", 2, cache, late_s=0.004)
    return found


def audited(run_here: Here, capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    capsys.readouterr()
    code, errors = run_here("leaderboard.py", "audit", *map(str, arguments), "--format", "json")
    assert (code, errors) == (0, "")
    return json.loads(capsys.readouterr().out)


def test_planted_errors_are_found_and_nothing_else(
    planted: Planted, run_here: Here, capsys: pytest.CaptureFixture[str], cache: Path
) -> None:
    found = audited(run_here, capsys, planted.folder / "outputs", "--cache-dir", cache)
    [board] = found["boards"]
    tracks = {track["id"]: track for track in board["tracks"]}
    why = {name: track["reasons"] for name, track in tracks.items() if track["reasons"]}
    expected = {"late": ["late"], "drift": ["drift"], "lacks": ["lacks events"], "extra": ["events that none finds"]}
    assert why == expected
    assert set(board["to_look_at"]) == set(expected)
    assert tracks["late"]["late"]["value"] == pytest.approx(0.04, abs=0.003)
    assert tracks["late"]["late"]["low"] < 0.04 < tracks["late"]["late"]["high"]
    assert tracks["drift"]["drift"]["value"] == pytest.approx(0.05, abs=0.01)
    gone = [row for i, row in enumerate(planted.truth["lacks"]) if not i % 6]
    if planted.task in ("notes", "drums"):
        named = {(round(each["time_s"], 1), each["pitch"], each["label"]) for each in tracks["lacks"]["lacking"]}
        assert len(named) == pytest.approx(len(gone) * 0.92**2, abs=4)
    for each in board["scores"]:
        assert each["without"] > each["all_tracks"] + 0.02
        assert each["without"] > 0.9


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Planted:
    found = Planted(tmp_path_factory.mktemp("notes") / "set", "notes")
    learnt = TrainingData(["theirs"], "unknown", [], "5a3e")
    found.enter("one", 1, cache, training=learnt)
    found.enter("two", 2, cache, late_s=0.004, training=learnt)
    return found


def test_said_in_words(notes: Planted, run_here: Here, capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    code, errors = run_here("leaderboard.py", "audit", str(notes.folder / "outputs"), "--cache-dir", str(cache))
    assert (code, errors) == (0, "")
    said = " ".join(capsys.readouterr().out.split())
    assert "Labels of notes on folder:data, test split: 4 of 7 judged tracks to look at" in said
    assert re.search(r"labels drift, \d\d ms early to 1\d ms early", said)
    assert re.search(r"labels (39|4\d) ms late \(3\d to 4\d\), beyond the usual", said)
    assert re.search(r"none finds 2\d of 140 labels", said)
    assert re.search(r"1\d events that all find are not in 100 labels", said)
    assert "all 7 tracks 3 not in doubt" in said
    assert "taken to be unrelated" in said
    assert "learnt from the same labels" in said


def test_other_rules_find_other_tracks(
    notes: Planted, run_here: Here, capsys: pytest.CaptureFixture[str], cache: Path
) -> None:
    def named(*rules: object) -> list[str]:
        [board] = audited(run_here, capsys, notes.folder / "outputs", "--cache-dir", cache, *rules)["boards"]
        return sorted(board["to_look_at"])

    assert named("--share", 30) == ["drift", "late"]
    assert named("--least-ms", 45, "--share", 30) == ["drift"]


def test_seen_in_the_failure_browser(
    notes: Planted, run_here: Here, capsys: pytest.CaptureFixture[str], cache: Path, tmp_path: Path
) -> None:
    page = tmp_path / "audit.html"
    options = ["--cache-dir", str(cache), "--excerpts", "4", "--excerpt-seconds", "5", "--output", str(page)]
    code, errors = run_here("leaderboard.py", "audit", str(notes.folder / "outputs"), *options)
    assert (code, errors, capsys.readouterr().out) == (0, "", "")
    elements = dict(re.findall(r'<script type="application/json" id="([^"]*)">(.*?)</script>', page.read_text()))
    [board] = json.loads(elements["page"])["boards"]
    assert board["audit"]["ids"] == [row[0] for row in board["audit"]["rows"]]
    assert set(board["excerpts"]) == {"late", "drift", "lacks", "extra"}
    kinds = {}
    for track, element in board["excerpts"].items():
        marks = [mark for each in json.loads(elements[element])["estimates"].values() for mark in each]
        kinds[track] = Counter(mark[2] for mark in marks)
    assert kinds["lacks"]["lacking"] >= 2
    assert kinds["extra"]["unfound"] >= 2
    assert not kinds["late"]["lacking"]


def test_with_less_than_two_systems_there_is_no_audit(
    notes: Planted, run_here: Here, cache: Path, tmp_path: Path
) -> None:
    code, errors = run_here("leaderboard.py", "audit", str(notes.folder / "outputs" / "one"), "--cache-dir", str(cache))
    assert code == 1
    assert "only one has predictions beside its result; it takes two systems" in errors
    alone = tmp_path / "alone" / "two"
    alone.mkdir(parents=True)
    shutil.copy(notes.folder / "outputs" / "two" / "result.json", alone)
    both = [str(notes.folder / "outputs" / "one"), str(tmp_path / "alone")]
    code, errors = run_here("leaderboard.py", "audit", *both, "--cache-dir", str(cache))
    assert code == 1
    assert "only one has predictions" in errors


def test_what_cannot_be_audited_is_named(
    notes: Planted, tones: Path, run_here: Here, cache: Path, tmp_path: Path
) -> None:
    """Keys are no events; of data that are elsewhere nothing is known; options that make no sense."""
    where = ["task=key", "data=folder", f"data.root={tones}", f"cache_dir={cache}"]
    for name in ("majority", "template"):
        assert run_here("eval.py", f"baseline={name}", *where, f"hydra.run.dir={tmp_path / name}")[0] == 0
    code, errors = run_here("leaderboard.py", "audit", str(tmp_path), "--cache-dir", str(cache), "--baselines")
    assert code == 1
    assert "no result tells where the tracks are" in errors
    outputs = [str(notes.folder / "outputs"), "--cache-dir", str(cache)]
    assert run_here("leaderboard.py", "audit", *outputs, "--data-root", "/nowhere")[0] == 1
    assert "--least-ms" in run_here("leaderboard.py", "audit", *outputs, "--least-ms", "0")[1]
    assert "--reach-ms" in run_here("leaderboard.py", "audit", *outputs, "--reach-ms", "5")[1]
    assert "end its name in one of" in run_here("leaderboard.py", "audit", *outputs, "--output", "a.xls")[1]
    assert "--excerpts does nothing" in run_here("leaderboard.py", "audit", *outputs, "--excerpts", "2")[1]


def test_keys_are_no_events(tones: Path, run_here: Here, cache: Path, tmp_path: Path) -> None:
    for i, name in enumerate(("one", "two")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "t3.key").write_text(f"{'CD'[i]} major\n")
        where = ["task=key", f"predictions={tmp_path / name}", "data=folder", f"data.root={tones}"]
        code, errors = run_here("eval.py", *where, f"cache_dir={cache}", f"hydra.run.dir={tmp_path / 'out' / name}")
        assert code == 0, errors
    code, errors = run_here("leaderboard.py", "audit", str(tmp_path / "out"), "--cache-dir", str(cache))
    assert code == 1
    assert "labels of events are audited (notes, onsets, beats), not key" in errors
