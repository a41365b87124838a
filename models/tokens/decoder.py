"""A network that says what it hears, one token after the other."""

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, gelu, pad, scaled_dot_product_attention

from ricercar.checks import check_between, check_choice, check_flag, check_positive, check_whole
from ricercar.errors import InputError
from ricercar.models.backbones.backbone import Backbone
from ricercar.models.tokens.output import Tokens
from ricercar.models.tokens.search import search
from ricercar.models.tokens.vocabulary import OFF, ON, PAD, PITCH, SHIFT, TIME

KeysValues = tuple[Tensor, Tensor]  # (B, H, L, D / H) each
_LOCAL_FRAMES = 7  # that a pitch's features are gathered from, about the current time


@dataclass(frozen=True)
class Heard:
    """What a decoder knows of B windows before it says anything.

    layers   of each layer the keys and values of the frames
    memory   (B, T, W)
    notes    (B, T, P, E) of each pitch about each frame, or None
    times    (B, E, K) of each step that a token can tell, or None
    """

    layers: list[KeysValues]
    memory: Tensor
    notes: Tensor | None
    times: Tensor | None

    def repeated(self, number: int) -> Self:
        """Each window so many times in a row: B * number of them."""

        def again(each: Tensor) -> Tensor:
            return each.repeat_interleave(number, dim=0)

        layers = [(again(keys), again(values)) for keys, values in self.layers]
        notes, times = (None if each is None else again(each) for each in (self.notes, self.times))
        return type(self)(layers, again(self.memory), notes, times)


class TokenDecoder(nn.Module):
    """(B, T, P, D) features, (B, S) tokens -> (B, S, V) logits of each token after those before it. Without tokens it
    says them itself -> (B, S) tokens, as the grammar allows.

    A causal transformer with normalisation before each part (as Raffel et al. 2020, T5; Hawthorne et al. 2021,
    Sequence-to-sequence piano transcription, used it first for notes).

    listening       cross:  tokens attend to the frames in layers of their own
                    prefix: frames come before the tokens, and go through the same layers (prefix language model)
    positions       of tokens: learned, or rotary (Su et al. 2021, RoFormer)
    time_attention  a learned bias on how far a frame is from the last time that was told
    pointers        logits of times are read from the frames that they are of, logits of pitches from the backbone's
                    features of that pitch about the last time that was told, where it keeps pitches apart
    num_beams       sequences that are kept while it says the tokens; 1: the likeliest token each time
    """

    step_of: Tensor  # (V,) of a time token its step, else 0

    def __init__(
        self,
        *,
        output: Tokens,
        backbone: Backbone,
        width: int,
        depth: int,
        num_heads: int,
        mlp_ratio: float,
        dropout: float,
        listening: str,
        positions: str,
        time_attention: bool,
        pointers: bool,
        pointer_width: int,
        num_beams: int,
    ) -> None:
        super().__init__()
        check_whole(width=width, depth=depth, num_heads=num_heads, pointer_width=pointer_width, num_beams=num_beams)
        check_positive(mlp_ratio=mlp_ratio)
        check_between(0, 0.999, dropout=dropout)
        check_choice(("cross", "prefix"), listening=listening)
        check_choice(("learned", "rotary"), positions=positions)
        check_flag(time_attention=time_attention, pointers=pointers)
        if width % (2 * num_heads):
            raise InputError(f"width={width}: must be a multiple of 2 * num_heads, {2 * num_heads}")
        self.output, self.num_beams = output, num_beams
        self.grammar = copy.deepcopy(output.grammar)
        num_tokens = output.vocabulary.num_tokens
        self.register_buffer("step_of", _steps(output), persistent=False)
        self.hear_frames = nn.Linear(backbone.num_pitches * backbone.dim, width)
        self.frame_positions = nn.Parameter(0.02 * torch.randn(output.num_frames, width))
        self.embed = nn.Embedding(num_tokens, width)
        nn.init.normal_(self.embed.weight, std=0.02)
        self.positions = nn.Parameter(0.02 * torch.randn(output.max_tokens, width)) if positions == "learned" else None
        self.layers = nn.ModuleList(
            _Layer(width, num_heads, mlp_ratio, dropout, listening == "cross", positions == "rotary")
            for _ in range(depth)
        )
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)
        self.say = nn.Linear(width, num_tokens)
        self.distance = _Distance(num_heads, output.num_frames) if time_attention else None
        self.pointers = _Pointers(output, backbone, width, pointer_width) if pointers else None

    def forward(self, features: Tensor, said: Tensor | None = None) -> Tensor:
        heard = self.hear(features)
        if said is None:
            return search(self, heard, len(features))
        spoken = said
        if said.device.type == "cpu":  # where the longest of a batch is known without waiting
            spoken = said[:, : int((said != PAD).any(dim=0).sum().clamp(min=1))]
        before = pad(spoken[:, :-1], (1, 0), value=PAD)
        step = self.step_of[before].cummax(dim=1).values
        logits, _ = self.follow(heard, before, step, None, 0)
        return pad(logits, (0, 0, 0, said.shape[1] - spoken.shape[1]))

    def hear(self, features: Tensor) -> Heard:
        """(B, T, P, D) -> what is needed of it, whatever is said."""
        memory = self.hear_frames(features.flatten(2)) + self.frame_positions[: features.shape[1]]
        frames, layers = self.dropout(memory), []
        for layer in cast(Iterable[_Layer], self.layers):
            keys_values, frames = layer.hear(frames)
            layers.append(keys_values)
        notes, times = (None, None) if self.pointers is None else self.pointers.hear(features, memory)
        return Heard(layers, memory, notes, times)

    def follow(
        self, heard: Heard, tokens: Tensor, step: Tensor, past: Sequence[KeysValues] | None, first: int
    ) -> tuple[Tensor, list[KeysValues]]:
        """-> (B, S, V) logits of what follows each token, and the keys and values of those that it saw.

        tokens   (B, S): those from place `first` on; `past` has what came of those before
        step     (B, S): the last time that was told up to each
        """
        output = self.output
        frame = (output.border_frames + step / output.steps_per_frame).long().clamp(max=output.num_frames - 1)
        states = self.embed(tokens)
        if self.positions is not None:
            states = states + self.positions[first : first + tokens.shape[1]]
        states = self.dropout(states)
        bias = None if self.distance is None else self.distance(frame).to(states.dtype)
        seen = []
        for number, layer in enumerate(self.layers):
            states, kept = layer(states, heard.layers[number], bias, None if past is None else past[number], first)
            seen.append(kept)
        states = self.norm(states)
        if self.pointers is None:
            logits: Tensor = self.say(states)
            return logits, seen
        states = self.pointers.here(states, heard.memory, frame)
        return self.pointers(self.say(states), states, heard, step, frame), seen


