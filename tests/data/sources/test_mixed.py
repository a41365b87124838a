"""Several data sets as one, and the splits that each source has."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from configs import SYNTH, composed
from ricercar.data.annotations.key import Key
from ricercar.data.audio.file import AudioFile
from ricercar.data.sources.mixed import Mixed
from ricercar.data.sources.source import Source
from ricercar.data.sources.synth import Synth
from ricercar.data.track import Track
from ricercar.errors import InputError
from ricercar.harness import assemble
from ricercar.harness.command import expanded

SILENCE = AudioFile(Path("silence.wav"))  # which nobody reads


class Few(Source):
    """One track in each split of `has`; what a source must have, and nothing else."""

    def __init__(self, *has: str) -> None:
        self._has = has

    @property
    def splits(self) -> tuple[str, ...]:
        return self._has

    def tracks(self, split: str) -> list[Track]:
        if split == "test":
            raise InputError("the test is secret")
        annotations = {"key": Key(0, "major")}
        return [Track("a", split, "g", SILENCE, annotations, "piece")]


def told(tracks: Iterator[Track | InputError]) -> list[str]:
    return [each.id if isinstance(each, Track) else str(each) for each in tracks]


def test_tracks_of_all_parts_that_have_the_split() -> None:
    mixed = Mixed(parts={"x": Few("train", "valid"), "y": Few("train")}, balance=1.0)
    assert mixed.splits == ("train", "valid")
    assert [(track.id, track.group, track.work, track.split) for track in mixed.tracks("train")] == [
        ("x.a", "x.g", "x.piece", "train"),
        ("y.a", "y.g", "y.piece", "train"),
    ]
    [track] = mixed.tracks("valid")
    assert track.audio is SILENCE
    assert track.annotations == {"key": Key(0, "major")}


def test_splits_are_in_order() -> None:
    assert Mixed(parts={"x": Few("test"), "y": Few("train"), "z": Few("valid")}, balance=1.0).splits == (
        "train",
        "valid",
        "test",
    )


def test_split_that_no_part_has() -> None:
    with pytest.raises(InputError, match=r"'valid'.*x: train; y: train, test"):
        Mixed(parts={"x": Few("train"), "y": Few("train", "test")}, balance=1.0).tracks("valid")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, r"^data=mixed has no parts: name them, as in data=\[synth,midi\]$"),
        ({"a.b": Few("train")}, r"'a\.b'"),
        ({"a/b": Few("train")}, "'a/b'"),
        ({"a": {"root": "x"}}, r"^parts\.a=.*not a data set"),
    ],
    ids=["none", "dot", "slash", "no source"],
)
def test_unusable_parts(parts: dict[str, Source], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Mixed(parts=parts, balance=1.0)


def test_inspection_goes_on_after_an_error() -> None:
    mixed = Mixed(parts={"x": Few("test", "train"), "y": Few("valid")}, balance=1.0)
    assert told(mixed.inspect()) == ["the test is secret", "x.a", "y.a"]


def test_on_the_command_line(tones: Path) -> None:
    """Tracks with different annotations, each rendered or decoded by its own source."""
    overrides = [*expanded("data=[synth,folder]"), f"data.parts.folder.root={tones}"]
    small = [each.replace("data.", "data.parts.synth.") for each in SYNTH[1:]]
    mixed = assemble.make(composed(*overrides, *small).data)
    assert mixed.splits == ("train", "valid", "test")
    train = mixed.tracks("train")
    assert [track.id for track in train] == [
        "synth.synth_train_0000", "synth.synth_train_0001", "folder.t0", "folder.t1",
    ]  # fmt: skip
    assert "chords" in train[0].annotations
    assert sorted(train[2].annotations) == ["key", "notes", "tempo"]
    assert len(train[2].audio.decode(8000)) == 3.2 * 8000


@pytest.mark.parametrize(("balance", "expected"), [(1.0, 12 / 18.4), (0.3, 0.5469), (0.0, 0.5)])
def test_how_often_parts_are_drawn(tones: Path, cache: Path, balance: float, expected: float) -> None:
    """12 s of one part, 6.4 s of the other: 12^0.3 / (12^0.3 + 6.4^0.3) is 0.5469."""
    overrides = [*expanded("data=[synth,folder]"), f"data.parts.folder.root={tones}", f"data.balance={balance}"]
    small = [each.replace("data.", "data.parts.synth.") for each in SYNTH[1:]]
    cfg = composed(*overrides, *small, f"cache_dir={cache}", "task=notes", "frontend=cqt")
    tasks, store, cpu = assemble.make_tasks(cfg), assemble.make_store(cfg), torch.device("cpu")
    windows = assemble.make_windows(cfg, assemble.make(cfg.frontend), store, cpu)
    tracks = assemble.make(cfg.data).tracks("train")
    crops = assemble.make_crops(cfg, tasks, tracks, windows, assemble.make(cfg.augmentation))
    drawn = [tracks[crops._drawn(index)[0][1]].part for index in range(4000)]
    assert drawn.count("synth") / 4000 == pytest.approx(expected, abs=0.03)


def test_empty_on_the_command_line() -> None:
    with pytest.raises(InputError, match="has no parts"):
        assemble.make(composed("data=mixed").data)


@pytest.mark.parametrize(
    ("sizes", "splits"),
    [((1, 1, 1), ("train", "valid", "test")), ((1, 0, 1), ("train", "test")), ((0, 0, 1), ("test",))],
)
def test_splits_of_synth(sizes: tuple[int, int, int], splits: tuple[str, ...]) -> None:
    names = ("num_train", "num_valid", "num_test")
    cfg = composed("data=synth", *(f"data.{name}={size}" for name, size in zip(names, sizes, strict=True)))
    source: Synth = assemble.make(cfg.data)
    assert source.splits == splits


@pytest.mark.parametrize(
    ("present", "splits"), [(["test", "train"], ("train", "test")), (["valid"], ("valid",)), (["test"], ("test",))]
)
@pytest.mark.parametrize("data", ["folder", "midi"])
def test_splits_of_an_index(data: str, present: list[str], splits: tuple[str, ...], tmp_path: Path) -> None:
    sound = {"folder": "audio", "midi": "midi"}[data]
    rows = [f"{split},{split},{split},{split}.{sound}" for split in present]
    (tmp_path / "index.csv").write_text("\n".join([f"id,split,group,{sound}", *rows]) + "\n")
    source: Source = assemble.make(composed(f"data={data}", f"data.root={tmp_path}").data)
    assert source.splits == splits
