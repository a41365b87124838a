"""GuitarSet's JAMS files -> our annotations. Each file, which is large, is parsed once for all of them."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ricercar.data.annotations.beats import Beats
from ricercar.data.annotations.chords import Chords
from ricercar.data.annotations.formats.rows import read_text
from ricercar.data.annotations.key import Key
from ricercar.data.annotations.multipitch import Multipitch
from ricercar.data.annotations.notes import Notes
from ricercar.data.sources.mirdata.files import key_of

_HOP_S = 256 / 44100  # of the pitch contours


def notes(path: Path) -> Notes:
    """The notes of the six strings, with their cents."""
    strings = [event for annotation in _annotations(path, "note_midi") for event in annotation["data"]]
    onset_s = np.array([event["time"] for event in strings], dtype=np.float64)
    return Notes.make(
        onset_s=onset_s,
        offset_s=onset_s + np.array([event["duration"] for event in strings], dtype=np.float64),
        pitch=np.array([event["value"] for event in strings], dtype=np.float64),
    )


def beats(path: Path) -> Beats:
    events = _annotations(path, "beat_position")[0]["data"]
    return Beats.make(
        np.array([event["time"] for event in events], dtype=np.float64),
        np.array([event["value"]["position"] for event in events], dtype=np.float64),
    )


def chords(path: Path) -> Chords:
    """The chords of the lead sheet, which come first. Those that come second are inferred from the notes."""
    events = _annotations(path, "chord")[0]["data"]
    start_s = np.array([event["time"] for event in events], dtype=np.float64)
    return Chords(
        start_s=start_s,
        end_s=start_s + np.array([event["duration"] for event in events], dtype=np.float64),
        label=tuple(event["value"] for event in events),
    )


def key(path: Path) -> Key | None:
    return key_of(_annotations(path, "key_mode")[0]["data"][0]["value"])


def multipitch(path: Path) -> Multipitch:
    """The pitches of the six strings, on the grid of times that their contours have; from the beginning on."""
    time_s, hz = [np.zeros(0)], [np.zeros(0)]
    for annotation in _annotations(path, "pitch_contour"):
        contour = annotation["data"]
        time_s.append(np.array(contour["time"], dtype=np.float64))
        hz.append(np.array([each["frequency"] * each["voiced"] for each in contour["value"]], dtype=np.float64))
    at_s, frequency_hz = np.concatenate(time_s), np.concatenate(hz)
    if not len(at_s):
        return Multipitch.make([], [])
    first_s = float(at_s.min() % _HOP_S)
    frame = np.rint((at_s - first_s) / _HOP_S).astype(np.int64)
    sounding = np.flatnonzero(frequency_hz > 0)
    order = sounding[np.lexsort((frequency_hz[sounding], frame[sounding]))]
    return Multipitch(
        time_s=first_s + _HOP_S * np.arange(frame.max() + 1),
        count=np.bincount(frame[order], minlength=frame.max() + 1),
        frequency_hz=frequency_hz[order],
    )


def _annotations(path: Path, namespace: str) -> list[dict[str, Any]]:
    found = [each for each in _parsed(path) if each["namespace"] == namespace]
    if not found:
        raise ValueError(f"{path}: it has no annotation {namespace}.")
    return found


@lru_cache(maxsize=1)
def _parsed(path: Path) -> list[dict[str, Any]]:
    annotations: list[dict[str, Any]] = json.loads(read_text(path))["annotations"]
    return annotations