class _Layer(nn.Module):
    """Attention to what was said, to what is heard, and an MLP."""

    def __init__(self, width: int, num_heads: int, mlp_ratio: float, dropout: float, cross: bool, rotary: bool) -> None:
        super().__init__()
        self.attention = _Attention(width, num_heads, rotary)
        self.norm = nn.LayerNorm(width)
        self.listening = _Attention(width, num_heads, False) if cross else None
        self.listening_norm = nn.LayerNorm(width) if cross else None
        hidden = round(mlp_ratio * width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, width)
        )
        self.dropout = nn.Dropout(dropout)

    def hear(self, frames: Tensor) -> tuple[KeysValues, Tensor]:
        """(B, T, W) -> their keys and values here, and the frames for the next layer."""
        if self.listening is not None:
            return self.listening.keys_values(frames, None), frames
        normed = self.norm(frames)
        keys_values = self.attention.keys_values(normed, None)
        frames = frames + self.dropout(self.attention(normed, keys_values, None, None))
        return keys_values, frames + self.dropout(self.mlp(frames))

    def forward(
        self, states: Tensor, heard: KeysValues, bias: Tensor | None, past: KeysValues | None, first: int
    ) -> tuple[Tensor, KeysValues]:
        """bias (B, H, S, T)"""
        normed = self.norm(states)
        own = self.attention.keys_values(normed, first)
        if past is not None:
            own = (torch.cat([past[0], own[0]], dim=2), torch.cat([past[1], own[1]], dim=2))
        num_said, num_known = states.shape[1], own[0].shape[2]
        later = torch.ones(num_said, num_known, dtype=torch.bool, device=states.device).triu(num_known - num_said + 1)
        mask = torch.zeros_like(later, dtype=states.dtype).masked_fill(later, -math.inf)
        if self.listening is None or self.listening_norm is None:
            keys, values = (torch.cat(pair, dim=2) for pair in zip(heard, own, strict=True))
            if bias is None:
                together = pad(mask, (heard[0].shape[2], 0))
            else:
                together = torch.cat([bias, mask.expand(*bias.shape[:2], -1, -1)], dim=-1)
            states = states + self.dropout(self.attention(normed, (keys, values), together, first))
        else:
            states = states + self.dropout(self.attention(normed, own, mask, first))
            states = states + self.dropout(self.listening(self.listening_norm(states), heard, bias, None))
        return states + self.dropout(self.mlp(states)), own


class _Attention(nn.Module):
    """Of H heads; `first` is the place of the first token where places turn the queries and keys (rotary)."""

    def __init__(self, width: int, num_heads: int, rotary: bool) -> None:
        super().__init__()
        self.num_heads, self.rotary = num_heads, rotary
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.join = nn.Linear(width, width)

    def keys_values(self, states: Tensor, first: int | None) -> KeysValues:
        keys, values = map(self._split, self.key_value(states).chunk(2, dim=-1))
        return self._turned(keys, first), values

    def forward(self, states: Tensor, keys_values: KeysValues, mask: Tensor | None, first: int | None) -> Tensor:
        """mask (..., S, L), added"""
        queries = self._turned(self._split(self.query(states)), first)
        keys, values = keys_values
        mask = None if mask is None else mask.to(queries.dtype)
        mixed = scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        joined: Tensor = self.join(mixed.transpose(1, 2).flatten(2))
        return joined

    def _split(self, states: Tensor) -> Tensor:
        return states.view(*states.shape[:2], self.num_heads, -1).transpose(1, 2)

    def _turned(self, heads: Tensor, first: int | None) -> Tensor:
        if first is None or not self.rotary:
            return heads
        half = heads.shape[-1] // 2
        frequency = 10_000.0 ** (-torch.arange(half, device=heads.device) / half)
        angle = (first + torch.arange(heads.shape[2], device=heads.device))[:, None] * frequency
        cosine, sine = angle.cos().to(heads.dtype), angle.sin().to(heads.dtype)
        one, other = heads[..., :half], heads[..., half:]
        return torch.cat([one * cosine - other * sine, one * sine + other * cosine], dim=-1)


