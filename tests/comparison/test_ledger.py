"""The ledger of development data: what a reader is told of what systems were trained on and chosen by."""

from pathlib import Path
from typing import Any

import pytest

from results_factory import make_run
from ricercar.comparison.board import boards
from ricercar.comparison.collect import collect
from ricercar.harness.protocols import protocol_of
from ricercar.harness.provenance import Outside, TrainingData

BEATS = protocol_of("beat/mirex_2026")


def notes(tmp_path: Path, training: TrainingData | None, **more: Any) -> list[str]:
    make_run(tmp_path / "run", training=training, **more)
    [board] = boards(collect([tmp_path]))
    return [note for note in board.notes if note.startswith("Warning")]


@pytest.mark.parametrize(
    ("training", "told"),
    [
        (TrainingData(["a"], "known", [], None, ["a"], []), []),
        (
            TrainingData(["a"], "known", ["track1"], None),
            ["mel cnn was trained on 1 works that it is scored on: track1."],
        ),
        (
            TrainingData(["a"], "known", [], None, ["a"], ["track2"]),
            ["mel cnn was chosen by 1 works that it is scored on: track2."],
        ),
        (TrainingData(["folder:maps"], "known", [], None), []),  # its works are known
    ],
)
def test_works_that_are_scored(tmp_path: Path, training: TrainingData, told: list[str]) -> None:
    assert notes(tmp_path, training, data="mirdata:maps") == [f"Warning: {each}" for each in told]


@pytest.mark.parametrize(
    ("data", "choosing", "told"),
    [
        (["MAPS"], None, "trained on or chosen by MAPS, of which this is a part"),
        (["maestro"], ["folder:maps"], "trained on or chosen by folder:maps"),
        (["maestro"], None, ""),
        (["synth+folder:maps"], None, "folder:maps"),
    ],
)
def test_names_where_works_are_not_known(
    tmp_path: Path, data: list[str], choosing: list[str] | None, told: str
) -> None:
    training = TrainingData(data, "unknown", [], None, choosing)
    found = notes(
        tmp_path, training, data="mirdata:maps", system="theirs", outside=Outside(None, None, data, False, None, None)
    )
    assert len(found) == bool(told)
    assert told in "".join(found)


@pytest.mark.parametrize(
    ("training", "told"),
    [
        (TrainingData(["mirdata:gtzan_genre"], "known", [], None), "developed with mirdata:gtzan_genre"),
        (TrainingData(["ballroom"], "known", [], None, ["SMC"]), "developed with SMC"),
        (TrainingData(["ballroom"], "known", [], None, ["hainsworth"]), ""),
        (None, ""),
    ],
)
def test_data_that_the_protocol_forbids(tmp_path: Path, training: TrainingData | None, told: str) -> None:
    found = notes(tmp_path, training, task="beat", protocol=BEATS)
    assert len(found) == bool(told)
    assert told in "".join(found)
