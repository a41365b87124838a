"""MIDI files -> the arrays of Notes, and back. Parsed by symusic."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic import Note, Score, Tempo, Track

from ricercar.errors import InputError

_DRUMS = 128
_SUSTAIN = 64  # number of the controller; a value of 64 or more holds the notes (MIDI 1.0)
_MIN_DURATION_S = 0.001
_TICKS_PER_QUARTER = 10_000  # with a quarter of 0.5 s: 0.05 ms
_QUARTER_US = 500_000


def read(path: Path) -> dict[str, NDArray[Any]]:
    """The notes of all tracks, as keyword arguments of Notes. Drum channels get program 128.

    The sustain pedal is followed within each track and channel: a note whose key is released while the pedal is
    down sounds until the pedal comes up, its pitch is struck again, or the file ends, whichever is first.
    A note that begins and ends at the same tick is kept, with 1 ms: it was struck, and an onset left out of a
    reference would make a right estimate wrong. A note that never ends is not a note (symusic leaves it out).
    """
    score = _parsed(path)
    return _arrays(score, score.tracks)


def read_track(path: Path, name: str) -> dict[str, NDArray[Any]]:
    """As `read`, of the track of that name alone (of those tracks, where several have it).

    InputError lists the names there are.
    """
    score = _parsed(path)
    tracks = [track for track in score.tracks if track.name == name]
    if not tracks:
        names = ", ".join(repr(track.name) for track in score.tracks)
        raise InputError(f"{path}: no track with notes is called {name!r}; it has: {names or 'none'}.")
    return _arrays(score, tracks)


def _parsed(path: Path) -> Any:
    """A symusic.Score, whose stubs do not know its own members."""
    try:
        score: Any = Score(path)
    except (RuntimeError, ValueError, OSError) as error:
        raise InputError(f"{path}: not a readable MIDI file ({error}).") from error
    if score.ticks_per_quarter <= 0:
        raise InputError(f"{path}: damaged: its header says {score.ticks_per_quarter} ticks per quarter note.")
    return score


def _arrays(score: Any, tracks: Sequence[Any]) -> dict[str, NDArray[Any]]:
    onset, offset, pedalled, pitch, velocity, program = [], [], [], [], [], []
    end = score.end()
    for track in tracks:
        notes = track.notes.numpy()
        released = notes["time"] + notes["duration"]
        onset.append(notes["time"])
        offset.append(released)
        pedalled.append(_pedalled(track, notes["time"], released, notes["pitch"], end))
        pitch.append(notes["pitch"])
        velocity.append(notes["velocity"])
        program.append(np.full(len(released), _DRUMS if track.is_drum else track.program))
    onset_s = _seconds(score, onset)
    offset_s = np.maximum(_seconds(score, offset), onset_s + _MIN_DURATION_S * (_joined(offset) == _joined(onset)))
    return {
        "onset_s": onset_s,
        "offset_s": offset_s,
        # A note that overlaps the next one of its pitch is not held, nor is it cut short.
        "pedalled_offset_s": np.maximum(_seconds(score, pedalled), offset_s),
        "pitch": _joined(pitch),
        "velocity": _joined(velocity),
        "program": _joined(program),
    }


def write(
    path: Path,
    onset_s: NDArray[np.float64],
    offset_s: NDArray[np.float64],
    pitch: NDArray[np.int64],
    velocity: NDArray[np.int64],
    program: NDArray[np.int64],
) -> None:
    """One track per program (an unknown one is written as 0, piano); times are rounded to 0.05 ms."""
    score: Any = Score(_TICKS_PER_QUARTER)
    score.tempos.append(Tempo(0, mspq=_QUARTER_US))
    ticks_per_s = _TICKS_PER_QUARTER * 1_000_000 / _QUARTER_US
    start = np.rint(onset_s * ticks_per_s).astype(np.int64)
    duration = np.maximum(np.rint(offset_s * ticks_per_s).astype(np.int64) - start, 1)
    for number in np.unique(program).tolist():
        track: Any = Track(program=0 if number in (-1, _DRUMS) else number, is_drum=number == _DRUMS)
        for index in np.flatnonzero(program == number):
            track.notes.append(Note(int(start[index]), int(duration[index]), int(pitch[index]), int(velocity[index])))
        score.tracks.append(track)
    score.dump_midi(path)


def _joined(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64)


def _seconds(score: Any, parts: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Ticks -> seconds in float64 (symusic's own conversion is float32: 0.03 ms off after ten minutes)."""
    ticks = _joined(parts)
    tempos = score.tempos.numpy()
    order = np.argsort(tempos["time"], kind="stable")
    since = np.concatenate([[0], tempos["time"][order]]).astype(np.int64)
    tick_s = np.concatenate([[_QUARTER_US], tempos["mspq"][order]]) / 1e6 / score.ticks_per_quarter
    since_s = np.concatenate([[0.0], np.cumsum(np.diff(since) * tick_s[:-1])])
    tempo = np.searchsorted(since, ticks, side="right") - 1
    seconds: NDArray[np.float64] = since_s[tempo] + (ticks - since[tempo]) * tick_s[tempo]
    return seconds


def _pedalled(
    track: Any, onset: NDArray[np.int64], released: NDArray[np.int64], pitch: NDArray[np.int64], end: int
) -> NDArray[np.int64]:
    """(n,) ticks at which the notes are damped: before the release where the pitch is struck again before it.

    Of several pedal messages at one tick the last one counts.
    """
    controls = track.controls.numpy()
    pedal = controls["number"] == _SUSTAIN
    if not pedal.any():
        return released
    order = np.argsort(controls["time"][pedal], kind="stable")
    time, down = controls["time"][pedal][order], controls["value"][pedal][order] >= 64
    latest = np.searchsorted(time, released, side="right") - 1
    held = (latest >= 0) & down[np.maximum(latest, 0)]
    rises = np.append(time[~down], end)
    until = np.minimum(rises[np.searchsorted(time[~down], released, side="right")], _next_onset(onset, pitch, end))
    damped: NDArray[np.int64] = np.where(held, until, released)
    return damped


def _next_onset(onset: NDArray[np.int64], pitch: NDArray[np.int64], end: int) -> NDArray[np.int64]:
    """(n,) ticks of the next later onset of the same pitch, `end` where there is none."""
    following = np.full(len(onset), end, dtype=np.int64)
    for number in np.unique(pitch):
        same = np.flatnonzero(pitch == number)
        onsets = np.append(np.sort(onset[same]), end)
        following[same] = onsets[np.searchsorted(onsets[:-1], onset[same], side="right")]
    return following
