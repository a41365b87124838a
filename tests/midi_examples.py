"""MIDI files written by mido, for tests."""

from collections.abc import Sequence
from pathlib import Path

import mido

Messages = Sequence[tuple[int, mido.Message | mido.MetaMessage]]  # tick, message

TICKS_PER_QUARTER = 500  # with a quarter of 0.5 s, a tick is a millisecond


def written(path: Path, *tracks: Messages, form: int = 1, ends: Sequence[int] = ()) -> Path:
    """Tracks in the order of time, at one tick as given. ends: ticks of the tracks' ends, 0 for the last event."""
    file = mido.MidiFile(type=form, ticks_per_beat=TICKS_PER_QUARTER)
    for number, messages in enumerate(tracks):
        track, now = mido.MidiTrack(), 0
        for tick, message in sorted(messages, key=lambda each: each[0]):
            track.append(message.copy(time=tick - now))
            now = tick
        end = max(now, ends[number]) if ends else now
        track.append(mido.MetaMessage("end_of_track", time=end - now))
        file.tracks.append(track)
    file.save(path)
    return path


def note(start: int, end: int, key: int, channel: int = 0, velocity: int = 64) -> Messages:
    return [on(start, key, channel, velocity), off(end, key, channel)]


def on(tick: int, key: int, channel: int = 0, velocity: int = 64) -> tuple[int, mido.Message]:
    return tick, mido.Message("note_on", note=key, velocity=velocity, channel=channel)


def off(tick: int, key: int, channel: int = 0) -> tuple[int, mido.Message]:
    return tick, mido.Message("note_off", note=key, channel=channel)


def control(tick: int, number: int, value: int = 0, channel: int = 0) -> tuple[int, mido.Message]:
    return tick, mido.Message("control_change", control=number, value=value, channel=channel)


def program(tick: int, number: int, channel: int = 0) -> tuple[int, mido.Message]:
    return tick, mido.Message("program_change", program=number, channel=channel)


def tempo(tick: int, quarter_us: int) -> tuple[int, mido.MetaMessage]:
    return tick, mido.MetaMessage("set_tempo", tempo=quarter_us)


def name(text: str) -> tuple[int, mido.MetaMessage]:
    return 0, mido.MetaMessage("track_name", name=text)
