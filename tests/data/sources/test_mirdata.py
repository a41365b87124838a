"""mirdata's data sets, by stand-ins in its layout: ids, splits, groups, annotations, and what is said of errors."""

import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import instantiate

pytest.importorskip("mirdata", reason="needs the extra: pip install 'ricercar[mirdata]'")

import mirdata.core

from configs import ROOT, composed
from mirdata_standins import WRITERS, silence, written
from ricercar.data.annotations.tags import Tags
from ricercar.data.sources.index import SPLITS
from ricercar.data.sources.mirdata import Mirdata
from ricercar.data.sources.mirdata.adapter import FromFile
from ricercar.data.sources.mirdata.datasets import ADAPTERS
from ricercar.data.sources.mirdata.splits import FOLDER, listed
from ricercar.data.sources.splitting import EXCLUDED, RULE_SHARES, UNSPLIT, by_rule, crossing, say_once
from ricercar.data.track import Track
from ricercar.errors import InputError
from ricercar.harness.provenance import TrainingData

BY_RULE = ("ballroom", "beatles", "billboard", "giantsteps_key", "guitarset", "orchset")
SLAKH = "slakh2100_flac_redux/train/Track00001"
BEATLES = "The Beatles/03_-_A_Hard_Day's_Night/01_-_Song"
SALAMI = "salami-data-public-hierarchy-corrections/annotations/2/parsed/textfile1"
PUBLISHED = ("giantsteps_tempo", "gtzan_genre", "medleydb_melody", "medleydb_pitch")


@pytest.fixture(autouse=True)
def indexes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "indexes"
    monkeypatch.setattr(mirdata.core.Index, "get_path", lambda index: str(folder / index.filename))
    say_once.cache_clear()
    return folder


def source(dataset: str, home: Path, **options: Any) -> Mirdata:
    defaults = {
        "version": "default",
        "annotator": 1,
        "folds_file": None,
        "as_one_split": None,
        "missing_audio": "error",
        "seed": 0,
    }
    return Mirdata(dataset=dataset, home=home, **{**defaults, **options})


def all_tracks(data: Mirdata) -> list[Track]:
    return [track for split in data.splits for track in data.tracks(split)]


def message(make: Callable[[], object]) -> str:
    with pytest.raises(InputError) as error:
        make()
    return str(error.value)


def missing(words: list[str], text: str) -> list[str]:
    return [word for word in words if word not in text]


def test_every_data_set_has_a_stand_in() -> None:
    assert sorted(WRITERS) == sorted(ADAPTERS)


@pytest.mark.parametrize("dataset", sorted(ADAPTERS))
def test_ids_splits_and_groups(dataset: str, tmp_path: Path, indexes: Path) -> None:
    standin = written(dataset, tmp_path / "home", indexes)
    data = source(dataset, standin.home)
    places = [(track.id, track.split, track.group) for track in all_tracks(data)]
    assert sorted(places) == sorted(standin.expected)
    assert data.splits == tuple(split for split in SPLITS if any(place[1] == split for place in standin.expected))
    assert [track.id for track in data.tracks("train")] == [
        id_ for id_, split, _ in standin.expected if split == "train"
    ]


# What a system that learnt from train had heard of the works in test: all of GuitarSet's players play the same pieces.
HEARD = {"guitarset": ["BN1-129-Eb"]}


@pytest.mark.parametrize("dataset", sorted(ADAPTERS))
def test_only_works_that_are_works_were_trained_on(dataset: str, tmp_path: Path, indexes: Path) -> None:
    """Not classes of sounds, nor drummers, nor the two names of MedleyDB that stand for many."""
    data = source(dataset, written(dataset, tmp_path / "home", indexes).home)
    assert TrainingData.of("", data.tracks("train"), data.tracks("test"), None).shared == HEARD.get(dataset, [])


