"""Notes from MIDI files: times, pedals, tempo changes, and back."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pretty_midi
import pytest
import symusic

from ricercar.data.annotations.notes import Notes
from ricercar.errors import InputError

TICK_S = 0.5 / 500  # of the hand-made MIDI files below: a quarter of 0.5 s, 500 ticks long


def write_midi(
    path: Path, notes: list[tuple[int, int, int]], pedal: list[tuple[int, int]], tempos: list[tuple[int, int]]
) -> Path:
    """(onset tick, duration in ticks, pitch), (tick, value of controller 64), (tick, microseconds per quarter)."""
    score: Any = symusic.Score(500)  # symusic's stubs do not know its own classes' members
    track: Any = symusic.Track()
    for note in notes:
        track.notes.append(symusic.Note(*note, 64))
    for tick, value in pedal:
        track.controls.append(symusic.ControlChange(tick, 64, value))
    for tick, mspq in tempos:
        score.tempos.append(symusic.Tempo(tick, mspq=mspq))
    score.tracks.append(track)
    score.dump_midi(path)
    return path


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


def test_pedal_holds_only_its_own_track(tmp_path: Path) -> None:
    score: Any = symusic.Score(500)  # symusic's stubs do not know its own classes' members
    for program, value in [(0, 127), (40, 0)]:
        track: Any = symusic.Track(program=program)
        track.notes.append(symusic.Note(100, 100, 60, 64))
        track.controls.append(symusic.ControlChange(0, 64, value))
        track.controls.append(symusic.ControlChange(500, 64, 0))
        score.tracks.append(track)
    score.dump_midi(tmp_path / "x.mid")
    notes = Notes.read(tmp_path / "x.mid")
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
