"""Tiny stand-ins of mirdata's data sets: files in its layout, an index of them, and what must come out.

Ids are real ones where data/sources/mirdata/splits lists them. Every recording is half a second of silence.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pretty_midi
import soundfile
from numpy.typing import NDArray

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.beats import Beats
from ricercar.data.annotations.chords import Chords
from ricercar.data.annotations.hierarchy import Hierarchy
from ricercar.data.annotations.key import Key
from ricercar.data.annotations.melody import Melody
from ricercar.data.annotations.multipitch import Multipitch
from ricercar.data.annotations.notes import Notes
from ricercar.data.annotations.onsets import Onsets
from ricercar.data.annotations.segments import Segments
from ricercar.data.annotations.tags import Tags
from ricercar.data.annotations.tempo import Tempo

Place = tuple[str, str, str]  # id, split, group
Sounding = tuple[float, float, int, int]  # onset, offset, pitch, velocity


@dataclass
class Standin:
    """A data set in the making. `expected` are the places of all tracks, `annotations` those of the first."""

    home: Path
    index_file: str
    index: dict[str, Any] = field(default_factory=lambda: {"version": "1.0", "tracks": {}})
    expected: list[Place] = field(default_factory=list)
    annotations: dict[str, Annotation] = field(default_factory=dict)

    def text(self, path: str, content: str) -> list[str]:
        return self.bytes(path, content.encode())

    def json(self, path: str, content: object) -> list[str]:
        return self.text(path, json.dumps(content))

    def bytes(self, path: str, content: bytes) -> list[str]:
        target = self.home / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return [path, hashlib.md5(content).hexdigest()]

    def audio(self, path: str) -> list[str]:
        target = self.home / path
        target.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(target, silence(), 16000, format="WAV")
        return [path, hashlib.md5(target.read_bytes()).hexdigest()]

    def midi(
        self, path: str, *notes: tuple[float, float, int, int], drums: bool = False, pedal: bool = False
    ) -> list[str]:
        score = pretty_midi.PrettyMIDI(resolution=960, initial_tempo=120)
        score.time_signature_changes.append(pretty_midi.TimeSignature(4, 4, 0))
        part = pretty_midi.Instrument(program=0, is_drum=drums)
        part.notes = [pretty_midi.Note(velocity, pitch, start, end) for start, end, pitch, velocity in notes]
        if pedal:
            part.control_changes = [pretty_midi.ControlChange(64, 127, 0.1), pretty_midi.ControlChange(64, 0, 2.0)]
        score.instruments.append(part)
        target = self.home / path
        target.parent.mkdir(parents=True, exist_ok=True)
        score.write(str(target))
        return [path, hashlib.md5(target.read_bytes()).hexdigest()]

    def track(self, id_: str, place: Place | None, **files: list[str]) -> None:
        self.index["tracks"][id_] = files
        if place is not None:
            self.expected.append(place)

    def metadata(self, *files: list[str]) -> None:
        self.index["metadata"] = {Path(path).stem: [path, md5] for path, md5 in files}

    def write_index(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / self.index_file).write_text(json.dumps(self.index))


NOTHING: list[Any] = [None, None]


def silence() -> NDArray[np.float64]:
    return np.zeros(8000)


def maestro(data: Standin) -> None:
    meta = []
    for year, name, split, title in (
        (2004, "a", "train", "Sonata"), (2006, "b", "validation", "Etude"), (2008, "c", "test", "Fugue"),
        (2009, "d", "train", "Sonata"),
    ):  # fmt: skip
        ours = {"validation": "valid"}.get(split, split)
        data.track(
            f"{year}/{name}",
            (f"{year}_{name}", ours, f"Berg: {title}"),
            midi=data.midi(f"{year}/{name}.midi", (0.5, 1.0, 60, 80), pedal=True),
            audio=data.audio(f"{year}/{name}.wav"),
        )
        meta.append({"canonical_composer": "Berg", "canonical_title": title, "split": split, "year": year,
                     "midi_filename": f"{year}/{name}.midi", "audio_filename": f"{year}/{name}.wav"})  # fmt: skip
    data.metadata(data.json("maestro-v2.0.0.json", meta))
    data.annotations = {"notes": Notes.make([0.5], [1.0], [60], [80], [0], [2.0])}


def slakh(data: Standin) -> None:
    data.index |= {"version": "2100-redux", "multitracks": {}}
    stems = {
        "S00": {"audio_rendered": True, "midi_saved": True, "is_drum": False, "program_num": 33},
        "S01": {"audio_rendered": False, "midi_saved": True, "is_drum": True, "program_num": 128},
        "S02": {"audio_rendered": False, "midi_saved": True, "is_drum": False, "program_num": 50},
    }
    for number, folder in enumerate(("train", "validation", "test", "omitted"), start=1):
        name = f"Track0000{number}"
        root = f"slakh2100_flac_redux/{folder}/{name}"
        said = data.json(f"{root}/metadata.yaml", {"UUID": "0", "stems": stems})  # JSON is YAML
        for stem in stems:
            data.index["tracks"][f"{name}-{stem}"] = {
                "audio": NOTHING if stem == "S02" else data.audio(f"{root}/stems/{stem}.flac"),
                "midi": data.midi(f"{root}/MIDI/{stem}.mid", (1.0, 1.5, 40, 90), drums=stem == "S01"),
                "metadata": said,
            }
        data.index["multitracks"][name] = {
            "tracks": [f"{name}-{stem}" for stem in stems],
            "midi": data.midi(f"{root}/all_src.mid", (1.0, 1.5, 40, 90)),
            "mix": data.audio(f"{root}/mix.flac"),
            "metadata": said,
        }
        if folder != "omitted":
            data.expected.append((name, {"validation": "valid"}.get(folder, folder), name))
    data.annotations = {"notes": Notes.make([1.0, 1.0], [1.5, 1.5], [40, 40], [90, 90], [33, 128])}


def guitarset(data: Standin) -> None:
    def event(time: float, duration: float, value: object) -> dict[str, object]:
        return {"time": time, "duration": duration, "value": value, "confidence": None}

    jams = [
        {"namespace": "note_midi", "annotation_metadata": {"data_source": "0"}, "data": [event(0.2, 0.3, 45.1)]},
        {"namespace": "note_midi", "annotation_metadata": {"data_source": "1"}, "data": [event(0.1, 0.2, 59.9)]},
        {"namespace": "beat_position", "data": [event(0.1, 0, {"position": 4}), event(0.4, 0, {"position": 1})]},
        {"namespace": "chord", "data": [event(0, 0.5, "D#:hdim7")]},
        {"namespace": "chord", "data": [event(0, 0.5, "D#:(1)")]},
        {"namespace": "key_mode", "data": [event(0, 0.5, "Eb:minor")]},
        {"namespace": "pitch_contour", "data": {"time": [0.1, 0.1 + 2 * 256 / 44100], "duration": [0, 0],
         "value": [{"frequency": 220.0, "voiced": True}, {"frequency": 221.0, "voiced": True}]}},
        {"namespace": "pitch_contour", "data": {"time": [0.1, 0.1 + 256 / 44100], "duration": [0, 0],
         "value": [{"frequency": 110.0, "voiced": True}, {"frequency": 99.0, "voiced": False}]}},
    ]  # fmt: skip
    for player, split in (("01", "train"), ("03", "valid"), ("00", "test")):
        id_ = f"{player}_BN1-129-Eb_comp"
        data.track(
            id_,
            (id_, split, player),
            jams=data.json(f"annotation/{id_}.jams", {"annotations": jams}),
            audio_mic=data.audio(f"audio_mono-mic/{id_}_mic.wav"),
            audio_mix=["audio_mono-pickup_mix/not_needed.wav", ""],
            audio_hex=["audio_hex-pickup_original/not_needed.wav", ""],
            audio_hex_cln=["audio_hex-pickup_debleeded/not_needed.wav", ""],
        )
    data.annotations = {
        "notes": Notes.make([0.1, 0.2], [0.3, 0.5], [59.9, 45.1]),
        "beats": Beats.make([0.1, 0.4], [4, 1]),
        "chords": Chords(np.array([0.0]), np.array([0.5]), ("D#:hdim7",)),
        "key": Key.parse("Eb minor"),
        "multipitch": Multipitch.make(0.1 + 256 / 44100 * np.arange(-17, 3), [*([[]] * 17), [110, 220], [], [221]]),
        "tempo": Tempo(129),
        "tags": Tags(("Bossa Nova",)),
    }


def groove_midi(data: Standin) -> None:
    header = "drummer,session,id,style,bpm,beat_type,time_signature,midi_filename,audio_filename,duration,split"
    rows = []
    for drummer, session, split, metre in (
        ("drummer1", "session1/1", "train", "4-4"), ("drummer1", "eval_session/1", "test", "4-4"),
        ("drummer2", "session1/1", "validation", "6-8"), ("drummer3", "session1/9", "train", "4-4"),
    ):  # fmt: skip
        id_ = f"{drummer}/{session}"
        silent = drummer == "drummer3"
        place = (id_.replace("/", "_"), {"validation": "valid"}.get(split, split), drummer)
        data.track(
            id_,
            None if silent else place,
            midi=data.midi(f"{id_}_a.mid", (0.5, 0.6, 36, 100), (0.5, 0.6, 22, 70), (1.0, 1.1, 37, 90), drums=True),
            audio=NOTHING if silent else data.audio(f"{id_}_a.wav"),
        )
        rows.append(f"{drummer},{id_},{id_},funk/groove1,120,beat,{metre},a.mid,a.wav,1.1,{split}")
    data.metadata(data.text("info.csv", "\n".join([header, *rows])))
    data.annotations = {
        "notes": Notes.make([0.5, 0.5, 1.0], [0.6, 0.6, 1.1], [36, 22, 37], [100, 70, 90], 128),
        "onsets": Onsets(np.array([0.5, 0.5, 1.0]), ("KD", "HH", "OT")),
        "beats": Beats.make([0.0, 0.5, 1.0], [1, 2, 3]),
        "tempo": Tempo(120),
        "tags": Tags(("funk",)),
    }


def gtzan_genre(data: Standin) -> None:
    for id_, split, artist in (
        ("hiphop.00003", "train", "Ice Cube"), ("blues.00000", "valid", "John Lee Hooker"),
        ("blues.00012", "test", "Robert Johnson"), ("jazz.00033", "", ""),
    ):  # fmt: skip
        name = id_.replace(".", "_")
        data.track(
            id_,
            (id_, split, artist) if split else None,
            audio=data.audio(f"gtzan_genre/genres/{id_.split('.')[0]}/{id_}.wav"),
            beats=data.text(f"gtzan_tempo_beat-main/beats/gtzan_{name}.beats", "0.1 2\n0.4 1\n"),
            tempo=data.text(f"gtzan_tempo_beat-main/tempo/gtzan_{name}.bpm", "8.553000000000000114e+01\n"),
        )
    data.annotations = {"beats": Beats.make([0.1, 0.4], [2, 1]), "tempo": Tempo(85.53), "tags": Tags(("hip-hop",))}


def giantsteps_key(data: Standin) -> None:
    meta = {"genres": [{"name": "Breaks"}], "sub_genres": [], "artists": [{"name": "x"}], "bpm": 150}
    for id_, split, group, key in (
        ("1", "train", "Kaiserdisco", "Eb minor"), ("20", "valid", "MC Flipside", "D phrygian"),
        ("3", "test", "Jason Sparks", "D major"),
    ):  # fmt: skip
        data.track(
            id_,
            (id_, split, group),
            audio=data.audio(f"audio/{id_} {group} - title.mp3"),
            key=data.text(f"keys_gs+/{id_}.txt", key),
            meta=data.json(f"meta/{id_}.json", meta) if id_ == "1" else NOTHING,
        )
    data.annotations = {"key": Key.parse("Eb minor"), "tags": Tags(("Breaks",))}


def giantsteps_tempo(data: Standin) -> None:
    root = "giantsteps-tempo-dataset-0b7d47ba8cae59d3535a02e3db69e2cf6d0af5bb"
    tapped = [
        {"time": 0, "duration": 120, "value": 70.0, "confidence": 0.3},
        {"time": 0, "duration": 120, "value": 140.0, "confidence": 0.7},
    ]
    v1 = {"annotations": [{"namespace": "tempo", "data": tapped[:1]}, {"data": [{"value": "trance"}]}]}
    for id_, split, number in (("1", "train", "1068430"), ("8", "valid", "1174239"), ("31", "test", "1560139")):
        data.track(
            id_,
            (id_, split, number),
            audio=data.audio(f"audio/{number}.LOFI.mp3"),
            annotation_v1=data.json(f"{root}/annotations/jams/{number}.LOFI.jams", v1),
            annotation_v2=data.json(
                f"{root}/annotations_v2/jams/{number}.LOFI.jams",
                {"annotations": [{"namespace": "tempo", "data": tapped if id_ == "1" else []}]},
            ),
        )
    data.annotations = {"tempo": Tempo(70, 140, 0.3), "tags": Tags(("trance",))}


def ballroom(data: Standin) -> None:
    for id_, split, album in (
        ("Albums-AnaBelen_Veneo-03", "train", "AnaBelen_Veneo"), ("Albums-AnaBelen_Veneo-15", "", ""),
        ("Media-103402", "train", "Media-1034"), ("Albums-Chrisanne1-01", "valid", "Chrisanne1"),
        ("Albums-Cafe_Paradiso-01", "test", "Cafe_Paradiso"),
    ):  # fmt: skip
        data.track(
            id_,
            (id_, split, album) if split else None,
            audio=data.audio(f"B_1.0/audio/Waltz/{id_}.wav"),
            beats=data.text(f"B_1.0/annotations/beats/{id_}.beats", "0.07 1\n0.41 2\n"),
            tempo=data.text(f"B_1.0/annotations/tempo/{id_}.bpm", "87"),
        )
    data.annotations = {"beats": Beats.make([0.07, 0.41], [1, 2]), "tempo": Tempo(87), "tags": Tags(("waltz",))}


def beatles(data: Standin) -> None:
    for id_, album, split in (
        ("0301", "03_-_A_Hard_Day's_Night", "train"), ("0601", "06_-_Rubber_Soul", "valid"),
        ("0201", "02_-_With_the_Beatles", "test"),
    ):  # fmt: skip
        name = f"The Beatles/{album}/01_-_Song"
        key = "0.0\t0.1\tSilence\n0.1\t0.3\tKey\tC#:modal\n0.3\t0.9\tKey\tA:minor\n0.9\t1.0\tKey\tC#:modal\n"
        data.track(
            id_,
            (id_, split, album),
            audio=data.audio(f"audio/{album}/01_-_Song.wav"),
            beat=data.text(f"annotations/beat/{name}.txt", "0.1 \t4\n0.4\tNew Point\n0.7 1\n"),
            chords=data.text(f"annotations/chordlab/{name}.lab", "0.0 0.5 N\n0.5 1.0 E:sus2/5\n"),
            keys=data.text(f"annotations/keylab/{name}.lab", key),
            sections=data.text(f"annotations/seglab/{name}.lab", "0.0\t0.5\t1\tsilence\n0.5\t1.0\t\tverse a\n"),
        )
    data.annotations = {
        "beats": Beats.make([0.1, 0.4, 0.7], [4, 0, 1]),
        "chords": Chords(np.array([0.0, 0.5]), np.array([0.5, 1.0]), ("N", "E:sus2/5")),
        "key": Key.parse("A minor"),
        "segments": Segments(np.array([0.0, 0.5]), np.array([0.5, 1.0]), ("silence", "verse a")),
    }


def billboard(data: Standin) -> None:
    salami = (
        "# title: Song\n# metre: 4/4\n\n0.0\tsilence\n"
        "0.1\tA', intro, | N | N |, (guitar\n0.2\t| C:7(#9) |, guitar), (voice\n"
        "0.3\tB, verse, | A:min |\n0.35\tZ\n0.4\tsilence\n0.5\tend\n"
    )
    header = "id,chart_date,target_rank,actual_rank,title,artist,peak_rank,weeks_on_chart\n"
    rows = "1,1987-07-11,82,,,,,\n"
    for id_, split, artist in (
        ("3", "train", "James Brown"), ("12", "valid", "Johnny Lee"), ("10", "test", "Billy Joel"), ("73", "", ""),
    ):  # fmt: skip
        folder = f"McGill-Billboard/{int(id_):04d}"
        data.track(
            id_,
            (id_, split, artist) if split else None,
            audio=data.audio(f"audio/1960s/{id_}/audio.flac"),
            salami=data.text(f"{folder}/salami_chords.txt", salami),
            lab_full=data.text(f"{folder}/full.lab", "0.0\t0.25\tN\n0.25\t0.5\tC:7(#9)/3\n\n"),
            **{f"lab_{kind}": NOTHING for kind in ("majmin7", "majmin7inv", "majmin", "majmininv")},
            bothchroma=["not_needed.csv", ""],
            tuning=["not_needed.csv", ""],
        )
        rows += f"{id_},1961-07-03,56,57,Song,Someone,47,8\n"
    data.text("billboard-2.0-index.csv", header + rows)
    data.annotations = {
        "chords": Chords(np.array([0.0, 0.25]), np.array([0.25, 0.5]), ("N", "C:7(#9)/3")),
        "segments": Segments(
            np.array([0.0, 0.1, 0.3, 0.35, 0.4]), np.array([0.1, 0.3, 0.35, 0.4, 0.5]),
            ("silence", "intro", "verse", "Z", "silence"),
        ),
    }  # fmt: skip


def salami(data: Standin) -> None:
    """Of track 10 the second annotator alone. Parsed files and metadata.csv as the README of the data set has them."""
    root = "salami-data-public-hierarchy-corrections"
    header = (
        "SONG_ID,SOURCE,ANNOTATOR1,ANNOTATOR2,FILE_LOCATION,SONG_DURATION,EMPTY,SONG_TITLE,ARTIST,FORMAT,"
        "ANNOTATION_TIME1,ANNOTATION_TIME2,TEXTFILE1,TEXTFILE2,CLASS,GENRE,DATE1,DATE2,PRIVATE,DISCARDED,XEQS1,XEQS2"
    )
    rows = [header]
    parsed = {
        "functions": "0.0\tSilence\n0.1\tIntro\n0.2\tno_function\n0.4\tVerse\n0.5\tEnd",
        "uppercase": "0.0\tSilence\n0.1\tA\n0.4\tB\n0.5\tEnd",
        "lowercase": "0.0\tSilence\n0.1\ta\n0.2\ta'\n0.4\tb\n0.5\tEnd",
    }
    for id_, artist, split in (("2", "X", "test"), ("10", "", "train"), ("3", "Y", "valid"), ("4", "Z", "train"),
                               ("5", "V", "train"), ("6", "W", "train")):  # fmt: skip
        files = {}
        for annotator in (1, 2):
            for level, text in parsed.items():
                if id_ == "10" and annotator == 1:
                    files[f"annotator_{annotator}_{level}"] = NOTHING
                    continue
                path = f"{root}/annotations/{id_}/parsed/textfile{annotator}_{level}.txt"
                written = data.text(path, text.replace("Intro", "Chorus") if annotator == 2 else text)
                if level != "functions":
                    files[f"annotator_{annotator}_{level}"] = written
        data.track(
            id_, (id_, split, artist or f"song {id_}"), audio=data.audio(f"audio/{id_}.mp3"),
            **{name: file for name, file in files.items() if "functions" not in name},
        )  # fmt: skip
        rows.append(f"{id_},Codaich,5,8,/x,264,,Title,{artist},mp3,37,45,,,popular,Pop,,,0,FALSE,X,X")
    data.text(f"{root}/metadata/metadata.csv", "\n".join(rows))
    data.annotations = {
        "segments": Segments(
            np.array([0.0, 0.1, 0.2, 0.4]), np.array([0.1, 0.2, 0.4, 0.5]),
            ("Silence", "Intro", "Intro", "Verse"),
        ),
        "hierarchy": Hierarchy((
            Segments(np.array([0.0, 0.1, 0.4]), np.array([0.1, 0.4, 0.5]), ("Silence", "A", "B")),
            Segments(np.array([0.0, 0.1, 0.2, 0.4]), np.array([0.1, 0.2, 0.4, 0.5]), ("Silence", "a", "a'", "b")),
        )),
    }  # fmt: skip


def _rwc(data: Standin, letter: str, metadata: str, *files: str) -> None:
    """Five pieces: beats in hundredths of a second, 48 ticks to a beat and 384 at a downbeat, and sections."""
    root = f"annotations/AIST.RWC-MDB-{letter}-2001"
    chords = data.text(f"{root}.CHORD/N001-M01-T01.lab", "0.000\t0.104\tN\n0.104\t0.5\tAb:min\n")
    for number in range(1, 6):
        id_ = f"RM-{letter}{number:03d}"
        given = {
            "beats": data.text(
                f"{root}.BEAT/{id_}.BEAT.TXT", "4\t4\t48\n14\t14\t384\n24\t24\t48\n34\t34\t-1\n44\t44\t384\n"
            ),
            "sections": data.text(f"{root}.CHORUS/{id_}.CHORUS.TXT", '4\t20\t"intro"\n20\t50\t"chorus A"\n'),
            "chords": chords,
            "voca_inst": ["not_needed.TXT", ""],
        }
        audio = data.audio(f"audio/rwc-{letter.lower()}-m01/{number}.wav")
        data.track(id_, None, audio=audio, **{name: given[name] for name in files})
    data.metadata(data.text(f"metadata-master/rwc-{letter.lower()}.csv", metadata))
    data.annotations = {
        "beats": Beats.make([0.04, 0.14, 0.24, 0.44], [2, 1, 2, 1]),
        "segments": Segments(np.array([0.04, 0.2]), np.array([0.2, 0.5]), ("intro", "chorus A")),
    }


def rwc_popular(data: Standin) -> None:
    rows = "Piece No.,Cat. Suffix,Tr. No.,Title,Artist (Vocal),Singer Information,Length,Tempo,Instruments,Drums\n"
    singers = {1: "Kazuo Nishi", 2: "B", 3: "C", 4: "D", 5: "E"}
    for number, singer in singers.items():
        rows += f"No. {number},M01,Tr. {number:02d},Eien no replica,{singer},Male,03:29,135,Gt,Drum sequences\n"
    _rwc(data, "P", rows, "beats", "sections", "chords", "voca_inst")
    data.annotations["chords"] = Chords(np.array([0.0, 0.104]), np.array([0.104, 0.5]), ("N", "Ab:min"))
    data.expected = [(f"RM-P00{n}", RWC["P"].get(n, "train"), singer) for n, singer in singers.items()]


def rwc_classical(data: Standin) -> None:
    rows = "Piece No.,Cat. Suffix,Tr. No.,Title,Composer,Artist,Length,Category\n"
    composers = {1: "Haydn, Joseph", 2: "Mozart", 3: "Beethoven, Ludwig van", 4: "Brahms", 5: "Liszt"}
    for number, composer in composers.items():
        rows += f'No. {number},M01,Tr. {number:02d},"Symphony no.5, op.67. 1st mvmt.","{composer}",X,7:15,Symphony\n'
    _rwc(data, "C", rows, "beats", "sections")
    data.expected = [(f"RM-C00{n}", RWC["C"].get(n, "train"), composer) for n, composer in composers.items()]


def rwc_jazz(data: Standin) -> None:
    """Pieces are played by several ensembles, which the titles say in parentheses."""
    rows = "Piece No.,Cat. Suffix,Tr. No.,Title,Artist,Length,Variation,Instruments Used\n"
    titles = {1: "Jive", 2: "For Two", 3: "Blue (a) Bird", 4: "Crescent Serenade", 5: "Crescent Serenade"}
    for number, title in titles.items():
        ensemble = {4: " (Piano Solo)", 5: " (Guitar Solo)"}.get(number, "")
        rows += f"No. {number},M01,Tr. {number:02d},{title}{ensemble},Someone,02:47,Instrumentation 1,Pf\n"
    _rwc(data, "J", rows, "beats", "sections")
    data.expected = [(f"RM-J00{n}", RWC["J"].get(n, "train"), title) for n, title in titles.items()]


def queen(data: Standin) -> None:
    for number, (album, split) in enumerate(QUEEN.items()):
        name = f"Queen/{album}/01 Song"
        data.track(
            str(number),
            (str(number), split, album),
            audio=data.audio(f"audio/{album}/01 Song.flac"),
            chords=data.text(f"annotations/chordlab/{name}.lab", "0.000\t0.459\tN\n0.459\t1.0\tBb:maj6\n"),
            keys=data.text(f"annotations/keylab/{name}.lab", "0.0\t0.1\tSilence\n0.1\t0.3\tKey\tBb\n0.3\t0.9\tKey\tEb"),
            sections=data.text(f"annotations/seglab/{name}.lab", "0.0\t0.5\t\tsilence\n0.5\t1.0\t\tintro\n"),
        )
    data.annotations = {
        "chords": Chords(np.array([0.0, 0.459]), np.array([0.459, 1.0]), ("N", "Bb:maj6")),
        "key": Key.parse("Eb major"),
        "segments": Segments(np.array([0.0, 0.5]), np.array([0.5, 1.0]), ("silence", "intro")),
    }


def ikala(data: Standin) -> None:
    rows = "singer\tsongid\n"
    for number, (singer, split) in enumerate(IKALA.items()):
        id_ = f"1016{number}_chorus"
        data.track(
            id_,
            (id_, split, singer),
            audio=data.audio(f"Wavfile/{id_}.wav"),
            pitch=data.text(f"PitchLabel/{id_}.pv", "0 \n57 \n57.5\n"),
            lyrics=["Lyrics/not_needed.lab", ""],
            notes_pyin=["ikala-pyin-notes/not_needed.csv", ""],
        )
        rows += f"{singer}\t1016{number}\n"
    data.metadata(data.text("id_mapping.txt", rows))
    data.annotations = {"melody": Melody(np.array([0.016, 0.048, 0.08]), np.array([0.0, 220.0, 220 * 2 ** (0.5 / 12)]))}


def vocadito(data: Standin) -> None:
    rows = "track_id,singer_id,average_pitch,language\n"
    for number, (singer, split) in enumerate(VOCADITO.items(), start=1):
        notes = {}
        for annotator, text in ((1, "0.25,220.0,0.5\r\n1.0,233.08,0.1\r\n"), (2, "0.3,440,0.2\r\n")):
            path = f"Annotations/Notes/vocadito_{number}_notesA{annotator}.csv"
            notes[f"notesA{annotator}"] = data.text(path, text)
        data.track(
            str(number),
            (str(number), split, singer),
            audio=data.audio(f"Audio/vocadito_{number}.wav"),
            f0=data.text(f"Annotations/F0/vocadito_{number}_f0.csv", "0.0,0.0\r\n0.0058,220.5\r\n"),
            lyrics=["Annotations/Lyrics/not_needed.txt", ""],
            **notes,
        )
        rows += f"{number},{singer},50,Tagalog\n"
    data.metadata(data.text("vocadito_metadata.csv", rows))
    data.annotations = {
        "melody": Melody(np.array([0.0, 0.0058]), np.array([0.0, 220.5])),
        "notes": Notes.make([0.25, 1.0], [0.75, 1.1], [57.0, 69 + 12 * np.log2(233.08 / 440)]),
    }


# By the rule, with seed 0: what the SHA-256 of "<data set>/0/<group>" gives.
RWC = {"P": {5: "test", 3: "valid"}, "C": {1: "test", 3: "valid"}, "J": {4: "test", 5: "test", 2: "valid"}}
QUEEN = {
    "Greatest Hits I": "valid",
    "Greatest Hits II": "train",
    "Greatest Hits III": "test",
    "A": "train",
    "B": "train",
}
IKALA = {"2": "train", "1": "valid", "3": "train", "4": "train", "5": "train", "6": "test"}
VOCADITO = {"S1": "train", "S2": "train", "S3": "test", "S4": "train", "S5": "valid", "S6": "train"}


def medleydb_melody(data: Standin) -> None:
    said = {}
    for id_, split in (
        ("AimeeNorwich_Child", "train"), ("BrandonWebster_DontHearAThing", "valid"),
        ("AClassicEducation_NightOwl", "test"),
    ):  # fmt: skip
        data.track(
            id_,
            (id_, split, id_.split("_")[0]),
            audio=data.audio(f"audio/{id_}_MIX.wav"),
            melody1=data.text(f"melody1/{id_}_MELODY1.csv", "0.0464,0.0\n"),
            melody2=data.text(f"melody2/{id_}_MELODY2.csv", "0.0464,0.0\n0.0522,965.992\n"),
            melody3=data.text(f"melody3/{id_}_MELODY3.csv", "0.0464,0.0,497.016,0.0\n0.0522,965.992,996.468,0.0\n"),
        )
        said[id_] = {"artist": "x", "title": "y", "genre": "Singer/Songwriter"}
    data.metadata(data.json("medleydb_melody_metadata.json", said))
    data.annotations = {
        "melody": Melody(np.array([0.0464, 0.0522]), np.array([0.0, 965.992])),
        "tags": Tags(("Singer/Songwriter",)),
    }


def medleydb_pitch(data: Standin) -> None:
    said = {}
    for id_, split in (
        ("AimeeNorwich_Child_STEM_04", "train"), ("BrandonWebster_YesSirICanFly_STEM_02", "valid"),
        ("AClassicEducation_NightOwl_STEM_08", "test"),
    ):  # fmt: skip
        data.track(
            id_,
            (id_, split, id_.split("_")[0]),
            audio=data.audio(f"audio/{id_}.wav"),
            pitch=data.text(f"pitch/{id_}.csv", "0.0697,0.0\n0.0755,191.877\n"),
            notes_pyin=["medleydb-pitch-pyin-notes/not_needed.csv", ""],
        )
        said[id_] = {"instrument": "male singer", "artist": "x", "title": "y", "genre": "z"}
    data.metadata(data.json("medleydb_pitch_metadata.json", said))
    data.annotations = {
        "melody": Melody(np.array([0.0697, 0.0755]), np.array([0.0, 191.877])),
        "tags": Tags(("male singer",)),
    }


def orchset(data: Standin) -> None:
    rows = ["excerpt,description,Alternating,strings,winds,brass,Onlystrings,Onlywinds,Onlybrass"]
    for id_, split, work in (
        ("Musorgski-Ravel-PicturesExhibition-ex4", "train", "Musorgski-Ravel-PicturesExhibition"),
        ("Beethoven-S3-I-ex1", "valid", "Beethoven-S3"), ("Beethoven-S5-I-ex1", "test", "Beethoven-S5"),
    ):  # fmt: skip
        data.track(
            id_,
            (id_, split, work),
            audio_mono=data.audio(f"audio/mono/{id_}.wav"),
            audio_stereo=data.audio(f"audio/stereo/{id_}.wav"),
            melody=data.text(f"GT/{id_}.mel", "0.07\t0\n0.08\t622.254\n"),
        )
        rows.append(f"{id_}.wav,string+winds (solo),TRUE,TRUE,TRUE,FALSE,FALSE,FALSE,FALSE")
    data.metadata(data.text("Orchset - Predominant Melodic Instruments.csv", "\n".join(rows)))
    data.annotations = {
        "melody": Melody(np.array([0.07, 0.08]), np.array([0.0, 622.254])),
        "tags": Tags(("strings", "winds")),
    }


def tinysol(data: Standin) -> None:
    rows = ["Path,Fold,Family,Abbr,Full,T,Technique,Pitch,Pitch ID,Dynamics,Dynamics ID,Instance ID,String,Resampled"]
    for fold, split in enumerate(("train", "train", "train", "valid", "test")):
        id_ = f"BTb-ord-F#{fold}-pp-N-N"
        path = f"Brass/Bass_Tuba/ordinario/{id_}.wav"
        data.track(id_, (id_, split, "Bass Tuba"), audio=data.audio(f"audio/{path}"))
        rows.append(f"{path},{fold},Brass,BTb,Bass Tuba,ord,ordinario,A2,45,mf,2,1,2.0,FALSE")
    data.metadata(data.text("annotation/TinySOL_metadata.csv", "\n".join(rows)))
    data.annotations = {"tags": Tags(("Bass Tuba",))}


def irmas(data: Standin) -> None:
    for number in range(20):
        for excerpt in (1, 2):
            audio = data.audio(f"IRMAS-TrainingData/gac/[gac][cou_fol]{number:04d}__{excerpt}.wav")
            split = "valid" if number in IRMAS_VALID else "train"
            id_ = f"{number:04d}__{excerpt}"
            data.track(id_, (id_, split, f"{number:04d}"), audio=audio, annotation=audio)
    for number, excerpt in enumerate((1, 12)):
        name = f"IRMAS-TestingData-Part1/Part1/01 - Blue Train-{excerpt}"
        data.track(
            str(number),
            (str(number), "test", "01 - Blue Train"),
            audio=data.audio(f"{name}.wav"),
            annotation=data.text(f"{name}.txt", "gel\t\nvoi\t\n"),
        )
    data.annotations = {"tags": Tags(("acoustic guitar",))}


IRMAS_VALID = (14, 16)  # by the rule: the SHA-256 of "irmas/0/0016" is the lowest, that of "irmas/0/0014" the next


def medley_solos_db(data: Standin) -> None:
    rows = ["subset,instrument,instrument_id,song_id,uuid4"]
    for number, (said, split) in enumerate((("training", "train"), ("validation", "valid"), ("test", "test"))):
        id_ = f"{number}07b1fc0-567d-52c2-fef4-239f31c9d40e"
        data.track(id_, (id_, split, f"21{number}"), audio=data.audio(f"audio/Medley-solos-DB_{said}-3_{id_}.wav"))
        rows.append(f"{said},flute,3,21{number},{id_}")
    data.metadata(data.text("annotation/Medley-solos-DB_metadata.csv", "\n".join(rows)))
    data.annotations = {"tags": Tags(("flute",))}


def openmic2018(data: Standin) -> None:
    meta = ["track_id,artist_name,track_genres,track_title,track_url,sample_key,start_time"]
    labels = ["sample_key,instrument,relevance,num_responses"]
    ids = [f"{number:06d}_3840" for number in range(12)]
    for number, id_ in enumerate(ids):
        split = "test" if number >= 10 else "valid" if number == OPENMIC_VALID else "train"
        data.track(id_, (id_, split, f"artist {number}"), audio=data.audio(f"audio/000/{id_}.ogg"), vggish=NOTHING)
        meta.append(f"{number},artist {number},\"[{{'genre_id': '4', 'genre_title': 'Jazz'}}]\",title,url,{id_},3.84")
        labels += [f"{id_},clarinet,0.17,3", f"{id_},flute,0.5,3"]
    data.text("openmic-2018-metadata.csv", "\n".join(meta))
    data.text("openmic-2018-aggregated-labels.csv", "\n".join(labels))
    data.text("partitions/split01_train.csv", "\n".join(ids[:10]))
    data.text("partitions/split01_test.csv", "\n".join(ids[10:]))
    data.annotations = {"tags": Tags(("clarinet", "flute"), (0.17, 0.5), partial=True)}


OPENMIC_VALID = 1  # by the rule: of those in train, the SHA-256 of "openmic2018/0/artist 1" is the lowest


def mtg_jamendo_autotagging_moodtheme(data: Standin) -> None:
    header = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\n"
    rows = ""
    for number, name in enumerate(("train", "validation", "test", "")):
        id_ = f"track_000094{number}"
        row = f"{id_}\tartist_{number}\talbum_0\tx.mp3\t212.7\tmood/theme---film\tmood/theme---mellow\n"
        place = (id_, {"validation": "valid"}.get(name, name), f"artist_{number}")
        data.track(id_, place if name else None, audio=data.audio(f"audios/4{number}/94{number}.mp3"))
        rows += row
        for split in range(5) if name else ():
            data.text(f"data/splits/split-{split}/autotagging_moodtheme-{name}.tsv", header + row)
    data.text("data/autotagging_moodtheme.tsv", header + rows)
    data.annotations = {"tags": Tags(("film",))}


INDEX_FILES = {
    "salami": "salami_index_2.0-corrected.json",
    "rwc_popular": "rwc_popular_index_1.0.json",
    "rwc_classical": "rwc_classical_index_1.0.json",
    "rwc_jazz": "rwc_jazz_index_1.0.json",
    "queen": "queen_index_1.0.json",
    "ikala": "ikala_index_2.0.json",
    "vocadito": "vocadito_index_1.0.json",
    "maestro": "maestro_index_2.0.0.json",
    "slakh": "slakh_index_2100-redux.json",
    "guitarset": "guitarset_index_1.1.0.json",
    "groove_midi": "groove_midi_index_1.0.0.json",
    "gtzan_genre": "gtzan_genre_index_1.0.json",
    "giantsteps_key": "giantsteps_key_index_+.json",
    "giantsteps_tempo": "giantsteps_tempo_index_2.0.json",
    "ballroom": "ballroom_full_index_1.0.json",
    "beatles": "beatles_index_1.2.json",
    "billboard": "billboard_index_2.0.json",
    "medleydb_melody": "medleydb_melody_index_5.0.json",
    "medleydb_pitch": "medleydb_pitch_index_3.0.json",
    "orchset": "orchset_index_1.0.json",
    "tinysol": "tinysol_index_6.0.json",
    "irmas": "irmas_index_1.0.json",
    "medley_solos_db": "medley_solos_db_index_1.2.json",
    "openmic2018": "openmic2018_index_1.0.json",
    "mtg_jamendo_autotagging_moodtheme": "mtg_jamendo_autotagging_moodtheme_index_1.0.json",
}
WRITERS: dict[str, Callable[[Standin], None]] = {name: globals()[name] for name in INDEX_FILES}


def written(dataset: str, home: Path, indexes: Path) -> Standin:
    """The stand-in of a data set, on disk."""
    data = Standin(home, INDEX_FILES[dataset])
    WRITERS[dataset](data)
    data.write_index(indexes)
    return data