@pytest.mark.parametrize(
    ("dataset", "group", "id_", "work"),
    [
        ("tinysol", "Bass Tuba", "BTb-ord-F#0-pp-N-N", "BTb-ord-F#0-pp-N-N"),
        ("groove_midi", "drummer1", "drummer1/eval_session/1", "drummer1/eval_session/1"),
        ("guitarset", "03", "03_BN1-129-Eb_solo", "BN1-129-Eb"),
        ("medleydb_melody", "MusicDelta", "MusicDelta_Reggae", "MusicDelta_Reggae"),
        ("medleydb_pitch", "MusicDelta", "MusicDelta_Reggae_STEM_04", "MusicDelta_Reggae"),
        ("medleydb_pitch", "AimeeNorwich", "AimeeNorwich_Child_STEM_04", "AimeeNorwich"),
    ],
)
def test_works(dataset: str, group: str, id_: str, work: str) -> None:
    of = ADAPTERS[dataset].work
    assert of is not None
    assert of(id_, group) == work


@pytest.mark.parametrize("dataset", sorted(ADAPTERS))
def test_annotations_and_audio(dataset: str, tmp_path: Path, indexes: Path) -> None:
    standin = written(dataset, tmp_path / "home", indexes)
    (track,) = (each for each in all_tracks(source(dataset, standin.home)) if each.id == standin.expected[0][0])
    found = {name: annotation.text() for name, annotation in track.annotations.items()}
    assert found == {name: annotation.text() for name, annotation in standin.annotations.items()}
    assert track.audio.decode(16000).tolist() == silence().tolist()


def test_configuration(tmp_path: Path, indexes: Path) -> None:
    standin = written("maestro", tmp_path / "home", indexes)
    cfg = composed("data=mirdata", "data.dataset=maestro", f"data.home={standin.home}")
    assert instantiate(cfg.data, _convert_="all").splits == SPLITS


def test_scores_of_tags_that_were_denied_are_kept(tmp_path: Path, indexes: Path) -> None:
    standin = written("openmic2018", tmp_path / "home", indexes)
    tags = source("openmic2018", standin.home).tracks("train")[0].annotations["tags"]
    assert isinstance(tags, Tags)
    assert tags.present == ("flute",)


@pytest.mark.parametrize(
    ("dataset", "id_", "lacks"),
    [
        ("giantsteps_key", "20", "key"),  # D phrygian
        ("giantsteps_key", "20", "tags"),  # no metadata
        ("giantsteps_tempo", "8", "tempo"),  # nobody agreed
    ],
)
def test_annotations_that_a_track_does_not_have(
    dataset: str, id_: str, lacks: str, tmp_path: Path, indexes: Path
) -> None:
    standin = written(dataset, tmp_path / "home", indexes)
    (track,) = (each for each in all_tracks(source(dataset, standin.home)) if each.id == id_)
    assert lacks not in track.annotations


def test_the_second_annotator(tmp_path: Path, indexes: Path) -> None:
    """Another one's sections, and of a track that only the second annotated, all; data of one annotator say so."""
    standin = written("salami", tmp_path / "home", indexes)
    first, second = (source("salami", standin.home, annotator=annotator) for annotator in (1, 2))
    assert [dict(each.tracks("train")[0].annotations) == {} for each in (first, second)] == [True, False]
    heard = second.tracks("test")[0].annotations["segments"]
    assert heard.text() == standin.annotations["segments"].text().replace("Intro", "Chorus")
    shared = [source("salami", standin.home, annotator=annotator) for annotator in ([1, 2], [2, 1])]
    assert [[track.id for track in all_tracks(each)] for each in shared] == [["4", "5", "6", "3", "2"]] * 2
    assert [each.tracks("test")[0].annotations["segments"].text() == heard.text() for each in shared] == [False, True]
    told = message(lambda: source("queen", tmp_path, annotator=2))
    assert missing(["data.annotator=2", "1"], told) == []


