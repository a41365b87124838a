"""decode(encode(x)) is x to the grid, for random and for real notes; a plain reading says what the grid makes of x."""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.tasks.shared.tokens.codec import Codec
from ricercar.tasks.shared.tokens.compact import Compact
from token_examples import CODECS, OWN, example, make

Row = tuple[float, float, int, int, int]  # onset and offset in steps, pitch, velocity, program

DURATION_S = 5.3
CODEC = {name: example(name) for name in CODECS}
PROGRAMS = [-1, 0, 1, 25, 40, DRUMS]


def random_notes(seed: int, number: int) -> Notes:
    """Whole milliseconds, so that many times are half a step; few pitches, so that many overlap; some very short."""
    random = np.random.default_rng(seed)
    onset = random.integers(0, 3000, number)
    offset = onset + random.integers(1, random.choice([30, 300, 1800], number))
    pedal = offset + random.integers(0, 400, number)
    pitch, velocity = random.integers(36, 40, number), random.integers(1, 128, number)
    return Notes.make(onset / 1000, offset / 1000, pitch, velocity, random.choice(PROGRAMS, number), pedal / 1000)


def told_program(codec: Codec, program: int) -> int | None:
    """Of decoded notes; None where the note is left out."""
    program = max(program, 0)
    own = [each for each in OWN.values() if program in each]
    known = {1: -1, 16: program // 8 * 8, 128: program, len(OWN): own[0][0] if own else None}
    return known[len(codec.programs)]


def on_grid(codec: Any, notes: Notes, duration_s: float) -> list[Row]:
    """Plainly: what a track is after encoding and decoding."""
    compact = isinstance(codec, Compact)
    least_s = 1 / codec.steps_per_s if compact else 0.0
    ends = notes.pedalled_offset_s if codec.pedal == "extend" else notes.offset_s
    kept: list[list[Any]] = []
    for onset_s, offset_s, pitch, velocity, program in zip(
        *(each.tolist() for each in (notes.onset_s, ends, notes.semitone, notes.velocity, notes.program)), strict=True
    ):
        told = program if program == DRUMS else told_program(codec, program)
        drums = [38, 36] if compact and len(codec.rules.drums) else range(128 * (not compact and codec.drums))
        if told is None or (program == DRUMS and pitch not in drums):
            continue
        if compact and program != DRUMS and not 21 <= pitch < 109:
            continue
        kept.append([onset_s, max(offset_s, onset_s + least_s), pitch, velocity, told])
    again: dict[tuple[int, int], float] = {}
    for note in reversed(kept):
        note[1] = min(note[1], again.get((note[2], note[4]), math.inf))
        again[note[2], note[4]] = note[0]
    rows = []
    for onset_s, offset_s, pitch, velocity, program in kept:
        if offset_s - onset_s <= max(least_s - 1e-6, 0):
            continue
        if compact:
            onset, offset = (math.floor(round(each * codec.steps_per_s, 6) + 0.5) for each in (onset_s, offset_s))
            offset = min(offset, round(duration_s * codec.steps_per_s, 6))
            if not codec.ties and codec.durations:
                offset = min(offset, onset + codec.num_steps)
            bins = codec.velocity_bins
            velocity = 127 * math.ceil(bins * velocity / 127) // bins if bins else 64
        else:
            onset, offset = (round(each * codec.steps_per_s) for each in (onset_s, offset_s))
            offset = max(offset, onset + 1)
            velocity = velocity if codec.velocity_bins == 127 else 127
        rows.append((onset, onset + 1 if program == DRUMS else offset, pitch, velocity, program))
    return sorted(rows)


def steps_of(codec: Codec, notes: Notes) -> list[Row]:
    times = (np.round(each * codec.steps_per_s, 4).tolist() for each in (notes.onset_s, notes.offset_s))
    return sorted(zip(*times, notes.semitone.tolist(), notes.velocity.tolist(), notes.program.tolist(), strict=True))


def check(codec: Codec, notes: Notes, duration_s: float) -> None:
    decoded = codec.decode(codec.encode_track(notes, duration_s), duration_s)
    assert (decoded.num_invalid, decoded.dropped) == (0, 0)
    assert steps_of(codec, decoded.notes) == on_grid(codec, notes, duration_s)


@pytest.mark.parametrize("name", CODECS)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_random_notes(name: str, seed: int) -> None:
    for number in (1, 3, 6, 12, 20):
        check(CODEC[name], random_notes(seed, number), DURATION_S)


@pytest.mark.parametrize("name", CODECS)
def test_borders(name: str) -> None:
    """Onsets and ends at, and half a step around, the second border of segments; a note over all of them."""
    codec = CODEC[name]
    border_s = codec.segments(20.0)[2][0]
    near_s = border_s + np.array([-2, -1, -0.5, -0.49, 0, 0.49, 0.5, 1, 2]) / codec.steps_per_s
    number = len(near_s)
    onset_s = np.concatenate([near_s, near_s - 0.3, [0.05]])
    offset_s = np.concatenate([near_s + 0.3, near_s, [border_s + 1.5]])
    check(codec, Notes.make(onset_s, offset_s, np.arange(50, 51 + 2 * number), 90, 0), border_s + 2.0)


@pytest.mark.parametrize("ends", ["off", "duration"])
def test_segments_need_not_be_whole_steps(ends: str) -> None:
    """What is rounded past a border, by half a step at most, is at the border."""
    codec = make("compact", ends=ends, segment_s=0.333)
    border_s = 0.333 * np.arange(1, 19)  # 16.65 steps apart
    near_s = np.concatenate([border_s - 0.002, border_s + 0.1])
    notes = Notes.make(near_s, near_s + 0.231, np.arange(50, 50 + len(near_s)))
    decoded = codec.decode(codec.encode_track(notes, 6.5), 6.5)
    assert (decoded.num_invalid, decoded.dropped) == (0, 0)
    assert np.abs(decoded.notes.onset_s - notes.onset_s).max() < 0.0101
    assert np.abs(decoded.notes.offset_s - notes.offset_s).max() < 0.0101


@pytest.mark.parametrize("name", ["compact", "duration"])
def test_a_note_without_an_end_lasts_as_long_as_the_track(name: str) -> None:
    decoded = CODEC[name].decode(CODEC[name].encode_track(Notes.make([0.5], [60.0], [60]), 7.0), 7.0)
    assert steps_of(CODEC[name], decoded.notes) == [(25, 350, 60, 64, -1)]


# Real notes


def real_notes(folder: str, suffix: str) -> list[Notes]:
    root = os.environ.get("RICERCAR_TEST_DATA")
    if root is None:
        pytest.skip(f"set RICERCAR_TEST_DATA to a folder that holds {folder}/")
    paths = sorted((Path(root) / folder).glob(f"*{suffix}"))
    assert paths
    return [Notes.read(path) for path in paths[:: len(paths) // 3]]


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize(("folder", "suffix"), [("maps/notes", ".tsv"), ("asap/midi", ".mid"), ("pop909/midi", ".mid")])
def test_real_notes(name: str, folder: str, suffix: str) -> None:
    for notes in real_notes(folder, suffix):
        excerpt = notes.between(20.0, 45.0)
        check(CODEC[name], excerpt, float(np.ceil(excerpt.pedalled_offset_s.max())))
