"""Published figures beside results: where they may stand, and what is said of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from conftest import Here
from results_factory import make_result, make_scores
from ricercar.errors import InputError
from ricercar.harness import published
from ricercar.harness.folders import names_in
from ricercar.harness.protocols import protocol_of
from ricercar.harness.published import FOLDER, Published, named, read
from ricercar.harness.results import DatasetId

PRIMARY = "transcription/F-measure_no_offset"
FIGURES = Published(
    "theirs", "Theirs 2020", "maps", "test", 6, "notes/transkun", {PRIMARY: 0.7}, "their paper, table 3"
)


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Published:
    monkeypatch.setattr(published, "published", lambda: {"theirs": FIGURES})
    return FIGURES


def test_the_files_are_whole() -> None:
    protocols = names_in("protocol")
    every = [figures for path in FOLDER.glob("*.csv") for figures in read(path).values()]
    assert every
    for figures in every:
        assert figures.protocol in protocols
        assert all(0 < value < 1 for value in figures.metrics.values())
        assert figures.source


@pytest.mark.parametrize(
    ("dataset", "protocol", "apart"),
    [
        (DatasetId("folder:maps", "test", "", 6), "notes/transkun", []),
        (DatasetId("mirdata:maps", "test", "", 6), "notes/transkun", []),
        (DatasetId("folder:maps2", "test", "", 6), "notes/transkun", ["data maps2 here, maps there"]),
        (DatasetId("folder:maps", "valid", "", 6), "notes/transkun", ["split valid here, test there"]),
        (DatasetId("folder:maps", "test", "", 5), "notes/transkun", ["tracks 5 here, 6 there"]),
        (DatasetId("folder:maps", "test", "", 6), None, ["protocol that of no preset here, notes/transkun there"]),
    ],
)
def test_they_stand_where_all_agrees(dataset: DatasetId, protocol: str | None, apart: list[str]) -> None:
    assert FIGURES.apart(dataset, protocol) == apart


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("a,A,maps,test,6,notes/transkun,m,much,s", "line 3: could not convert"),
        ("a,A,maps,test,6,notes/transkun,m,0.5", "line 3: not enough values"),
        ("theirs,A,maps,test,7,notes/transkun,m,0.5,s", "line 3: theirs is of something else above"),
    ],
)
def test_a_file_with_a_fault(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "notes.csv"
    header = ",".join(published.COLUMNS)
    path.write_text(f"{header}\ntheirs,A,maps,test,6,notes/transkun,{PRIMARY},0.7,s\n{line}\n")
    with pytest.raises(InputError, match=told):
        read(path)


def test_names_that_there_are_not() -> None:
    with pytest.raises(InputError, match=r"reproduces=nobody: .* There are: beat_this_gtzan, "):
        named(["nobody"])


@pytest.mark.parametrize(("data", "shown"), [("folder:maps", True), ("folder:other", False)])
def test_tables_have_them_without_interval_and_rank(
    run_here: Here, tmp_path: Path, theirs: Published, capsys: pytest.CaptureFixture[str], data: str, shown: bool
) -> None:
    scores = {name: {PRIMARY: each["F-measure"]} for name, each in make_scores().items()}
    result = make_result(scores=scores, protocol=protocol_of("notes/transkun"))
    (tmp_path / "run").mkdir()
    replace(result, dataset=replace(result.dataset, name=data)).write(tmp_path / "run" / "result.json")
    assert run_here("leaderboard.py", "run") == (0, "")
    printed = capsys.readouterr().out
    assert ("Theirs 2020, published" in printed) is shown
    assert ("Read in their paper, table 3" in printed) is shown
    for name in ("board.html", "board.json", "board.md", "board.tex"):
        assert run_here("leaderboard.py", "run", "--output", name)[0] == 0
        assert ("Theirs 2020" in (tmp_path / name).read_text()) is shown


def test_a_run_is_held_against_them(
    run_here: Here,
    on_tones: list[str],
    tones: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of one track there is no interval; of other data nothing is said but why."""
    key = Published("same", "Same 2020", tones.name, "test", 1, "key/mirex", {"key/Weighted_Score": 0.5}, "s")
    other = replace(key, id="other", system="Other 2020", num_tracks=600)
    monkeypatch.setattr(published, "published", lambda: {"same": key, "other": other, "theirs": FIGURES})
    given = [*on_tones, "task=key", "protocol=mirex", "hydra.run.dir=out"]
    assert run_here("train.py", *given, "reproduces=[same,other,theirs]") == (0, "")
    printed = capsys.readouterr().out
    assert "Same 2020" in printed
    assert "not known" in printed
    assert "Other 2020 cannot be compared: tracks 1 here, 600 there." in printed
    assert "Theirs" not in printed
    code, error = run_here("train.py", *given, "reproduces=[nobody]")
    assert (code, "reproduces=nobody" in error) == (1, True)
