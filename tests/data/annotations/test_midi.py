"""Notes from MIDI files: times, pedals, tempo changes, and back."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pretty_midi
import pytest

import midi_examples as midi
from ricercar.data.annotations.notes import Notes
from ricercar.errors import InputError

TICK_S = 0.001  # of the files that midi_examples writes


def write_midi(
    path: Path, notes: list[tuple[int, int, int]], pedal: list[tuple[int, int]], tempos: list[tuple[int, int]]
) -> Path:
    """(onset tick, duration in ticks, pitch), (tick, value of controller 64), (tick, microseconds per quarter)."""
    conductor = [midi.tempo(*each) for each in tempos]
    played = [each for on, duration, key in notes for each in midi.note(on, on + duration, key)]
    return midi.written(path, conductor, [midi.control(tick, 64, value) for tick, value in pedal] + played)


@pytest.mark.parametrize(
    ("pedal", "damped"),
    [
        ([], [200, 800]),
        ([(0, 127), (600, 0)], [400, 800]),  # struck again at 400, while the pedal is down
        ([(0, 127), (300, 0)], [300, 800]),  # pedal up at 300
        ([(0, 63), (300, 0)], [200, 800]),  # 63 is up
        ([(0, 64), (300, 63)], [300, 800]),  # 64 is down
        ([(250, 127), (300, 0)], [200, 800]),  # down after the key was released: too late
        ([(200, 127), (300, 0)], [300, 800]),  # down at the very tick of the release
        ([(0, 127), (200, 0)], [200, 800]),  # up at the very tick of the release
        ([(0, 127), (200, 0), (200, 127), (350, 0)], [350, 800]),  # up and down again: the last message counts
        ([(0, 127), (250, 100), (350, 5)], [350, 800]),  # half-pedal values above 63 hold
        ([(500, 127)], [200, 1000]),  # never up: until the file ends
    ],
)
def test_pedal_holds_a_note_until_it_is_up_or_the_key_is_struck_again(
    pedal: list[tuple[int, int]], damped: list[int], tmp_path: Path
) -> None:
    path = write_midi(tmp_path / "x.mid", [(100, 100, 60), (400, 400, 60), (900, 100, 72)], pedal, [])
    notes = Notes.read(path)
    of_60 = notes.pitch == 60
    np.testing.assert_allclose(notes.offset_s[of_60], np.array([200, 800]) * TICK_S, atol=1e-12)
    np.testing.assert_allclose(notes.pedalled_offset_s[of_60], np.array(damped) * TICK_S, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_pedal_against_a_player_that_steps_through_the_ticks(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    notes = []
    for pitch in (60, 64):
        ticks = np.sort(random.choice(np.arange(1, 300), 30, replace=False))
        notes += [(int(on), int(off - on), pitch) for on, off in zip(ticks[::2], ticks[1::2], strict=True)]
    pedal = [(int(tick), int(random.integers(0, 128))) for tick in np.sort(random.choice(300, 25, replace=False))]
    end = max([on + duration for on, duration, _ in notes] + [tick for tick, _ in pedal])

    expected = {}
    for on, duration, pitch in notes:
        tick = on + duration
        while tick < end and max([(0, 0)] + [event for event in pedal if event[0] <= tick])[1] >= 64:
            if any(other == tick and same == pitch for other, _, same in notes):
                break
            tick += 1
        expected[on, pitch] = tick

    read = Notes.read(write_midi(tmp_path / "x.mid", notes, pedal, []))
    damped = {
        (round(onset / TICK_S), pitch): round(offset / TICK_S)
        for onset, pitch, offset in zip(read.onset_s, read.pitch.tolist(), read.pedalled_offset_s, strict=True)
    }
    assert damped == expected


def test_pedal_does_not_shorten_a_note_that_overlaps_the_next(tmp_path: Path) -> None:
    path = write_midi(tmp_path / "x.mid", [(100, 300, 60), (200, 300, 60)], [(0, 127), (600, 0)], [])
    assert Notes.read(path).pedalled_offset_s.tolist() == pytest.approx([400 * TICK_S, 600 * TICK_S])


def test_pedal_holds_only_its_own_channel(tmp_path: Path) -> None:
    tracks = [
        [
            midi.program(0, program, channel),
            midi.control(0, 64, value, channel),
            *midi.note(100, 200, 60, channel),
            midi.control(500, 64, 0, channel),
        ]
        for channel, (program, value) in enumerate([(0, 127), (40, 0)])
    ]
    notes = Notes.read(midi.written(tmp_path / "x.mid", *tracks))
    held_s = dict(zip(notes.program.tolist(), notes.pedalled_offset_s, strict=True))
    assert held_s == pytest.approx({0: 500 * TICK_S, 40: 200 * TICK_S})


def test_tempo_changes_move_the_notes(tmp_path: Path) -> None:
    tempos = [(1000, 1_000_000), (2000, 250_000)]  # 0.5 s a quarter until tick 1000, then 1 s, then 0.25 s
    path = write_midi(tmp_path / "x.mid", [(500, 1000, 60), (2000, 500, 62)], [], tempos)
    notes = Notes.read(path)
    assert notes.onset_s.tolist() == pytest.approx([0.5, 3.0])
    assert notes.offset_s.tolist() == pytest.approx([2.0, 3.25])


def test_midi_note_without_a_length_is_kept(tmp_path: Path) -> None:
    notes = Notes.read(write_midi(tmp_path / "x.mid", [(100, 0, 60), (200, 50, 62)], [], []))
    assert notes.pitch.tolist() == [60, 62]
    assert notes.offset_s.tolist() == pytest.approx([0.101, 0.25])


def test_midi_file_with_a_damaged_header(tmp_path: Path) -> None:
    path = write_midi(tmp_path / "x.mid", [(100, 50, 60)], [], [])
    content = bytearray(path.read_bytes())
    content[12:14] = b"\0\0"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.mid: damaged: .* 0 ticks per quarter"):
        Notes.read(path)


def test_midi_written_and_read_again(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    onset = np.arange(60) * 0.37 + random.uniform(0, 0.01, 60)
    notes = Notes.make(onset, onset + 0.3, random.integers(21, 109, 60), 77, random.choice([0, 12, 128], 60))
    notes.write_midi(tmp_path / "x.mid")
    again = Notes.read(tmp_path / "x.mid")
    np.testing.assert_allclose(again.onset_s, notes.onset_s, atol=0.05e-3)
    np.testing.assert_allclose(again.offset_s, notes.offset_s, atol=0.05e-3)
    assert again.pitch.tolist() == notes.pitch.tolist()
    assert again.velocity.tolist() == notes.velocity.tolist()
    assert again.program.tolist() == notes.program.tolist()
    other = pretty_midi.PrettyMIDI(str(tmp_path / "x.mid"))
    assert sorted(note.start for part in other.instruments for note in part.notes) == pytest.approx(
        notes.onset_s, abs=0.05e-3
    )


def rows(path: Path) -> list[tuple[int, ...]]:
    """Onset, offset, pedalled offset (ticks), pitch, program."""
    notes = Notes.read(path)
    times = (
        np.rint(each / TICK_S).astype(int).tolist() for each in (notes.onset_s, notes.offset_s, notes.pedalled_offset_s)
    )
    return list(zip(*times, notes.semitone.tolist(), notes.program.tolist(), strict=True))


def test_every_key_that_is_struck_is_a_note(tmp_path: Path) -> None:
    """The end is that of the first of three; the others last to the end of their track, and say so."""
    strikes = [midi.on(100, 60), midi.on(200, 60), midi.on(300, 60), midi.off(400, 60)]
    path = midi.written(tmp_path / "x.mid", strikes, midi.note(0, 2000, 72), ends=[1000, 0])
    assert rows(path) == [
        (0, 2000, 2000, 72, 0),
        (100, 400, 400, 60, 0),
        (200, 1000, 1000, 60, 0),
        (300, 1000, 1000, 60, 0),
    ]
    assert Notes.read(path).unended.tolist() == [False, False, True, True]


def test_note_on_without_velocity_ends_a_note(tmp_path: Path) -> None:
    path = midi.written(
        tmp_path / "x.mid", [midi.on(100, 60), midi.on(300, 60, velocity=0), midi.on(500, 60, velocity=0)]
    )
    assert rows(path) == [(100, 300, 300, 60, 0)]


def test_drums_without_ends_count(tmp_path: Path) -> None:
    path = midi.written(tmp_path / "x.mid", [midi.on(tick, 38, channel=9) for tick in (100, 200, 300)], ends=[400])
    assert [(onset, pitch, program) for onset, _, _, pitch, program in rows(path)] == [
        (tick, 38, 128) for tick in (100, 200, 300)
    ]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (midi.control(300, 123), [(50, 100, 600, 64, 0), (100, 300, 600, 60, 0)]),  # keys come up, the pedal stays
        (midi.control(300, 120), [(50, 100, 300, 64, 0), (100, 300, 300, 60, 0)]),  # silence, whatever the pedal
        (midi.control(300, 121), [(50, 100, 300, 64, 0), (100, 500, 500, 60, 0)]),  # the pedal comes up, keys stay
        (midi.control(300, 120, channel=1), [(50, 100, 600, 64, 0), (100, 500, 600, 60, 0)]),
    ],
    ids=["123", "120", "121", "other channel"],
)
def test_messages_that_end_all_notes_of_a_channel(
    message: Any, expected: list[tuple[int, ...]], tmp_path: Path
) -> None:
    played = [midi.control(0, 64, 127), *midi.note(50, 100, 64), *midi.note(100, 500, 60), midi.control(600, 64, 0)]
    assert rows(midi.written(tmp_path / "x.mid", [message], played)) == expected


def test_the_pedal_holds_across_a_change_of_program(tmp_path: Path) -> None:
    events = [midi.program(0, 0), midi.control(0, 64, 127), *midi.note(0, 250, 60), midi.program(500, 4)]
    events += [*midi.note(500, 750, 64), midi.control(2000, 64, 0), *midi.note(2500, 3000, 67)]
    assert rows(midi.written(tmp_path / "x.mid", events)) == [
        (0, 250, 2000, 60, 0),
        (500, 750, 2000, 64, 4),
        (2500, 3000, 3000, 67, 4),
    ]


def test_programs_and_pedals_of_other_tracks_count(tmp_path: Path) -> None:
    conductor = [midi.program(0, 40), midi.tempo(0, 500_000)]
    left = [midi.control(0, 64, 127), midi.control(900, 64, 0), *midi.note(100, 400, 60)]
    right = [*midi.note(200, 300, 60), *midi.note(500, 600, 64)]
    assert rows(midi.written(tmp_path / "x.mid", conductor, left, right)) == [
        (100, 400, 400, 60, 40),  # each track ends its own note, though key and channel are the same
        (200, 300, 900, 60, 40),
        (500, 600, 900, 64, 40),
    ]


def test_tempos_are_those_of_all_tracks(tmp_path: Path) -> None:
    path = midi.written(tmp_path / "x.mid", midi.note(1000, 2000, 60), [midi.tempo(1500, 1_000_000)])
    assert rows(path) == [(1000, 2500, 2500, 60, 0)]


@pytest.mark.parametrize(
    ("fps", "ticks", "second"), [(24, 10, 240), (25, 40, 1000), (29, 100, 3000 / 1.001), (30, 80, 2400)]
)
def test_time_in_frames_of_smpte(fps: int, ticks: int, second: float, tmp_path: Path) -> None:
    path = midi.written(tmp_path / "x.mid", [midi.tempo(0, 123_456), *midi.note(1000, 2000, 60)])
    content = bytearray(path.read_bytes())
    content[12:14] = bytes((256 - fps, ticks))
    path.write_bytes(content)
    assert Notes.read(path).onset_s.tolist() == pytest.approx([1000 / second])


def test_a_day_of_silence_names_the_file(tmp_path: Path) -> None:
    path = midi.written(tmp_path / "x.mid", [midi.tempo(0, 16_000_000), *midi.note(3_000_000, 3_000_100, 60)])
    with pytest.raises(InputError, match=r"x\.mid: note 1: onset .* more than a day"):
        Notes.read(path)


def test_format_2_is_refused(tmp_path: Path) -> None:
    path = midi.written(tmp_path / "x.mid", midi.note(0, 100, 60), midi.note(0, 100, 64), form=2)
    with pytest.raises(InputError, match=r"x\.mid: a MIDI file of format 2.*format 1"):
        Notes.read(path)


def test_more_programs_than_channels_are_written(tmp_path: Path) -> None:
    program = np.arange(40)
    notes = Notes.make(program / 10, program / 10 + 0.35, 50 + program % 7, 64, program)
    notes.write_midi(tmp_path / "x.mid")
    again = Notes.read(tmp_path / "x.mid")
    assert again.program.tolist() == program.tolist()
    np.testing.assert_allclose(again.offset_s, notes.offset_s, atol=0.05e-3)


def test_notes_of_a_performance_are_those_that_pretty_midi_reads() -> None:
    folder = data_folder() / "asap" / "midi"
    path = folder / "Beethoven_Piano_Sonatas_26_2_HONG05M.mid"
    other = [note for part in pretty_midi.PrettyMIDI(str(path)).instruments for note in part.notes]
    other.sort(key=lambda note: (note.start, note.pitch))
    notes = Notes.read(path)
    np.testing.assert_allclose(notes.onset_s, [note.start for note in other], atol=1e-9)
    np.testing.assert_allclose(notes.offset_s, [note.end for note in other], atol=1e-9)
    assert notes.pitch.tolist() == [note.pitch for note in other]
    assert notes.velocity.tolist() == [note.velocity for note in other]
    assert 0.05 < np.mean(notes.pedalled_offset_s > notes.offset_s) < 1


def data_folder() -> Path:
    folder = os.environ.get("RICERCAR_TEST_DATA")
    if not folder:
        pytest.skip("set RICERCAR_TEST_DATA to a folder with asap/")
    return Path(folder)
