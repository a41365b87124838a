"""Sequences that no network should give: what becomes of them, worked out by hand from MT3's rules; none raises."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.tasks.shared.tokens.decoding import Decoded
from token_examples import CODECS, example, make

CODEC = {name: example(name) for name in CODECS}


def decode(codec: Any, *segments: tuple[str, float], duration_s: float = 10.0) -> Decoded:
    """Segments as one writes them: `shift 5, pitch 60`; `id 7` is a number as it stands."""
    sequences = []
    for text, start_s in segments:
        words = [[*word.split(), "0"][:2] for word in text.split(", ")]
        tokens = [int(value) if kind == "id" else codec.vocabulary.id(kind, int(value)) for kind, value in words]
        sequences.append((np.array(tokens), start_s))
    found = codec.decode(sequences, duration_s)
    assert isinstance(found, Decoded)
    return found


def rows(notes: Notes) -> list[tuple[float, float, int]]:
    return list(zip(notes.onset_s.tolist(), notes.offset_s.tolist(), notes.semitone.tolist(), strict=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # decode_note_event ends the note that is active: test_decode_note_sequence_events_missing_offset.
        (
            "shift 5, velocity 1, pitch 60, shift 10, pitch 60, shift 25, velocity 0, pitch 60",
            [(0.05, 0.1, 60), (0.1, 0.25, 60)],
        ),
        # _add_note_to_sequence: 10 ms at least.
        ("shift 5, velocity 1, pitch 60, velocity 0, pitch 60", [(0.05, 0.06, 60)]),
        # decode_events adds shifts in a row up, over what is no event; others count from the start.
        ("shift 100, id 2, shift 5, velocity 1, pitch 60, shift 120, velocity 0, pitch 60", [(1.05, 1.2, 60)]),
        # flush_note_decoding_state: until the last event, and 10 ms after the last onset.
        ("shift 5, velocity 1, pitch 60, shift 50, pitch 62", [(0.05, 0.51, 60), (0.5, 0.51, 62)]),
        ("shift 5, velocity 1, pitch 60, shift 50, velocity 0", [(0.05, 0.5, 60)]),
        # A drum lasts 10 ms; a pitch without velocity is an onset, of velocity 100 (NoteDecodingState).
        ("drum 36, shift 7, pitch 60, shift 9, velocity 0, pitch 60", [(0.0, 0.01, 36), (0.07, 0.09, 60)]),
        # trim_eos: what follows EOS does not count.
        ("velocity 1, pitch 60, shift 9, velocity 0, pitch 60, eos, pitch 60", [(0.0, 0.09, 60)]),
    ],
)
def test_the_state_machine_of_mt3(text: str, expected: list[tuple[float, float, int]]) -> None:
    decoded = decode(CODEC["mt3"], (f"tie, {text}", 0.0))
    assert rows(decoded.notes) == expected
    assert decoded.num_invalid == text.count("id 2")


def test_ties_of_mt3() -> None:
    """Of three notes one is tied: the others end at the segment's start (decode_note_event, `tie`), on its grid."""
    first = "tie, program 40, velocity 1, pitch 60, pitch 64, program 3, pitch 60, shift 30, pitch 67"
    second = "program 40, pitch 60, tie, shift 10, velocity 0, pitch 60, program 3, pitch 67"
    decoded = decode(CODEC["mt3"], (second, 2.048), (first, 0.0))
    assert rows(decoded.notes) == [(0.0, 2.04, 60), (0.0, 2.14, 60), (0.0, 2.04, 64), (0.3, 2.04, 67)]
    assert decoded.notes.program.tolist() == [3, 40, 40, 3]
    assert {kind: number for kind, number in decoded.invalid.items() if number} == {"off_silent": 1}


def test_what_reaches_past_the_next_segment_is_dropped() -> None:
    """test_decode_note_sequence_events_dropped_events, and ..._allow_event_at_exactly_max_time."""
    codec = CODEC["ismir2021"]
    decoded = decode(codec, ("velocity 1, pitch 60, shift 25, pitch 61, shift 30, pitch 62", 1.0), ("eos", 1.25))
    assert decoded.dropped == 2
    assert rows(decoded.notes) == [(1.0, 1.26, 60), (1.25, 1.26, 61)]


