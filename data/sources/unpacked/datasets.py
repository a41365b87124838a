"""The data sets that are known here, each by how its folder lists the tracks: a new one is a new entry at the end."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.beats import Beats
from ricercar.data.annotations.formats.rows import read_text
from ricercar.data.annotations.notes import Notes
from ricercar.data.annotations.segments import Segments
from ricercar.data.annotations.tags import Tags
from ricercar.data.sources.entries import folds_in
from ricercar.data.sources.splitting import UNSPLIT
from ricercar.data.sources.unpacked import readers
from ricercar.errors import InputError

_SOUNDS = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".aiff", ".aif", ".au", ".m4a")


@dataclass(frozen=True)
class Item:
    """A track as the folder has it.

    files         of the recording: one, or several that sound together, each with its gain
    annotations   {annotation: reads it, or gives None}
    split         train, valid or test, or UNSPLIT; None: the data set says nothing of splits
    work          where a group is no work (see Track)
    """

    id: str
    group: str
    files: tuple[Path, ...]
    annotations: Mapping[str, Callable[[], Annotation | None]]
    split: str | None = None
    work: str = ""
    fold: int | None = None
    gains: tuple[float, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """A data set.

    items           (its folder, that of the recordings) -> its tracks. InputError where the folder is not as it should
    groups          what the groups are, for messages
    get             where to get it, for messages
    elsewhere       the recordings are not part of it
    split_by_folds  where it says nothing of splits: they are its first two folds, and not by the rule
    """

    items: Callable[[Path, Path], Iterable[Item]]
    groups: str
    get: str
    elsewhere: bool = False
    split_by_folds: bool = False


def _maestro(home: Path, sound: Path) -> Iterable[Item]:
    tables = sorted(home.glob("maestro-v*.csv"))
    if len(tables) != 1:
        raise InputError(
            f"{home}: {len(tables)} files maestro-v*.csv; there should be one, such as maestro-v3.0.0.csv."
        )
    columns = ("canonical_composer", "canonical_title", "split", "midi_filename", "audio_filename")
    for line, (composer, title, split, midi, audio) in _table(tables[0], columns):
        if split not in _OFFICIAL:
            raise InputError(f"{tables[0]}, line {line}: split {split!r} is not one of {', '.join(_OFFICIAL)}.")
        yield Item(
            str(Path(audio).with_suffix("")).replace("/", "_"),
            f"{composer}: {title}",
            (sound / audio,),
            {"notes": _reads(Notes.read, home / midi)},
            _OFFICIAL[split],
        )


_OFFICIAL = {"train": "train", "validation": "valid", "test": "test"}


def _maps(home: Path, sound: Path) -> Iterable[Item]:
    """Whole pieces (MUS) alone. Test: the real piano, close and ambient; its pieces are in no other split."""
    found: dict[str, Path] = {}
    for path in sorted(home.rglob("MAPS_MUS-*.txt")):
        if found.setdefault(path.stem, path) != path:
            raise InputError(f"{path.stem} is there twice: {found[path.stem]} and {path}.")
    played = [(path, *path.stem.removeprefix("MAPS_MUS-").rpartition("_")[::2]) for path in found.values()]
    tested = {piece for _, piece, piano in played if piano in _REAL_PIANOS}
    for path, piece, piano in played:
        split = "test" if piano in _REAL_PIANOS else UNSPLIT if piece in tested else "train"
        yield Item(path.stem, piece, (path.with_suffix(".wav"),), {"notes": _reads(readers.maps_notes, path)}, split)


_REAL_PIANOS = ("ENSTDkAm", "ENSTDkCl")  # a Disklavier, with ambient and with close microphones (Emiya 2010)


def _musicnet(home: Path, sound: Path) -> Iterable[Item]:
    root = _inside(home, "train_labels", "musicnet")
    table = next((place / "musicnet_metadata.csv" for place in (home, root)
                  if (place / "musicnet_metadata.csv").is_file()), home / "musicnet_metadata.csv")  # fmt: skip
    work_of = {id_: f"{composer}: {piece}" for _, (id_, composer, piece) in _table(table, _MUSICNET)}
    for split in ("train", "test"):
        for path in sorted((root / f"{split}_labels").glob("*.csv")):
            if path.stem not in work_of:
                raise InputError(f"{table} does not say which work {path.stem} is.")
            audio = _inside(sound, "train_data", "musicnet") / f"{split}_data" / f"{path.stem}.wav"
            yield Item(path.stem, work_of[path.stem], (audio,), {"notes": _reads(readers.musicnet_notes, path)}, split)


_MUSICNET = ("id", "composer", "composition")


def _beat_this(name: str, aliases: Callable[[str], tuple[str, ...]], home: Path, sound: Path) -> Iterable[Item]:
    """A data set of the annotations of Beat This: `home` is the repository. aliases: number -> names of recordings."""
    root = home / name
    paths = sorted((root / "annotations" / "beats").glob("*.beats"))
    folds = folds_in(root / "8-folds.split") if paths else {}
    recordings = _recordings(sound)
    for path in paths:
        audio = _found(recordings, (path.stem, *aliases(path.stem.rpartition("_")[2])), sound)
        yield Item(path.stem, path.stem, (audio,), {"beats": _reads(Beats.read, path)}, fold=folds.get(path.stem))


def _harmonix(home: Path, sound: Path) -> Iterable[Item]:
    """Folds: those of All-In-One (Kim and Nam 2023), whose code counts the tracks in the order of their names."""
    root = home / "dataset"
    rows = sorted(_table(root / "metadata.csv", ("File", "Artist", "Genre")), key=lambda row: row[1][0])
    recordings = _recordings(sound)
    for number, (_, (id_, artist, genre)) in enumerate(rows):
        annotations = {
            "beats": _reads(Beats.read, root / "beats_and_downbeats" / f"{id_}.txt"),
            "segments": _reads(Segments.read, root / "segments" / f"{id_}.txt"),
            "tags": partial(Tags, (genre,)) if genre else (lambda: None),
        }
        yield Item(id_, artist or id_, (_found(recordings, (id_,), sound),), annotations, fold=number % 8)


def _mdb_drums(audio: str, home: Path, sound: Path) -> Iterable[Item]:
    """audio: names the recordings under audio/, with {} for the track."""
    root, lists = _inside(home, "annotations", "MDB Drums"), home / "MIREX2017.md"
    split_of = readers.mirex_2017_split(lists)
    for path in sorted((root / "annotations" / "class").glob("*_class.txt")):
        track = path.stem.removesuffix("_class")
        if track not in split_of:
            raise InputError(f"{lists} has {track} in neither of its lists.")
        annotations = {
            "onsets": _reads(readers.drum_onsets, path),
            "beats": _reads(Beats.read, root / "annotations" / "beats" / f"{track}_MIX.beats"),
        }
        recording = _inside(sound, "audio", "MDB Drums") / "audio" / audio.format(track)
        yield Item(track, track, (recording,), annotations, split_of[track])


def _enst_drums(accompanied: bool, home: Path, sound: Path) -> Iterable[Item]:
    """The pieces with an accompaniment (minus-one), which papers take. A fold is a drummer."""
    for path in sorted(home.glob("drummer_[123]/annotation/*minus-one*.txt")):
        drummer, audio = path.parts[-3], sound / path.parts[-3] / "audio"
        piece = path.stem.partition("minus-one_")[2].rpartition("_")[0].replace("-better-take", "")
        files = [audio / "wet_mix" / f"{path.stem}.wav"]
        if accompanied:
            files.append(audio / "accompaniment" / f"{path.stem}.wav")
        yield Item(
            f"{drummer[-1]}_{path.stem}",
            drummer,
            tuple(files),
            {"onsets": _reads(readers.enst_onsets, path)},
            work=piece,
            fold=int(drummer[-1]) - 1,
            gains=_ENST_GAINS if accompanied else (),
        )


_ENST_GAINS = (2 / 3, 1 / 3)  # drums and accompaniment: Gillet and Richard 2008; Wu et al. 2018, A review


def _urmp(home: Path, sound: Path) -> Iterable[Item]:
    """Test: the nine pieces of MT3 (Gardner et al. 2022, appendix)."""
    root = home / "Dataset" if (home / "Dataset").is_dir() else home
    for folder in sorted(path for path in root.iterdir() if path.is_dir() and re.match(r"\d\d_", path.name)):
        number, name, *_ = folder.name.split("_")
        notes = sorted(folder.glob(f"Notes_*_{number}_{name}.txt"))
        pitches = sorted(folder.glob(f"F0s_*_{number}_{name}.txt"))
        if not notes or len(notes) != len(pitches):
            raise InputError(f"{folder}: {len(notes)} files Notes_*.txt and {len(pitches)} F0s_*.txt: one each a part.")
        yield Item(
            folder.name,
            name,
            (sound / folder.relative_to(home) / f"AuMix_{folder.name}.wav",),
            {"notes": partial(readers.urmp_notes, notes), "multipitch": partial(readers.urmp_multipitch, pitches)},
            "test" if int(number) in _URMP_TEST else "train",
        )


_URMP_TEST = (1, 2, 12, 13, 24, 25, 31, 38, 39)


def _multtipop(home: Path, sound: Path) -> Iterable[Item]:
    recordings = _recordings(sound / "audio" if (sound / "audio").is_dir() else sound)
    for said, split in (("dev", "valid"), ("test", "test")):
        for path in sorted(home.glob(f"{said}/*/meta.json")):
            meta = _json(path)
            id_ = str(meta.get("id") or path.parent.name)
            annotations = {"notes": _reads(Notes.read, path.parent / "aligned.mid")}
            yield Item(id_, str(meta.get("artist") or id_), (_found(recordings, (id_,), sound),), annotations, split)


def _reads(read: Callable[[Path], Annotation | None], path: Path) -> Callable[[], Annotation | None]:
    return partial(readers.there, read, path)


def _inside(home: Path, part: str, name: str) -> Path:
    """`home`, or the folder `name` in it, whichever has `part`; `home` where neither has."""
    return home / name if not (home / part).is_dir() and (home / name / part).is_dir() else home


def _recordings(folder: Path) -> dict[str, list[Path]]:
    """{name without ending, in small letters: files of that name} of all recordings in the folder, at any depth."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in _SOUNDS:
            found.setdefault(path.stem.lower(), []).append(path)
    return found