def test_folds_of_a_list(tmp_path: Path, indexes: Path) -> None:
    standin, path = written("beatles", tmp_path / "home", indexes), tmp_path / "folds.csv"
    path.write_text("id,fold\n0301,1\n0601,0\n")
    tracks = all_tracks(source("beatles", standin.home, folds_file=path))
    assert {track.id: track.fold for track in tracks} == {"0301": 1, "0601": 0}
    path.write_text("beatles_03_A_Hard_Days_Night_01_Song\t1\nbeatles_06_Rubber_Soul_01_Song\t0\n")  # as Beat This does
    tracks = all_tracks(source("beatles", standin.home, folds_file=path))
    assert {track.id: track.fold for track in tracks} == {"0301": 1, "0601": 0}
    path.write_text("0301,1\nbeatles_03_A_Hard_Days_Night_01_Song,0\n")
    assert (
        missing(["track '0301' twice: 0301, b"], message(lambda: source("beatles", standin.home, folds_file=path)))
        == []
    )
    path.write_text("0301,1\n0301,0\n")
    words = ["folds.csv, line 2", "'0301' is there twice"]
    assert missing(words, message(lambda: source("beatles", standin.home, folds_file=path))) == []


@pytest.mark.parametrize(
    ("dataset", "name", "id"),
    [  # names in the lists of CPJKU/beat_this_annotations
        ("ballroom", "ballroom_Albums-AnaBelen_Veneo-01", "Albums-AnaBelen_Veneo-01"),
        ("ballroom", "Albums-AnaBelen_Veneo-01", "Albums-AnaBelen_Veneo-01"),
        ("beatles", "beatles_09_Magical_Mystery_Tour_10_Baby_Youre_A_Rich_Man", "0910"),
        ("beatles", "beatles_10_CD2_The_Beatles_12_Revolution_9", "10212"),
        ("beatles", "beatles_12_Let_It_Be_09_One_After_909", "1209"),
        ("groove_midi", "drummer7_eval_session_7_pop-groove7_138_beat_4-4", "drummer7_eval_session_7"),
        ("guitarset", "00_BN1-129-Eb_comp_mix", "00_BN1-129-Eb_comp"),
        ("rwc_popular", "rwc_popular_CD1_01", "RM-P001"),
        ("rwc_popular", "rwc_popular_CD6_09", "RM-P089"),
        ("rwc_popular", "rwc_popular_CD7_10", "RM-P100"),
    ],
)
def test_names_in_lists_of_folds(dataset: str, name: str, id: str) -> None:
    listed_as = ADAPTERS[dataset].listed_as
    assert listed_as is not None
    assert listed_as(name) == id


def test_beats_of_six_eight_have_no_position(tmp_path: Path, indexes: Path) -> None:
    standin = written("groove_midi", tmp_path / "home", indexes)
    (track,) = source("groove_midi", standin.home).tracks("valid")
    assert track.annotations["beats"].text() == "0.000000\n0.500000\n1.000000\n"


def test_annotations_are_read_for_one_split(tmp_path: Path, indexes: Path) -> None:
    standin = written("beatles", tmp_path / "home", indexes)
    next(standin.home.glob("annotations/chordlab/*/02*/*.lab")).write_text("0 1 H:maj")
    data = source("beatles", standin.home)
    tracks = data.tracks("train")
    assert data.tracks("train") == tracks
    assert (
        missing(["beatles, track '0201', chords", ".lab, line 1", "'H:maj'"], message(lambda: data.tracks("test")))
        == []
    )


def test_small_slakh_is_split_by_rule(tmp_path: Path, indexes: Path) -> None:
    standin = written("slakh", tmp_path / "home", indexes)
    standin.index["version"] = "baby"
    standin.index_file = "slakh_index_baby.json"
    standin.write_index(indexes)
    data = source("slakh", standin.home, version="baby")
    assert len(all_tracks(data)) == 4
    expected = by_rule([f"Track0000{number}" for number in range(1, 5)], RULE_SHARES, "slakh/0")
    assert {track.group: track.split for track in all_tracks(data)} == expected


def test_name_of_the_whole_collection(tmp_path: Path, indexes: Path) -> None:
    standin = written("mtg_jamendo_autotagging_moodtheme", tmp_path / "home", indexes)
    assert source("mtg_jamendo_autotagging", standin.home).splits == SPLITS


