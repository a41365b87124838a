"""Annotation files that made trouble in other projects, by their public issue trackers: read rightly, or refused.

Each is written anew in the form that is described there, with other numbers.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ricercar.data.audio.store import AudioStore
from ricercar.data.checking.report import report
from ricercar.data.checking.survey import survey
from ricercar.data.sources.folder import Folder
from ricercar.data.sources.index import annotation_kinds
from ricercar.errors import InputError

KINDS = annotation_kinds()
RATE = 8000
SECONDS = 12

NOTE = bytes((0, 0x90, 60, 64, 0x83, 0x60, 0x80, 60, 0))  # half a second
NOTE_ROW = "0.000000\t0.500000\t60\t64\t0\n"
ONE_NOTE = f"onset\toffset\tpitch\tvelocity\tprogram\n{NOTE_ROW}"
END = bytes((0, 0xFF, 0x2F, 0))


@dataclass(frozen=True)
class File:
    """read: the text of what is in it. refused: words of the refusal. odd: words of the check's remark."""

    kind: str
    suffix: str
    content: str | bytes
    read: str = ""
    refused: tuple[str, ...] = ()
    odd: str = ""


def midi(*tracks: bytes, declared: int | None = None, sizes: tuple[int, ...] = ()) -> bytes:
    """declared: number of tracks in the header. sizes: of the tracks, as their headers say."""
    header = struct.pack(">4sIHHH", b"MThd", 6, 1, len(tracks) if declared is None else declared, 480)
    said = sizes or tuple(map(len, tracks))
    return header + b"".join(
        b"MTrk" + struct.pack(">I", size) + track for size, track in zip(said, tracks, strict=True)
    )


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"RMID" + body


def beats(*positions: int) -> str:
    return "".join(f"{number / 2 + 0.25:.6f}\t{position}\n" for number, position in enumerate(positions))


def jams(namespace: str, *rows: tuple[float, float, object]) -> str:
    data = [{"time": time, "duration": duration, "value": value, "confidence": None} for time, duration, value in rows]
    return json.dumps({"annotations": [{"namespace": namespace, "data": data}], "file_metadata": {}})


