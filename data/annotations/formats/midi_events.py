"""Standard MIDI files -> their tracks' events, and back (MIDI 1.0, RP-001). What no note depends on is passed over."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ricercar.errors import InputError

Event = tuple[int, int, int, int]  # tick, status byte, first and second data byte

_QUARTER_US = 500_000  # until a tempo is set
_META, _NAME, _END, _TEMPO = 0xFF, 0x03, 0x2F, 0x51
_CLOSING = bytes((_META, _END, 0))
_SYSTEM_EXCLUSIVE = (0xF0, 0xF7)
_NUM_DATA = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2, 0xF1: 1, 0xF2: 2, 0xF3: 1}
_LONGEST_NUMBER = 4  # bytes of a number of variable length


@dataclass(frozen=True)
class MidiTrack:
    """events: messages of channels, in the file's order. last, end: ticks of the last event and of the track's end."""

    name: str
    events: list[Event]
    last: int
    end: int


@dataclass(frozen=True)
class MidiEvents:
    """A file of format 0 or 1. The tempo holds from tempo_tick on, the first from tick 0."""

    tracks: list[MidiTrack]
    tempo_tick: NDArray[np.int64]
    tick_s: NDArray[np.float64]

    def seconds(self, tick: NDArray[np.int64]) -> NDArray[np.float64]:
        since_s = np.concatenate([[0.0], np.cumsum(np.diff(self.tempo_tick) * self.tick_s[:-1])])
        tempo = np.searchsorted(self.tempo_tick, tick, side="right") - 1
        seconds: NDArray[np.float64] = since_s[tempo] + (tick - self.tempo_tick[tempo]) * self.tick_s[tempo]
        return seconds


def read_events(path: Path) -> MidiEvents:
    """InputError where the file is damaged, cut short, or of format 2, whose tracks do not sound together."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from error
    try:
        return _parsed(data)
    except _DamageError as damage:
        raise InputError(f"{path}: {damage}.") from damage


def midi_bytes(ticks_per_quarter: int, tracks: Sequence[Sequence[Event]]) -> bytes:
    """A file of format 1 with 120 quarters a minute. Each track's events must be in the order of time."""
    chunks = [_chunk(b"MThd", struct.pack(">HHH", 1, len(tracks), ticks_per_quarter))]
    for events in tracks:
        data, now = bytearray(), 0
        for tick, status, first, second in events:
            data += _number_bytes(tick - now) + bytes((status, first, second)[: 1 + _NUM_DATA[status & 0xF0]])
            now = tick
        chunks.append(_chunk(b"MTrk", bytes(data) + bytes((0, _META, _END, 0))))
    return b"".join(chunks)


class _DamageError(Exception):
    """What is wrong with the bytes, as a message says it after the file's name."""


def _parsed(data: bytes) -> MidiEvents:
    if data[:4] == b"RIFF" and data[8:12] == b"RMID":
        data = _unwrapped(data)
    if data[:4] != b"MThd" or len(data) < 14:
        raise _DamageError("not a readable MIDI file: it does not begin with the header MThd")
    size, form, num_tracks, division = struct.unpack(">IHHh", data[4:14])
    if size < 6 or form > 2:
        raise _DamageError(f"damaged: its header has {size} bytes and says format {form}")
    if form == 2:
        raise _DamageError(
            "a MIDI file of format 2, whose tracks are pieces of their own. Save each as a file of format 1"
        )
    tracks: list[MidiTrack] = []
    tempos, place, closed = [(0, _QUARTER_US)], 8 + size, True
    while place + 8 <= len(data):
        kind, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "big")
        if not all(0x20 <= byte < 0x7F for byte in kind):
            break
        if kind == b"MTrk":
            if place + 8 + size > len(data):
                raise _DamageError(
                    f"not a readable MIDI file: cut short: track {len(tracks) + 1} should have {size:,} bytes"
                )
            try:
                tracks.append(_track(data[place + 8 : place + 8 + size], tempos))
            except _DamageError as damage:
                raise _DamageError(f"damaged: track {len(tracks) + 1}, byte {place + 8:,} on: {damage}") from damage
            except IndexError:
                raise _DamageError(
                    f"damaged: an event of track {len(tracks) + 1} goes on after the track's end"
                ) from None
            closed = data[place + 8 : place + 8 + size].rstrip(b"\0").endswith(_CLOSING[:2])
            if size == 0 and data[place + 8 : place + 12] == b"\0" + _CLOSING:  # an end that was not counted
                size, closed = 4, True
        place += 8 + size
    if place < len(data) and not closed:
        raise _DamageError(
            f"damaged: track {len(tracks)} does not end where its length says, and no other track begins there"
        )
    if len(tracks) < num_tracks:
        raise _DamageError(
            f"not a readable MIDI file: cut short: it should have {num_tracks} tracks, and has {len(tracks)}"
        )
    return MidiEvents(tracks, *_tempo_map(division, tempos))


