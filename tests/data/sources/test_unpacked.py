"""Data sets as their archives unpack, by stand-ins: splits, groups, folds, annotations, and what is said of errors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.utils import instantiate

from configs import composed
from ricercar.data.audio.file import AudioFile
from ricercar.data.audio.mixture import Mixture
from ricercar.data.sources.folds import folds_of
from ricercar.data.sources.splitting import say_once
from ricercar.data.sources.unpacked import Unpacked
from ricercar.data.sources.unpacked.datasets import DATASETS
from ricercar.data.track import Track
from ricercar.errors import InputError
from unpacked_standins import WRITERS, Standin, written


def source(dataset: str, standin: Standin, **options: Any) -> Unpacked:
    defaults = {"recordings": None, "folds_file": None, "as_one_split": None, "missing_audio": "error", "seed": 0}
    return Unpacked(dataset=dataset, **{**defaults, **standin.options, **options})


def all_tracks(data: Unpacked) -> list[Track]:
    return [track for split in data.splits for track in data.tracks(split)]


def message(make: Callable[[], object]) -> str:
    with pytest.raises(InputError) as error:
        make()
    return str(error.value)


def missing(words: list[str], text: str) -> list[str]:
    return [word for word in words if word not in text]


def test_every_data_set_has_a_stand_in() -> None:
    assert sorted(WRITERS) == sorted(DATASETS)


@pytest.mark.parametrize("dataset", DATASETS)
def test_what_comes_out(dataset: str, tmp_path: Path) -> None:
    standin = written(dataset, tmp_path / "home")
    tracks = all_tracks(source(dataset, standin))
    assert sorted((track.id, track.split, track.group, track.work, track.fold) for track in tracks) == sorted(
        standin.expected
    )
    (first,) = (track for track in tracks if track.id == standin.expected[0][0])
    found = {name: annotation.text() for name, annotation in first.annotations.items()}
    assert found == {name: annotation.text() for name, annotation in standin.annotations.items()}
    level = {"enst_drums": 0.3 * 2 / 3 + 0.6 / 3, "enst_drums_alone": 0.3}.get(dataset, 0.0)
    assert first.audio.decode(16000) == pytest.approx(np.full(8000, level), abs=1e-3)


def test_another_mixture_is_other_audio() -> None:
    files = (AudioFile(Path(__file__)), AudioFile(Path(__file__)))
    keys = {Mixture(files, gains).key() for gains in ((0.5, 0.5), (0.5, 0.5), (0.5, 0.4))} | {files[0].key()}
    assert len(keys) == 3


def test_configuration(tmp_path: Path) -> None:
    written("maestro", tmp_path / "home")
    cfg = composed("data=unpacked", "data.dataset=maestro", f"data.home={tmp_path / 'home'}")
    assert instantiate(cfg.data, _convert_="all").splits == ("train", "valid", "test")


def test_velocities_of_maps_are_unknown_where_the_midi_file_has_other_notes(tmp_path: Path) -> None:
    standin = written("maps", tmp_path / "home")
    (path,) = standin.home.rglob("MAPS_MUS-bk_xmas1_AkPnBcht.txt")
    path.write_text("OnsetTime\tOffsetTime\tMidiPitch\n0.6\t1.5\t60\n0.75\t0.875\t64\n")
    (track,) = (each for each in all_tracks(source("maps", standin)) if "bk_xmas1" in each.id)
    assert track.annotations["notes"].text() == (
        "onset\toffset\tpitch\tvelocity\n0.600000\t1.500000\t60\t64\n0.750000\t0.875000\t64\t64\n"
    )


def test_pieces_of_the_real_piano_are_in_no_other_split_of_maps(tmp_path: Path) -> None:
    standin = written("maps", tmp_path / "home")
    assert "MAPS_MUS-alb_se3_SptkBGCl" not in {track.id for track in all_tracks(source("maps", standin))}
    assert len(source("maps", standin, as_one_split="test").tracks("test")) == 8


def test_folds_of_a_list(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What it does not name is left out and told; the splits are what they were."""
    standin = written("harmonix", tmp_path / "home")
    path = tmp_path / "8-folds.split"
    path.write_text("0001_12step\t1\n0003_6foot7foot\t0\n0004_abc\t2\n0005_again\t1\n0006_a\t2\nx\t0\n")
    data = source("harmonix", standin, folds_file=path)
    splits = {track.id: track.split for track in all_tracks(source("harmonix", standin))}
    assert {track.id: track.split for track in all_tracks(data)} == {
        id_: split for id_, split in splits.items() if id_ != "0008_b"
    }
    assert folds_of(sorted(all_tracks(data), key=lambda track: track.id), None) == [1, 0, 2, 1, 2]
    assert missing(["1 of 6 tracks", "0008_b", "1 names in it are of no track, such as x"], caplog.text) == []


def test_groups_in_several_splits_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    say_once.cache_clear()
    standin = written("musicnet", tmp_path / "home")
    table = standin.home / "musicnet_metadata.csv"
    table.write_text(table.read_text().replace("Quintet, C", "Quintet, A"))
    source("musicnet", standin)
    assert missing(["musicnet: 1 of 5 works", "Schubert: Quintet, A"], caplog.text) == []


