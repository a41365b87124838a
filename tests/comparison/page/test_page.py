"""The leaderboard's page as a file: what is in it, and that nothing else is needed."""

import base64
import hashlib
import html
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from configs import CONF, ROOT
from page_examples import make_content, make_excerpt
from results_factory import PRIMARY, make_result, make_run, make_scores
from ricercar.comparison.board import boards
from ricercar.comparison.collect import collect
from ricercar.comparison.excerpts import Excerpt, Segments
from ricercar.comparison.page.page import write_page
from ricercar.comparison.page.payload import excerpt_payload
from ricercar.comparison.page.places import without_places
from ricercar.comparison.page.render import SCRIPTS, render
from ricercar.errors import InputError
from ricercar.harness.provenance import TrainingData
from ricercar.leaderboard import main
from ricercar.tasks.marks import KINDS, Mark
from ricercar.tasks.protocol import plain

PAGE = ROOT / "comparison" / "page"


def content_of(text: str, name: str = "page") -> Any:
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found[1])


def page_of(folder: Path, **options: Any) -> str:
    collection = collect([folder])
    path = folder / "page" / "index.html"
    write_page(collection, boards(collection), path, **({"excerpts": {}} | options))
    return path.read_text(encoding="utf-8")


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Three systems with two seeds each; "dense" was trained on a work of the test split."""
    for i, backbone in enumerate(["cnn", "lstm", "dense"]):
        for seed in range(2):
            scores = make_scores(0.8 - 0.2 * i, seed=10 * i + seed)
            training = TrainingData(["synth"], "known", ["track0"] if backbone == "dense" else [], None)
            make_run(tmp_path / f"{backbone}{seed}", backbone=backbone, seed=seed, scores=scores, training=training)
    return tmp_path


def test_page_is_of_the_results(sweep: Path) -> None:
    content = content_of(page_of(sweep))
    assert content["num_results"] == 6
    (board,) = content["boards"]
    assert [system["name"] for system in board["systems"]] == ["mel cnn", "mel lstm", "mel dense"]
    for i, system in enumerate(board["systems"]):
        runs = [make_scores(0.8 - 0.2 * i, seed=10 * i + seed) for seed in range(2)]
        by_track = [np.mean([run[track[0]][PRIMARY] for run in runs]) for track in board["tracks"]]
        assert board["scores"][PRIMARY][i] == pytest.approx(by_track, abs=1e-4)
        assert system["metrics"][PRIMARY][0] == pytest.approx(np.mean(by_track), abs=1e-4)
        assert [run["score"] for run in system["runs"]] == pytest.approx(
            [np.mean([track[PRIMARY] for track in run.values()]) for run in runs], abs=1e-4
        )
        assert system["seeds"] == 2


def test_pairs_are_of_each_system_and_those_below_it(sweep: Path) -> None:
    (board,) = content_of(page_of(sweep))["boards"]
    means = [system["metrics"][PRIMARY][0] for system in board["systems"]]
    expected = [[means[0] - means[1], means[0] - means[2]], [means[1] - means[2]], []]
    assert [pytest.approx(row, abs=2e-4) for row in expected] == board["pairs"]["difference"]
    assert [len(row) for row in board["pairs"]["p"]] == [2, 1, 0]
    assert all(
        low < high
        for row in zip(*(board["pairs"][name] for name in ("low", "high")), strict=True)
        for low, high in zip(*row, strict=True)
    )
    assert board["detectable"] > 0


def test_training_on_test_works_is_told(sweep: Path) -> None:
    (board,) = content_of(page_of(sweep))["boards"]
    assert [system["warning"] for system in board["systems"]] == [
        "",
        "",
        "trained on one of the works that it is tested on",
    ]


def test_problems_and_boards_apart_are_told(sweep: Path) -> None:
    make_run(sweep / "other", protocol={"onset_tolerance_s": 0.1, "averaging": "tracks"})
    (sweep / "broken").mkdir()
    (sweep / "broken" / "result.json").write_text('{"schema": ')
    content = content_of(page_of(sweep))
    assert [Path(problem["path"]).parent.name for problem in content["problems"]] == ["broken"]
    assert len(content["boards"]) == 2
    assert all("onset_tolerance_s" in board["apart"] for board in content["boards"])


@pytest.mark.parametrize("value", [float("nan"), 0.5], ids=["no score", "one score"])
def test_one_system_on_one_track(tmp_path: Path, value: float) -> None:
    make_run(tmp_path / "run", scores={"track0": {PRIMARY: value}})
    (board,) = content_of(page_of(tmp_path))["boards"]
    score = None if math.isnan(value) else value
    assert board["scores"] == {PRIMARY: [[score]]}
    assert board["systems"][0]["metrics"] == {PRIMARY: [score, None, None]}
    assert board["pairs"] is None
    assert board["ranks"]["svg"] == ""


def test_metrics_of_all_tracks_have_other_scores_of_tracks(tmp_path: Path) -> None:
    """What ranks is no score of a track: the browser of tracks shows the first metric that tracks have."""
    evidence = {f"track{i}": {"rock": float(i % 2)} for i in range(4)}
    scores = {name: {"F-measure": 0.5} for name in evidence}
    make_run(tmp_path / "run", scores=scores, evidence=evidence, pooled={"ROC-AUC": 0.8}, primary="ROC-AUC")
    (board,) = content_of(page_of(tmp_path))["boards"]
    assert board["primary"] == "ROC-AUC"
    assert board["scores"] == {"F-measure": [[0.5] * 4]}


def test_excerpts_are_elements_of_their_own(sweep: Path) -> None:
    (board,) = boards(collect([sweep]))
    key = board.systems[0].key
    whole = Mark(0.0, math.inf, "right", label="C:maj")
    reference, told = [Mark(0.0, math.inf, "reference")], {key: Segments(2.0, 10, 4, 0.5)}
    excerpt = Excerpt("track1", 3.0, 9.0, None, None, 0.0, 0.0, "intervals", reference, {key: [whole]}, told, "")
    text = page_of(sweep, excerpts={board.id: {"track1": excerpt}})
    name = content_of(text)["boards"][0]["excerpts"]["track1"]
    kept = content_of(text, name)
    assert kept["estimates"][key] == [[0.0, 9.0, "right", None, "C:maj"]]
    assert kept["reference"] == [[0.0, 9.0, "reference", None, ""]]
    assert kept["segments"] == {key: {"length_s": 2.0, "num_errors": 10, "num_at_borders": 4, "expected": 0.5}}


def test_the_same_results_are_the_same_page(sweep: Path) -> None:
    assert page_of(sweep) == page_of(sweep)


def test_path_that_cannot_be_written_is_named(sweep: Path) -> None:
    (sweep / "file").write_text("")
    collection = collect([sweep])
    with pytest.raises(InputError, match=r"cannot write the page to .*file/index\.html"):
        write_page(collection, boards(collection), sweep / "file" / "index.html", excerpts={})


def test_page_tells_nothing_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither where results lie, nor broken ones, nor data, nor the cache: also not in names, notes and excuses."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    task: Any = OmegaConf.to_container(OmegaConf.load(CONF / "task" / "key.yaml"))
    for i in range(3):
        data = {"_target_": "ricercar.data.sources.folder.Folder", "root": str(tmp_path / f"maps{i}")}
        own: dict[str, Any] = {
            "task": "key",
            "protocol": plain(task["protocol"]),
            "options": {"task": task, "data": data},
        }
        make_run(tmp_path / "home" / "outputs" / f"run{i}", backbone=f"b{i}", **own)
    fewer = {name: dict(metrics) for name, metrics in list(make_scores().items())[:5]}
    same = replace(make_result(**own).dataset, num_tracks=5)
    make_run(tmp_path / "home" / "outputs" / "fewer", backbone="c", **own, scores=fewer, dataset=same)
    broken = tmp_path / "home" / "outputs" / "broken"
    broken.mkdir()
    (broken / "result.json").write_text("{")
    page = tmp_path / "page.html"
    arguments = [str(tmp_path / "home" / "outputs"), "--output", str(page), "--cache-dir", str(tmp_path / "cache")]
    assert main(arguments) == 0
    assert str(broken) in capsys.readouterr().err
    text = page.read_text()
    assert str(tmp_path) not in text
    content = content_of(text)
    assert [problem["path"] for problem in content["problems"]] == ["broken/result.json"]
    [board] = content["boards"]
    assert {run["path"] for system in board["systems"] for run in system["runs"]} == {
        f"run{i}/result.json" for i in range(3)
    }
    assert any("fewer/result.json" in note for note in board["notes"])
    assert board["excerpts"] == {}
    assert re.fullmatch(r"Neither sound nor reference: [^.]* maps[^.]*\.", board["no_excerpts"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/a/b/runs/x/result.json", "x/result.json"),
        (
            "Left out: /a/b/runs/y/result.json is broken (/etc/data/index.csv).",
            "Left out: y/result.json is broken (index.csv).",
        ),
        ("lr 0.1, root=/mnt/data/maps", "lr 0.1, root=maps"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("F/P/R, A/B, </g></svg>, outputs/run/result.json", "F/P/R, A/B, </g></svg>, outputs/run/result.json"),
        ("data:audio/mpeg;base64,//a/b/c+/d/e=", "data:audio/mpeg;base64,//a/b/c+/d/e="),
    ],
)
def test_paths_are_shortened(text: str, expected: str) -> None:
    files = [Path("/a/b/runs/x/result.json"), Path("/a/b/runs/y/result.json")]
    assert without_places({"key": [text, 1.5, None]}, files) == {"key": [expected, 1.5, None]}


def test_page_needs_nothing_else() -> None:
    text = render(make_content(), {"excerpt-0": make_excerpt()})
    head = text.split("</head>")[0]
    assert (
        re.findall(r"""(?:src|href)=["'](?!data:)[^#]""", re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL))
        == []
    )
    assert "@import" not in head
    assert "sourceMappingURL" not in text.split("<style>")[1].split("</style>")[0].replace("/*# sourceMappingURL", "")
    assert "{{" not in head