def _found(recordings: Mapping[str, list[Path]], names: tuple[str, ...], folder: Path) -> Path:
    """The recording with one of the names; where there is none, where it would be looked for."""
    for name in names:
        if paths := recordings.get(name.lower()):
            if len(paths) > 1:
                raise InputError(f"Two recordings are called {name}: {paths[0]} and {paths[1]}. Keep one of them.")
            return paths[0]
    return folder / f"{names[0]}.wav"


def _table(path: Path, columns: tuple[str, ...]) -> list[tuple[int, list[str]]]:
    """(line, cells of the columns) of a CSV file with a header."""
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    found = []
    try:
        header = next(reader, [])
        if missing := [name for name in columns if name not in header]:
            raise InputError(f"{path}, line 1: no column {', '.join(missing)}; found: {', '.join(header)}.")
        for cells in reader:
            if cells and len(cells) != len(header):
                raise InputError(f"{path}, line {reader.line_num}: {len(cells)} cells, the header has {len(header)}.")
            if cells:
                found.append((reader.line_num, [cells[header.index(name)].strip() for name in columns]))
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: not a CSV file ({error}).") from error
    return found


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_text(path))
    except ValueError as error:
        raise InputError(f"{path}: not a JSON file ({error}).") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: not a JSON object.")
    return found