@pytest.mark.parametrize(
    ("dataset", "size"),
    [("gtzan_genre", 4), ("ballroom", 4), ("slakh", 3), ("billboard", 3)],  # duplicates stay out
)
def test_all_as_one_split(dataset: str, size: int, tmp_path: Path, indexes: Path) -> None:
    standin = written(dataset, tmp_path / "home", indexes)
    data = source(dataset, standin.home, as_one_split="test")
    assert data.splits == ("test",)
    assert len(data.tracks("test")) == size


def test_groups_in_several_published_splits_are_said_once(
    tmp_path: Path, indexes: Path, caplog: pytest.LogCaptureFixture
) -> None:
    standin = written("groove_midi", tmp_path / "home", indexes)
    for _ in range(2):
        source("groove_midi", standin.home)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert missing(["groove_midi: 1 of 2 drummers", "drummer1"], caplog.text) == []


def test_recordings_that_are_not_there(tmp_path: Path, indexes: Path, caplog: pytest.LogCaptureFixture) -> None:
    standin = written("ballroom", tmp_path / "home", indexes)
    gone = standin.home / "B_1.0/audio/Waltz/Albums-AnaBelen_Veneo-03.wav"
    gone.unlink()
    data = source("ballroom", standin.home)
    assert len(data.tracks("test")) == 1
    words = ["ballroom: 1 of 2 recordings", str(gone), "ricercar fetch ballroom --home", "leave_out"]
    assert missing(words, message(lambda: data.tracks("train"))) == []
    left = source("ballroom", standin.home, missing_audio="leave_out")
    assert [track.id for track in left.tracks("train")] == ["Media-103402"]
    assert "ballroom: 1 of 4 recordings are not in" in caplog.text


@pytest.mark.parametrize(
    ("dataset", "file", "content", "words"),
    [
        ("ballroom", "B_1.0/annotations/tempo/Media-103402.bpm", None, ["'Media-103402', tempo", "no file", "fetch"]),
        ("ballroom", "B_1.0/annotations/tempo/Media-103402.bpm", "fast", ["'Media-103402', tempo", ".bpm", "'fast'"]),
        ("gtzan_genre", "gtzan_tempo_beat-main/beats/gtzan_hiphop_00003.beats", "1\n1\n", ["beats", "line 2"]),
        ("giantsteps_key", "keys_gs+/1.txt", "Eb moll", ["track '1', key", "keys_gs+/1.txt", "'Eb moll'"]),
        ("giantsteps_key", "keys_gs+/1.txt", "", ["track '1', key", "keys_gs+/1.txt", "0 lines"]),
        ("giantsteps_key", "meta/1.json", "{}", ["track '1', tags", "KeyError", "genres"]),
        ("guitarset", "annotation/01_BN1-129-Eb_comp.jams", "{", ["Eb_comp', notes", ".jams", "JSONDecodeError"]),
        ("guitarset", "annotation/01_BN1-129-Eb_comp.jams", '{"annotations": []}', ["notes", ".jams", "note_midi"]),
        ("maestro", "2004/a.midi", "x", ["track '2004_a', notes", "a.midi", "not a readable MIDI file"]),
        ("slakh", f"{SLAKH}/metadata.yaml", "stems: {", ["'Track00001', notes", "metadata"]),
        ("beatles", f"annotations/beat/{BEATLES}.txt", "1 x", ["beats", "line 1", "'x'"]),
        ("salami", f"{SALAMI}_functions.txt", None, ["track '2', segments", "textfile1_functions.txt", "fetch salami"]),
        ("salami", f"{SALAMI}_lowercase.txt", "0.0\ta\nb\n", ["track '2', hierarchy", "lowercase.txt, line 2"]),
        ("rwc_jazz", "annotations/AIST.RWC-MDB-J-2001.BEAT/RM-J003.BEAT.TXT", "4\t4\n", ["beats", "BEAT.TXT, line 1"]),
        ("ikala", "PitchLabel/10160_chorus.pv", "57\nx\n", ["melody", "10160_chorus.pv, line 2", "'x'"]),
        ("vocadito", "Annotations/Notes/vocadito_1_notesA1.csv", "0.1,0,1\n", ["notes", "notesA1.csv, line 1", "0 Hz"]),
        ("irmas", "IRMAS-TrainingData/gac/[gac][cou_fol]0000__1.wav", None, ["1 of 36 recordings", "0000__1"]),
        ("maestro", "maestro-v2.0.0.json", None, ["maestro in", "cannot find the metadata", "fetch maestro"]),
        ("maestro", "maestro-v2.0.0.json", "[{}]", ["maestro in", "cannot read the metadata", "KeyError"]),
        ("tinysol", "annotation/TinySOL_metadata.csv", "Path\n", ["tinysol in", "cannot read the metadata"]),
        ("tinysol", "annotation/TinySOL_metadata.csv", "Path\nx.wav,0,a,b,c,d,e,f,1,g,1,1,,TRUE\n",
         ["tinysol in", "'BTb-ord-F#0-pp-N-N'", "not in the metadata"]),
    ],
)  # fmt: skip
def test_files_that_are_missing_or_damaged(
    dataset: str, file: str, content: str | None, words: list[str], tmp_path: Path, indexes: Path
) -> None:
    standin = written(dataset, tmp_path / "home", indexes)
    path = standin.home / file
    assert path.is_file()
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    told = message(lambda: all_tracks(source(dataset, standin.home)))
    assert missing(words, told) == []


