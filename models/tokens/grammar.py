"""Which tokens may follow: a finite state machine for a batch of sequences that grow token by token."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ricercar.models.tokens.vocabulary import (
    DRUM,
    DURATION,
    EOS,
    OFF,
    ON,
    PAD,
    PITCH,
    PROGRAM,
    SHIFT,
    TIE,
    TIME,
    VELOCITY,
    Vocabulary,
)

# Where a sequence is.
_TIES, _BODY, _DONE = 0, 1, 2

# What its last token asks for.
_FREE = 0  # nothing
_EVENT = 1  # after a time: any event
_PITCHED = 2  # after a program: an event of a pitch
_NOTE = 3  # after a velocity: a pitch or a drum
_PITCH = 4  # after a program and a velocity: a pitch
_LENGTH = 5  # after an onset: its duration

# Of a group and pitch: silent; can be tied, and is silent after the ties; sounds since before the segment. From 0 on:
# the step of its onset.
_SILENT, _UNTIED, _BEFORE = -3, -2, -1
_NEVER = -10_000  # struck


@dataclass(frozen=True)
class State:
    """Of B sequences, each after so many tokens. Nothing is changed in place.

    place, asked     (B,) see above
    time             (B,) step of the last event or time token; -1 where there is none yet
    shifted          (B,) sum of the shifts since the last event
    program          (B,) group of the last program token, -1: none yet
    velocity         (B,) value of the last velocity token, -1: none yet
    order            (B,) rank of the last event within its time, -1: none
    limit            (B,) the latest step
    since            (B, G, P) of each group and pitch, see above
    struck           (B, G, P) int16, the step of its last onset, where events stand in order; far below 0: none yet
    """

    place: Tensor
    asked: Tensor
    time: Tensor
    shifted: Tensor
    program: Tensor
    velocity: Tensor
    order: Tensor
    limit: Tensor
    since: Tensor
    struck: Tensor

    def take(self, index: Tensor) -> Self:
        """(B',) places in the batch -> those sequences, as beam search needs them."""
        return self.of_each(lambda each: each[index])

    def of_each(self, change: Callable[[Tensor], Tensor]) -> Self:
        """With all tensors changed."""
        return type(self)(**{each.name: change(getattr(self, each.name)) for each in fields(self)})

    @property
    def in_ties(self) -> Tensor:
        """(B,) bool: the list of ties is not over."""
        return self.place == _TIES

    @property
    def asks_length(self) -> Tensor:
        """(B,) bool: the last token is of a note, and its duration comes next."""
        return self.asked == _LENGTH

    @property
    def done(self) -> Tensor:
        """(B,) bool: EOS was the last token but padding."""
        return self.place == _DONE

    @property
    def sounding(self) -> Tensor:
        """(B, G, P) bool: what may sound after the last token: `sounding` of the next segment's start."""
        return self.since >= _BEFORE


class Grammar(nn.Module):
    """start(), then allowed() and advance() by turns: sequences that are decoded without invalid events.

    Each sequence can end: an event that is begun can be completed, and then EOS is allowed, or after one more event.
    After EOS there is padding only. One that is cut before its end is decoded without invalid events, too, but for
    a duration that is missing.
    Segments that are decoded side by side know nothing of each other: start() without `sounding` lets them tie any
    note, and decoding counts ties of what does not sound. Tensors are on the module's device.
    """

    kind: Tensor
    value: Tensor
    cells: Tensor  # (1, G, P)
    numbers: Tensor  # (1, G)

    def __init__(
        self, vocabulary: Vocabulary, *, num_groups: int, num_pitches: int, ties: bool, told_apart: bool
    ) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.num_groups = num_groups
        self.num_pitches = num_pitches
        self.ties = ties
        self.told_apart = told_apart
        self._number = {name: number for number, name in enumerate(vocabulary.kinds)}
        self.register_buffer("kind", torch.from_numpy(vocabulary.kind), persistent=False)
        self.register_buffer("value", torch.from_numpy(vocabulary.value), persistent=False)
        cells = torch.arange(num_groups * num_pitches).view(1, num_groups, num_pitches)
        self.register_buffer("cells", cells, persistent=False)
        self.register_buffer("numbers", torch.arange(num_groups)[None], persistent=False)

    @abstractmethod
    def allowed(self, state: State) -> Tensor:
        """-> (B, V) bool, at least one in each row."""

    @abstractmethod
    def advance(self, state: State, token: Tensor) -> State:
        """token (B,) int64, each allowed."""

    def start(self, last_step: Tensor, sounding: Tensor | None = None) -> State:
        """last_step (B,): Codec.last_step of each segment.

        sounding   (B, G, P) bool: what sounds at the start, which is State.sounding of the segment before, and nothing
                   for a track's first one. None: it is not known, so anything may
        """
        batch = len(last_step)
        last_step = last_step.to(self.kind.device, torch.int64)
        shape = (batch, self.num_groups, self.num_pitches)
        if sounding is None:
            sounding = torch.ones(shape, dtype=torch.bool, device=last_step.device)
        assert sounding.shape == shape
        none = torch.full_like(last_step, -1)
        return State(
            place=torch.full_like(last_step, _TIES if self.ties else _BODY),
            asked=torch.full_like(last_step, _FREE),
            time=none,
            shifted=torch.zeros_like(last_step),
            program=none,
            velocity=none,
            order=none,
            limit=last_step,
            since=torch.where(sounding.to(last_step.device), _UNTIED if self.ties else _BEFORE, _SILENT).to(
                torch.int16
            ),
            struck=torch.full(shape, _NEVER, dtype=torch.int16, device=last_step.device),
        )

    def through(self, tokens: Tensor, last_step: int) -> State:
        """(B, S), each allowed -> one state of (B, S + 1, ...) tensors: before each of them, and after the last."""
        states = [self.start(tokens.new_full((len(tokens),), last_step))]
        for token in tokens.unbind(1):
            states.append(self.advance(states[-1], token))
        return State(
            **{each.name: torch.stack([getattr(state, each.name) for state in states], 1) for each in fields(State)}
        )

    def _is(self, token: Tensor, kind: str) -> Tensor:
        return self.kind[token] == self._number.get(kind, -1)

    def _mask(self, state: State, parts: dict[str, Tensor]) -> Tensor:
        """{kind: (B, its size) or (B,) of all its values} -> (B, V), for sequences that are not done."""
        mask = torch.zeros((len(state.place), self.vocabulary.num_tokens), dtype=torch.bool, device=state.place.device)
        running = ~state.done
        for kind, part in parts.items():
            if kind in self.vocabulary:
                first = self.vocabulary.first[kind]
                own = part if part.dim() == 2 else part[:, None]
                mask[:, first : first + self.vocabulary.ranges[kind].size] = own & running[:, None]
        mask[:, EOS] = parts["eos"] & running
        mask[:, PAD] = state.done
        return mask

    def _values(self, kind: str) -> Tensor:
        """(1, size) values of a kind, of which there may be none."""
        if kind not in self.vocabulary:
            return self.value.new_zeros((1, 0))
        first = self.vocabulary.first[kind]
        return self.value[None, first : first + self.vocabulary.ranges[kind].size]

    def _of(self, table: Tensor, group: Tensor) -> Tensor:
        """(B, G, P), (B,) groups, -1 for none -> (B, P), and anything where there is none"""
        if not self.told_apart:
            return table[:, 0]
        return table[torch.arange(len(group), device=group.device), group.clamp(min=0)]

    def _put(self, since: Tensor, where: Tensor, cell: Tensor, value: Tensor) -> Tensor:
        """since (B, G, P) with `value` (B,) at cell (B,) of group * P + pitch, in the rows `where` (B,) says."""
        flat = since.reshape(len(since), -1)
        cell = torch.where(where, cell, 0)[:, None]
        return flat.scatter(
            1, cell, torch.where(where[:, None], value[:, None].to(since.dtype), flat.gather(1, cell))
        ).view_as(since)

    def _group(self, state: State) -> Tensor:
        """(B,) of the next pitch; -1 where a program is needed before it."""
        return state.program if self.told_apart else torch.zeros_like(state.program)


class MT3Grammar(Grammar):
    """Of MT3's sequences. Ties are sorted; events of one time are not, as MT3 sorts them before it rounds.

    What MT3 does not tell again is not allowed again: a velocity or program as before, and the onset of a note in the
    step of its onset, unless it has ended. A shift after a shift is allowed where the first is the largest.
    """

    groups: Tensor

    def __init__(
        self, vocabulary: Vocabulary, *, groups: NDArray[np.int64] | None, ties: bool, drums: bool, onsets_only: bool
    ) -> None:
        """groups: (G,) the value of each group's program token; None where there is one group, which none is for."""
        super().__init__(
            vocabulary,
            num_groups=1 if groups is None else len(groups),
            num_pitches=128,
            ties=ties,
            told_apart=groups is not None,
        )
        self.drums = drums
        self.onsets_only = onsets_only
        self.register_buffer(
            "groups", torch.from_numpy(np.zeros(1, np.int64) if groups is None else groups), persistent=False
        )

    def allowed(self, state: State) -> Tensor:
        group, asked = self._group(state), state.asked
        ties, body = state.place == _TIES, state.place == _BODY
        now = torch.where(state.shifted > 0, state.shifted, state.time.clamp(min=0))
        # Times. With a shift still to come, or one that has not yet come past the last event, there is nothing else.
        reached = (state.shifted == 0) | (state.shifted > state.time)
        largest = self.vocabulary.ranges[SHIFT].size - 1
        step = self._values(SHIFT)
        then = state.shifted[:, None] + step
        chained = (state.shifted % largest == 0) & (state.time < state.limit) & (asked == _FREE)
        shift = (body & chained)[:, None] & (step > 0) & (then <= state.limit[:, None])
        shift = shift & ((then > state.time[:, None]) | (step == largest))
        # Notes.
        since, chosen = self._of(state.since, group), (group >= 0)[:, None]
        ends, begins = chosen & (since >= _BEFORE), chosen & (since != now[:, None])
        ready = body & reached
        free = ready & (asked == _FREE)
        velocity, value = state.velocity[:, None], self._values(VELOCITY)
        other = torch.where(
            value == 0, ends.any(-1)[:, None], begins.any(-1)[:, None] | (self.drums & (asked == _FREE))[:, None]
        )
        velocities = (free | (ready & (asked == _PITCHED)))[:, None] & (value != velocity) & other
        pitch = torch.where(velocity == 0, ends, (begins & (velocity > 0)) | self.onsets_only)
        pitch = pitch & ready[:, None]
        # Ties, in order.
        tie = (state.since == _UNTIED) & (self.cells > state.order[:, None, None])
        pitch = pitch | (self._of(tie, group) & chosen & ties[:, None])
        opens = (self.numbers != state.program[:, None]) & torch.where(ties[:, None], tie.any(-1), free[:, None])
        program = torch.zeros_like(self._values(PROGRAM).expand(len(group), -1), dtype=torch.bool)
        program[:, self.groups] = opens & (asked == _FREE)[:, None] & self.told_apart
        return self._mask(
            state,
            {
                SHIFT: shift,
                PITCH: pitch,
                VELOCITY: velocities & (not self.onsets_only),
                TIE: ties & (asked == _FREE),
                PROGRAM: program,
                DRUM: ready & self.drums & (state.velocity > 0) & ((asked == _FREE) | (asked == _NOTE)),
                "eos": free & (state.shifted == 0),
            },
        )

    def advance(self, state: State, token: Tensor) -> State:
        value = self.value[token]
        shift, pitch, tie = self._is(token, SHIFT), self._is(token, PITCH), self._is(token, TIE)
        velocity, program = self._is(token, VELOCITY), self._is(token, PROGRAM)
        ties, arrives = state.place == _TIES, (state.shifted > 0) & ~shift
        time = torch.where(arrives, state.shifted, state.time)
        cell = self._group(state).clamp(min=0) * 128 + value
        since = torch.where(state.velocity == 0, _SILENT, time.clamp(min=0))
        since = self._put(state.since, pitch, cell, torch.where(ties, _BEFORE, since))
        asked = torch.where(shift, state.asked, _FREE)
        asked = torch.where(program, _PITCHED, asked)
        asked = torch.where(velocity, torch.where(state.asked == _PITCHED, _PITCH, _NOTE), asked)
        return State(
            place=torch.where(token == EOS, _DONE, torch.where(tie, _BODY, state.place)),
            asked=asked,
            time=time,
            shifted=torch.where(arrives, 0, state.shifted + torch.where(shift, value, 0)),
            program=torch.where(program, torch.searchsorted(self.groups, value), state.program),
            velocity=torch.where(velocity, value, state.velocity),
            order=torch.where(pitch & ties, cell, state.order),
            limit=state.limit,
            since=since,
            struck=state.struck,
        )


class CompactGrammar(Grammar):
    """Of compact sequences: each event is allowed in one order only, so that a time has each at most once.

    An onset of a note that sounds is allowed, and ends it.
    """

    def __init__(self, vocabulary: Vocabulary, *, num_groups: int, ties: bool) -> None:
        super().__init__(
            vocabulary,
            num_groups=num_groups,
            num_pitches=vocabulary.ranges[ON].size,
            ties=ties,
            told_apart=PROGRAM in vocabulary,
        )
        self.durations = DURATION in vocabulary
        self.velocities = VELOCITY in vocabulary
        self.num_cells = num_groups * self.num_pitches

    def allowed(self, state: State) -> Tensor:
        group, asked = self._group(state), state.asked
        ties, body = state.place == _TIES, state.place == _BODY
        free = asked == _FREE
        ready = body & (state.time >= 0) & (free | (asked == _EVENT))
        # What of each group and pitch is not yet past in the order of a time, or of the ties.
        order = state.order[:, None, None]
        tie = (state.since == _UNTIED) & (self.cells > order)
        off = (state.since >= _BEFORE) & (self.cells > order) & (not self.durations)
        if self.ties:  # what ends at the start is not tied
            off = off & (state.time > 0)[:, None, None]
        on = self.cells + self.num_cells > order
        drum = self._values(DRUM) + 2 * self.num_cells > state.order[:, None]
        chosen = group >= 0
        here = self._of(on, group) & chosen[:, None]
        any_on = here.any(-1)
        known = (state.velocity >= 0) | (not self.velocities)
        offs = self._of(off, group) & (chosen & (ready | (asked == _PITCHED)))[:, None]
        ons = here & (body & known & (ready | (asked >= _PITCHED)) & (asked != _LENGTH))[:, None]
        ons = ons | (self._of(tie, group) & (chosen & ties & (free | (asked == _PITCHED)))[:, None])
        velocity = (ready & (any_on | drum.any(-1))) | (body & (asked == _PITCHED) & any_on)
        opens = torch.where(ties[:, None], tie.any(-1) & free[:, None], (off | on).any(-1) & ready[:, None])
        time, length = self._values(TIME), self._values(DURATION)
        if self.ties:
            length = (length == 0) | (state.time.clamp(min=0)[:, None] + length <= state.limit[:, None])
        else:
            length = length > 0
        return self._mask(
            state,
            {
                TIME: (body & free)[:, None] & (time > state.time[:, None]) & (time <= state.limit[:, None]),
                ON: ons,
                OFF: offs & body[:, None],
                DURATION: length & (asked == _LENGTH)[:, None],
                TIE: ties & free,
                VELOCITY: velocity[:, None] & (self._values(VELOCITY) != state.velocity[:, None]),
                PROGRAM: opens & (self.numbers != state.program[:, None]),
                DRUM: drum & (known & (ready | (body & (asked == _NOTE))))[:, None],
                "eos": body & free,
            },
        )

    def advance(self, state: State, token: Tensor) -> State:
        value, ties = self.value[token], state.place == _TIES
        on, off, drum, tie = (self._is(token, kind) for kind in (ON, OFF, DRUM, TIE))
        time, length = self._is(token, TIME), self._is(token, DURATION)
        velocity, program = self._is(token, VELOCITY), self._is(token, PROGRAM)
        cell = self._group(state).clamp(min=0) * self.num_pitches + value - self.vocabulary.ranges[ON].lowest
        order = torch.where(on & ~ties, cell + self.num_cells, torch.where(on | off, cell, state.order))
        order = torch.where(drum, 2 * self.num_cells + value, torch.where(time | tie, -1, order))
        # An onset sounds until its off; with durations, where its own is open.
        known = length if self.durations else on
        told = torch.where(ties, state.order, state.order - self.num_cells) if self.durations else cell
        sounds = torch.where(ties, _BEFORE, state.time.clamp(min=0))
        if self.durations:
            sounds = torch.where(value == 0, sounds, _SILENT)
        since = self._put(state.since, known, told, sounds)
        since = self._put(since, off, cell, torch.full_like(value, _SILENT))
        asked = torch.where(time, _EVENT, torch.where(program, _PITCHED, _FREE))
        asked = torch.where(velocity, torch.where(state.asked == _PITCHED, _PITCH, _NOTE), asked)
        asked = torch.where(on & self.durations, _LENGTH, asked)
        return State(
            place=torch.where(token == EOS, _DONE, torch.where(tie, _BODY, state.place)),
            asked=asked,
            time=torch.where(time, value, state.time),
            shifted=state.shifted,
            program=torch.where(program, value, state.program),
            velocity=torch.where(velocity, value, state.velocity),
            order=order,
            limit=state.limit,
            since=since,
            struck=self._put(state.struck, on & ~ties, cell, state.time),
        )
