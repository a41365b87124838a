"""MIDI files -> the arrays of Notes, and back."""

from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.formats.midi_events import Event, MidiEvents, midi_bytes, read_events
from ricercar.errors import InputError

_DRUMS = 128
_DRUM_CHANNEL = 9  # the tenth
_OFF, _ON, _CONTROL, _PROGRAM = 0x80, 0x90, 0xB0, 0xC0
# Numbers of controllers. All notes off, and the changes of mode that imply it (MIDI 1.0).
_SUSTAIN, _SOUND_OFF, _RESET, _NOTES_OFF = 64, 120, 121, range(123, 128)
_DOWN = 64  # values of the sustain pedal from here on hold the notes
_MIN_DURATION_S = 0.001
_TICKS_PER_QUARTER = 10_000  # with a quarter of 0.5 s: 0.05 ms
_TICKS_PER_S = 2 * _TICKS_PER_QUARTER

Ints = NDArray[np.int64]


def read(path: Path) -> dict[str, NDArray[Any]]:
    """The notes of all tracks, as keyword arguments of Notes. Channel 10 is drums, program 128.

    Every key that is struck is a note. A note-off, or a note-on with velocity 0, ends the note of its key, channel and
    track that has waited longest for it. All notes off (123, and the changes of mode from 124 on) releases every key
    of the channel, all sound off (120) also damps what the pedal holds. A note without an end lasts to the end of its
    track, and is marked in `unended`. A note that begins and ends at the same tick has 1 ms: it was struck, and an
    onset left out of a reference would make a right estimate wrong. Pitch bends are not followed.

    Programs and controllers are those of the channel, whichever track sets them; of events at one tick those of the
    first track come first, and of several pedal messages at one tick the last one counts. A note whose key is released
    while the pedal is down sounds until the pedal comes up (or 121 resets it), its pitch is struck again, all sound is
    turned off, or the last event of the file, whichever is first.
    """
    return _arrays(read_events(path), lambda name: True)


def read_track(path: Path, name: str) -> dict[str, NDArray[Any]]:
    """As `read`, of the track of that name alone (of those tracks, where several have it).

    InputError lists the names there are.
    """
    score = read_events(path)
    names = [track.name for track in score.tracks if any(_strikes(event) for event in track.events)]
    if name not in names:
        there = ", ".join(map(repr, dict.fromkeys(names)))
        raise InputError(f"{path}: no track with notes is called {name!r}; it has: {there or 'none'}.")
    return _arrays(score, lambda other: other == name)


def write(
    path: Path,
    onset_s: NDArray[np.float64],
    offset_s: NDArray[np.float64],
    pitch: NDArray[np.float64],
    velocity: Ints,
    program: Ints,
) -> None:
    """One track per program (an unknown one is written as 0, piano); times to 0.05 ms, pitches to the semitone.

    Beyond 15 programs, tracks share channels: each note then sets its program.
    """
    start = np.rint(onset_s * _TICKS_PER_S).astype(np.int64)
    end = np.maximum(np.rint(offset_s * _TICKS_PER_S).astype(np.int64), start + 1)
    key = np.rint(pitch).astype(np.int64)
    program = np.where(program == -1, 0, program)
    channels = [channel for channel in range(16) if channel != _DRUM_CHANNEL]
    programs = [number for number in np.unique(program).tolist() if number != _DRUMS]
    tracks: list[list[Event]] = []
    for number in np.unique(program).tolist():
        channel = _DRUM_CHANNEL if number == _DRUMS else channels[programs.index(number) % len(channels)]
        shared = number != _DRUMS and len(programs) > len(channels)
        change = [] if number == _DRUMS else [(0, _PROGRAM | channel, number, 0)]
        events: list[tuple[int, int, list[Event]]] = [(0, 0, change)]
        for index in np.flatnonzero(program == number).tolist():
            on, off, struck = int(start[index]), int(end[index]), int(key[index])
            note = (on, _ON | channel, struck, int(velocity[index]))
            events.append((on, 2, [(on, _PROGRAM | channel, number, 0), note] if shared else [note]))
            events.append((off, 1, [(off, _OFF | channel, struck, 0)]))
        tracks.append([event for _, _, several in sorted(events, key=lambda each: each[:2]) for event in several])
    path.write_bytes(midi_bytes(_TICKS_PER_QUARTER, tracks))


def _strikes(event: Event) -> bool:
    return event[1] & 0xF0 == _ON and event[3] > 0


