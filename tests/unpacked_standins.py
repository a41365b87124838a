"""Tiny stand-ins of data sets as their archives unpack: files as the data sets describe them, and what must come out.

Every recording is half a second of silence, but for ENST-Drums', which have to be added.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pretty_midi
import soundfile

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.beats import Beats
from ricercar.data.annotations.multipitch import Multipitch
from ricercar.data.annotations.notes import Notes
from ricercar.data.annotations.onsets import Onsets
from ricercar.data.annotations.segments import Segments
from ricercar.data.annotations.tags import Tags

Place = tuple[str, str, str, str, int | None]  # id, split, group, work, fold


@dataclass
class Standin:
    """A data set in the making. `expected` are the places of all tracks, `annotations` those of the first."""

    home: Path
    options: dict[str, Any] = field(default_factory=dict)
    expected: list[Place] = field(default_factory=list)
    annotations: dict[str, Annotation] = field(default_factory=dict)

    def text(self, path: str, content: str) -> None:
        target = self.home / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)

    def audio(self, path: str, level: float = 0.0) -> None:
        target = self.home / path
        target.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(target, np.full(8000, level), 16000, format="WAV")

    def midi(self, path: str, *notes: tuple[float, float, int, int], program: int = 0) -> None:
        score = pretty_midi.PrettyMIDI(resolution=960, initial_tempo=120)
        part = pretty_midi.Instrument(program=program)
        part.notes = [pretty_midi.Note(velocity, pitch, start, end) for start, end, pitch, velocity in notes]
        score.instruments.append(part)
        target = self.home / path
        target.parent.mkdir(parents=True, exist_ok=True)
        score.write(str(target))

    def place(self, id_: str, split: str, group: str, work: str | None = None, fold: int | None = None) -> None:
        self.expected.append((id_, split, group, work or group, fold))


def maestro(data: Standin) -> None:
    rows = "canonical_composer,canonical_title,split,year,midi_filename,audio_filename,duration\n"
    for name, split in (("a", "train"), ("b", "validation"), ("c", "test")):
        data.midi(f"2018/{name}.midi", (0.5, 1.0, 60, 80))
        data.audio(f"2018/{name}.wav")
        data.place(f"2018_{name}", {"validation": "valid"}.get(split, split), f"Alban Berg: Sonata, Op. 1 {name}")
        rows += f'Alban Berg,"Sonata, Op. 1 {name}",{split},2018,2018/{name}.midi,2018/{name}.wav,0.5\n'
    data.text("maestro-v3.0.0.csv", rows)
    data.annotations = {"notes": Notes.make([0.5], [1.0], [60], [80], [0])}


def maps(data: Standin) -> None:
    """The piece alb_se3 is on the real piano as well: in no other split. One piano comes without MIDI files."""
    header = "OnsetTime\tOffsetTime\tMidiPitch\n"
    for piano, piece, split in (
        ("AkPnBcht", "bk_xmas1", "train"), ("ENSTDkCl", "alb_se3", "test"), ("SptkBGCl", "alb_se3", ""),
        ("ENSTDkAm", "chpn_op7", "test"), ("AkPnCGdD", "deb_clai", "train"), ("AkPnCGdD", "p3", "train"),
        ("AkPnCGdD", "p4", "train"), ("AkPnCGdD", "p5", "valid"),
    ):  # fmt: skip
        stem = f"MAPS_{piano}_1/{piano}/MUS/MAPS_MUS-{piece}_{piano}"
        data.text(f"{stem}.txt", header + "0.500004\t1.5\t60\n0.75\t0.875\t64\n")
        data.audio(f"{stem}.wav")
        if piano != "AkPnCGdD":
            data.midi(f"{stem}.mid", (0.5, 1.0, 60, 80), (0.75, 0.875, 64, 33))
        if split:
            data.place(Path(stem).name, split, piece)
    data.text("AkPnBcht/ISOL/NO/MAPS_ISOL_NO_F_S0_M23_AkPnBcht.txt", header + "0.5\t1.5\t23\n")
    data.annotations = {"notes": Notes.make([0.500004, 0.75], [1.0, 0.875], [60, 64], [80, 33], None, [1.5, 0.875])}


def musicnet(data: Standin) -> None:
    """Instruments are programs counted from 1, times are samples at 44.1 kHz."""
    labels = "start_time,end_time,instrument,note,start_beat,end_beat,note_value\n"
    labels += "44100,88200,43,60,4.0,1.5,Dotted Quarter\n22050,66150,1,64,4.0,1.0,Quarter\n"
    rows = "id,composer,composition,movement,ensemble,source,transcriber,catalog_name,seconds\n"
    for id_, piece, split in (
        ("1728", "B", "train"), ("1727", "A", "valid"), ("2303", "C", "test"), ("1729", "D", "train"),
        ("1730", "E", "train"), ("1731", "F", "train"),
    ):  # fmt: skip
        folder = "test" if split == "test" else "train"
        data.text(f"musicnet/{folder}_labels/{id_}.csv", labels)
        data.audio(f"musicnet/{folder}_data/{id_}.wav")
        data.place(id_, split, f"Schubert: Quintet, {piece}")
        rows += f'{id_},Schubert,"Quintet, {piece}",2. Andante,Piano Quintet,European,http://x,OP114,447\n'
    data.text("musicnet_metadata.csv", rows)
    data.annotations = {"notes": Notes.make([1.0, 0.5], [2.0, 1.5], [60, 64], None, [42, 0])}


def hainsworth(data: Standin) -> None:
    _beat_this(data, "hainsworth", ("hains001", "002", "Hainsworth_003", "hains006"), "0.47 2\n1.06 1\n")
    data.annotations = {"beats": Beats.make([0.47, 1.06], [2, 1])}


def smc(data: Standin) -> None:
    _beat_this(data, "smc", ("SMC_001", "SMC_002", "SMC_003", "SMC_006"), "0.6775\n1.9346\n")
    data.annotations = {"beats": Beats.make([0.6775, 1.9346], [0, 0])}


def _beat_this(data: Standin, name: str, recordings: tuple[str, ...], beats: str) -> None:
    folds = ""
    for recording, fold, split in zip(recordings, (2, 0, 1, 3), ("train", "test", "valid", "train"), strict=True):
        id_ = f"{name}_{recording[-3:]}"
        data.text(f"annotations/{name}/annotations/beats/{id_}.beats", beats)
        data.audio(f"sound/deeper/{recording}.wav")
        folds += f"{id_}\t{fold}\n"
        data.place(id_, split, id_, None, fold)
    data.text(f"annotations/{name}/8-folds.split", folds)
    data.options = {"home": data.home / "annotations", "recordings": data.home / "sound"}


def harmonix(data: Standin) -> None:
    rows = "File,Title,Artist,Release,Duration,BPM,Ratio Bars in 4,Time Signature,Genre,MusicBrainz Id,Acoustid Id\n"
    for number, (id_, artist, split) in enumerate(
        (("0001_12step", "Ciara", "test"), ("0003_6foot7foot", "Lil Wayne", "train"), ("0004_abc", "", "valid"),
         ("0005_again", "Ciara", "test"), ("0006_a", "E", "train"), ("0008_b", "F", "train"))
    ):  # fmt: skip
        data.text(f"set/dataset/beats_and_downbeats/{id_}.txt", "0.0\t1\t1\n0.530973\t2\t1\n")
        data.text(f"set/dataset/segments/{id_}.txt", "0.0 intro\n8.495568 verse\n25.486704 end\n")
        data.audio(f"sound/{id_}.mp3")
        rows += f'{id_},"1, 2 Step",{artist},Goodies,142.47,113,100.0,4|4,R&B,0408655f,\n'
        data.place(id_, split, artist or id_, None, number)
    data.text("set/dataset/metadata.csv", rows)
    data.options = {"home": data.home / "set", "recordings": data.home / "sound"}
    data.annotations = {
        "beats": Beats.make([0.0, 0.530973], [1, 2]),
        "segments": Segments(np.array([0.0, 8.495568]), np.array([8.495568, 25.486704]), ("intro", "verse")),
        "tags": Tags(("R&B",)),
    }


def mdb_drums(data: Standin, audio: str = "full_mix/{}_MIX.wav") -> None:
    """The list of MIREX misspells a name."""
    data.text(
        "MIREX2017.md",
        "## Splits\n\nText.\n\n### Training Set\n\nMusicDelta_80sRock   \nMusicDelta_Zepplin  \nMusicDelta_Disco\n\n"
        "### Test Set\n\nMusicDelta_Punk  \nMusicDelta_SwingJazz",
    )
    for track, split in (("80sRock", "train"), ("Disco", "train"), ("Punk", "test"), ("Zeppelin", "train")):
        name = f"MusicDelta_{track}"
        data.text(f"MDB Drums/annotations/class/{name}_class.txt", "0.010000 \t KD \n0.570000 \t SD \n0.570000 \t OT\n")
        data.text(f"MDB Drums/annotations/beats/{name}_MIX.beats", "0.010\t1\n0.570\t2\n")
        data.audio(f"MDB Drums/audio/{audio.format(name)}")
        data.place(name, split, name)
    data.annotations = {
        "onsets": Onsets(np.array([0.01, 0.57, 0.57]), ("KD", "OT", "SD")),
        "beats": Beats.make([0.01, 0.57], [1, 2]),
    }


def mdb_drums_alone(data: Standin) -> None:
    mdb_drums(data, "drum_only/{}_Drum.wav")


def enst_drums(data: Standin) -> None:
    for drummer, split, piece in ((1, "test", "107_minus-one_salsa_sticks"), (2, "valid", "115_minus-one_salsa_sticks"),
                                  (3, "train", "140_MIDI-minus-one_bigband_sticks")):  # fmt: skip
        root = f"drummer_{drummer}"
        data.text(f"{root}/annotation/{piece}.txt", "0.1 bd\n0.2 sd-\n0.2 rc2\n0.3 sweep\n0.4 cs\n0.5 ohh\n")
        data.text(f"{root}/annotation/001_hits_snare-drum_sticks.txt", "0.1 sd\n")
        data.audio(f"{root}/audio/wet_mix/{piece}.wav", 0.3)
        data.audio(f"{root}/audio/accompaniment/{piece}.wav", 0.6)
        data.place(f"{drummer}_{piece}", split, root, "bigband" if drummer == 3 else "salsa", drummer - 1)
    data.annotations = {
        "onsets": Onsets(np.array([0.1, 0.2, 0.2, 0.3, 0.4, 0.5]), ("KD", "CY", "SD", "OT", "OT", "HH")),
    }


def enst_drums_alone(data: Standin) -> None:
    enst_drums(data)


def urmp(data: Standin) -> None:
    for number, name, parts, split in (
        (1, "Jupiter", ("vn", "vc"), "test"), (3, "Dance", ("fl", "cl"), "valid"), (4, "Allegro", ("fl",), "train"),
        (5, "Entertainer", ("tpt",), "train"), (7, "GString", ("tbn",), "train"), (8, "Spring", ("vn",), "train"),
    ):  # fmt: skip
        folder = f"{number:02d}_{name}_{'_'.join(parts)}"
        for part, instrument in enumerate(parts, start=1):
            of = f"{part}_{instrument}_{number:02d}_{name}"
            data.text(f"Dataset/{folder}/Notes_{of}.txt", f"0.{part}\t220.00\t0.05\n0.4\t440.00\t0.1\n")
            data.text(f"Dataset/{folder}/F0s_{of}.txt", f"0.000\t0.000\n0.010\t{220 * part}.00\n")
        data.audio(f"Dataset/{folder}/AuMix_{folder}.wav")
        data.place(folder, split, name)
    (data.home / "Supplementary_Files").mkdir()
    data.annotations = {
        "notes": Notes.make([0.1, 0.2, 0.4, 0.4], [0.15, 0.25, 0.5, 0.5], [57, 57, 69, 69], None, [40, 42, 40, 42]),
        "multipitch": Multipitch.make([0.0, 0.01], [[], [220, 440]]),
    }


def multtipop(data: Standin) -> None:
    for said, id_, artist, split in (("dev", "clip_001", "X", "valid"), ("test", "clip_002", "", "test")):
        meta = {"id": id_, "split_name": said, "artist": artist, "youtube": {"ytid": "a", "start": 75.0, "end": 79.0}}
        data.text(f"{said}/{id_}/meta.json", json.dumps(meta))
        data.midi(f"{said}/{id_}/aligned.mid", (0.5, 1.0, 60, 80), program=24)
        data.audio(f"audio/{id_}.flac")
        data.place(id_, split, artist or id_)
    data.annotations = {"notes": Notes.make([0.5], [1.0], [60], [80], [24])}


NAMES = (
    "maestro", "maps", "musicnet", "hainsworth", "smc", "harmonix", "mdb_drums", "mdb_drums_alone", "enst_drums",
    "enst_drums_alone", "urmp", "multtipop",
)  # fmt: skip
WRITERS: dict[str, Callable[[Standin], None]] = {name: globals()[name] for name in NAMES}


def written(dataset: str, home: Path) -> Standin:
    """The stand-in of a data set, on disk."""
    home.mkdir()
    data = Standin(home, {"home": home})
    WRITERS[dataset](data)
    return data