def _track(data: bytes, tempos: list[tuple[int, int]]) -> MidiTrack:
    """Tempos are added to `tempos`. IndexError where an event is cut short."""
    events: list[Event] = []
    name, tick, last, status, place = "", 0, 0, 0, 0
    while place < len(data):
        delta, place = _number(data, place)
        last, tick = tick, tick + delta
        first = data[place]
        if first == _META:
            kind, (size, start) = data[place + 1], _number(data, place + 2)
            place = start + size
            if place > len(data):
                raise IndexError
            if kind == _END:
                _check_end(data[place:])
                return MidiTrack(name, events, last, tick)
            if kind == _NAME:
                name = name or _text(data[start:place])
            elif kind == _TEMPO:
                tempo = int.from_bytes(data[start:place], "big")
                if size != 3 or tempo == 0:
                    raise _DamageError(f"a tempo of {tempo} microseconds in {size} bytes")
                tempos.append((tick, tempo))
            continue
        if first in _SYSTEM_EXCLUSIVE:
            size, start = _number(data, place + 1)
            place = start + size
            if place > len(data):
                raise IndexError
            continue
        if first >= 0x80:
            place += 1
            if first >= 0xF0:  # messages of the system, which have no place in a file
                place += _NUM_DATA.get(first, 0)
                continue
            status = first
        elif status == 0:
            raise _DamageError(f"it begins with {first}, which is no event")
        num_data = _NUM_DATA[status & 0xF0]
        a, b = data[place], data[place + 1] if num_data == 2 else 0
        if a > 127 or b > 127:
            raise _DamageError(f"an event with the value {max(a, b)}, at tick {tick}: values end at 127")
        events.append((tick, status, a, b))
        place += num_data
    return MidiTrack(name, events, tick, tick)


def _check_end(rest: bytes) -> None:
    """What comes after the end of a track may be anything (it is padded, or another program's), but no notes."""
    try:
        events = _track(rest, []).events
    except (_DamageError, IndexError):
        return
    if any(status & 0xF0 == 0x90 for _, status, _, _ in events):
        raise _DamageError("notes come after the event that ends the track")


def _unwrapped(data: bytes) -> bytes:
    """The MIDI file in a RIFF file (RP-029). Chunks have an even number of bytes."""
    place = 12
    while place + 8 <= len(data):
        kind, (size,) = data[place : place + 4], struct.unpack("<I", data[place + 4 : place + 8])
        if kind == b"data":
            return data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2
    raise _DamageError("not a readable MIDI file: a RIFF file without data")


def _number(data: bytes, place: int) -> tuple[int, int]:
    """A number of variable length -> (the number, the place after it)"""
    number = 0
    for end in range(place, place + _LONGEST_NUMBER):
        byte = data[end]
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, end + 1
    raise _DamageError(f"a number of more than {_LONGEST_NUMBER} bytes")


def _number_bytes(number: int) -> bytes:
    found = [number & 0x7F]
    while number := number >> 7:
        found.append(number & 0x7F | 0x80)
    return bytes(reversed(found))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack(">I", len(data)) + data


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _tempo_map(division: int, tempos: list[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """division: ticks per quarter; or, negative, frames per second and (second byte) ticks per frame, of SMPTE."""
    if division < 0:
        frames, ticks = -(division >> 8), division & 0xFF
        fps = {24: 24.0, 25: 25.0, 29: 30 / 1.001, 30: 30.0}.get(frames)
        if fps is None or ticks == 0:
            raise _DamageError(f"damaged: its header says {frames} frames per second of {ticks} ticks")
        return np.zeros(1, np.int64), np.array([1 / (fps * ticks)])
    if division == 0:
        raise _DamageError("damaged: its header says 0 ticks per quarter note")
    tempos.sort(key=lambda tempo: tempo[0])
    tick, quarter_us = np.array(tempos, dtype=np.int64).T
    return tick, quarter_us / 1e6 / division
