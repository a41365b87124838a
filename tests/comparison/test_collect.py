"""result.json files are found below folders, and broken ones are named."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from results_factory import make_result, make_run
from ricercar.comparison import collect as module
from ricercar.comparison.collect import collect
from ricercar.errors import InputError
from ricercar.harness.typed_json import to_json


def test_finds_everything_below_once(tmp_path: Path) -> None:
    files = [make_run(tmp_path / "b" / "c"), make_run(tmp_path / "a" / "baselines" / "x", system="baseline x")]
    (tmp_path / "link.json").symlink_to(files[0])
    found = collect([tmp_path, tmp_path / "b", files[0], tmp_path / "link.json"]).found
    assert [each.path for each in found] == [files[1], files[0]]
    assert found[1].result.choices["backbone"] == "cnn"


@pytest.mark.parametrize("folder", ["checkpoints", "predictions", "wandb", ".hydra"])
def test_does_not_look_into(tmp_path: Path, folder: str) -> None:
    make_run(tmp_path)
    make_run(tmp_path / folder)
    assert [each.path for each in collect([tmp_path]).found] == [tmp_path / "result.json"]


def with_schema(schema: Any) -> str:
    return json.dumps(json.loads(to_json(make_result())) | {"schema": schema})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (to_json(make_result())[:400].encode(), "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 100_000, "not JSON that can be read"),
        (with_schema(3).encode(), "schema is 3, this version of Ricercar reads 4"),
        (with_schema(5).encode(), "schema is 5"),
        (to_json(make_result(scores={"a": {"F": 1.0}}, tracks=[])).encode(), "tracks has 0"),
        (to_json(make_result(metrics={"F-measure": 0.1, "Precision": 0.1})).encode(), "but the mean of tracks is"),
    ],
)
def test_a_broken_file_is_a_problem(tmp_path: Path, content: bytes, message: str) -> None:
    make_run(tmp_path / "good")
    (tmp_path / "result.json").write_bytes(content)
    collection = collect([tmp_path])
    assert len(collection.found) == 1
    [problem] = collection.problems
    assert problem.path == tmp_path / "result.json"
    assert message in problem.text
    assert str(tmp_path) not in problem.text


def test_packed_results(tmp_path: Path) -> None:
    """As gzip makes them; whole ones are read, one that was cut short is a problem."""
    plain = make_run(tmp_path / "plain")
    for name, share in (("whole", 1.0), ("cut", 0.5)):
        (tmp_path / name).mkdir()
        packed = gzip.compress(plain.read_bytes())
        (tmp_path / name / "result.json.gz").write_bytes(packed[: int(share * len(packed))])
    collection = collect([tmp_path])
    assert [each.path.parent.name for each in collection.found] == ["plain", "whole"]
    assert collection.found[0].result == collection.found[1].result
    [problem] = collection.problems
    assert "damaged or cut short" in problem.text


def test_a_folder_of_that_name_is_a_problem(tmp_path: Path) -> None:
    make_run(tmp_path / "result.json" / "inner")
    make_run(tmp_path / "good")
    collection = collect([tmp_path])
    assert [each.path for each in collection.found] == [tmp_path / "good" / "result.json"]
    assert [each.text for each in collection.problems] == ["cannot be read: Is a directory."]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_a_problem(tmp_path: Path) -> None:
    make_run(tmp_path).chmod(0)
    assert [each.text for each in collect([tmp_path]).problems] == ["cannot be read: Permission denied."]


def test_a_folder_that_cannot_be_looked_into_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(tmp_path / "good")
    make_run(tmp_path / "closed")
    scandir = os.scandir

    def refuse(path: str) -> Any:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    collection = collect([tmp_path])
    assert [each.path.parent.name for each in collection.found] == ["good"]
    assert [each.text for each in collection.problems] == ["cannot be looked into: Permission denied."]


def test_a_dangling_link_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "result.json").symlink_to(tmp_path / "gone.json")
    assert [each.text for each in collect([tmp_path]).problems] == ["cannot be read: No such file or directory."]


@pytest.mark.parametrize(("name", "message"), [("", "no result.json in it or below"), ("x", "no such file or folder")])
def test_nothing_there(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        collect([tmp_path / name])


def test_many_are_read_by_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MANY", 4)
    files = [make_run(tmp_path / str(i), seed=i) for i in range(6)]
    (tmp_path / "3" / "result.json").write_text("{}")
    collection = collect([tmp_path])
    assert [each.path for each in collection.found] == [path for i, path in enumerate(files) if i != 3]
    assert [each.path for each in collection.problems] == [files[3]]
