"""result.json and the table: what is written is read back, and what is wrong is named."""

import json
import math
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from configs import ROOT
from note_examples import make
from ricercar.data.annotations.notes import Notes
from ricercar.data.track import Track
from ricercar.errors import InputError
from ricercar.harness.identity import Git, stable_hash, state_of, versions
from ricercar.harness.provenance import Cost, Outside, TrainingData, Trial, Tuning
from ricercar.harness.report import format_tracks
from ricercar.harness.results import (
    SCHEMA,
    DatasetId,
    Result,
    TrackScore,
    fingerprint_of,
    mean_metrics,
    scores_of,
)
from ricercar.harness.typed_json import to_json
from ricercar.significance.bootstrap import resample
from ricercar.significance.paired import compare
from ricercar.significance.scores import Scores
from ricercar.tasks.scale import HIGHER, LOWER, SHARE, Scale

NAN = float("nan")
PROTOCOL: dict[str, Any] = {"onset_tolerance_s": 0.05, "averaging": "tracks"}
TRACKS = [
    TrackScore("a", "bach", {"f1": 0.5, "overlap": NAN}, 60.0),
    TrackScore("b", "bach", {"f1": 0.7, "overlap": 0.25}, 61.5),
    TrackScore("c", "ravel", {"f1": 0.9, "overlap": 0.75}, 62.0),
]


SCORING: Any = make()


def shows(names: list[str]) -> Any:
    return SimpleNamespace(shown=names)


def make_result(tracks: list[TrackScore] = TRACKS, cost: Cost = Cost(), **changes: Any) -> Result:  # noqa: B008
    metrics = mean_metrics(tracks, "tracks")
    values: dict[str, Any] = {
        "schema": SCHEMA,
        "run_id": "0123456789abcdef",
        "choices": {"task": "notes", "data": "folder", "backbone": "lstm"},
        "seed": 3,
        "overrides": ["backbone=lstm"],
        "config": {"seed": 3, "backbone": {"width": 64, "dropout": "${dropout}"}},
        "system": Outside("Bach 1722", None, ["maestro"], True, None, None),
        "training": TrainingData(["maestro"], "known", ["bach"], "0123"),
        "tuning": Tuning(1, [Trial({"optimizer.lr": 0.1}, NAN, NAN), Trial({"optimizer.lr": 0.01}, 0.5, 60.0)]),
        "looks": 1,
        "reproducible": True,
        "protocol": PROTOCOL,
        "protocol_id": stable_hash(PROTOCOL),
        "dataset": DatasetId("folder", "test", "fedcba9876543210", len(tracks)),
        "metrics": metrics,
        "scales": dict.fromkeys(metrics, SHARE),
        "primary": "f1",
        "shown": [],
        "tracks": tracks,
        "cost": cost,
        "encoder": None,
        "versions": {"python": "3.11.7", "timm": None},
        "git": Git("0" * 40, False),
        "code": "c0de" * 4,
    }
    return Result(**{**values, **changes})


@pytest.mark.parametrize("git", [Git("0" * 40, True), None])
@pytest.mark.parametrize("cost", [Cost(), Cost(1, 2.0, 3.0, 4, 5.0, 6, 7.0, "cpu")])
def test_write_and_read(tmp_path: Path, cost: Cost, git: Git | None) -> None:
    result = make_result(cost=cost, git=git)
    result.write(tmp_path / "new" / "result.json")
    again = Result.read(tmp_path / "new" / "result.json")
    assert to_json(again) == to_json(result)
    assert math.isnan(again.tracks[0].metrics["overlap"])
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["result.json"]


def test_result_from_before_encoders_is_read(tmp_path: Path) -> None:
    make_result().write(tmp_path / "result.json")
    content = json.loads((tmp_path / "result.json").read_text())
    del content["encoder"]
    (tmp_path / "result.json").write_text(json.dumps(content))
    assert Result.read(tmp_path / "result.json").encoder is None


