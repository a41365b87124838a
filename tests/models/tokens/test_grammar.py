"""What a codec says fits its grammar, and what fits is decoded without invalid events: random walks through it."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.models.tokens.vocabulary import EOS, PAD
from ricercar.tasks.shared.tokens.decoding import Decoded
from token_examples import CODECS, OWN, example, make

CODEC = {name: example(name) for name in CODECS if name != "duration"} | {"onsets": make("ismir2021", velocity_bins=0)}
NUM_WALKS = {name: min(80, 65536 // (len(codec.programs) * 128)) for name, codec in CODEC.items()}
STEPS = 20


def random_notes(seed: int) -> Notes:
    random = np.random.default_rng(seed)
    number = random.integers(0, 16)
    onset_s = random.uniform(0, 4, number)
    duration_s = random.exponential(random.choice([0.02, 0.5]), number) + 0.001
    program = random.choice([0, 1, 25, 40, DRUMS], number)
    return Notes.make(
        onset_s, onset_s + duration_s, random.integers(36, 40, number), random.integers(1, 128, number), program
    )


def last_steps(codec: Any, segment: tuple[float, float], number: int) -> Tensor:
    return torch.full((number,), codec.last_step(*segment))


@pytest.mark.parametrize("name", CODEC)
def test_what_is_encoded_is_allowed(name: str) -> None:
    """For tracks, segment by segment, whether or not it is known what sounds at the start: half of them each."""
    codec, number = CODEC[name], NUM_WALKS[name] // 2
    tracks = [random_notes(seed) for seed in range(number)]
    sounding = torch.zeros((number, len(codec.programs), codec.grammar.num_pitches), dtype=torch.bool)
    for segment in codec.segments(4.2):
        told = 2 * [codec.encode(notes, *segment) for notes in tracks]
        tokens = torch.full((2 * number, max(map(len, told)) + 1), PAD)
        for row, each in enumerate(told):
            tokens[row, : len(each)] = torch.from_numpy(each)
        known = torch.cat([sounding, torch.ones_like(sounding)])
        state = codec.grammar.start(last_steps(codec, segment, 2 * number), known)
        for token in tokens.T:
            allowed = codec.grammar.allowed(state)
            assert allowed.gather(1, token[:, None]).all()
            state = codec.grammar.advance(state, token)
        assert state.done.all()
        sounding = state.sounding[:number]


def walk(codec: Any, segment: tuple[float, float], number: int, sounding: Tensor | None) -> tuple[Tensor, Any]:
    """-> (B, S) tokens, each of a kind that is drawn first, and where they end; EOS as soon as can be after STEPS."""
    grammar = codec.grammar
    state = grammar.start(last_steps(codec, segment, number), sounding)
    kinds = torch.nn.functional.one_hot(grammar.kind).float()
    tokens = []
    while not bool(state.done.all()):
        allowed = grammar.allowed(state)
        assert allowed.any(1).all()
        assert allowed[state.done].nonzero()[:, 1].eq(PAD).all()
        each = 1 / (allowed.float() @ kinds).clamp(min=1)[:, grammar.kind]  # as likely as others of its kind
        token = torch.multinomial(allowed * each * torch.where(grammar.kind == EOS, 0.1, 1.0), 1)[:, 0]
        if len(tokens) >= STEPS:
            token = torch.where(allowed[:, EOS], EOS, token)
            assert len(tokens) < STEPS + 150
        tokens.append(token)
        state = grammar.advance(state, token)
    return torch.stack(tokens, 1), state


def walks(name: str, known: bool) -> list[Decoded]:
    codec, number = CODEC[name], NUM_WALKS[name]
    torch.manual_seed(0)
    sounding = torch.zeros((number, len(codec.programs), codec.grammar.num_pitches), dtype=torch.bool)
    segments = []
    for start_s, end_s in codec.segments(2 * codec.segment_s):
        tokens, state = walk(codec, (start_s, end_s), number, sounding if known else None)
        segments.append((tokens.numpy(), start_s))
        sounding = state.sounding
    return [codec.decode([(tokens[row], start_s) for tokens, start_s in segments], 20.0) for row in range(number)]


@pytest.mark.parametrize("name", CODEC)
def test_what_is_allowed_is_valid(name: str) -> None:
    decoded = walks(name, known=True)
    assert sum(len(each.notes) for each in decoded) > 3 * NUM_WALKS[name]
    assert {(each.num_invalid, each.dropped) for each in decoded} == {(0, 0)}


@pytest.mark.parametrize("name", ["mt3", "ismir2021", "compact_no_ties", "duration_all"])
def test_segments_side_by_side_err_in_ties_alone(name: str) -> None:
    """One that does not know what sounds at its start may tie or end what does not."""
    decoded = walks(name, known=False)
    wrong = {kind for each in decoded for kind, number in each.invalid.items() if number}
    assert 0 < len(wrong) <= len(wrong & {"tie_silent", "off_silent", "stray_duration"})
    assert {each.dropped for each in decoded} == {0}


class Steps:
    """One sequence, of words: what may follow, {kind: values}."""

    def __init__(self, codec: Any, last_step: int, sounding: list[tuple[int, int]]) -> None:
        """sounding: (group, place of the pitch)"""
        self.codec = codec
        table = torch.zeros((1, len(codec.programs), codec.grammar.num_pitches), dtype=torch.bool)
        for group, pitch in sounding:
            table[0, group, pitch] = True
        self.state = codec.grammar.start(torch.tensor([last_step]), table)

    def after(self, words: str) -> dict[str, list[int]]:
        for word in filter(None, words.split(", ")):
            kind, _, value = word.partition(" ")
            token = self.codec.vocabulary.id(kind, int(value or 0))
            assert self.codec.grammar.allowed(self.state)[0, token]
            self.state = self.codec.grammar.advance(self.state, torch.tensor([token]))
        found: dict[str, list[int]] = {}
        for token in self.codec.grammar.allowed(self.state)[0].nonzero()[:, 0].tolist():
            kind, value = self.codec.vocabulary.event(token)
            found.setdefault(kind, []).append(value)
        return found


SMALL: dict[str, Any] = {"num_pitches": 4, "lowest_pitch": 60, "segment_s": 0.1}


def test_compact_step_by_step() -> None:
    """No program, velocity or time without an event; each event once, in order."""
    after = Steps(make("compact", programs=OWN, velocity_bins=32, drums=[36, 38], **SMALL), 5, [(1, 1), (1, 3)]).after
    every = list(range(1, 33))
    assert after("") == {"tie": [0], "program": [1]}
    assert after("program 1") == {"on": [61, 63]}
    assert after("on 61") == {"on": [63], "tie": [0]}
    assert after("tie") == {"time": [0, 1, 2, 3, 4, 5], "eos": [0]}
    assert after("time 2") == {"program": [0, 2], "velocity": every, "off": [61]}
    assert after("program 0") == {"velocity": every}
    assert after("velocity 3") == {"on": [60, 61, 62, 63]}
    others = [*every[:2], *every[3:]]
    assert after("on 62") == {
        "time": [3, 4, 5], "on": [63], "program": [1, 2], "velocity": others, "drum": [0, 1], "eos": [0]
    }  # fmt: skip
    others = [*every[:3], *every[4:]]
    assert after("velocity 4") == {"on": [63], "drum": [0, 1]}
    assert after("drum 0") == {"time": [3, 4, 5], "velocity": others, "drum": [1], "eos": [0]}
    assert after("time 5") == {
        "program": [1, 2], "velocity": others, "off": [62], "on": [60, 61, 62, 63], "drum": [0, 1]
    }  # fmt: skip
    assert after("off 62, drum 1") == {"eos": [0]}
    assert after("eos") == {"pad": [0]}


def test_durations_step_by_step() -> None:
    """An end is in the segment, or open; only what is open sounds at the next one's start."""
    steps = Steps(make("compact", ends="duration", **SMALL), 5, [(0, 1)])
    assert steps.after("on 61") == {"duration": [0, 1, 2, 3, 4, 5]}
    assert steps.after("duration 0, tie, time 3, on 60") == {"duration": [0, 1, 2]}
    assert steps.after("duration 1, time 5, on 60") == {"duration": [0]}
    assert steps.after("duration 0") == {"on": [61, 62, 63], "eos": [0]}
    assert steps.state.sounding[0, 0].tolist() == [True, True, False, False]