FILES = {
    # --- segments ---
    # mir-dataset-loaders/mirdata, issue 552: two tabulators before the label, a last section that ends before it begins
    "two_tabulators": File(
        "segments", ".lab", "0.000\t0.480\t\tsilence\n0.480\t4.25\t\tverse_(loud)\n",
        read="0.000000\t0.480000\tsilence\n0.480000\t4.250000\tverse_(loud)\n",
    ),
    "reversed_last": File(
        "segments", ".lab", "0.000\t7.912\t\toutro\n7.912\t7.897\t\tsilence\n", refused=("line 2", "7.897", "reversed")
    ),
    # marl/jams, issue 107: Sonic Visualiser's time, value, duration, label
    "value_and_duration": File(
        "segments", ".txt", "0.25\t5\t4.75\tTheme, tp\n5\t6\t3.5\tSolo\n", refused=("line 1", "Theme, tp", "tabulator")
    ),
    # hipstas/AudiAnnotate, issue 125: commas and quotation marks
    "quoted_segments": File(
        "segments", ".txt", '0.0,3.5,"A"\n3.5,7.25,"B, fast"\n7.25,9,"A"\n',
        read="0.000000\t3.500000\tA\n3.500000\t7.250000\tB, fast\n7.250000\t9.000000\tA\n",
    ),
    # sonic-visualiser/svcore, CSVFeatureWriter: time, duration, values, and the label in quotation marks
    "quoted_after_a_value": File(
        "segments", ".txt", '0.0,3.5,1,"A"\n3.5,4.25,2,"B"\n', refused=("line 1", "'1,\"A\"'", "quotation marks")
    ),
    # urinieto/msaf-data, issue 2: sections without a length
    "no_length": File(
        "segments", ".jams", jams("segment_salami_upper", (0, 0, "New Point"), (0, 4, "a")),
        refused=("observation 1", "reversed or empty"),
    ),
    # --- chords ---
    "quoted_chords": File(
        "chords", ".lab", '0.0,1.5,"N"\n1.5,3,"C#:min7"\n',
        read="0.000000\t1.500000\tN\n1.500000\t3.000000\tC#:min7\n",
    ),
    "quoted_tags": File("tags", ".tsv", 'tag\tscore\n"guitar"\t1\n', read="guitar\n"),
    # bmcfee/crema, issue 22: chords that overlap
    "overlap": File("chords", ".lab", "0.0\t1.5\tN\n1.48\t3.0\tC:maj\n", refused=("line 2", "1.48", "1.5 s")),
    # jjazzboss/JJazzLab, issue 360: times and labels of Chordino, without ends
    "without_ends": File("chords", ".lab", "0.000 N\n0.046 C\n", refused=("line 1", "2 columns", "start end label")),
    # --- onsets ---
    # vocalpy/crowsetta, issue 96: Audacity's labels have two times, of a point the same ones; with a spectral
    # selection a second row that begins with a backslash
    "points": File(
        "onsets", ".txt", "0.500000\t0.500000\tKD\n1.010000\t1.010000\tSD\n",
        read="onset\tlabel\n0.500000\tKD\n1.010000\tSD\n",
    ),
    "points_without_labels": File(
        "onsets", ".txt", "0.500000\t0.500000\t\n0.510000\t0.510000\t\n", read="onset\n0.500000\n0.510000\n"
    ),
    "spectral_selection": File(
        "onsets", ".txt", "0.5\t0.5\tKD\n\\\t100.0\t200.0\n1.01\t1.01\tSD\n", refused=("line 1", "0.5\\tKD")
    ),
    # justinsalamon/scaper, issue 23: regions of Audacity
    "regions": File(
        "onsets", ".txt", "0.5\t0.7\tKD\n1.01\t1.2\tSD\n", refused=("line 1", "0.7\\tKD", "tabulator", "onset label")
    ),
    "quoted_onsets": File(
        "onsets", ".txt", '0.5,"KD"\n1,"SD"\n', read="onset\tlabel\n0.500000\tKD\n1.000000\tSD\n"
    ),
    # --- beats ---
    "points_of_beats": File(
        "beats", ".txt", "1.000000\t1.000000\t1\n2.000000\t2.000000\t2\n", read="1.000000\t1\n2.000000\t2\n"
    ),
    "quoted_beats": File("beats", ".csv", '0.5,"1"\n1.0,"2"\n', read="0.500000\t1\n1.000000\t2\n"),
    # mir-dataset-loaders/mirdata, issue 79: RWC's start, end and label, in hundredths of a second
    "rwc": File(
        "beats", ".txt", "4\t55\t384\n55\t106\t48\n106\t157\t96\n157\t208\t144\n208\t259\t384\n",
        refused=("line 1", "position 55", "start, end and label", "seconds"),
    ),
    # mir-evaluation/mir_eval, issue 188, and TimeLineAnnotator/desktop, issue 269: measure.beat
    "measure_and_beat": File("beats", ".csv", "0.61,0.1\n1.05,0.2\n1.51,1.1\n", refused=("line 1", "position", "0.1")),
    # mirdata, issue 79 again, and CPJKU/beat_this_annotations, pull request 3: two downbeats in a row
    "two_downbeats": File(
        "beats", ".beats", beats(1, 2, 3, 4, 1, 1, 2, 3, 4, 1), read=beats(1, 2, 3, 4, 1, 1, 2, 3, 4, 1),
        odd="beats: two downbeats in a row",
    ),
    # TimeLineAnnotator/desktop, issue 269: beats that are counted through the piece
    "counted_through": File(
        "beats", ".beats", "".join(f"{n / 4:.6f}\t{n}\n" for n in range(1, 41)),
        read="".join(f"{n / 4:.6f}\t{n}\n" for n in range(1, 41)), odd="beats: positions in the bar above 32",
    ),
    # rwc-music/rwc-annotations, issue 251: a header, and semicolons
    "semicolons": File("beats", ".csv", "t;beat\n0.5;1\n1.0;2\n", refused=("line 1", "'t;beat' is not a number")),
    # CPJKU/beat_this_annotations, issue 4: a beat before the recording
    "negative": File("beats", ".beats", "-0.012\t1\n0.5\t2\n", refused=("line 1", "-0.012")),
    # fosfrancesco/asap-dataset: time, time, and b or db with metre and key
    "asap": File("beats", ".txt", "0.5\t0.5\tdb,4/4,0\n1.0\t1.0\tb\n", refused=("line 1", "4 columns", "db")),
    # --- alignment, key ---
    # f90/jamendolyrics, pull request 5: start and end of each line
    "two_times": File(
        "alignment", ".txt", "0.5\t0.9\n1.0\t1.4\n", read="0.500000\t0.9\n1.000000\t1.4\n",
        odd="alignment: events that are numbers",
    ),
    "quoted_words": File("alignment", ".csv", '0.5,"hello, you"\n', read="0.500000\thello, you\n"),
    # mir-evaluation/mir_eval, pull request 334: GiantSteps' X, and keys side by side
    "no_key": File("key", ".key", "X other", refused=("line 1", "'X other' is not a key")),
    "two_keys": File("key", ".txt", "B major | G major", refused=("line 1", "'B major | G major' is not a key")),
    # --- notes ---
    # aubio/aubio, issue 364: MIDI number, onset and offset
    "aubio": File("notes", ".txt", "60.0\t0.6\t1.2\n62.0\t1.3\t1.8\n", refused=("line 1", "not a MIDI number")),
    # jthickstun/pytorch_musicnet, issue 7: times in samples
    "samples": File("notes", ".txt", "22050,44100,261.6\n44100,66150,293.7\n66150,79000,330\n",
                    refused=("line 1", "samples")),
    # marl/GuitarSet, issue 4: one note twice, less than a millisecond apart
    "twice": File(
        "notes", ".jams", jams("note_midi", (1.0, 0.25, 50.06), (1.0002, 0.07, 50.09)),
        read="onset\toffset\tpitch\tvelocity\n1.000000\t1.250000\t50.06\t64\n1.000200\t1.070200\t50.09\t64\n",
        odd="notes: twice at the same time, pitch and program",
    ),
    # --- MIDI ---
    # mido/mido, issue 43, and kovaxis/midly, issue 4: a MIDI file within a RIFF file
    "riff": File("notes", ".mid", riff((b"INFO", b"odd"), (b"data", midi(NOTE + END))), read=ONE_NOTE),
    "riff_without_data": File("notes", ".mid", riff((b"INFO", b"odd")), refused=("RIFF file without data",)),
    # craigsapp/midifile, issue 31, and others: notes after the event that ends a track
    "after_the_end": File("notes", ".mid", midi(NOTE + END + NOTE + END), refused=("track 1", "notes come after")),
    "padded": File("notes", ".mid", midi(NOTE + END + bytes(5)), read=ONE_NOTE),
    # vishnubob/python-midi, issue 125: an empty track of length 0, though it has an end
    "end_not_counted": File(
        "notes", ".mid", midi(NOTE + END, END, NOTE + END, sizes=(13, 0, 13)),
        read=f"{ONE_NOTE}{NOTE_ROW}", odd="notes: twice",
    ),
    # muse-sequencer/muse, issue 458: a track of no bytes, which the header does not count
    "empty_track": File("notes", ".mid", midi(b"", NOTE + END, declared=1), read=ONE_NOTE),
    # mido/mido, issue 480: lengths of tracks that are not true
    "length_0": File("notes", ".mid", midi(NOTE + END, sizes=(0,)), refused=("track 1 does not end where",)),
    "too_short": File("notes", ".mid", midi(NOTE + NOTE + END, sizes=(9,)), refused=("track 1 does not end where",)),
    "too_long": File("notes", ".mid", midi(NOTE + END, NOTE + END, sizes=(15, 13)), refused=("damaged: track 1",)),
    # mido/mido, issue 42: a meta event of no bytes in place of the end
    "no_end": File("notes", ".mid", midi(NOTE + bytes((0, 0xFF, 0, 0))), read=ONE_NOTE),
    # mido/mido, issue 63: a data byte above 127
    "data_byte": File("notes", ".mid", midi(bytes((0, 0x90, 60, 200)) + END), refused=("track 1", "value 200")),
    # craigsapp/midifile, issue 32: running status across a meta event
    "running_status": File(
        "notes", ".mid", midi(bytes((0, 0x90, 60, 64, 0x83, 0x60, 0xFF, 1, 1, 65, 0, 60, 0)) + END), read=ONE_NOTE
    ),
    # grimmdude/MidiPlayerJS, issue 57: a line break after the last track
    "line_break": File("notes", ".mid", midi(NOTE + END) + b"\n", read=ONE_NOTE),
    # craffel/pretty-midi, issue 131: a second end of a note that has ended
    "ended_twice": File("notes", ".mid", midi(NOTE + bytes((0, 0x80, 60, 0)) + END), read=ONE_NOTE),
}  # fmt: skip


