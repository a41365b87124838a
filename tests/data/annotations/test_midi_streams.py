"""MIDI files of random events, read against a plain reading; and damaged ones."""

import contextlib
from pathlib import Path

import mido
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import midi_examples as midi
from ricercar.data.annotations.notes import Notes
from ricercar.errors import InputError

CHANNELS, KEYS = (0, 9), (60, 61)

Part = tuple[list[tuple[int, mido.Message | mido.MetaMessage]], int]  # events in the order of time, tick of the end
Row = tuple[int, int, int, int, int, int, bool]  # onset, offset, pedalled offset, key, velocity, program, unended


@st.composite
def tracks(draw: st.DrawFn) -> list[Part]:
    """One to three tracks; few ticks, channels and keys: they meet."""
    tick, channel, key = st.integers(0, 40), st.sampled_from(CHANNELS), st.sampled_from(KEYS)
    event = st.one_of(
        st.builds(midi.on, tick, key, channel, st.integers(1, 127)),
        st.builds(midi.on, tick, key, channel, st.integers(1, 127)),
        st.builds(midi.off, tick, key, channel),
        st.builds(midi.on, tick, key, channel, st.just(0)),
        st.builds(midi.control, tick, st.just(64), st.sampled_from((0, 63, 64, 127)), channel),
        st.builds(midi.control, tick, st.sampled_from((7, 120, 121, 123)), st.just(0), channel),
        st.builds(midi.program, tick, st.integers(0, 2), channel),
        st.builds(midi.tempo, tick, st.sampled_from((250_000, 500_000, 1_000_000))),
    )
    found = []
    for _ in range(draw(st.integers(1, 3))):
        events = sorted(draw(st.lists(event, max_size=14)), key=lambda each: each[0])
        found.append((events, draw(st.integers(40, 60))))
    return found


def plain_reading(all_tracks: list[Part]) -> list[Row]:
    """As midi_file says it, one note after the other, each with a search through all events. Times in ticks."""
    merged = [
        (tick, number, message)
        for tick in range(61)
        for number, (events, _) in enumerate(all_tracks)
        for at, message in events
        if at == tick
    ]
    last = max([0, *(tick for tick, _, _ in merged)])
    rows = []
    taken: set[int] = set()
    for place, (onset, number, message) in enumerate(merged):
        if message.type != "note_on" or message.velocity == 0:
            continue
        channel, key = message.channel, message.note
        others = [(at, n, m) for at, n, m in merged if not m.is_meta and m.channel == channel]
        before = [m.program for at, n, m in merged[:place] if m.type == "program_change" and m.channel == channel]
        offset, unended = all_tracks[number][1], True
        for later in range(place + 1, len(merged)):
            at, n, m = merged[later]
            if m.is_meta or m.channel != channel:
                continue
            ends = m.type == "note_off" or (m.type == "note_on" and m.velocity == 0)
            if ends and (n, m.note) == (number, key) and later not in taken:
                taken.add(later)
                offset, unended = at, False
                break
            if m.type == "control_change" and m.control in (120, 123):
                offset, unended = at, False
                break
        damped = offset
        while damped < last:
            pedal = False
            for at, _, m in others:
                if at <= damped and m.type == "control_change" and m.control in (64, 121):
                    pedal = m.control == 64 and m.value >= 64
            now = [m for at, _, m in others if at == damped and m.type == "control_change"]
            lifted = damped > offset and any(m.control == 121 or (m.control == 64 and m.value < 64) for m in now)
            silenced = any(m.control == 120 for m in now)
            again = any(
                m.type == "note_on" and m.velocity > 0 and m.note == key for at, _, m in others if onset < at <= damped
            )
            if not pedal or lifted or silenced or again:
                break
            damped += 1
        drums = channel == 9
        program = 128 if drums else (before[-1] if before else 0)
        rows.append((onset, offset, damped, key, message.velocity, program, unended))
    return rows


def seconds(all_tracks: list[Part]) -> list[float]:
    """Of each tick, one after the other."""
    changes = [(at, m.tempo) for events, _ in all_tracks for at, m in events if m.type == "set_tempo"]
    times, tempo = [0.0], 500_000
    for tick in range(61):
        for at, each in changes:
            if at == tick:
                tempo = each
        times.append(times[-1] + tempo / 1e6 / midi.TICKS_PER_QUARTER)
    return times


@settings(max_examples=300, deadline=None, derandomize=True)
@given(tracks())
def test_random_events_are_read_as_by_a_plain_reading(
    tmp_path_factory: pytest.TempPathFactory,
    all_tracks: list[Part],
) -> None:
    path = tmp_path_factory.getbasetemp() / "random.mid"
    midi.written(path, *(events for events, _ in all_tracks), ends=[end for _, end in all_tracks])
    time_s = seconds(all_tracks)
    expected = []
    for onset, offset, damped, key, velocity, program, unended in plain_reading(all_tracks):
        offset_s = time_s[offset] if offset > onset else time_s[onset] + 0.001
        expected.append((time_s[onset], offset_s, max(time_s[damped], offset_s), key, velocity, program, unended))
    notes = Notes.read(path)
    columns = (notes.onset_s, notes.offset_s, notes.pedalled_offset_s, notes.pitch, notes.velocity, notes.program)
    found = list(zip(*(column.tolist() for column in (*columns, notes.unended)), strict=True))
    assert len(found) == len(expected)
    np.testing.assert_allclose(
        np.array(sorted(np.round(found, 9).tolist())), np.array(sorted(np.round(expected, 9).tolist())), atol=2e-9
    )


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4),
    st.one_of(st.none(), st.integers(0, 10_000)),
)
def test_damaged_files_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[int, int]], cut: int | None
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.mid"
    events = [midi.name("p\xe9dale"), midi.tempo(0, 400_000), midi.program(0, 5), midi.control(0, 64, 127)]
    events += [each for number in range(8) for each in midi.note(100 * number, 100 * number + 90, 60 + number)]
    midi.written(path, events, midi.note(0, 5000, 36, channel=9))
    content = bytearray(path.read_bytes())
    for place, value in flips:
        content[place % len(content)] = value
    path.write_bytes(content if cut is None else content[: cut % len(content)])
    with contextlib.suppress(InputError):
        Notes.read(path)
        assert cut is None


def test_ten_thousand_notes_and_none_is_lost(tmp_path: Path) -> None:
    events = [each for number in range(10_000) for each in midi.note(10 * number, 10 * number + 25, 30 + number % 60)]
    assert len(Notes.read(midi.written(tmp_path / "x.mid", events))) == 10_000