def test_mt3_step_by_step() -> None:
    """A note begins once in a step, unless it has ended; what begins or ends it is told where that changes."""
    after = Steps(make("mt3", programs="flat"), 5, [(0, 60)]).after
    every, later = list(range(128)), {"shift": [1, 2, 3, 4, 5], "eos": [0]}
    assert after("") == {"pitch": [60], "tie": [0]}
    assert after("pitch 60, tie") == {"velocity": [0, 1], **later}
    assert after("velocity 1") == {"pitch": every, "drum": every}
    assert after("pitch 62") == {"pitch": [*every[:62], *every[63:]], "velocity": [0], "drum": every, **later}
    assert after("velocity 0") == {"pitch": [60, 62]}
    assert after("pitch 62") == {"pitch": [60], "velocity": [1], **later}
    assert after("velocity 1") == {"pitch": every, "drum": every}


def test_shifts_step_by_step() -> None:
    """After a largest shift others may follow, and must until the last event is passed."""
    steps = Steps(make("mt3", max_shift_s=0.02, velocity_bins=127), 5, [])

    def shifts_after(words: str) -> dict[str, list[int]]:
        return {kind: values[:1] if kind == "drum" else values for kind, values in steps.after(words).items()
                if kind in ("shift", "drum", "eos")}  # fmt: skip

    assert shifts_after("tie, velocity 1") == {"drum": [0]}
    assert shifts_after("drum 36") == {"shift": [1, 2], "drum": [0], "eos": [0]}
    assert shifts_after("shift 2") == {"shift": [1, 2], "drum": [0]}
    assert shifts_after("drum 36") == {"shift": [2], "drum": [0], "eos": [0]}
    assert shifts_after("shift 2") == {"shift": [1, 2]}
    assert shifts_after("shift 2") == {"shift": [1], "drum": [0]}
    assert shifts_after("shift 1") == {"drum": [0]}


def test_beams() -> None:
    """Sequences that are taken go on as they would have."""
    grammar = CODEC["compact"].grammar
    state = grammar.start(torch.tensor([9, 20, 30]))
    state = grammar.advance(state, torch.tensor([grammar.vocabulary.id("on", pitch) for pitch in (60, 70, 80)]))
    index = torch.tensor([2, 2, 0])
    allowed = grammar.allowed(state)
    assert (grammar.allowed(state.take(index)) == allowed[index]).all()
    assert (allowed[0] != allowed[2]).any()