class _Channel:
    """What a channel is told: its program, and the ticks of what concerns all of its notes."""

    def __init__(self) -> None:
        self.program = 0
        self.pedal: list[tuple[int, bool]] = []  # tick, whether it is down
        self.sound_off: list[int] = []
        self.waiting: defaultdict[tuple[int, int], deque[int]] = defaultdict(deque)  # notes by track and key


def _arrays(score: MidiEvents, chosen: Callable[[str], bool]) -> dict[str, NDArray[Any]]:
    """Of the tracks whose names are chosen."""
    channels = [_Channel() for _ in range(16)]
    columns: list[tuple[int, int, int, int, int, int]] = []  # onset, key, velocity, program, channel, track
    released: dict[int, int] = {}
    events = [
        (tick, number, status, a, b) for number, track in enumerate(score.tracks) for tick, status, a, b in track.events
    ]
    events.sort(key=lambda event: event[0])  # stable: at one tick the first track comes first
    for tick, track, status, a, b in events:
        kind, number = status & 0xF0, status & 0x0F
        channel = channels[number]
        if kind == _ON and b > 0:
            program = _DRUMS if number == _DRUM_CHANNEL else channel.program
            channel.waiting[track, a].append(len(columns))
            columns.append((tick, a, b, program, number, track))
        elif kind in (_ON, _OFF):
            if waiting := channel.waiting[track, a]:
                released[waiting.popleft()] = tick
        elif kind == _PROGRAM:
            channel.program = a
        elif kind == _CONTROL:
            if a in (_SUSTAIN, _RESET):
                channel.pedal.append((tick, a == _SUSTAIN and b >= _DOWN))
            elif a == _SOUND_OFF or a in _NOTES_OFF:
                released |= {note: tick for waiting in channel.waiting.values() for note in waiting}
                channel.waiting.clear()
            if a == _SOUND_OFF:
                channel.sound_off.append(tick)
    table = np.array(columns, dtype=np.int64).reshape(-1, 6).T
    onset, key, velocity, programs, channel_of, track_of = table
    last = max((track.last for track in score.tracks), default=0)
    ends = np.array([track.end for track in score.tracks] or [0], dtype=np.int64)
    offset = ends[track_of]
    offset[list(released)] = list(released.values())
    unended = np.ones(len(onset), dtype=bool)
    unended[list(released)] = False
    pedalled = offset.copy()
    for number, channel in enumerate(channels):
        (own,) = np.nonzero(channel_of == number)
        pedalled[own] = _pedalled(channel, onset[own], offset[own], key[own], last)
    onset_s = score.seconds(onset)
    offset_s = np.maximum(score.seconds(offset), onset_s + _MIN_DURATION_S * (offset == onset))
    arrays = {
        "onset_s": onset_s,
        "offset_s": offset_s,
        # A note that overlaps the next one of its pitch is not held, nor is it cut short.
        "pedalled_offset_s": np.maximum(score.seconds(pedalled), offset_s),
        "pitch": key,
        "velocity": velocity,
        "program": programs,
        "unended": unended,
    }
    names = np.array([chosen(track.name) for track in score.tracks], dtype=bool)
    kept = names[track_of]
    return {name: values[kept] for name, values in arrays.items()}


def _pedalled(channel: _Channel, onset: Ints, released: Ints, pitch: Ints, end: int) -> Ints:
    """(n,) ticks at which the notes are damped: before the release where the pitch is struck again before it."""
    if not channel.pedal:
        return released
    time, down = np.array(channel.pedal, dtype=np.int64).T
    latest = np.searchsorted(time, released, side="right") - 1
    held = (latest >= 0) & (down[np.maximum(latest, 0)] == 1)
    rises = np.append(time[down == 0], end)
    offs = np.append(np.array(channel.sound_off, dtype=np.int64), end)
    until = np.minimum(rises[np.searchsorted(rises[:-1], released, side="right")], _next_onset(onset, pitch, end))
    until = np.minimum(until, offs[np.searchsorted(offs[:-1], released, side="left")])
    return np.where(held, until, released)


def _next_onset(onset: Ints, pitch: Ints, end: int) -> Ints:
    """(n,) ticks of the next later onset of the same pitch, `end` where there is none."""
    following = np.full(len(onset), end, dtype=np.int64)
    for number in np.unique(pitch):
        same = np.flatnonzero(pitch == number)
        onsets = np.append(np.sort(onset[same]), end)
        following[same] = onsets[np.searchsorted(onsets[:-1], onset[same], side="right")]
    return following
