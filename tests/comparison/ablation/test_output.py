"""leaderboard.py ablate: user errors, formats, and names that are anybody's text."""

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ablation_examples import VARY, ablate, make_sweep, refused, scores_of
from results_factory import make_run
from ricercar.leaderboard import main

NASTY = 'a|b <b>&amp; $x_1^2$ `c` "q" \\input{x} 100%\n# h'


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--vary", "frontent"], "Did you mean frontend"),
        (["--vary", "optimizer.lrr"], "optimizer.lr"),
        (["--vary", "frontend,frontend"], "give each factor once"),
        (["--vary", "seed"], "seeds and tasks are no factors"),
        (["--vary", "optimizer.lr"], "there are no two that differ in it"),
        ([*VARY, "--metric", "F"], "has F-measure"),
        ([*VARY, "--baseline", "frontend"], "expected NAME=LEVEL"),
        ([*VARY, "--baseline", "frontend=stft"], "the results have frontend cqt, mel"),
        ([*VARY, "--baseline", "compression=log"], "choose among what is varied: frontend, backbone"),
        ([*VARY, "--expect", "frontend=mel"], "as compression=log>none"),
        ([*VARY, "--expect", "frontend=mel>stft"], "there are cqt, mel"),
        ([*VARY, "--expect", "compression=log>none"], "choose among what is varied: frontend, backbone"),
        ([*VARY, "--ignore", "optimiser"], "Did you mean optimizer"),
        ([*VARY, "--output", "report.pdf"], "end its name in .md, .tex or .html"),
    ],
)
def test_mistakes_are_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], message: str
) -> None:
    assert message in refused(capsys, make_sweep(tmp_path, num_seeds=1), *arguments)


def test_only_other_systems(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    make_run(tmp_path / "a", system="theirs", scores=scores_of(0.5))
    assert "no result of train.py" in refused(capsys, tmp_path, *VARY)


def test_reports_need_no_torch(tmp_path: Path) -> None:
    script = (
        "import sys; from ricercar.leaderboard import main; main(sys.argv[1:]); "
        "print(sorted({'torch', 'hydra', 'wandb', 'mir_eval'} & set(sys.modules)))"
    )
    arguments = ["ablate", str(make_sweep(tmp_path)), *VARY, "--output", str(tmp_path / "x.html")]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_broken_files_are_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    make_sweep(tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "result.json").write_text("{")
    assert main(["ablate", str(tmp_path), *VARY]) == 0
    assert f"left out: {tmp_path}/broken/result.json" in capsys.readouterr().err


def test_markdown_links_figures_beside_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    output = tmp_path / "out" / "my report.md"
    assert ablate(capsys, make_sweep(tmp_path), *VARY, "--output", output) == ""
    linked = re.findall(r"\]\((.*?)\)", output.read_text())
    assert linked == ["my%20report_figures/combinations.svg", "my%20report_figures/costs.svg"]
    found = {path.name: ElementTree.parse(path) for path in output.with_name("my report_figures").iterdir()}
    assert sorted(found) == ["combinations.svg", "costs.svg"]
    assert "prefers-color-scheme" in (output.with_name("my report_figures") / "costs.svg").read_text()


def test_reports_are_the_same_each_time(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = [make_sweep(tmp_path), *VARY, "--format", "html"]
    assert ablate(capsys, *arguments) == ablate(capsys, *arguments)


@pytest.fixture
def nasty(tmp_path: Path) -> Path:
    return make_sweep(tmp_path, {(NASTY, "cnn"): 0.5, ("mel", NASTY): 0.6, ("mel", "cnn"): 0.7, (NASTY, NASTY): 0.8})


def test_names_in_markdown(capsys: pytest.CaptureFixture[str], nasty: Path) -> None:
    """No cell, no tag and no heading comes of them."""
    text = ablate(capsys, nasty, *VARY)
    table = text.partition("### Combinations")[2].partition("###")[0]
    ends = [len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines() if line.startswith("|")]
    assert ends == [10] * 6  # nine columns
    assert not re.search(r"(?<!\\)<b>", text)
    assert "\n# h" not in text


def test_names_in_html(capsys: pytest.CaptureFixture[str], nasty: Path) -> None:
    """The page is well-formed XML after its first line, and has only the elements that are ours."""
    text = ablate(capsys, nasty, *VARY, "--format", "html")
    body = text[text.index("<body>") : text.index("</html>")]
    tree = ElementTree.fromstring(body)
    tags = [element.tag.rpartition("}")[2] for element in tree.iter()]
    assert not {"b", "script", "style", "image"} & set(tags)
    assert tags.count("h1") == 1
    assert not re.search(r"(?:src|href)=\"(?!#)", body)


def test_names_in_latex(capsys: pytest.CaptureFixture[str], nasty: Path) -> None:
    text = ablate(capsys, nasty, *VARY, "--format", "tex")
    assert "\\input" not in text
    assert r"a\textbar{}b \textless{}b\textgreater{}\&amp; \$x\_1\textasciicircum{}2\$" in text
    assert text.count("\\begin{tabular}") == text.count("\\end{tabular}") > 3
    assert not re.search(r"(?<!\\)[#_]", text)