@pytest.fixture(params=FILES)
def named(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[File, Path]:
    return FILES[request.param], written(tmp_path, request.param)


def written(folder: Path, name: str) -> Path:
    file = FILES[name]
    path = folder / f"{name}{file.suffix}"
    path.write_bytes(file.content if isinstance(file.content, bytes) else file.content.encode())
    return path


def test_files(named: tuple[File, Path]) -> None:
    file, path = named
    if file.read:
        assert KINDS[file.kind].read(path).text() == file.read
        return
    with pytest.raises(InputError) as error:
        KINDS[file.kind].read(path)
    assert [word for word in (str(path), *file.refused) if word not in str(error.value)] == []


def test_the_check_of_a_data_set_finds_them_all(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(SECONDS * RATE, 0.1), RATE)
    kinds = sorted({file.kind for file in FILES.values()})
    rows = [f"id,split,group,audio,{','.join(kinds)}"]
    for name, file in FILES.items():
        cells = [written(tmp_path, name).name if kind == file.kind else "" for kind in kinds]
        rows.append(f"{name},test,{name},a.wav,{','.join(cells)}")
    (tmp_path / "index.csv").write_text("\n".join(rows))
    result = survey(Folder(root=tmp_path), AudioStore(tmp_path / "cache", RATE))
    told = "\n".join(line for lines in result.problems.values() for line in lines)
    for name, file in FILES.items():
        assert (f"{name}{file.suffix}" in told) == bool(file.refused), name
        if file.odd:
            found = [what for what, tracks in result.odd.items() if any(each.startswith(f"{name} ") for each in tracks)]
            assert any(file.odd in what for what in found), (name, found)
    assert all(word in report(result, 0) for file in FILES.values() if file.odd for word in [file.odd])
