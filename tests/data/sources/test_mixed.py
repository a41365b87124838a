"""Several data sets as one, and the splits that each source has."""

from collections.abc import Iterator
from pathlib import Path

import pytest

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
    mixed = Mixed(parts={"x": Few("train", "valid"), "y": Few("train")})
    assert mixed.splits == ("train", "valid")
    assert [(track.id, track.group, track.work, track.split) for track in mixed.tracks("train")] == [
        ("x.a", "x.g", "x.piece", "train"),
        ("y.a", "y.g", "y.piece", "train"),
    ]
    [track] = mixed.tracks("valid")
    assert track.audio is SILENCE
    assert track.annotations == {"key": Key(0, "major")}


def test_splits_are_in_order() -> None:
    assert Mixed(parts={"x": Few("test"), "y": Few("train"), "z": Few("valid")}).splits == ("train", "valid", "test")


def test_split_that_no_part_has() -> None:
    with pytest.raises(InputError, match=r"'valid'.*x: train; y: train, test"):
        Mixed(parts={"x": Few("train"), "y": Few("train", "test")}).tracks("valid")


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
        Mixed(parts=parts)


def test_inspection_goes_on_after_an_error() -> None:
    mixed = Mixed(parts={"x": Few("test", "train"), "y": Few("valid")})
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
