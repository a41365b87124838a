"""leaderboard.py: what it prints, in every format, whatever the results are called."""

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from configs import ROOT
from conftest import Here
from page_examples import make_board
from results_factory import PRIMARY, PROTOCOL, make_run, make_scores, make_tuning
from ricercar.comparison.board import boards
from ricercar.comparison.collect import collect
from ricercar.comparison.options import listed
from ricercar.comparison.overall import overall
from ricercar.comparison.page.payload import board_payload
from ricercar.comparison.rows import table
from ricercar.harness.identity import stable_hash
from ricercar.harness.trackers import artifact
from ricercar.leaderboard import main

NASTY = 'a|b <b>&amp; $x_1^2$ `c` "q" \\input{/etc/passwd} 100%\n# h\x1b[31m\u202e'
READABLE = ["text", "md", "tex"]
TABLES = [*READABLE, "csv", "json"]


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Two frontends, two backbones, two seeds, a baseline and a system from elsewhere."""
    means = {("mel", "cnn"): 0.8, ("cqt", "cnn"): 0.79, ("mel", "dense"): 0.5, ("cqt", "dense"): 0.4}
    for (frontend, backbone), mean in means.items():
        for seed in range(2):
            folder = tmp_path / f"{frontend}-{backbone}-{seed}"
            make_run(folder, frontend=frontend, backbone=backbone, seed=seed, scores=make_scores(mean, seed=seed))
            make_run(folder / "baselines" / "x", system="baseline x", scores=make_scores(0.1))
    make_run(tmp_path / "outside", system="theirs", scores=make_scores(0.6, seed=5))
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([str(each) for each in arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([str(each) for each in arguments]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    return captured.err


def test_text(capsys: pytest.CaptureFixture[str], sweep: Path) -> None:
    lines = shown(capsys, sweep).splitlines()
    assert lines[0] == "notes on synth, test split: 6 tracks of 6 works, 2.0 minutes"
    ranked = [re.split(r"\s{2,}", line.strip())[:2] for line in lines if re.match(r"\s+\d ", line)][:6]
    names = ["mel cnn", "cqt cnn", "theirs", "mel dense", "cqt dense", "baseline x"]
    assert ranked == [[str(i + 1), name] for i, name in enumerate(names)]
    of_seeds = [re.split(r"\s{2,}", line.strip())[7] for line in lines if re.match(r"\s+\d ", line)][:6]
    assert of_seeds == ["2", "2", "1", "2", "2", "-"]
    assert max(map(len, lines)) <= 118
    assert "Not told apart from the best: cqt cnn." in lines  # with two seeds each


@pytest.mark.parametrize("form", READABLE)
def test_what_is_not_told_apart_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path, form: str) -> None:
    for i, name in enumerate(["cnn", "lstm"]):
        for seed in range(2):
            make_run(tmp_path / name / str(seed), backbone=name, seed=seed, scores=make_scores(0.7, seed=2 * i + seed))
    text = shown(capsys, tmp_path, "--format", form)
    assert re.search(r"Not told apart from the best: mel (cnn|lstm)\.", text)
    assert len(re.findall(r"\*\*mel|textbf\{mel", text)) == {"text": 0, "md": 2, "tex": 2}[form]


@pytest.mark.parametrize("form", READABLE)
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "there is one seed, so that another one may turn the order round"),
        ({"works": {f"track{i}": "bach" for i in range(6)}}, "what is so on other works cannot be known from 1"),
    ],
)  # fmt: skip
def test_nothing_is_bold_where_nothing_is_claimed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, form: str, changes: dict[str, Any], reason: str
) -> None:
    for i, name in enumerate(["cnn", "lstm"]):
        make_run(tmp_path / name, backbone=name, scores=make_scores(0.3 + 0.4 * i), **changes)
    text = " ".join(shown(capsys, tmp_path, "--format", form).split())
    assert f"No system is called the best: {reason}" in text
    assert not re.search(r"\*\*(mel|\d)|textbf", text)
    assert ("the middle half of the tracks" in text) == bool(changes)
    assert ("these trained weights" in text) == (not changes)


def test_every_format_says_the_same_of_22_systems(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """One verdict of a pair: of p, of the interval, in bold, on the page, and in words."""
    for i in range(22):
        for seed in range(3 if i < 20 else 1):
            scores = make_scores(0.75 - 0.004 * i, num_tracks=14, seed=100 * i + seed)
            make_run(tmp_path / f"{i}-{seed}", backbone=f"b{i:02d}", seed=seed, scores=scores)
    read = list(csv.DictReader(io.StringIO(shown(capsys, tmp_path, "--format", "csv"))))
    alike = [row["system"] for row in read if row["verdict"] == "not told apart"]
    assert 3 < len(alike) < 18
    for row in read[1:]:
        apart = float(row["difference p"]) < 0.05
        assert row["verdict"] == ("told apart" if apart else "not told apart")
        assert (float(row["difference low"]) > 0 or float(row["difference high"]) < 0) == apart
    said = f"Not told apart from the best: {listed(alike, 10)}."
    [board] = json.loads(shown(capsys, tmp_path, "--format", "json"))["boards"]
    assert board["statement"] == said
    assert [each["verdict"] for each in board["systems"]] == [row["verdict"] for row in read]
    for form, bold in {"text": None, "md": r"\*\*(mel b\d+)\*\*", "tex": r"\\textbf\{(mel b\d+)\}"}.items():
        text = shown(capsys, tmp_path, "--format", form)
        assert said in " ".join(text.split())
        assert bold is None or re.findall(bold, text) == [read[0]["system"], *alike]
    [own] = boards(collect([tmp_path]))
    page = board_payload(table(own), {})
    assert set(page) | {"audit"} == set(make_board())  # on which the page is tested
    assert page["statement"] == said
    assert [each["verdict"] for each in page["systems"]] == [row["verdict"] for row in read]
    told = [p < 0.05 for p in page["pairs"]["p"][0]]
    assert told == [row["verdict"] == "told apart" for row in read[1:]]
    ends = zip(page["pairs"]["low"][0], page["pairs"]["high"][0], strict=True)
    assert told == [low > 0 or high < 0 for low, high in ends]


@pytest.mark.parametrize("form", TABLES)
@pytest.mark.parametrize("system", [True, False])
def test_names_are_text(capsys: pytest.CaptureFixture[str], tmp_path: Path, form: str, system: bool) -> None:
    make_run(tmp_path / "a", **({"system": NASTY} if system else {"backbone": NASTY}))
    make_run(tmp_path / "b", data=NASTY, protocol={"averaging": "tracks", NASTY: NASTY})
    text = shown(capsys, tmp_path, "--format", form)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert not re.search(r"^# h", text, re.MULTILINE)
    if form == "md":
        assert not re.search(r"(?<!\\)<", text)
        tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
        cells = [{re.sub(r"\\.", "", line).count("|") for line in lines} for lines in tables]
        assert [len(each) for each in cells] == [1] * len(tables)
    if form == "tex":
        body = re.sub(r"\\[a-zA-Z]+\{?|\\[{}$&#%_\\]|\$-\$|^%.*$", "", text, flags=re.MULTILINE)
        assert not re.search(r"[$#^~|<>\"\\]", body)


@pytest.mark.parametrize("name", ["=1+1", "+x", "-x", "@SUM(A1)", "\t=x"])
def test_csv_holds_no_formulas(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    make_run(tmp_path, system=name)
    [row] = csv.DictReader(io.StringIO(shown(capsys, tmp_path, "--format", "csv")))
    assert row["system"] == f"'{name.strip()}"


def test_csv_has_numbers_in_full(capsys: pytest.CaptureFixture[str], sweep: Path) -> None:
    read = list(csv.DictReader(io.StringIO(shown(capsys, sweep, "--format", "csv", "--group-by", "frontend"))))
    own = boards(collect([sweep]))[0]
    assert [float(row[PRIMARY]) for row in read] == [own.mean(system, PRIMARY) for system in own.systems]
    assert [row["frontend"] for row in read] == ["mel", "cqt", "", "mel", "cqt", ""]
    assert [bool(row["params"]) for row in read] == [True, True, False, True, True, False]
    assert [row["num_seeds"] for row in read] == ["2", "2", "1", "2", "2", ""]


def test_json_is_strict_and_documented(capsys: pytest.CaptureFixture[str], sweep: Path) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    content = json.loads(shown(capsys, sweep, "--format", "json"), parse_constant=refuse)
    [only] = content["boards"]
    assert [system["rank"] for system in only["systems"]] == [1, 2, 3, 4, 5, 6]
    assert only["systems"][0]["difference"] is None
    assert only["systems"][-1]["cost"]["params"] is None
    text = (ROOT / "docs" / "leaderboard.md").read_text()
    names = [*content, *only, *only["systems"][0], *only["systems"][0]["runs"][0]]
    assert [name for name in names if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    ("arguments", "systems"),
    [
        (["--where", "frontend=mel"], ["mel cnn", "mel dense", "baseline x"]),
        (["--where", "frontend=mel", "--no-baselines"], ["mel cnn", "mel dense"]),
        (["--where", "frontend=mel,cqt", "--where", "backbone=cnn", "--no-baselines"], ["mel cnn", "cqt cnn"]),
        (["--where", "optimizer.lr=3e-3", "--where", "frontend=cqt", "--no-baselines"], ["cqt cnn", "cqt dense"]),
        (["--where", "system=theirs"], ["theirs"]),
    ],
)
def test_where(capsys: pytest.CaptureFixture[str], sweep: Path, arguments: list[str], systems: list[str]) -> None:
    content = json.loads(shown(capsys, sweep, "--format", "json", *arguments))
    assert [system["name"] for system in content["boards"][0]["systems"]] == systems


@pytest.mark.parametrize("form", READABLE)
def test_group_by(capsys: pytest.CaptureFixture[str], sweep: Path, form: str) -> None:
    text = shown(capsys, sweep, "--format", form, "--group-by", "backbone")
    sections = re.findall(r"^(?:\[|\*\*|.*\\itshape )(backbone [-\w]+)", text, re.MULTILINE)
    assert sections == ["backbone cnn", "backbone -", "backbone dense"] * 2


def test_names_with_commas(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """They stay whole where names are chosen, and are told apart where they are listed."""
    for i, name in enumerate(["a,b", "a", "a,b,c", "theirs, 2"]):
        scores = {f"t{k}": {"F": 0.5 + 0.01 * k, "P, weak": 0.5} for k in range(6)}
        make_run(tmp_path / str(i), system=name, seed=None, scores=scores)
    for asked, found in [("a,b", ["a,b"]), ("a,b,a,theirs, 2", ["a", "a,b", "theirs, 2"]), ("a,b,c", ["a,b,c"])]:
        arguments = ("--where", f"system={asked}", "--group-by", "system", "--metrics", "P, weak")
        lines = list(csv.DictReader(io.StringIO(shown(capsys, tmp_path, "--format", "csv", *arguments))))
        assert [(line["system"], line["P, weak"]) for line in lines] == [(name, "0.5") for name in found]
    assert "There are: a; a,b; a,b,c; theirs, 2." in refused(capsys, tmp_path, "--where", "system=a,d")
    assert "Not told apart from the best: a,b; a,b,c; theirs, 2." in shown(capsys, tmp_path)


def test_sort_and_metrics(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    make_run(tmp_path / "a", scores={"t": {"F": 0.5, "P": 0.1, "R": 0.9}})
    make_run(tmp_path / "b", backbone="b", scores={"t": {"F": 0.4, "P": 0.2, "R": 0.9}})
    text = shown(capsys, tmp_path, "--format", "csv", "--sort", "P", "--metrics", "P")
    assert [(row["rank"], row["P"], "R" in row) for row in csv.DictReader(io.StringIO(text))] == [
        ("2", "0.2", False),
        ("1", "0.1", False),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--where", "fronted=mel"], "no result has it. Did you mean frontend"),
        (["--where", "lr=1"], "Did you mean optimizer.lr"),
        (["--where", "frontend=stft"], "no result has that value. There are: cqt, mel."),
        (["--where", "frontend"], "expected KEY=VALUE"),
        (["--where", "frontend=mel", "--where", "system=theirs"], "no result meets all of the conditions"),
        (["--where", "system=baseline x", "--no-baselines"], "leaves nothing to show"),
        (["--group-by", "colour"], "--group-by colour: no result has it"),
        (["--metrics", "SDR"], "metric SDR is on no board. There are: F-measure, Precision"),
        (["--sort", "SDR"], "metric SDR is on no board"),
        (["--tasks-ranking"], "no two systems are on the same two boards"),
        (["--output", "x.docx"], "end its name in one of .txt, .md, .csv"),
        (["--output", "/dev/null/x.md"], "--output /dev/null/x.md cannot be written"),
        (["--format", "html"], "--format html needs --output FILE"),
    ],
)
def test_user_errors(capsys: pytest.CaptureFixture[str], sweep: Path, arguments: list[str], message: str) -> None:
    assert message in refused(capsys, sweep, *arguments)


def test_broken_files_do_not_stop_it(capsys: pytest.CaptureFixture[str], sweep: Path) -> None:
    (sweep / "mel-cnn-0" / "result.json").write_text("{")
    assert main([str(sweep)]) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith(f"left out: {sweep / 'mel-cnn-0' / 'result.json'}: line 1, column 2: not JSON")
    assert "mel cnn" in captured.out


def test_nothing_but_broken_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("")
    assert main([str(tmp_path)]) == 1
    assert "error: nothing could be read: 1 problems." in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".txt", ".md", ".tex", ".csv", ".json"])
def test_output_is_what_the_screen_shows(capsys: pytest.CaptureFixture[str], sweep: Path, suffix: str) -> None:
    path = sweep / "new" / f"board{suffix}"
    assert shown(capsys, sweep, "--output", path) == ""
    assert path.read_text() == shown(capsys, sweep, "--format", {".txt": "text"}.get(suffix, suffix[1:]))
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_page(capsys: pytest.CaptureFixture[str], sweep: Path) -> None:
    path = sweep / "board.html"
    assert shown(capsys, sweep, "--output", path, "--excerpts", 0) == ""
    assert path.read_text().lower().startswith("<!doctype html>")
    assert "mel dense" in path.read_text()


@pytest.mark.parametrize(
    ("form", "option"),
    [
        ("board.html", ["--sort", "x"]),
        ("board.html", ["--metrics", "x"]),
        ("board.html", ["--group-by", "x"]),
        ("board.html", ["--tasks-ranking"]),
        ("board.md", ["--excerpts", "2"]),
        ("board.md", ["--excerpt-seconds", "2"]),
        ("board.md", ["--data-root", "x"]),
    ],
)
def test_what_the_output_does_not_look_at_is_refused(run_here: Here, sweep: Path, form: str, option: list[str]) -> None:
    code, error = run_here("leaderboard.py", str(sweep), "--output", str(sweep / form), *option)
    assert (code, f"{option[0]} does nothing for" in error) == (1, True)
    assert not (sweep / form).exists()


def test_wandb(capsys: pytest.CaptureFixture[str], sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[Any] = []
    monkeypatch.setattr(artifact, "log_leaderboard", lambda *given: logged.append(given))
    path = sweep / "board.md"
    shown(capsys, sweep, "--output", path, "--wandb", "mine")
    [(project, _, tables, files)] = logged
    assert (project, files) == ("mine", [path])
    assert [row["system"] for row in tables["notes on synth, test split"]][:2] == ["mel cnn", "cqt cnn"]


def test_wandb_has_each_protocol(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: Any) -> None:
    logged: list[Any] = []
    monkeypatch.setattr(artifact, "log_leaderboard", lambda *given: logged.append(given))
    for tolerance_s in (0.05, 0.1):
        make_run(tmp_path / str(tolerance_s), protocol=PROTOCOL | {"onset_tolerance_s": tolerance_s})
    shown(capsys, tmp_path, "--wandb")
    [(_, _, tables, _)] = logged
    assert sorted(rows[0]["protocol_id"] for rows in tables.values()) == sorted(
        stable_hash(PROTOCOL | {"onset_tolerance_s": each}) for each in (0.05, 0.1)
    )


# Rankings over several boards


def test_systems_are_ranked_over_tasks(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    means = {"notes": {"cnn": 0.9, "lstm": 0.8, "dense": 0.1}, "beat": {"cnn": 0.5, "lstm": 0.6, "dense": 0.2}}
    means |= {"key": {"cnn": 0.5, "lstm": 0.4}}
    for task, systems in means.items():
        for backbone, mean in systems.items():
            make_run(tmp_path / task / backbone, task=task, backbone=backbone, scores=make_scores(mean))
            make_run(tmp_path / task / backbone / "b", task=task, system="baseline x", scores=make_scores(0.99))
    every = overall(boards(collect([tmp_path])))
    assert every is not None
    named = {every.names[key]: rank for key, rank in every.ranks.average.items()}
    assert named == {"mel cnn": pytest.approx(4 / 3), "mel lstm": pytest.approx(5 / 3)}
    assert "Average rank over 3 boards" in shown(capsys, tmp_path)
    assert "Average rank" not in shown(capsys, tmp_path, "--no-tasks-ranking")


def test_one_board_has_no_overall_ranking(sweep: Path) -> None:
    assert overall(boards(collect([sweep]))) is None


def test_effort_is_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    make_run(tmp_path, tuning=make_tuning(0.5, 0.7))
    text = shown(capsys, tmp_path)
    assert "0.6000 (1), 0.6500 (2)" in text  # (0.5 + 0.7) / 2, (0.5 + 0.7 + 0.7 + 0.7) / 4


# As a command


@pytest.mark.parametrize("command", [[], ["ablate"]])
def test_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])
    assert stopped.value.code == 0
    assert "PATH" in capsys.readouterr().out


def test_tables_need_no_torch(sweep: Path) -> None:
    script = (
        "import sys; from ricercar.leaderboard import main; main(sys.argv[1:]); "
        "print(sorted({'torch', 'hydra', 'wandb', 'mir_eval'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(sweep), "--output", str(sweep / "x.md")], capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_results_of_the_repository_can_be_read() -> None:
    """They stay readable: who changes the schema brings them along."""
    collection = collect([ROOT / "docs" / "results"])
    assert collection.problems == []
    assert len(collection.found) > 50