@pytest.mark.parametrize(
    ("dataset", "file", "content", "words"),
    [
        ("maestro", "maestro-v3.0.0.csv", None, ["0 files maestro-v*.csv"]),
        ("maestro", "maestro-v3.0.0.csv", "split\n", ["maestro-v3.0.0.csv, line 1", "no column canonical_composer"]),
        ("maestro", "2018/a.wav", None, ["1 of 1 recordings of split train", "2018/a.wav", "leave_out", "magenta"]),
        ("maestro", "2018/a.midi", None, ["There is no file", "2018/a.midi"]),
        ("maps", "MAPS_AkPnBcht_1/AkPnBcht/MUS/MAPS_MUS-bk_xmas1_AkPnBcht.txt",
         "OnsetTime\tOffsetTime\tMidiPitch\n0.5\t0.4\t60\n", ["bk_xmas1_AkPnBcht.txt, line 2", "0.4 s"]),
        ("maps", "MAPS_AkPnBcht_1/AkPnBcht/MUS/MAPS_MUS-bk_xmas1_AkPnBcht.txt", "0.5\t1.5\t60\n", ["OnsetTime"]),
        ("maps", "elsewhere/MAPS_MUS-bk_xmas1_AkPnBcht.txt", "x", ["is there twice", "elsewhere"]),
        ("musicnet", "musicnet_metadata.csv", None, ["There is no file", "musicnet_metadata.csv"]),
        ("musicnet", "musicnet/train_labels/1728.csv",
         "start_time,end_time,instrument,note\n1,x,1,60\n", ["1728.csv, line 2", "end_time 'x'"]),
        ("hainsworth", "annotations/hainsworth/8-folds.split", "hainsworth_001\tx\n", ["8-folds.split, line 1", "'x'"]),
        ("hainsworth", "sound/001.wav", "x", []),
        ("smc", "sound/smc_001.flac", "x", ["Two recordings are called smc_001"]),
        ("smc", "sound/deeper/SMC_001.wav", None, ["1 of 2 recordings", "sound/smc_001.wav", "beat_this_annotations"]),
        ("harmonix", "set/dataset/segments/0001_12step.txt", "0 intro\nx end\n", ["0001_12step.txt, line 2"]),
        ("harmonix", "set/dataset/segments/0001_12step.txt", None, ["There is no file", "0001_12step.txt"]),
        ("mdb_drums", "MIREX2017.md", None, ["There is no file", "MIREX2017.md"]),
        ("mdb_drums", "MIREX2017.md", "### Test Set\nMusicDelta_Punk\n", ["MusicDelta_80sRock in neither"]),
        ("mdb_drums", "MDB Drums/annotations/class/MusicDelta_Punk_class.txt", "0.1 KD\n0.2 XX\n", ["line 2", "'XX'"]),
        ("enst_drums", "drummer_1/annotation/107_minus-one_salsa_sticks.txt", "0.1 gong\n", ["line 1", "'gong'"]),
        ("enst_drums", "drummer_1/audio/accompaniment/107_minus-one_salsa_sticks.wav", None, ["accompaniment/107"]),
        ("urmp", "Dataset/01_Jupiter_vn_vc/Notes_1_vn_01_Jupiter.txt", "0.1\t0\t1\n", ["line 1", "0 Hz"]),
        ("urmp", "Dataset/01_Jupiter_vn_vc/F0s_2_vc_01_Jupiter.txt", None, ["2 files Notes_*.txt and 1 F0s"]),
        ("urmp", "Dataset/01_Jupiter_vn_vc/F0s_2_vc_01_Jupiter.txt", "0 0\n0 1\n", ["F0s_2_vc", "line 2"]),
        ("multtipop", "dev/clip_001/meta.json", "{", ["clip_001/meta.json", "not a JSON file"]),
    ],
)  # fmt: skip
def test_files_that_are_missing_or_damaged(
    dataset: str, file: str, content: str | None, words: list[str], tmp_path: Path
) -> None:
    """Or that are there twice; a second name of a recording is looked at after the first."""
    standin = written(dataset, tmp_path / "home")
    path = standin.home / file
    if content is None:
        path.unlink()
    else:
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    if words:
        assert missing(words, message(lambda: all_tracks(source(dataset, standin)))) == []
    else:
        assert len(all_tracks(source(dataset, standin))) == len(standin.expected)


@pytest.mark.parametrize(
    ("dataset", "options", "words"),
    [
        ("maestr", {}, ["'maestr'", "did you mean maestro?"]),
        ("maestro", {"home": "/nowhere"}, ["data.home=/nowhere", "no such folder", "magenta"]),
        ("smc", {"recordings": None}, ["data.recordings=FOLDER", "SMC_MIREX.zip"]),
        ("harmonix", {"folds_file": "/nowhere"}, ["/nowhere"]),
        ("maestro", {"missing_audio": "skip"}, ["missing_audio='skip'"]),
        ("maestro", {"as_one_split": "all"}, ["as_one_split='all'"]),
    ],
)
def test_options_that_do_not_fit(dataset: str, options: dict[str, Any], words: list[str], tmp_path: Path) -> None:
    standin = written(dataset if dataset in WRITERS else "maestro", tmp_path / "home")
    assert missing(words, message(lambda: source(dataset, standin, **options))) == []


def test_a_folder_with_something_else(tmp_path: Path) -> None:
    standin = written("maestro", tmp_path / "home")
    assert missing(["nothing of urmp", "rochester"], message(lambda: source("urmp", standin))) == []