class _Distance(nn.Module):
    """(B, S) frame of the last time told -> (B, H, S, T) what is added for each frame, by its distance alone."""

    def __init__(self, num_heads: int, num_frames: int) -> None:
        super().__init__()
        self.by_distance = nn.Parameter(torch.zeros(num_heads, 2 * num_frames - 1))
        places = torch.arange(num_frames)
        self.register_buffer("index", places[None] - places[:, None] + num_frames - 1, persistent=False)

    index: Tensor  # (T, T)

    def forward(self, frame: Tensor) -> Tensor:
        num_heads, num_frames = len(self.by_distance), len(self.index)
        table = self.by_distance[:, self.index].transpose(0, 1).flatten(1)
        return embedding(frame, table).view(*frame.shape, num_heads, num_frames).transpose(1, 2)


class _Pointers(nn.Module):
    """Logits read from where a token points to, added to those of the state alone."""

    def __init__(self, output: Tokens, backbone: Backbone, width: int, pointer_width: int) -> None:
        super().__init__()
        vocabulary = output.vocabulary
        self.output, self.pointer_width = output, pointer_width
        self.steps_per_frame = round(output.steps_per_frame)
        if self.steps_per_frame != output.steps_per_frame or self.steps_per_frame < 1:
            raise InputError(
                f"pointers=true: a frame lasts {output.steps_per_frame:g} steps of the codec's, which must be a whole "
                "number: change codec.steps_per_s or hop_length, or give pointers=false"
            )
        self.from_frame = nn.Linear(width, width)
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

    def hear(self, features: Tensor, memory: Tensor) -> tuple[Tensor | None, Tensor]:
        """-> (B, T, P, kinds * E) of pitches, (B, E, K) of times."""
        notes, keys = None, memory
        if self.kinds:
            batch, num_pitches = features.shape[0], features.shape[2]
            local = gelu(self.about(features.permute(0, 2, 3, 1).flatten(0, 1)))
            local = local.view(batch, num_pitches, *local.shape[1:]).permute(0, 3, 1, 2)
            notes = self.note_key(local)
            keys = torch.cat([memory, local.amax(dim=2)], dim=-1)
        times = self.time_key(keys[:, self.output.border_frames :]).reshape(len(keys), -1, self.pointer_width)
        times = times[:, : self.num_times].transpose(1, 2)
        return notes, pad(times, (0, self.num_times - times.shape[2]))  # the very end may have no frame

    def here(self, states: Tensor, memory: Tensor, frame: Tensor) -> Tensor:
        """The states, told what there is in the frame of the last time."""
        added: Tensor = self.from_frame(_rows(memory, frame))
        return states + added

    def forward(self, logits: Tensor, states: Tensor, heard: Heard, step: Tensor, frame: Tensor) -> Tensor:
        assert heard.times is not None
        scale = self.pointer_width**-0.5
        later = embedding(step.clamp(max=self.num_times - 1), self.later[self.index])
        added = [(self.first_time, scale * (self.time_query(states) @ heard.times) + later)]
        if heard.notes is not None:
            shape = (*frame.shape, -1, len(self.kinds), self.pointer_width)
            here = _rows(heard.notes.flatten(2), frame).view(shape)
            query = self.note_query(states).view(shape).squeeze(2)
            notes = scale * torch.einsum("bspke,bske->bksp", here, query)
            added += [
                (first, notes[:, number, :, low : low + size]) for number, (first, low, size) in enumerate(self.kinds)
            ]
        for first, each in added:
            logits = logits + pad(each, (first, logits.shape[-1] - first - each.shape[-1]))
        return logits


def _rows(values: Tensor, frame: Tensor) -> Tensor:
    """(B, T, N), (B, S) -> (B, S, N) those of the frames."""
    start = torch.arange(len(values), device=values.device)[:, None] * values.shape[1]
    return embedding(start + frame, values.flatten(0, 1))


def _steps(output: Tokens) -> Tensor:
    """(V,) int64"""
    steps = torch.zeros(output.vocabulary.num_tokens, dtype=torch.int64)
    for kind in (TIME, SHIFT):
        if kind in output.vocabulary:
            first, own = output.vocabulary.first[kind], output.vocabulary.ranges[kind]
            steps[first : first + own.size] = torch.arange(own.lowest, own.lowest + own.size)
    return steps.clamp(max=output.last_step)
