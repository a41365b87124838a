"""Sequences worked out by hand from the published rules, what is cut, and wrong options."""

import json
import re
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import numpy as np
import pytest

from configs import ROOT
from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.errors import InputError
from ricercar.models.tokens.vocabulary import EOS
from ricercar.tasks.shared.tokens.codec import of_bins, to_bin
from token_examples import make

# A drum and two instruments: the notes of test_encode_and_index_note_sequence_multitrack in mt3/note_sequences_test.py.
TRIO = Notes.make([0.0, 1.0, 2.0], [1.0, 3.0, 4.0], [37, 61, 62], 127, [DRUMS, 0, 40])


def words(codec: Any, notes: Notes, start_s: float, end_s: float) -> str:
    return str(codec.vocabulary.words(codec.encode(notes, start_s, end_s)))


@pytest.mark.parametrize(
    ("name", "num_events", "num_tokens"), [("mt3", 1388, 1536), ("ismir2021", 1514, 1664), ("compact", 306, 309)]
)
def test_sizes_are_those_published(name: str, num_events: int, num_tokens: int) -> None:
    """mt3/vocabularies.py: build_codec, and num_embeddings of 3 special ids, the events and 100 extra ids."""
    vocabulary = make(name).vocabulary
    assert (vocabulary.num_events, vocabulary.num_tokens) == (num_events, num_tokens)


def test_ids_are_those_published() -> None:
    """build_codec: shifts to 1000, pitch, velocity 0 and 1, tie, program, drum. _encode adds 3 for pad, eos, unk."""
    vocabulary = make("mt3").vocabulary
    first = [vocabulary.id(kind) for kind in ("shift", "pitch", "velocity", "tie", "program", "drum")]
    assert first == [3, 3 + 1001, 3 + 1129, 3 + 1131, 3 + 1132, 3 + 1260]
    assert make("ismir2021").vocabulary.id("tie") == 3 + 1129 + 128
    last = vocabulary.id("drum", 127)
    assert last == 3 + 1387
    assert [vocabulary.event(token).kind for token in (0, 1, 2, last + 1, 1535, 1536, -1)] == [
        "pad", "eos", "unk", "unk", "unk", "unk", "unk"
    ]  # fmt: skip
    events = [vocabulary.event(token) for token in range(last + 1)]
    assert [vocabulary.id(*event) for event in events] == list(range(last + 1))
    with pytest.raises(LookupError, match="pitch 128: values are 0 to 127"):
        vocabulary.id("pitch", 128)


def test_a_segment_of_mt3() -> None:
    """The expected events of the published test, shifts added up from the start (run_length_encode_shifts_fn).

    remove_redundant_state_changes_fn then leaves out the velocities 1 of both notes, and 0 of the second end.
    """
    tokens = make("mt3").encode(TRIO, 0.0, 4.1)
    drum, velocity, program, pitch, shift = 3 + 1260, 3 + 1129, 3 + 1132, 3 + 1001, 3
    assert tokens.tolist() == [
        3 + 1131, velocity + 1, drum + 37,
        shift + 100, program + 0, pitch + 61,
        shift + 200, program + 40, pitch + 62,
        shift + 300, program + 0, velocity + 0, pitch + 61,
        shift + 400, program + 40, pitch + 62,
        EOS,
    ]  # fmt: skip


def test_ties_of_mt3() -> None:
    """note_encoding_state_to_events: by program and pitch. The program stays what the last tie says.

    2.048 s lies in step 204, from which shifts count: encode_and_index_events begins with the events of this step.
    """
    codec = make("mt3")
    assert words(codec, TRIO, 2.048, 4.096) == (
        "program 0, pitch 61, program 40, pitch 62, tie, "
        "shift 96, program 0, velocity 0, pitch 61, shift 196, program 40, pitch 62, eos"
    )
    assert words(codec, TRIO, 3.0, 3.5) == (  # what ends in the first step is tied
        "program 0, pitch 61, program 40, pitch 62, tie, program 0, velocity 0, pitch 61, eos"
    )
    assert words(codec, TRIO, 1.0, 1.5) == "tie, program 0, velocity 1, pitch 61, eos"  # what begins there is not
    assert words(codec, TRIO, 4.01, 5.0) == "tie, eos"


def test_order_of_events_of_mt3() -> None:
    """Times are compared before they are rounded. Of equal ones ends come first, then programs, pitches; drums last."""
    notes = Notes.make(
        [0.0, 0.5, 0.5, 0.5, 0.497, 0.501], [0.5, 1.0, 1.0, 1.0, 0.502, 1.0], [70, 36, 50, 60, 65, 40], 100,
        [3, DRUMS, 3, 2, 3, 2],
    )  # fmt: skip
    assert words(make("mt3"), notes, 0.0, 0.6) == (
        "tie, program 3, velocity 1, pitch 70, shift 50, pitch 65, velocity 0, pitch 70, "
        "program 2, velocity 1, pitch 60, program 3, pitch 50, drum 36, "
        "program 2, pitch 40, program 3, velocity 0, pitch 65, eos"
    )


