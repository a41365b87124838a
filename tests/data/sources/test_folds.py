"""Cross-validation: which tracks are in which fold, and what is refused."""

import csv
import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from conftest import Here
from ricercar.data.audio.file import AudioFile
from ricercar.data.sources.folder import Folder
from ricercar.data.sources.folds import Folds, folds_of
from ricercar.data.sources.mirdata.datasets import ADAPTERS
from ricercar.data.sources.mirdata.splits import listed, published_fold
from ricercar.data.track import Track
from ricercar.errors import InputError
from ricercar.harness.command import all_folds


def track(number: int, group: str, fold: int | None = None) -> Track:
    return Track(f"t{number}", "train", group, AudioFile(Path(f"t{number}.wav")), fold=fold)


def test_groups_are_dealt_whole_and_evenly() -> None:
    random = np.random.default_rng(0)
    tracks = [track(number, f"g{random.integers(40)}") for number in range(200)]
    folds = folds_of(tracks, 5)
    of_group: dict[str, set[int]] = {}
    for each, fold in zip(tracks, folds, strict=True):
        of_group.setdefault(each.group, set()).add(fold)
    assert all(len(found) == 1 for found in of_group.values())
    assert max(Counter(folds).values()) - min(Counter(folds).values()) <= 2
    order = random.permutation(200)
    assert [folds[i] for i in order] == folds_of([tracks[i] for i in order], 5), "whatever their order"


@pytest.mark.parametrize(
    ("folds", "number", "told"),
    [
        ([None] * 4, None, "names no folds: say how many"),
        ([None] * 4, 5, "folds=5: there are 4 groups"),
        ([0, 1, None, 2], None, "1 of 4 tracks are in no fold, such as 't2'"),
        ([0, 1, 3, 3], None, "No track is in fold 2"),
        ([0, 1, 2, 0], 4, "folds=4, but the data set names 3"),
    ],
)
def test_what_cannot_be_folds(folds: list[int | None], number: int | None, told: str) -> None:
    with pytest.raises(InputError, match=told):
        folds_of([track(i, f"g{i}", fold) for i, fold in enumerate(folds)], number)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six tracks of three groups, in three folds; the splits say something else."""
    rows = ["id,split,group,audio,key,fold"]
    for i in range(6):
        noise = np.random.default_rng(i).normal(0, 0.1, 16000)
        soundfile.write(tmp_path / f"t{i}.wav", noise, 16000)
        rows.append(f"t{i},{('train', 'test')[i == 0 or i == 3]},g{i % 3},t{i}.wav,C major,{i % 3}")
    (tmp_path / "index.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def changed(folder: Path, line: int, **cells: str) -> None:
    rows = list(csv.DictReader(io.StringIO((folder / "index.csv").read_text())))
    rows[line] |= cells
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize("fold", range(3))
def test_one_fold_is_tested_and_the_next_chosen_by(folder: Path, fold: int) -> None:
    source = Folds(Folder(root=folder), fold, None)
    ids = {split: {each.id for each in source.tracks(split)} for split in source.splits}
    of_fold = [{f"t{i}", f"t{i + 3}"} for i in range(3)]
    rest = ({0, 1, 2} - {fold, (fold + 1) % 3}).pop()
    assert ids == {"test": of_fold[fold], "valid": of_fold[(fold + 1) % 3], "train": of_fold[rest]}
    assert all(each.split == split for split in ids for each in source.tracks(split))
    assert (source.fold.fold, source.fold.number, len(source.fold.every)) == (fold, 3, 6)


@pytest.mark.parametrize(("fold", "number", "told"), [(3, None, "fold"), (0, 2, "folds=2"), (-1, None, "fold=-1")])
def test_folds_that_there_are_not(folder: Path, fold: int, number: int | None, told: str) -> None:
    with pytest.raises(InputError, match=told):
        Folds(Folder(root=folder), fold, number).tracks("test")


@pytest.mark.parametrize(
    ("line", "cells", "told"),
    [
        (3, {"fold": "1"}, "group 'g0' is in fold 1 here and in fold 0 on line 2"),
        (4, {"fold": ""}, r"group 'g1' is in fold \(none\) here"),
        (2, {"fold": "two"}, "fold 'two' is not a whole number"),
    ],
)
def test_an_index_with_wrong_folds(folder: Path, line: int, cells: dict[str, Any], told: str) -> None:
    changed(folder, line, **cells)
    with pytest.raises(InputError, match=told):
        Folder(root=folder).tracks("train")


def test_the_check_counts_folds_and_finds_groups_in_two(
    run_here: Here, folder: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["data=folder", f"data.root={folder}", f"cache_dir={cache}"]
    code, _ = run_here("data/check.py", *given)
    printed = capsys.readouterr().out
    assert code == 0, printed
    assert "fold  tracks  groups  hours" in printed
    changed(folder, 3, fold="1", split="train")
    changed(folder, 5, fold="", group="g5")
    code, _ = run_here("data/check.py", *given)
    printed = capsys.readouterr().out
    assert code == 1
    assert "a group in several folds (1)\n  group 'g0': fold 0: t0; fold 1: t3" in printed
    assert "tracks in no fold, where others are in one (1)\n  t5" in printed


def test_all_folds_are_a_sweep() -> None:
    assert all_folds(["task=key", "fold=all", "folds=3"]) == ["-m", "task=key", "fold=0,1,2", "folds=3"]
    assert all_folds(["-m", "fold=all", "folds=3"]) == ["-m", "fold=0,1,2", "folds=3"]
    assert all_folds(["fold=1"]) == ["fold=1"]
    with pytest.raises(InputError, match="fold=all needs folds=K"):
        all_folds(["fold=all"])
    with pytest.raises(InputError, match="folds=0: must be a whole number, at least 3"):
        all_folds(["fold=all", "folds=0"])


def test_published_folds() -> None:
    """Of Beat This, all but the replicas; and one player of GuitarSet after the other."""
    tracks = listed("ballroom")
    folds = {id_: published_fold("ballroom", id_) for id_ in tracks}
    assert {id_ for id_, fold in folds.items() if fold is None} == {
        id_ for id_, each in tracks.items() if each.split == "excluded"
    }
    assert sorted(Counter(fold for fold in folds.values() if fold is not None).values()) == [85] * 3 + [86] * 5
    fold = ADAPTERS["guitarset"].fold
    assert fold is not None
    assert fold("03_Rock1-90-C#_solo") == 3