def test_policy_names_every_script_of_the_page() -> None:
    text = render(make_content(), {})
    scripts = re.findall(r"<script(?: type=\"module\")?>(.*?)</script>", text, re.DOTALL)
    hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts}
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1])  # type: ignore[index]
    assert len(scripts) == 3
    assert set(re.findall(r"'sha256-[^']*'", policy)) == hashes
    assert policy.startswith("default-src 'none';")


@pytest.mark.parametrize("name", ["</script><script>hit()</script>", "<!--<script>", "{{script}}", "\u2028 \U0001f3b9"])
def test_names_cannot_leave_their_element(name: str) -> None:
    text = render(make_content(title=name), {})
    assert content_of(text)["title"] == name
    assert text.count("</script>") == 4
    assert "<title>" + html.escape(name) + "</title>" in text


def test_every_kind_of_mark_has_a_look() -> None:
    source = (PAGE / "marks.js").read_text()
    known = re.findall(r"^  (\w+): \[", source.split("const KINDS = {")[1].split("};")[0], re.MULTILINE)
    assert set(known) == set(KINDS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_set_text_not_html(name: str) -> None:
    source = (PAGE / f"{name}.js").read_text()
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", source) == []


def test_excerpt_without_marks() -> None:
    excerpt = Excerpt("a", 0.0, 5.0, None, None, 0.0, 0.0, "track", [], {}, {}, "The recordings are not here.")
    assert excerpt_payload(excerpt)["missing"] == "The recordings are not here."