def test_ismir2021() -> None:
    """Velocities as they are, no ties and no programs: an end is told in the segment that it falls into."""
    notes = Notes.make([0.5, 3.0, 3.0], [1.0, 5.0, 3.5], [60, 64, 67], [90, 90, 33], pedalled_offset_s=[1.25, 5.0, 3.5])
    sequences = make("ismir2021").encode_track(notes, 6.0)
    assert [make("ismir2021").vocabulary.words(tokens) for tokens, _ in sequences] == [
        "shift 50, velocity 90, pitch 60, shift 125, velocity 0, pitch 60, "
        "shift 300, velocity 90, pitch 64, velocity 33, pitch 67, shift 350, velocity 0, pitch 67, eos",
        "shift 91, velocity 0, pitch 64, eos",  # 4.096 s: from step 409
    ]


def test_onsets_only() -> None:
    """test_encode_and_index_note_sequence, and NoteOnsetEncodingSpec: notes of 10 ms and velocity 100."""
    codec = make("ismir2021", velocity_bins=0)
    tokens = codec.encode(Notes.make([1.0, 2.0, 3.0], [1.1, 2.1, 3.1], [61, 62, 63]), 0.0, 4.0)
    assert codec.vocabulary.words(tokens) == "shift 100, pitch 61, shift 200, pitch 62, shift 300, pitch 63, eos"
    notes = codec.decode([(tokens, 0.0)], 4.0).notes
    assert notes.offset_s.tolist() == [1.01, 2.01, 3.01]
    assert set(notes.velocity) == {100}


def test_shifts_beyond_the_largest() -> None:
    """test_run_length_encode_shifts_beyond_max_length: 202 steps are 100, 100 and 2."""
    codec = make("mt3", max_shift_s=1.0)
    notes = Notes.make([2.02, 4.0], [9.0, 9.0], [60, 61], program=[DRUMS, DRUMS])
    assert words(codec, notes, 0.0, 5.0) == (
        "tie, shift 100, shift 100, shift 2, velocity 1, drum 60, "
        "shift 100, shift 100, shift 100, shift 100, drum 61, eos"
    )


@pytest.mark.parametrize(
    ("changes", "first", "second"),
    [
        (
            {},
            "tie, time 12, on 60, time 50, on 64, time 62, off 60, eos",
            "on 64, tie, time 7, off 64, time 8, on 60, on 64, time 128, on 72, eos",
        ),
        (
            {"ties": False},
            "time 12, on 60, time 50, on 64, time 62, off 60, eos",
            "time 7, off 64, time 8, on 60, on 64, time 128, on 72, eos",
        ),
        (
            {"ends": "duration"},
            "tie, time 12, on 60, duration 50, time 50, on 64, duration 0, eos",
            "on 64, duration 7, tie, time 8, on 60, duration 0, on 64, duration 0, time 128, on 72, duration 0, eos",
        ),
        (
            {"ends": "duration", "ties": False},
            "time 12, on 60, duration 50, time 50, on 64, duration 85, eos",
            "time 8, on 60, duration 128, on 64, duration 128, time 128, on 72, duration 50, eos",
        ),
        (
            {"velocity_bins": 127, "programs": {"violin": [41, 40], "piano": [0]}, "drums": [36]},
            "tie, time 12, program 1, velocity 80, on 60, time 50, on 64, time 62, off 60, eos",
            "program 1, on 64, tie, time 7, off 64, time 8, velocity 80, on 60, velocity 70, on 64, "
            "velocity 1, drum 0, time 128, program 0, on 72, eos",
        ),
    ],
)
def test_compact(changes: dict[str, Any], first: str, second: str) -> None:
    """Steps of 20 ms from the start of each segment, by hand; 2.56 s are 128 of them.

    0.245 s is nearer to step 12 than to 13, 1.25 is between 62 and 63, which half is rounded up from 62.5 - 0.005;
    5.111 s is nearest to the end of its segment.
    """
    notes = Notes.make(
        [0.245, 1.0, 2.71, 2.72, 2.72, 5.111], [1.245, 2.7, 2.72, 9.0, 9.0, 6.111], [60, 64, 36, 60, 64, 72],
        [80, 80, 1, 80, 70, 1], [0, 0, DRUMS, 0, 0, 40],
    )  # fmt: skip
    codec = make("compact", **changes)
    assert [words(codec, notes, *segment) for segment in codec.segments(5.0)] == [first, second]