def test_the_file_is_the_contract(tmp_path: Path) -> None:
    """Field by field, as docs/result.md has it; strict JSON, so NaN is null."""
    make_result().write(tmp_path / "result.json")

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    content = json.loads((tmp_path / "result.json").read_text(), parse_constant=refuse)
    assert list(content) == [
        "schema", "run_id", "choices", "seed", "overrides", "config", "system", "training", "tuning", "looks",
        "reproducible", "protocol", "protocol_id", "dataset", "metrics", "scales", "primary", "shown", "tracks", "cost",
        "encoder", "versions", "git", "code",
    ]  # fmt: skip
    assert content["metrics"] == {"f1": pytest.approx(0.7), "overlap": 0.5}
    assert content["tracks"][0] == {
        "id": "a", "work": "bach", "metrics": {"f1": 0.5, "overlap": None}, "seconds": 60.0, "evidence": {},
    }  # fmt: skip
    assert list(content["dataset"]) == ["name", "split", "fingerprint", "num_tracks", "folds"]
    assert list(content["cost"]) == [
        "params", "macs_per_second_of_audio", "train_s", "steps", "audio_seconds_per_s", "peak_memory_bytes",
        "real_time_factor", "device",
    ]  # fmt: skip


def test_every_field_is_documented() -> None:
    text = (ROOT / "docs" / "result.md").read_text()
    content = json.loads(to_json(make_result()))
    assert content["tuning"]["trials"][0] == {"values": {"optimizer.lr": 0.1}, "score": None, "train_s": None}
    names = [
        *content,
        *content["dataset"],
        *content["system"],
        *content["training"],
        *content["tuning"],
        "values",
        *content["scales"]["f1"],
        *content["tracks"][0],
        *content["cost"],
        *content["git"],
    ]
    assert [name for name in names if f"`{name}`" not in text] == []


def edited(change: Callable[[dict[str, Any]], object]) -> str:
    content = json.loads(to_json(make_result()))
    change(content)
    return json.dumps(content)


def change_at(*path: Any, to: Any) -> str:
    def change(content: dict[str, Any]) -> None:
        node: Any = content
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = to

    return edited(change)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (change_at("schema", to=3), "schema is 3, this version of Ricercar reads 4"),
        (change_at("schema", to="1"), 'schema is "1"'),
        (change_at("shown", to=["f2"]), "shown has 'f2'"),
        (change_at("tuning", "chosen", to=2), "tuning.chosen is 2, but tuning.trials has 2"),
        (change_at("training", "works", to=3), "training.works is 3"),
        (edited(lambda content: content.pop("cost")), "has no field 'cost'"),
        (edited(lambda content: content["tracks"][1].pop("work")), "tracks[1] has no field 'work'"),
        (change_at("system", to=None), "run_id is '0123456789abcdef', but the configuration gives '"),
        (change_at("speed", to=1), "unknown field 'speed'. Known are: schema, run_id"),
        (change_at("tracks", 2, "metrics", "f1", to="0.9"), 'tracks[2].metrics.f1 is "0.9", it must be a number'),
        (change_at("cost", "params", to=1.5), "cost.params is 1.5, it must be a whole number"),
        (change_at("seed", to=True), "seed is true, it must be a whole number"),
        (change_at("git", "dirty", to=0), "git.dirty is 0, it must be true or false"),
        (change_at("choices", to=["notes"]), 'choices is ["notes"], it must be an object'),
        (change_at("overrides", to={}), "overrides is {}, it must be a list"),
        (change_at("choices", to={}), "choices has no field 'task'"),
        (change_at("primary", to="f2"), "primary is 'f2', which is not among metrics: f1, overlap"),
        (change_at("dataset", "num_tracks", to=4), "dataset.num_tracks is 4, but tracks has 3"),
        (change_at("tracks", 1, "id", to="a"), "tracks[1].id is 'a', as of an earlier track"),
        (change_at("tracks", 0, "metrics", to={"f1": 0.5}), "tracks[0].metrics differs from metrics in: overlap"),
        (change_at("metrics", "f1", to=0.8), "metrics.f1 is 0.8, but the mean of tracks is 0.7"),
        (edited(lambda content: content["scales"].pop("overlap")), "scales differs from metrics in: overlap"),
        (
            change_at("scales", "f1", "better", to="up"),
            "scales.f1.better is 'up': it must be 'higher', 'lower' or null",
        ),
        (change_at("scales", "f1", "better", to=None), "primary is 'f1', but scales.f1.better is null"),
        (
            change_at("scales", "f1", "high", to=0.8),
            "tracks[2].metrics.f1 is 0.9 (track 'c'), it must be from 0 to 0.8",
        ),
        (change_at("scales", "overlap", "low", to=0.5), "tracks[1].metrics.overlap is 0.25"),
        (change_at("protocol", "onset_tolerance_s", to=0.1), "protocol_id is"),
        (change_at("tracks", 0, "seconds", to=NAN), "has NaN, which is not JSON"),
        (edited(lambda content: None).replace("62.0", "1e999"), "it must be a finite number"),
        (edited(lambda content: None)[:-40], "not JSON"),
        ("[]", "the file is [], it must be an object"),
        ('{"schema": 1, "schema": 1}', "has the field 'schema' twice"),
        ("[" * 100_000, "not JSON"),
    ],
    ids=lambda value: re.sub(r"\W+", " ", value)[:40] if not value.startswith(("{", "[")) else "",
)
def test_reading_names_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}: .*{re.escape(message)}"):
        Result.read(path)


