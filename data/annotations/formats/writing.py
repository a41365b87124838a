"""Annotations -> files of other formats than their own: JAMS, tables, labels (Audacity), layers (Sonic Visualiser)."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ricercar.data.annotations.frequencies import hz_to_midi

Row = Sequence[Any]
_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_SONIC_VISUALISER = ".sv.csv"
_LEVELS = 127  # of velocity


def formats(name: str, own: str) -> dict[str, str]:
    """{format: ending} of what a kind of annotation can be written to, its own first. own: the ending of that."""
    found = {own.removeprefix("."): own} if own else {}
    found |= {"mid": ".mid"} if name == "notes" else {}
    for kind, ending, writers in _WRITERS:
        if name in writers:
            found.setdefault(kind, ending)
    return found


def content(annotation: Any, name: str, duration_s: float | None) -> str | None:
    """What a file of that name holds of an annotation; None where it is a file of the annotation's own format.

    duration_s: of the recording, where it is known; else the annotation's last time stands for it.
    """
    for _, ending, writers in _WRITERS:
        if name.lower().endswith(ending):
            writer = writers.get(annotation.name)
            return None if writer is None else writer(annotation, duration_s)
    return None


# --- JAMS (Humphrey et al. 2014, schema 0.3): one annotation in a file ---


def _jams(annotation: Any, duration_s: float | None) -> str:
    namespace, rows = _OBSERVATIONS[annotation.name](annotation, duration_s)
    last_s = max((row[0] + row[1] for row in rows), default=0.0)
    length_s = last_s if duration_s is None else duration_s
    data = [
        {"time": _number(start), "duration": _number(length), "value": value, "confidence": confidence}
        for start, length, value, confidence in rows
    ]
    about = {"data_source": "program", "annotation_tools": "ricercar", "annotator": {}, "corpus": "", "version": ""}
    about |= {"annotation_rules": "", "validation": "", "curator": {"name": "", "email": ""}}
    made = {
        "annotations": [
            {
                "namespace": namespace,
                "annotation_metadata": about,
                "data": data,
                "sandbox": {},
                "time": 0,
                "duration": _number(length_s),
            }
        ],
        "file_metadata": {
            "title": "",
            "artist": "",
            "release": "",
            "duration": _number(length_s),
            "identifiers": {},
            "jams_version": "0.3.4",
        },
        "sandbox": {},
    }
    return json.dumps(made, ensure_ascii=False) + "\n"


def _number(value: float) -> float:
    return round(float(value), 6)


Observed = tuple[
    str, list[tuple[float, float, Any, float | None]]
]  # (namespace, [(start, duration, value, confidence)])


def _notes(notes: Any, duration_s: float | None) -> Observed:
    """Velocity and instrument have no place there."""
    rows = zip(notes.onset_s.tolist(), (notes.offset_s - notes.onset_s).tolist(), notes.pitch.tolist(), strict=True)
    return "note_midi", [(start, length, pitch, None) for start, length, pitch in rows]


def _beats(beats: Any, duration_s: float | None) -> Observed:
    rows = zip(beats.time_s.tolist(), beats.position.tolist(), strict=True)
    return "beat", [(time, 0.0, position or None, None) for time, position in rows]


def _onsets(onsets: Any, duration_s: float | None) -> Observed:
    return "onset", [(time, 0.0, label or None, None) for time, label in _labelled(onsets)]


def _intervals(namespace: str) -> Callable[[Any, float | None], Observed]:
    def observed(intervals: Any, duration_s: float | None) -> Observed:
        return namespace, [(start, end - start, label, None) for start, end, label in _rows(intervals)]

    return observed


def _hierarchy(hierarchy: Any, duration_s: float | None) -> Observed:
    rows: list[tuple[float, float, Any, float | None]] = [
        (start, end - start, {"label": label, "level": level}, None)
        for level, each in enumerate(hierarchy.levels)
        for start, end, label in _rows(each)
    ]
    return "multi_segment", rows


def _key(key: Any, duration_s: float | None) -> Observed:
    return "key_mode", [(0.0, duration_s or 0.0, str(key).replace(" ", ":"), None)]


def _tempo(tempo: Any, duration_s: float | None) -> Observed:
    rows = [(0.0, duration_s or 0.0, tempo.bpm, tempo.strength)]
    if tempo.other_bpm is not None:
        rows.append((0.0, duration_s or 0.0, tempo.other_bpm, 1.0 - tempo.strength))
    return "tempo", rows


def _tags(tags: Any, duration_s: float | None) -> Observed:
    """Read again, scores are what somebody was asked about: nothing is known of other tags."""
    pairs = zip(tags.tags, tags.score, strict=True)
    plain = all(score == 1.0 for score in tags.score)
    return "tag_open", [(0.0, duration_s or 0.0, tag, None if plain else score) for tag, score in pairs]


def _melody(melody: Any, duration_s: float | None) -> Observed:
    pairs = zip(melody.time_s.tolist(), melody.frequency_hz.tolist(), strict=True)
    return "pitch_contour", [
        (time, 0.0, {"index": 0, "frequency": _number(abs(hz)), "voiced": hz > 0}, None) for time, hz in pairs
    ]


def _multipitch(pitches: Any, duration_s: float | None) -> Observed:
    ends = np.cumsum(pitches.count).tolist()
    rows: list[tuple[float, float, Any, float | None]] = []
    for time, count, end in zip(pitches.time_s.tolist(), pitches.count.tolist(), ends, strict=True):
        for index, hz in enumerate(pitches.frequency_hz[end - count : end].tolist() or [0.0]):
            rows.append((time, 0.0, {"index": index, "frequency": _number(hz), "voiced": hz > 0}, None))
    return "pitch_contour", rows


_OBSERVATIONS: Mapping[str, Callable[[Any, float | None], Observed]] = {
    "notes": _notes,
    "beats": _beats,
    "onsets": _onsets,
    "chords": _intervals("chord"),
    "segments": _intervals("segment_open"),
    "hierarchy": _hierarchy,
    "key": _key,
    "tempo": _tempo,
    "tags": _tags,
    "melody": _melody,
    "multipitch": _multipitch,
}

# --- tables: what the own format has, between commas ---


def _table(header: str) -> Callable[[Any, float | None], str]:
    def written(annotation: Any, duration_s: float | None) -> str:
        rows = [line.split("\t") for line in annotation.text().splitlines()]
        return f"{header}\n" * bool(header) + _csv(rows)

    return written


def _csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


# --- labels: rows `start end label` between tabulators, as Audacity reads them ---


def _note_labels(notes: Any, duration_s: float | None) -> str:
    rows = zip(notes.onset_s, notes.offset_s, notes.semitone.tolist(), strict=True)
    return _labels([(start, end, f"{_NAMES[pitch % 12]}{pitch // 12 - 1}") for start, end, pitch in rows])


def _beat_labels(beats: Any, duration_s: float | None) -> str:
    return _labels([(time, time, position or "") for time, position in zip(beats.time_s, beats.position, strict=True)])


def _onset_labels(onsets: Any, duration_s: float | None) -> str:
    return _labels([(time, time, label) for time, label in _labelled(onsets)])


def _key_label(key: Any, duration_s: float | None) -> str:
    return str(key.text()) if duration_s is None else _labels([(0.0, duration_s, str(key))])


def _labels(rows: Sequence[Row]) -> str:
    return "".join(f"{start:.6f}\t{end:.6f}\t{label}\n" for start, end, label in rows)


# --- layers of Sonic Visualiser: what its "Import Annotation Layer" reads, without a header ---


def _note_layer(notes: Any, duration_s: float | None) -> str:
    length = notes.offset_s - notes.onset_s
    rows = zip(notes.onset_s.tolist(), notes.pitch.tolist(), length.tolist(), notes.velocity.tolist(), strict=True)
    return _layer([(start, f"{pitch:g}", seconds, velocity / _LEVELS) for start, pitch, seconds, velocity in rows])


def _instant_layer(annotation: Any, duration_s: float | None) -> str:
    if annotation.name == "beats":
        return _layer(list(zip(annotation.time_s.tolist(), [each or "" for each in annotation.position], strict=True)))
    return _layer(_labelled(annotation))


def _region_layer(intervals: Any, duration_s: float | None) -> str:
    return _layer([(start, end - start, label) for start, end, label in _rows(intervals)])


def _contour_layer(melody: Any, duration_s: float | None) -> str:
    pairs = zip(melody.time_s.tolist(), melody.frequency_hz.tolist(), strict=True)
    return _layer([(time, hz) for time, hz in pairs if hz > 0])


def _pitch_layer(pitches: Any, duration_s: float | None) -> str:
    """A point for each pitch, as a MIDI number."""
    time_s = np.repeat(pitches.time_s, pitches.count)
    return _layer(list(zip(time_s.tolist(), hz_to_midi(pitches.frequency_hz).tolist(), strict=True)))


def _layer(rows: Sequence[Row]) -> str:
    return _csv([[f"{each:.6f}" if isinstance(each, float) else each for each in row] for row in rows])


def _labelled(onsets: Any) -> list[tuple[float, str]]:
    return list(zip(onsets.time_s.tolist(), onsets.label, strict=True))


def _rows(intervals: Any) -> list[tuple[float, float, str]]:
    return list(zip(intervals.start_s.tolist(), intervals.end_s.tolist(), intervals.label, strict=True))


Writers = Mapping[str, Callable[[Any, float | None], str]]
_INTERVALS = ("chords", "segments")
_WRITERS: Sequence[tuple[str, str, Writers]] = (
    ("jams", ".jams", dict.fromkeys(_OBSERVATIONS, _jams)),
    (
        "sonic-visualiser",
        _SONIC_VISUALISER,
        {
            "notes": _note_layer,
            "beats": _instant_layer,
            "onsets": _instant_layer,
            **dict.fromkeys(_INTERVALS, _region_layer),
            "melody": _contour_layer,
            "multipitch": _pitch_layer,
        },
    ),
    (
        "csv",
        ".csv",
        {
            **dict.fromkeys(("notes", "beats", "onsets"), _table("")),
            "multipitch": _table("# time,frequency_hz"),
            **dict.fromkeys(_INTERVALS, _table("start,end,label")),
        },
    ),
    ("lab", ".lab", {"notes": _note_labels, "beats": _beat_labels, "onsets": _onset_labels, "key": _key_label}),
)