def test_inspection_goes_on(tmp_path: Path, indexes: Path) -> None:
    standin = written("ballroom", tmp_path / "home", indexes)
    (standin.home / "B_1.0/annotations/tempo/Media-103402.bpm").write_text("fast")
    (standin.home / "B_1.0/audio/Waltz/Albums-Chrisanne1-01.wav").unlink()
    found = list(source("ballroom", standin.home).inspect())
    assert [track.id for track in found if isinstance(track, Track)] == [
        "Albums-AnaBelen_Veneo-03", "Media-103402", "Albums-Cafe_Paradiso-01",
    ]  # fmt: skip
    assert [str(error).count(words) for error, words in zip(
        (error for error in found if isinstance(error, InputError)), ("'fast'", "Chrisanne1-01.wav"), strict=True
    )] == [1, 1]  # fmt: skip


def test_no_index(tmp_path: Path) -> None:
    text = message(lambda: source("maestro", tmp_path / "my home"))
    words = ["index of maestro", f"ricercar fetch maestro --home '{tmp_path / 'my home'}'"]
    assert missing(words, text) == []


def test_damaged_index(tmp_path: Path, indexes: Path) -> None:
    standin = written("maestro", tmp_path / "home", indexes)
    (indexes / standin.index_file).write_text("{")
    assert (
        missing(["maestro_index_2.0.0.json", "JSONDecodeError"], message(lambda: source("maestro", standin.home))) == []
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dataset": "maestr"}, ["'maestr'", "did you mean maestro?", "There are:", "orchset"]),
        ({"dataset": "dali"}, ["'dali'", "There are:"]),
        ({"version": "3"}, ["maestro", "'3'", "2.0.0"]),
        ({"as_one_split": "all"}, ["as_one_split='all'", "test"]),
        ({"missing_audio": "skip"}, ["missing_audio='skip'", "leave_out"]),
        ({"seed": -1}, ["seed=-1"]),
    ],
)
def test_unknown_options(options: dict[str, Any], words: list[str], tmp_path: Path) -> None:
    assert missing(words, message(lambda: source(**{"dataset": "maestro", "home": tmp_path, **options}))) == []


def test_split_without_tracks(tmp_path: Path, indexes: Path) -> None:
    standin = written("maestro", tmp_path / "home", indexes)
    data = source("maestro", standin.home, as_one_split="test")
    assert missing(["maestro", "'train'", "it has: test"], message(lambda: data.tracks("train"))) == []


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "mirdata"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mirdata", None)
    assert missing(["pip install 'ricercar[mirdata]'"], message(lambda: source("maestro", tmp_path))) == []