@pytest.mark.parametrize("metric", ["melody/Voicing_False_Alarm", "multipitch/Total_Error", "alignment/mae"])
@pytest.mark.parametrize("better", [HIGHER, None])
def test_a_metric_of_mir_eval_the_wrong_way_round_is_refused(tmp_path: Path, metric: str, better: str | None) -> None:
    result = make_result([TrackScore("a", "bach", {"f1": 0.5, metric: 0.1}, 60.0)])
    replace(result, scales=result.scales | {metric: Scale(LOWER, 0.0, None)}).write(tmp_path / "result.json")
    assert Result.read(tmp_path / "result.json").scales[metric].better == LOWER
    replace(result, scales=result.scales | {metric: Scale(better, 0.0, None)}).write(tmp_path / "result.json")
    with pytest.raises(InputError, match=rf"scales.{metric}.better is .*, but mir_eval's is \"lower\""):
        Result.read(tmp_path / "result.json")


def test_a_mean_beyond_the_bounds_is_refused(tmp_path: Path) -> None:
    """Of all tracks together: of the others the tracks are."""
    tracks = [TrackScore("a", "bach", {"f1": 0.5}, 60.0, {"right": 3.0})]
    result = make_result(tracks, metrics={"f1": 0.5, "all": 1.5}, scales={"f1": SHARE, "all": SHARE})
    result.write(tmp_path / "result.json")
    with pytest.raises(InputError, match=r"metrics\.all is 1.5, it must be from 0 to 1"):
        Result.read(tmp_path / "result.json")


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["missing", "not text"])
def test_reading_what_is_no_text(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "result.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(path))):
        Result.read(path)


def test_writing_where_a_file_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match=f"cannot write result.json into {tmp_path / 'run'}"):
        make_result().write(tmp_path / "run" / "result.json")


def test_an_infinite_score_is_named_and_the_old_file_stays(tmp_path: Path) -> None:
    make_result().write(tmp_path / "result.json")
    before = (tmp_path / "result.json").read_bytes()
    infinite = TrackScore("d", "ravel", {"f1": math.inf, "overlap": 0.0}, 1.0)
    with pytest.raises(InputError, match=re.escape("tracks[3].metrics.f1 is infinite")):
        make_result(metrics={}, tracks=[*TRACKS, infinite]).write(tmp_path / "result.json")
    assert (tmp_path / "result.json").read_bytes() == before