def test_pitches_and_drums_that_have_no_token_are_left_out() -> None:
    notes = Notes.make([0.1, 0.2, 0.3, 0.4], [1.0] * 4, [20, 109, 38, 36], program=[0, 0, DRUMS, DRUMS])
    assert words(make("compact", drums=[36]), notes, 0.0, 1.0) == "tie, time 20, drum 0, eos"


def test_a_long_sequence_is_cut_between_events() -> None:
    codec = make("mt3", max_tokens=9)
    tokens = codec.encode(TRIO, 0.0, 4.1)
    assert codec.vocabulary.words(tokens) == (
        "tie, velocity 1, drum 37, shift 100, program 0, pitch 61, shift 200, program 40, pitch 62"
    )
    assert codec.is_cut(tokens)
    assert codec.is_cut(make("mt3", max_tokens=2).encode(TRIO, 2.5, 4.1))
    assert not codec.is_cut(codec.encode(TRIO, 0.0, 1.1))
    assert len(codec.encode(TRIO, 0.0, 1.1)) == 7
    assert len(codec.decode([(tokens, 0.0)], 4.1).notes) == 3


@pytest.mark.parametrize("bins", [1, 32, 127])
def test_velocity_bins(bins: int) -> None:
    """test_velocity_quantization: a bin's velocity is in the bin."""
    velocity = np.array(of_bins(bins))
    assert to_bin(velocity[1:], bins).tolist() == list(range(1, bins + 1))
    assert velocity[[0, -1]].tolist() == [0, 127]
    assert to_bin(np.array([1, 127]), bins).tolist() == [1, bins]


@pytest.mark.parametrize("name", ["mt3", "ismir2021", "compact"])
def test_silence(name: str) -> None:
    codec = make(name)
    decoded = codec.decode(codec.encode_track(Notes.make([], [], []), 0.0), 0.0)
    assert (len(decoded.notes), decoded.num_invalid, len(codec.segments(0.0))) == (0, 0, 1)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("mt3", {"velocity_bins": 3}, "velocity_bins=3: choose one of 0, 1, 127"),
        ("mt3", {"steps_per_s": 0}, "steps_per_s=0: must be a number above 0"),
        ("mt3", {"programs": "classes"}, "programs='classes': choose one of flat, families, full"),
        ("mt3", {"max_shift_s": 0.001}, "max_shift_s=0.001: must be a step of"),
        ("mt3", {"velocity_bins": 0}, "velocity_bins=0 tells onsets only: it needs ties=false"),
        ("mt3", {"pedal": "sustain"}, "pedal='sustain': choose one of extend, ignore"),
        ("mt3", {"max_tokens": 1}, "max_tokens=1: must be a whole number, at least 2"),
        ("mt3", {"ties": 1}, "ties=1: choose one of true, false"),
        ("compact", {"velocity_bins": 3}, "velocity_bins=3: choose one of 0, 32, 127"),
        ("compact", {"steps_per_s": 0}, "steps_per_s=0: must be a number above 0"),
        ("compact", {"programs": "classes"}, "programs='classes': choose one of flat, families, full, or own classes"),
        ("compact", {"programs": {}}, "choose one of flat, families, full, or own classes"),
        ("compact", {"programs": {"a": [1], "b": [1]}}, "programs.b: program 1 is in a already"),
        ("compact", {"programs": {"a": [128]}}, "programs.a: program 128 is above 127"),
        ("compact", {"programs": {"a": 1}}, "programs.a=1: give General MIDI programs"),
        ("compact", {"drums": [36, 36]}, r"drums=\[36, 36\]: 36 is there twice"),
        ("compact", {"ends": "both"}, "ends='both': choose one of off, duration"),
        ("compact", {"num_pitches": 120}, "num_pitches=120 from lowest_pitch=21 on leave 0 to 127"),
        ("compact", {"segment_s": 0.001}, "segment_s=0.001: must be a step of"),
    ],
    ids=lambda value: json.dumps(value)[:40] if isinstance(value, dict) else "",
)
def test_wrong_options_name_the_value_and_the_choices(name: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(name, **changes)


def test_a_segment_that_is_too_long_is_refused() -> None:
    with pytest.raises(InputError, match=r"a segment from 1 to 4 s is longer than segment_s=2\.56"):
        make("compact").encode(TRIO, 1.0, 4.0)


def test_the_example_of_the_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "tokens.md").read_text()
    code, output = (re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL)[0] for kind in ("python", "text"))
    monkeypatch.chdir(ROOT)
    with redirect_stdout(StringIO()) as printed:
        exec(code, {})
    assert printed.getvalue() == output