def test_library_is_found_from_the_root_of_the_repository() -> None:
    """`ricercar.data.sources.mirdata` does not hide it, and importing it leaves the root logger alone."""
    code = (
        "import logging, os; from ricercar.data.sources.mirdata import library; os.environ['HOME'] = '/nowhere'; "
        "data = library.opened('orchset', None, 'default'); "
        "print(type(data).__module__, data.data_home, logging.getLogger().handlers)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["mirdata.datasets.orchset", "/nowhere/mir_datasets/orchset", "[]"]


@pytest.mark.parametrize("dataset", [*BY_RULE, *PUBLISHED])
def test_split_files_say_where_they_are_from(dataset: str) -> None:
    head = [line[2:] for line in (FOLDER / f"{dataset}.csv").read_text().splitlines() if line.startswith("#")]
    words = ["Groups:", "https://github.com/" if dataset in PUBLISHED else "By rule:"]
    assert missing(words, " ".join(head)) == []
    assert set(SPLITS) <= {place.split for place in listed(dataset).values()}


def test_every_split_file_is_known() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.csv")) == sorted([*BY_RULE, *PUBLISHED])
    without = [name for name, adapter in ADAPTERS.items() if adapter.group is None]
    assert sorted(without) == sorted([*BY_RULE, *PUBLISHED])


@pytest.mark.parametrize("dataset", BY_RULE)
def test_written_splits_follow_the_rule(dataset: str) -> None:
    places = [place for place in listed(dataset).values() if place.split != EXCLUDED]
    expected = by_rule([place.group for place in places], RULE_SHARES, f"{dataset}/0")
    assert {place.group: place.split for place in places} == expected
    assert crossing([(place.group, place.split) for place in places]) == []


@pytest.mark.parametrize(
    ("dataset", "sizes"),
    [
        ("gtzan_genre", {"train": 443, "valid": 197, "test": 290, UNSPLIT: 70}),
        ("giantsteps_tempo", {"train": 532, "valid": 66, "test": 66}),
        ("ballroom", {"train": 482, "valid": 67, "test": 136, EXCLUDED: 13}),
    ],
)
def test_sizes_of_published_lists(dataset: str, sizes: dict[str, int]) -> None:
    assert Counter(place.split for place in listed(dataset).values()) == sizes


@pytest.mark.parametrize(
    ("dataset", "cross"),
    [("gtzan_genre", []), ("medleydb_melody", ["Mozart", "MusicDelta"]), ("medleydb_pitch", ["MusicDelta"])],
)
def test_groups_of_published_lists(dataset: str, cross: list[str]) -> None:
    assert (
        crossing([(place.group, place.split) for place in listed(dataset).values() if place.split in SPLITS]) == cross
    )


def test_rule() -> None:
    """Ten groups of one track: two test, one valid. A group much larger than a share does not go there."""
    sizes = Counter(by_rule([str(group) for group in range(10)], RULE_SHARES, "x").values())
    assert sizes == {"train": 7, "valid": 1, "test": 2}
    assert by_rule(["a"] * 9 + ["b"], {"test": 0.2}, "x") in ({"a": "train", "b": "train"}, {"a": "train", "b": "test"})
    assert by_rule(["a", "b"], RULE_SHARES, "x") == by_rule(["b", "a"], RULE_SHARES, "x")


@pytest.mark.parametrize("dataset", sorted(ADAPTERS))
def test_files_have_the_names_that_they_have_in_the_index(dataset: str, tmp_path: Path, indexes: Path) -> None:
    standin, adapter = written(dataset, tmp_path / "home", indexes), ADAPTERS[dataset]
    (names, *_) = standin.index["multitracks" if adapter.multitracks else "tracks"].values()
    read = {kind.file for kind in adapter.annotations.values() if isinstance(kind, FromFile)}
    assert {adapter.audio, *read, *adapter.skipped} <= set(names)