def test_mean_metrics() -> None:
    """By hand: f1 (0.5 + 0.7 + 0.9) / 3, or ((0.5 + 0.7) / 2 + 0.9) / 2; overlap leaves the NaN out."""
    assert mean_metrics(TRACKS, "tracks") == {"f1": pytest.approx(0.7), "overlap": 0.5}
    assert mean_metrics(TRACKS, "works") == {"f1": pytest.approx(0.75), "overlap": 0.5}
    nothing = [TrackScore("a", "bach", {"f1": NAN}, 1.0)]
    assert math.isnan(mean_metrics(nothing, "works")["f1"])
    with pytest.raises(InputError, match="averaging is 'groups': choose one of tracks, works"):
        mean_metrics(TRACKS, "groups")


@pytest.mark.parametrize("same", [{"b": [1.0, "x"], "a": {"c": None}}, {"a": {"c": None}, "b": (1, "x")}])
def test_stable_hash_of_what_is_equal(same: Any) -> None:
    """SHA-256 of {"a":{"c":null},"b":[1,"x"]}, worked out with sha256sum."""
    assert stable_hash(same) == "7002905de5768257"


@pytest.mark.parametrize("other", [{"a": 1}, {"a": "1.5"}, {"a": 1.5, "b": None}, {"b": 1.5}, [1.5]], ids=str)
def test_stable_hash_of_what_differs(other: Any) -> None:
    assert stable_hash(other) != stable_hash({"a": 1.5})


class Silence:
    """An audio source for tracks whose audio is not read."""

    def __init__(self, key: str) -> None:
        self._key = key

    def key(self) -> str:
        return self._key

    def decode(self, sample_rate: int) -> Any:
        raise AssertionError


def track(id: str = "t", group: str = "g", key: str = "k", pitch: int = 60) -> Track:
    return Track(id, "test", group, Silence(key), {"notes": Notes.make([0.0], [1.0], [pitch])})


def hashed(*tracks: Track) -> str:
    return fingerprint_of(tracks, SCORING.reference, lambda audio: audio.key())


@pytest.mark.parametrize("change", [{"id": "u"}, {"group": "h"}, {"key": "l"}, {"pitch": 61}], ids=str)
def test_fingerprint_sees_every_change(change: dict[str, Any]) -> None:
    assert hashed(track("s"), track(**change)) != hashed(track("s"), track())


def test_fingerprint_ignores_order() -> None:
    assert hashed(track("s"), track("t")) == hashed(track("t"), track("s"))


def test_versions() -> None:
    found = versions()
    assert found["numpy"] == np.__version__
    assert {"python", "ricercar", "torch", "scipy", "mir_eval", "nnAudio", "timm", "hydra-core", "wandb"} < set(found)


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_git_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "package").mkdir()
    assert state_of(tmp_path) is None
    git(tmp_path, "init")
    assert state_of(tmp_path) is None, "no commit yet"
    (tmp_path / "package" / "file").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "one")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert state_of(tmp_path) == Git(commit, False)
    assert state_of(tmp_path / "package") is None, "installed inside a repository that is not its own"
    monkeypatch.setenv("GIT_DIR", "/nowhere")  # as git sets it for hooks
    (tmp_path / "package" / "new").write_text("2")
    assert state_of(tmp_path) == Git(commit, True)
    monkeypatch.setenv("PATH", "")
    assert state_of(tmp_path) is None, "without git"