@pytest.mark.parametrize(
    ("name", "text", "kind", "number"),
    [
        ("mt3", "tie, id 0, id 2, id 1391, id 5000, id -4", "unknown", 5),
        ("compact", "tie, id -1, id 309", "unknown", 2),
        ("mt3", "tie, shift 9, velocity 1, pitch 60, shift 5, pitch 62, program 3", "backwards", 2),
        ("mt3", "pitch 60, tie", "tie_silent", 1),
        ("mt3", "tie, tie", "late_tie", 1),
        ("ismir2021", "tie", "late_tie", 1),
        ("mt3", "tie, velocity 0, pitch 60", "off_silent", 1),
        ("mt3", "tie, velocity 0, drum 36", "drum_off", 1),
        ("compact", "on 60, tie", "tie_silent", 1),
        ("compact", "tie, time 3, off 60", "off_silent", 1),
        ("compact", "tie, time 3, on 60, time 2, off 60, on 61", "backwards", 2),
        ("duration", "tie, time 3, on 60, time 4, on 60, on 61, duration 2, on 62", "no_duration", 3),
        ("duration", "tie, duration 3, time 3, on 60, duration 3, duration 3", "stray_duration", 2),
    ],
)
def test_invalid_events_are_counted_by_kind(name: str, text: str, kind: str, number: int) -> None:
    decoded = decode(CODEC[name], (text, 0.0))
    assert {each: found for each, found in decoded.invalid.items() if found} == {kind: number}


def test_a_note_is_tied_once() -> None:
    decoded = decode(CODEC["compact"], ("tie, time 3, on 60", 0.0), ("on 60, on 60, tie", 2.56))
    assert decoded.invalid["tie_twice"] == decoded.num_invalid == 1


def test_a_note_that_has_its_duration_cannot_be_tied() -> None:
    first = "tie, time 100, on 60, duration 10, on 64, duration 0"
    decoded = decode(CODEC["duration"], (first, 0.0), ("on 60, duration 9, on 64, duration 9, tie", 2.56))
    assert decoded.invalid["tie_silent"] == decoded.invalid["stray_duration"] == decoded.num_invalid / 2 == 1
    assert rows(decoded.notes) == [(2.0, 2.2, 60), (2.0, 2.74, 64)]


def test_onsets_only_take_nothing_else() -> None:
    decoded = decode(make("ismir2021", velocity_bins=0), ("shift 3, pitch 60, drum 3, velocity 0", 0.0))
    assert decoded.invalid["misplaced"] == decoded.num_invalid == 2
    assert rows(decoded.notes) == [(0.03, 0.04, 60)]


def test_durations() -> None:
    """A note that is open is tied, for what its tie says; one that is not tied ends with its segment.

    An onset ends what sounds: of pitch 60, after 10 steps. Without a duration a note lasts a step.
    """
    decoded = decode(
        CODEC["duration"],
        (
            "tie, time 0, on 60, duration 100, on 64, duration 0, on 65, duration 0, time 10, on 60, duration 3, on 70",
            0.0,
        ),
        ("on 64, duration 5, tie, time 1, on 70, duration 0", 2.56),
        duration_s=5.0,
    )
    assert rows(decoded.notes) == [
        (0.0, 0.2, 60), (0.0, 2.66, 64), (0.0, 2.56, 65), (0.2, 0.26, 60), (0.2, 0.22, 70), (2.58, 5.0, 70)
    ]  # fmt: skip


@pytest.mark.parametrize("name", CODECS)
@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_anything_is_decoded(name: str, seed: int) -> None:
    codec, random = CODEC[name], np.random.default_rng(seed)
    sequences = [(random.integers(-3, codec.vocabulary.num_tokens + 3, 60), start_s) for start_s in (0.0, 1.1, 2.56)]
    decoded = codec.decode(sequences, 5.0)
    assert len(decoded.notes) + decoded.num_invalid + decoded.dropped <= 180
    assert set(decoded.notes.program) <= {*codec.programs.first.tolist(), DRUMS}
