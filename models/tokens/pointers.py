"""Logits of tokens that are read from where a token points to: its frame, its pitch."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, gelu, logsigmoid, pad, softplus

from ricercar.errors import InputError
from ricercar.models.backbones.backbone import Backbone
from ricercar.models.tokens.grammar import State
from ricercar.models.tokens.output import Tokens
from ricercar.models.tokens.vocabulary import DRUM, DURATION, EOS, OFF, ON, PITCH, PROGRAM, SHIFT, TIE, TIME

_LOCAL_FRAMES = 7  # that evidence is gathered from, about its time
_NEVER = -30.0  # a logit of what cannot be
_SELDOM = -7.0  # logit of an event of one pitch in one step, before anything is learnt: one in a thousand
_RECENT = 4  # steps after an onset in which its own evidence may still be heard


@dataclass(frozen=True)
class Told:
    """What has been told up to each of (B, S) tokens.

    step    (B, S): the last time
    state   of the grammar, its fields (B, S, ...), where pointers need it
    """

    step: Tensor
    state: State | None


class Similarity(nn.Module):
    """Logits of times by how a token's state compares with each frame, of pitches by how it does with that pitch's
    features about the last time told. They are added to those of the state alone. For any codec.
    """

    needs_state = False

    def __init__(self, output: Tokens, backbone: Backbone, width: int, pointer_width: int) -> None:
        super().__init__()
        vocabulary = output.vocabulary
        self.output, self.pointer_width = output, pointer_width
        self.steps_per_frame = whole_steps(output)
        kind = TIME if TIME in vocabulary else SHIFT
        self.first_time = vocabulary.first[kind]
        self.num_times = min(vocabulary.ranges[kind].size, output.last_step + 1)
        by_pitch = backbone.num_pitches > 1
        self.time_key = nn.Linear(width + by_pitch * pointer_width, self.steps_per_frame * pointer_width)
        self.time_query = nn.Linear(width, pointer_width)
        self.later = nn.Parameter(torch.zeros(2 * self.num_times - 1))  # by how much later than the last time told
        places = torch.arange(self.num_times)
        self.register_buffer("index", places[None] - places[:, None] + self.num_times - 1, persistent=False)
        self.kinds: list[tuple[int, int, int]] = []  # first id, first position among the backbone's pitches, how many
        if by_pitch:
            assert backbone.lowest_pitch is not None
            end = backbone.lowest_pitch + backbone.num_pitches
            for name in (ON, OFF, PITCH):
                if name in vocabulary:
                    own = vocabulary.ranges[name]
                    low, high = max(own.lowest, backbone.lowest_pitch), min(own.lowest + own.size, end)
                    self.kinds.append((vocabulary.id(name, low), low - backbone.lowest_pitch, high - low))
            self.about = nn.Conv1d(backbone.dim, pointer_width, _LOCAL_FRAMES, padding=_LOCAL_FRAMES // 2)
            self.note_key = nn.Linear(pointer_width, len(self.kinds) * pointer_width)
            self.note_query = nn.Linear(width, len(self.kinds) * pointer_width)

    index: Tensor  # (K, K)

    def hear(self, features: Tensor, memory: Tensor) -> tuple[Tensor, ...]:
        """-> (B, E, K) of times and, where the backbone keeps pitches apart, (B, T, P, kinds * E) of pitches."""
        notes, keys = [], memory
        if self.kinds:
            local = _about(self.about, features)
            notes = [self.note_key(local)]
            keys = torch.cat([memory, local.amax(dim=2)], dim=-1)
        times = self.time_key(keys[:, self.output.border_frames :]).reshape(len(keys), -1, self.pointer_width)
        times = times[:, : self.num_times].transpose(1, 2)
        return pad(times, (0, self.num_times - times.shape[2])), *notes  # the very end may have no frame

    def forward(self, logits: Tensor, states: Tensor, heard: tuple[Tensor, ...], told: Told, frame: Tensor) -> Tensor:
        scale = self.pointer_width**-0.5
        later = embedding(told.step.clamp(max=self.num_times - 1), self.later[self.index])
        added = [(self.first_time, scale * (self.time_query(states) @ heard[0]) + later)]
        if self.kinds:
            shape = (*frame.shape, -1, len(self.kinds), self.pointer_width)
            here = rows(heard[1].flatten(2), frame).view(shape)
            query = self.note_query(states).view(shape).squeeze(2)
            notes = scale * torch.einsum("bspke,bske->bksp", here, query)
            added += [
                (first, notes[:, number, :, low : low + size]) for number, (first, low, size) in enumerate(self.kinds)
            ]
        return _added(logits, added)


class Hazards(nn.Module):
    """Logits of the next event as of a race, for codec=compact, whose events stand in one order, each at most once.

    The frames give each event that could be told (the onset of a pitch in a step of time, say) a hazard h: how likely
    it is where it is its turn, as in discrete-time survival analysis. Of the events that are left in the codec's order
    the k-th comes next with probability h_k * prod_{j < k} (1 - h_j). So what comes first is told first, and what is
    past has no influence: the network need not learn where to read on, which with little data it hardly does.

    onsets, drums   have a hazard in each step, that of a pitch struck a few steps ago is another one
    ends            of notes that sound; a duration is told by when its note's end comes
    ties            of each note at the start
    a time          nothing more comes at the last one, nothing until then, and then anything
    the end         nothing comes at all
    a program       any of its events comes

    All are logarithms that are added to the logits of the state alone, which may know better.
    """

    needs_state = True

    def __init__(self, output: Tokens, backbone: Backbone, width: int, pointer_width: int) -> None:
        super().__init__()
        vocabulary, grammar = output.vocabulary, output.grammar
        if TIME not in vocabulary:
            raise InputError(
                "pointers=hazards: the events of this codec stand in no fixed order: codec=compact, or "
                "pointers=similarity"
            )
        self.vocabulary, self.border_frames = vocabulary, output.border_frames
        self.steps_per_frame = whole_steps(output)
        self.num_times = min(vocabulary.ranges[TIME].size, output.last_step + 1)
        self.num_groups, self.num_pitches = grammar.num_groups, grammar.num_pitches
        self.num_cells = self.num_groups * self.num_pitches
        self.num_drums = vocabulary.ranges[DRUM].size if DRUM in vocabulary else 0
        self.ends_are_told = OFF in vocabulary
        self.kinds = [OFF, ON] + [TIE] * (TIE in vocabulary)
        of_pitch = len(self.kinds) * self.num_groups
        self.by_pitch = backbone.num_pitches > 1
        if self.by_pitch:
            assert backbone.lowest_pitch is not None
            self.skipped = vocabulary.ranges[ON].lowest - backbone.lowest_pitch  # pitches below the lowest to tell
            self.about = nn.Conv1d(backbone.dim, pointer_width, _LOCAL_FRAMES, padding=_LOCAL_FRAMES // 2)
            self.pitches = nn.Linear(pointer_width, self.steps_per_frame * of_pitch)
            nn.init.constant_(self.pitches.bias, _SELDOM)
        of_all = self.num_drums + (0 if self.by_pitch else of_pitch * self.num_pitches)
        self.about_all, self.all = None, None
        if of_all:
            self.about_all = nn.Conv1d(width, 4 * pointer_width, _LOCAL_FRAMES, padding=_LOCAL_FRAMES // 2)
            self.all = nn.Linear(4 * pointer_width, self.steps_per_frame * of_all)
            nn.init.constant_(self.all.bias, _SELDOM)
        # Added to the evidence of ends and onsets of a pitch that was struck so many steps ago.
        self.struck = nn.Parameter(torch.tensor([[-2.0], [-3.0]]).repeat(1, _RECENT))

    def hear(self, features: Tensor, memory: Tensor) -> tuple[Tensor, ...]:
        """-> logits of hazards: (B, K, G * P) of ends, of onsets, (B, K, drums), (B, G * P) of ties.

        And logarithms that nothing comes: (B, K) no onset and no drum, (B, G * P, K) none of each end.
        """
        batch, kinds = len(features), len(self.kinds)
        given = None
        if self.all is not None and self.about_all is not None:
            local = gelu(self.about_all(memory.transpose(1, 2))).transpose(1, 2)
            given = self._steps(self.all(local)).view(batch, self.num_times, -1)
        if self.by_pitch:
            local = self.pitches(_about(self.about, features))  # (B, T, P', steps * kinds * G)
            local = self._aligned(local).transpose(2, 3)  # (B, T, steps * kinds * G, P)
            pitches = self._steps(local.flatten(2))
        else:
            assert given is not None
            pitches = given[..., self.num_drums :]
        pitches = pitches.reshape(batch, self.num_times, kinds, self.num_cells).float()
        of = dict(zip(self.kinds, pitches.unbind(2), strict=True))
        off, on = of[OFF], of[ON]
        tie = of.get(TIE, on)[:, 0]  # without ties it is never asked for
        drums = on[..., :0] if given is None else given[..., : self.num_drums].float()
        quiet = -softplus(on).sum(-1) - softplus(drums).sum(-1)
        return off, on, drums, tie, quiet, -softplus(off).transpose(1, 2)

    def forward(self, logits: Tensor, states: Tensor, heard: tuple[Tensor, ...], told: Told, frame: Tensor) -> Tensor:
        assert told.state is not None
        with torch.autocast(logits.device.type, enabled=False):
            return _added(logits.float(), self._added(heard, told.state))

    def _added(self, heard: tuple[Tensor, ...], state: State) -> list[tuple[int, Tensor]]:
        """(first id, (B, S, ids)) of each kind of token."""
        off, on, drum, tie, quiet, quiet_off = heard
        struck = state.struck.flatten(2)
        sounds = state.sounding.flatten(2) & self.ends_are_told  # (B, S, C)
        in_ties = state.in_ties[..., None]
        now = state.time.clamp(min=0, max=self.num_times - 1)
        # Nothing in a step: by all that could come, and near the last time by how long ago each pitch was struck.
        nothing = quiet[:, None] + sounds.float() @ quiet_off  # (B, S, K)
        near = now[..., None] + torch.arange(_RECENT + 1, device=now.device)  # (B, S, A)
        inside = near.clamp(max=self.num_times - 1)
        age = (near[..., None] - struck[:, :, None]).clamp(1, _RECENT + 1) - 1  # (B, S, A, C)
        bias = pad(self.struck, (0, 1))
        off_near = rows(off, inside) + embedding(age, bias[0, :, None]).squeeze(-1)
        on_near = rows(on, inside) + embedding(age, bias[1, :, None]).squeeze(-1)
        off_near = torch.where(sounds[:, :, None], off_near, _NEVER)
        drum_near = rows(drum, inside)
        # What is left of the last time, or of the ties, in the codec's order.
        cells = torch.cat([off_near[:, :, 0], on_near[:, :, 0], drum_near[:, :, 0]], dim=-1)
        cells = torch.where(in_ties, pad(tie, (0, cells.shape[-1] - tie.shape[-1]), value=_NEVER)[:, None], cells)
        left = torch.arange(cells.shape[-1], device=now.device) > state.order[..., None]
        left = left & (in_ties | (state.time >= 0)[..., None])
        none = torch.where(left, -softplus(cells), 0.0)
        event = torch.where(left, logsigmoid(cells) + none.cumsum(-1) - none, _NEVER)  # (B, S, N)
        none_left = none.sum(-1, keepdim=True)
        # Times after it.
        quiet_near = -softplus(torch.cat([off_near, on_near, drum_near], dim=-1)).sum(-1)[:, :, 1:]
        nothing = pad(nothing, (0, _RECENT)).scatter(2, near[..., 1:], quiet_near)[..., : self.num_times]
        later = torch.arange(self.num_times, device=now.device) > state.time[..., None]
        nothing = torch.where(later, nothing.clamp(max=-1e-6), 0.0)
        until = nothing.cumsum(-1)
        something = torch.where(later, (-torch.expm1(nothing)).clamp(min=1e-12), 1.0).log()
        times = torch.where(later, none_left + until - nothing + something, _NEVER)
        ends = none_left + until[..., -1:]
        impossible = torch.full_like(ends, _NEVER)
        offs, ons, drums = torch.split(event, [self.num_cells, self.num_cells, self.num_drums], dim=-1)
        offs, ons, drums = torch.where(in_ties, _NEVER, offs), torch.where(in_ties, offs, ons), drums
        added = {TIME: torch.where(in_ties, _NEVER, times), DRUM: drums}
        by_group = torch.stack([offs, ons], dim=-2).view(*in_ties.shape[:2], 2, self.num_groups, self.num_pitches)
        if PROGRAM in self.vocabulary:
            added[PROGRAM] = by_group.logsumexp(dim=(2, 4))
            chosen = state.program.clamp(min=0)[:, :, None, None, None].expand(-1, -1, 2, 1, self.num_pitches)
            by_group = by_group.gather(3, chosen)
        added[OFF], added[ON] = by_group[:, :, 0, 0], by_group[:, :, 1, 0]
        added[TIE] = torch.where(in_ties, none_left, impossible)
        if DURATION in self.vocabulary:
            added[DURATION] = self._durations(off, state)
        there = [
            (self.vocabulary.first[kind], each.clamp(min=_NEVER))
            for kind, each in added.items()
            if kind in self.vocabulary
        ]
        return [*there, (EOS, torch.where(in_ties, impossible, ends).clamp(min=_NEVER))]

    def _durations(self, off: Tensor, state: State) -> Tensor:
        """(B, K, G * P) -> (B, S, lengths) of the note of each last onset or tie."""
        own = self.vocabulary.ranges[DURATION]
        length = torch.arange(1, own.lowest + own.size, device=off.device)
        cell = torch.where(state.in_ties, state.order, state.order - self.num_cells).clamp(0, self.num_cells - 1)
        then = state.time.clamp(min=0, max=self.num_times - 1)[..., None] + length
        end = rows(pad(off.transpose(1, 2), (0, len(length)), value=_SELDOM), cell).gather(-1, then)
        recent = pad(self.struck[0], (0, len(length)))[: len(length)]
        end = end + torch.where(state.in_ties[..., None], 0.0, recent)
        within = (then < self.num_times) | (own.lowest > 0)  # 0 stands for all that is longer than the segment
        none = torch.where(within, -softplus(end), 0.0)
        until = none.cumsum(-1)
        ends = torch.where(within, until - none + logsigmoid(end), _NEVER)
        if own.lowest == 0:
            ends = torch.cat([until[..., -1:], ends], dim=-1)
        return torch.where(state.asks_length[..., None], ends, _NEVER)

    def _steps(self, each: Tensor) -> Tensor:
        """(B, T, steps * X) of frames -> (B, K, X) of steps from the first that is told; the very end may have none."""
        steps = each[:, self.border_frames :].reshape(len(each), -1, each.shape[-1] // self.steps_per_frame)
        steps = steps[:, : self.num_times]
        return pad(steps, (0, 0, 0, self.num_times - steps.shape[1]), value=_SELDOM)

    def _aligned(self, local: Tensor) -> Tensor:
        """(B, T, P', X) of the backbone's pitches -> (B, T, P, X) of those that are told."""
        missing = self.num_pitches + self.skipped - local.shape[2]
        return pad(local, (0, 0, -self.skipped, missing), value=_NEVER)


def whole_steps(output: Tokens) -> int:
    """How many steps of time tokens a frame lasts. InputError where it is no whole number."""
    steps = round(output.steps_per_frame)
    if steps != output.steps_per_frame or steps < 1:
        raise InputError(
            f"pointers: a frame lasts {output.steps_per_frame:g} steps of the codec's, which must be a whole "
            "number: change codec.steps_per_s or hop_length, or give pointers=none"
        )
    return steps


def rows(values: Tensor, index: Tensor) -> Tensor:
    """(B, T, N), (B, ...) -> (B, ..., N)"""
    start = torch.arange(len(values), device=values.device).view(-1, *[1] * (index.dim() - 1)) * values.shape[1]
    return embedding(start + index, values.flatten(0, 1))


def _about(conv: nn.Module, features: Tensor) -> Tensor:
    """(B, T, P, D) -> (B, T, P, E), each of some frames of its pitch."""
    batch, num_pitches = features.shape[0], features.shape[2]
    local = gelu(conv(features.permute(0, 2, 3, 1).flatten(0, 1)))
    return local.view(batch, num_pitches, *local.shape[1:]).permute(0, 3, 1, 2)


def _added(logits: Tensor, added: list[tuple[int, Tensor]]) -> Tensor:
    """(B, S, V) and what is added from an id on."""
    for first, each in added:
        logits = logits + pad(each, (first, logits.shape[-1] - first - each.shape[-1]))
    return logits