def test_the_table_says_what_the_leaderboard_says() -> None:
    """The interval of the mean, and the paired one of a difference to a baseline with its tracks in another order."""
    scores = np.random.default_rng(1).beta(5, 2, (2, 12))
    tracks = [
        [TrackScore(str(i), str(i // 2), {"f1": float(score)}, 1.0) for i, score in enumerate(row)] for row in scores
    ]
    own = make_result(tracks[0])
    trivial = make_result(tracks[1][::-1], choices={"task": "notes", "data": "folder", "system": "baseline dull"})
    text = format_tracks(own, shows([]), [trivial])
    every = Scores(scores[:, None], np.arange(12) // 2, "tracks")
    draws = resample(every, fixed=np.array([True, True]), bounds=(0.0, 1.0))
    assert f"{draws.low[0]:.4f} to {draws.high[0]:.4f}" in text
    pair = compare(draws)
    shown = rf"{pair.difference[0, 1]:.4f} +{pair.low[0, 1]:.4f} to {pair.high[0, 1]:.4f}"
    assert re.search(shown, text)


def test_the_table_claims_nothing_beyond_these_weights() -> None:
    every = [TrackScore(str(i), str(i), {"f1": i / 12}, 1.0) for i in range(12)]
    text = format_tracks(make_result(every), shows([]), [])
    assert "95 % intervals are of these trained weights on other works. Another seed is not in them" in text
    few = [TrackScore(str(i), str(i % 5), {"f1": i / 12}, 1.0) for i in range(13)]
    text = format_tracks(
        make_result(few), shows([]), [make_result(few, choices={**make_result(few).choices, "system": "baseline dull"})]
    )
    assert "middle half of tracks" in text
    assert "0.2500 to 0.7500" in text
    assert "cannot be known from 5" in " ".join(text.split())
    assert re.search(r"dull +0\.5000 +0\.0000 +-\n", text)


def test_scores_of_results() -> None:
    one, two = make_result(), make_result(TRACKS[::-1])
    scores = scores_of([[one, two], [two]], "f1")
    np.testing.assert_array_equal(scores.values, [[[0.5, 0.7, 0.9]] * 2, [[0.5, 0.7, 0.9], [NAN] * 3]])
    assert scores.work.tolist() == [0, 0, 1]
    with pytest.raises(InputError, match="lacks 1 tracks, the first is 'c'"):
        scores_of([[one], [make_result(TRACKS[:2])]], "f1")


def test_table() -> None:
    names = [f"transcription/Average_Overlap_Ratio_number_{i}" for i in range(9)]
    tracks = [
        TrackScore(f"maps-{i:02d}-" + "x" * 80 + f"-end{i}", f"work {i}", dict.fromkeys(names, i / 30), 60.0)
        for i in reversed(range(30))
    ]
    tracks[4].metrics[names[0]] = NAN
    cost = Cost(44_203, 1.23e8, 431.0, 1820, 55.0, 3 << 30, 0.02, "cpu")
    text = format_tracks(
        make_result(tracks, cost, primary=names[0], metrics=mean_metrics(tracks, "tracks")), shows(names[1:]), []
    )
    lines = text.splitlines()
    assert max(map(len, lines)) <= 120
    assert text.isascii()
    heads = [line.split()[0] for line in lines if line.startswith(("transcription/A", "maps-"))]
    assert heads[:9] == names
    assert [head[:7] for head in heads[9:]] == [f"maps-{i:02d}" for i in range(20)]
    assert all(re.fullmatch(r"maps-(\d\d)-x+\.\.\.x+-end\d+", head) for head in heads[9:])
    assert "... and 10 better tracks, in result.json" in lines
    mean = sum(i / 30 for i in range(30) if i != 25) / 29
    assert re.search(rf"^{names[0]} +{mean:.4f} +0\.\d{{4}} to 0\.\d{{4}} +29$", text, re.MULTILINE)
    assert "44,203 parameters, 123 million multiplications per second of audio, trained 7 min (1,820 steps)" in text
    assert "50 times as fast as real time" in text


def test_table_of_little() -> None:
    """Predictions from elsewhere, one track, a metric that is defined nowhere: no cost, no interval, no crash."""
    tracks = [TrackScore("a", "bach", {"f1": 0.5, "overlap": NAN}, 60.0)]
    text = format_tracks(make_result(tracks, seed=None), shows(["overlap", "unknown"]), [])
    assert re.search(r"^f1 +0\.5000 +- +1$", text, re.MULTILINE)
    assert re.search(r"^overlap +- +- +0$", text, re.MULTILINE)
    assert re.search(r"^a +bach +60 +0\.5000 +-$", text, re.MULTILINE)
    assert "None" not in text
    assert "unknown" not in text