_BEAT_THIS = "Annotations and folds: github.com/CPJKU/beat_this_annotations (data.home). "
_MDB = "It is github.com/CarlSouthall/MDBDrums (data.home)."
_ENST = "ENST-Drums is given on request: perso.telecom-paristech.fr/grichard/ENST-drums (data.home has drummer_1 to 3)."

DATASETS = {
    "maestro": Dataset(_maestro, "works", "MAESTRO v3: magenta.tensorflow.org/datasets/maestro (data.home)."),
    "maps": Dataset(_maps, "pieces", "MAPS: adasp.telecom-paris.fr/resources/2010-07-08-maps-database (data.home)."),
    "musicnet": Dataset(
        _musicnet,
        "works",
        "MusicNet: zenodo.org/records/5120004, musicnet.tar.gz and musicnet_metadata.csv (data.home).",
    ),
    "hainsworth": Dataset(
        partial(_beat_this, "hainsworth", lambda number: (f"hains{number}", number)),
        "tracks",
        _BEAT_THIS + "The recordings of Hainsworth and Macleod 2004 are called hainsworth_001, hains001 or 001.",
        elsewhere=True,
        split_by_folds=True,
    ),
    "smc": Dataset(
        partial(_beat_this, "smc", lambda number: ()),
        "tracks",
        _BEAT_THIS + "The recordings are SMC_001.wav ... of SMC_MIREX.zip, smc.inescporto.pt.",
        elsewhere=True,
        split_by_folds=True,
    ),
    "harmonix": Dataset(
        _harmonix,
        "artists",
        "Harmonix: github.com/urinieto/harmonixset (data.home); recordings are called as there, 0001_12step.mp3.",
        elsewhere=True,
    ),
    "mdb_drums": Dataset(partial(_mdb_drums, "full_mix/{}_MIX.wav"), "tracks", _MDB),
    "mdb_drums_alone": Dataset(partial(_mdb_drums, "drum_only/{}_Drum.wav"), "tracks", _MDB),
    "enst_drums": Dataset(partial(_enst_drums, True), "drummers", _ENST, split_by_folds=True),
    "enst_drums_alone": Dataset(partial(_enst_drums, False), "drummers", _ENST, split_by_folds=True),
    "urmp": Dataset(_urmp, "pieces", "URMP is given on request: labsites.rochester.edu/air/projects/URMP.html."),
    "multtipop": Dataset(
        _multtipop,
        "artists",
        "MulTTiPop: huggingface.co/datasets/gclef-cmu/multtipop (data.home); sound: audio/ or data.recordings, "
        "each under the id of its excerpt.",
    ),
}
