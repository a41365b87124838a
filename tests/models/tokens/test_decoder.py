"""A token decoder sees no future, says what the grammar allows, and learns a few segments by heart."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from configs import make_task
from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.errors import InputError
from ricercar.models.tokens.decoder import TokenDecoder
from ricercar.models.tokens.pointers import Hazards, Told
from ricercar.models.tokens.vocabulary import EOS, PAD
from ricercar.tasks.heads import Sequences, SequenceTask, Window
from token_examples import CODECS, example, make

WINDOW = Window(num_frames=60, border_frames=5, fps=50.0)
PROGRAMS = (0, 25, 40, DRUMS)


@dataclass
class Features:
    """Stands for a backbone."""

    num_pitches: int
    dim: int = 8
    lowest_pitch: int | None = 21


KINDS = {
    "plain": {"time_attention": False, "pointers": "none"},
    "hazards": {},
    "similarity": {"pointers": "similarity"},
    "similarity no pitches": {"pointers": "similarity", "num_pitches": 1},
    "no pitches": {"num_pitches": 1},
    "prefix": {"listening": "prefix"},
    "prefix plain": {"listening": "prefix", "time_attention": False, "pointers": "none"},
    "rotary": {"positions": "rotary"},
    "prefix rotary": {"listening": "prefix", "positions": "rotary"},
}


def spoken(codec: Any, num_pitches: int = 88, window: Window = WINDOW, **options: Any) -> SequenceTask:
    kept = {"width": 32, "depth": 2, "num_heads": 4, "mlp_ratio": 2.0, "dropout": 0.0, "listening": "cross"}
    kept |= {"positions": "learned", "time_attention": True, "pointers": "hazards", "pointer_width": 8, "num_beams": 1}
    head = Sequences(
        codec=codec,
        decoder=partial(TokenDecoder, **(kept | options)),
        token_weight=1.0,
        kind_weights={},
        label_smoothing=0.0,
        frame_weight=0.0,
    )
    task = head.of("notes", make_task("notes"), window)
    assert isinstance(task, SequenceTask)
    return task


def of(name: str, **changes: Any) -> Any:
    """A codec of one of CODECS, for whatever segments there are."""
    return lambda segment_s: make(CODECS[name][0], segment_s, **(CODECS[name][1] | changes))


def decoder_of(task: SequenceTask, num_pitches: int = 88) -> TokenDecoder:
    torch.manual_seed(0)
    made = task.tokens.head(Features(num_pitches, lowest_pitch=21 if num_pitches > 1 else None))  # type: ignore[arg-type]
    assert isinstance(made, TokenDecoder)
    for parameter in made.parameters():  # what starts at zero counts, too
        torch.nn.init.normal_(parameter, std=0.3)
    return made.eval()


def random_notes(seed: int, number: int = 8, programs: tuple[int, ...] = (0,)) -> Notes:
    random = np.random.default_rng(seed)
    onset_s = random.uniform(0, 1.2, number)
    pitch = random.permutation(np.arange(36, 60))[:number]
    return Notes.make(onset_s, onset_s + random.uniform(0.1, 0.6, number), pitch, 90, random.choice(programs, number))


def told(task: SequenceTask, number: int = 3, programs: tuple[int, ...] = (0,)) -> Tensor:
    """(B, S)"""
    windows = [task.encode(random_notes(seed, programs=programs), 0.0, 60, 50.0)["tokens"] for seed in range(number)]
    return torch.from_numpy(np.stack(windows))


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_one_by_one_is_all_at_once(kind: str) -> None:
    """And what is told later changes nothing before."""
    options = dict(KINDS[kind])
    num_pitches = options.pop("num_pitches", 88)
    task = spoken(of("compact"), **options)
    decoder, said = decoder_of(task, num_pitches), told(task)
    features = torch.randn(3, 60, num_pitches, 8)
    logits = decoder(features, said)
    length = int((said != PAD).sum(dim=1).min())
    assert logits.shape == (3, 384, task.codec.vocabulary.num_tokens)

    other = said.clone()
    other[:, length - 1] = said[0, 0]
    assert torch.equal(decoder(features, other)[:, : length - 1], logits[:, : length - 1])
    assert not torch.equal(decoder(features.flip(1), said)[:, :length], logits[:, :length])

    heard, past, step, token = decoder.hear(features), None, torch.zeros(3, 1, dtype=torch.int64), said[:, :1] * 0
    state = decoder.grammar.start(torch.full((3,), task.tokens.last_step))
    for place in range(length):
        so_far = Told(step, state.of_each(lambda each: each[:, None]))
        found, past = decoder.follow(heard, token, so_far, past, place)
        torch.testing.assert_close(found[:, 0], logits[:, place], rtol=1e-4, atol=1e-4)
        token = said[:, place : place + 1]
        step = torch.maximum(step, decoder.step_of[token])
        state = decoder.grammar.advance(state, token[:, 0])


@pytest.mark.parametrize("num_beams", [1, 3])
@pytest.mark.parametrize("name", [name for name in CODECS if name not in ("ismir2021", "mt3_families")])
def test_what_it_says_is_allowed(name: str, num_beams: int) -> None:
    """Without any training; of no use are only ties of what does not sound, as a window cannot know, and their ends."""
    codec = make(*[CODECS[name][0], 1.0], **CODECS[name][1])
    pointers = "hazards" if "time" in codec.vocabulary else "similarity" if codec.steps_per_s == 50.0 else "none"
    task = spoken(of(name, max_tokens=40), num_beams=num_beams, pointers=pointers)
    said = decoder_of(task)(torch.randn(4, 60, 88, 8))
    assert said.shape == (4, 40)
    state = task.codec.grammar.start(torch.full((4,), task.tokens.last_step))
    for token in said.T:
        assert task.codec.grammar.allowed(state).gather(1, token[:, None]).all()
        state = task.codec.grammar.advance(state, token)
    decoded = task.codec.decode([(tokens, float(number)) for number, tokens in enumerate(said.numpy())], 4.0)
    cut = bool(((said[:, -1] != PAD) & (said[:, -1] != EOS)).any())
    free = {"tie_silent", "off_silent", "stray_duration"} | ({"no_duration"} if cut else set())
    assert not {kind for kind, number in decoded.invalid.items() if number} - free


@torch.no_grad()
def test_beams_find_what_is_likelier() -> None:
    """The mean of the log-probabilities, under the grammar, is never less than with one beam but by a bad chance."""
    task = spoken(of("compact", max_tokens=24))
    decoder, features = decoder_of(task), torch.randn(8, 60, 88, 8)
    found = {}
    for num_beams in (1, 4):
        decoder.num_beams = num_beams
        said = decoder(features)
        logits, state, scores = decoder(features, said), task.codec.grammar.start(torch.full((8,), 50)), []
        for place, token in enumerate(said.T):
            own = logits[:, place].masked_fill(~task.codec.grammar.allowed(state), -torch.inf).log_softmax(dim=1)
            scores.append(torch.where(token == PAD, 0.0, own.gather(1, token[:, None])[:, 0]))
            state = task.codec.grammar.advance(state, token)
        found[num_beams] = torch.stack(scores).sum(dim=0) / (said != PAD).sum(dim=1)
    assert not torch.equal(found[1], found[4])
    assert (found[4] >= found[1] - 1e-4).float().mean() > 0.7


@pytest.mark.parametrize(
    ("codec", "head"),
    [("compact", {}), ("compact", {"pointers": "similarity"}), ("duration", {}), ("mt3", {"pointers": "none"})],
)
def test_eight_segments_by_heart(codec: str, head: dict[str, Any]) -> None:
    """From features that show the notes, so that what fails is the decoder: every token right, and note F of 1."""
    programs = PROGRAMS if codec == "mt3" else (0,)
    task = spoken(of(codec, max_tokens=64), **head)
    tracks = [random_notes(seed, 5, programs) for seed in range(8)]
    said = torch.from_numpy(np.stack([task.encode(notes, 0.0, 60, 50.0)["tokens"] for notes in tracks]))
    features = torch.zeros(8, 60, 88, 8)
    for row, notes in zip(features, tracks, strict=True):
        for onset_s, offset_s, pitch, program in zip(
            notes.onset_s, notes.offset_s, notes.semitone, notes.program, strict=True
        ):
            row[round(onset_s * 50), pitch - 21, PROGRAMS.index(program)] = 3.0
            row[round(onset_s * 50) : round(offset_s * 50), pitch - 21, 4 + PROGRAMS.index(program)] = 1.0
    torch.manual_seed(0)
    decoder = task.tokens.head(Features(88))  # type: ignore[arg-type]
    optimizer = torch.optim.AdamW(decoder.parameters(), 5e-3)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=300)
    for _ in range(300):
        logits = decoder(features, said)
        loss = task.loss({"tokens": logits}, {"tokens": said}, torch.ones(8, 60))["tokens"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        rates.step()
        if loss.item() < 0.01:
            break
    assert (logits.argmax(dim=-1) == said)[said != PAD].all()
    alone = decoder.eval()(features)
    assert torch.equal(alone, said)
    for number, notes in enumerate(tracks):
        segment = notes.between(0.1, 1.1)
        assert len(segment) > 0
        estimate = task.decode({"tokens": alone[number : number + 1].numpy()}, 50.0)
        reference = task.decode({"tokens": said[number : number + 1].numpy()}, 50.0)
        if len(reference):
            assert task.score(reference, estimate)["transcription/F-measure"] == 1.0


def test_pointers_need_whole_steps() -> None:
    task = spoken(of("mt3"), window=Window(256, 0, 125.0), pointers="similarity")
    with pytest.raises(InputError, match=r"pointers: a frame lasts 0\.8 steps"):
        decoder_of(task)


def test_pointers_within_a_frame() -> None:
    """Two steps a frame: times are told more finely than the frames are."""
    task = spoken(of("compact", steps_per_s=100))
    decoder = decoder_of(task)
    assert task.tokens.steps_per_frame == 2.0
    assert decoder(torch.randn(2, 60, 88, 8), told(task, 2)).isfinite().all()
    assert example("compact_all").steps_per_s == 100


PLAYED = {
    "compact": {},
    "no ties": {"ties": False},
    "several": {"programs": {"piano": [0], "guitar": [25]}, "drums": [36]},
}


@pytest.mark.parametrize("name", PLAYED)
@torch.no_grad()
def test_hazards_are_probabilities(name: str) -> None:
    """Of all that may come next, where anything may, there is one in all; each is what a walk over the steps says."""
    task = spoken(of("compact", **PLAYED[name]))
    decoder = decoder_of(task)
    hazards, grammar, vocabulary = decoder.pointers, task.codec.grammar, task.codec.vocabulary
    assert isinstance(hazards, Hazards)
    said = told(task, programs=(0, 25, DRUMS) if name == "several" else (0,))
    length = int((said != PAD).sum(dim=1).min()) - 1
    said = said[:, :length]
    heard = decoder.hear(torch.randn(3, 60, 88, 8)).pointed
    state = grammar.through(said, task.tokens.last_step)
    logits = torch.zeros(3, length + 1, vocabulary.num_tokens)
    logits = hazards(logits, logits, heard, Told(state.time, state), state.time)
    free = 0
    for place in range(length + 1):
        here = state.of_each(lambda each, place=place: each[:, place])  # type: ignore[misc]
        allowed = grammar.allowed(here)
        total = logits[:, place].masked_fill(~allowed, -torch.inf).logsumexp(dim=1)
        anything = allowed[:, EOS] | (allowed[:, vocabulary.id("tie")] if "tie" in vocabulary else False)
        if name == "durations":
            anything = anything | here.asks_length
        torch.testing.assert_close(total[anything], torch.zeros(int(anything.sum())), atol=1e-3, rtol=0)
        free += int(anything.sum())
        if place == length:
            expected = _walked(hazards, heard, here)
            kinds = torch.from_numpy(vocabulary.kind)
            time = kinds == vocabulary.kinds.index("time")
            torch.testing.assert_close(
                logits[:, place, time].clamp(min=-20), expected.clamp(min=-20), atol=1e-3, rtol=0
            )
    assert free > length


def _walked(hazards: Hazards, heard: tuple[Tensor, ...], state: Any) -> Tensor:
    """(B, K) logarithms of what a time has: step by step, event by event."""
    on, drum = heard[1], heard[2].double().sigmoid()
    logits_of = {"off": heard[0].double(), "on": heard[1].double()}
    found = torch.full((len(on), on.shape[1]), -torch.inf, dtype=torch.float64)
    cells = on.shape[2]
    for row in range(len(on)):
        now, left = int(state.time[row]), 1.0
        sounding, struck = state.sounding[row].flatten(), state.struck[row].flatten()

        def hazard(step: int, event: int, row: int = row, sounding: Any = sounding, struck: Any = struck) -> float:
            if event >= 2 * cells:
                return float(drum[row, step, event - 2 * cells])
            kind, cell = divmod(event, cells)
            if kind == 0 and not sounding[cell]:
                return 0.0
            age = step - int(struck[cell])
            added = float(hazards.struck[kind, age - 1]) if 1 <= age <= hazards.struck.shape[1] else 0.0
            return float(torch.sigmoid(logits_of["on" if kind else "off"][row, step, cell] + added))

        for step in range(max(now, 0), on.shape[1]):
            nothing = 1.0
            for event in range(2 * cells + drum.shape[2]):
                if step > now or event > int(state.order[row]):
                    nothing *= 1.0 - hazard(step, event)
            if step > now:
                found[row, step] = np.log(max(left * (1.0 - nothing), 1e-300))
            left *= nothing
    return found.float()
