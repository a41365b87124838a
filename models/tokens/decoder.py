"""A network that says what it hears, one token after the other."""

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, pad, scaled_dot_product_attention

from ricercar.checks import check_between, check_choice, check_flag, check_positive, check_whole
from ricercar.errors import InputError
from ricercar.models.backbones.backbone import Backbone
from ricercar.models.tokens.output import Tokens
from ricercar.models.tokens.pointers import Hazards, Similarity, Told, rows
from ricercar.models.tokens.search import search
from ricercar.models.tokens.vocabulary import PAD, SHIFT, TIME

KeysValues = tuple[Tensor, Tensor]  # (B, H, L, D / H) each
_POINTERS = {"none": None, "similarity": Similarity, "hazards": Hazards}


@dataclass(frozen=True)
class Heard:
    """What a decoder knows of B windows before it says anything.

    layers   of each layer the keys and values of the frames
    memory   (B, T, W)
    pointed  what pointers make of them
    """

    layers: list[KeysValues]
    memory: Tensor
    pointed: tuple[Tensor, ...]

    def repeated(self, number: int) -> Self:
        """Each window so many times in a row: B * number of them."""

        def again(each: Tensor) -> Tensor:
            return each.repeat_interleave(number, dim=0)

        layers = [(again(keys), again(values)) for keys, values in self.layers]
        return type(self)(layers, again(self.memory), tuple(map(again, self.pointed)))


class TokenDecoder(nn.Module):
    """(B, T, P, D) features, (B, S) tokens -> (B, S, V) logits of each token after those before it. Without tokens it
    says them itself -> (B, S) tokens, as the grammar allows.

    A causal transformer with normalisation before each part (as Raffel et al. 2020, T5; Hawthorne et al. 2021,
    Sequence-to-sequence piano transcription, used it first for notes).

    listening       cross:  tokens attend to the frames in layers of their own
                    prefix: frames come before the tokens, and go through the same layers (prefix language model)
    positions       of tokens: learned, or rotary (Su et al. 2021, RoFormer)
    time_attention  a learned bias on how far a frame is from the last time that was told
    pointers        none, similarity, hazards: how logits of times are read from the frames that they are of, and those
                    of pitches from the backbone's features of that pitch at that time, where it keeps pitches apart
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
        pointers: str,
        pointer_width: int,
        num_beams: int,
    ) -> None:
        super().__init__()
        check_whole(width=width, depth=depth, num_heads=num_heads, pointer_width=pointer_width, num_beams=num_beams)
        check_positive(mlp_ratio=mlp_ratio)
        check_between(0, 0.999, dropout=dropout)
        check_choice(("cross", "prefix"), listening=listening)
        check_choice(("learned", "rotary"), positions=positions)
        check_choice(_POINTERS, pointers=pointers)
        check_flag(time_attention=time_attention)
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
        kind = _POINTERS[pointers]
        self.pointers = None if kind is None else kind(output, backbone, width, pointer_width)
        self.from_frame = None if kind is None else nn.Linear(width, width)  # what there is in that of the last time

    def forward(self, features: Tensor, said: Tensor | None = None) -> Tensor:
        heard = self.hear(features)
        if said is None:
            return search(self, heard, len(features))
        spoken = said
        if said.device.type == "cpu":  # where the longest of a batch is known without waiting
            spoken = said[:, : int((said != PAD).any(dim=0).sum().clamp(min=1))]
        before = pad(spoken[:, :-1], (1, 0), value=PAD)
        step = self.step_of[before].cummax(dim=1).values
        needs_state = self.pointers is not None and self.pointers.needs_state
        state = self.grammar.through(spoken[:, :-1], self.output.last_step) if needs_state else None
        logits, _ = self.follow(heard, before, Told(step, state), None, 0)
        return pad(logits, (0, 0, 0, said.shape[1] - spoken.shape[1]))

    def hear(self, features: Tensor) -> Heard:
        """(B, T, P, D) -> what is needed of it, whatever is said."""
        memory = self.hear_frames(features.flatten(2)) + self.frame_positions[: features.shape[1]]
        frames, layers = self.dropout(memory), []
        for layer in cast(Iterable[_Layer], self.layers):
            keys_values, frames = layer.hear(frames)
            layers.append(keys_values)
        return Heard(layers, memory, () if self.pointers is None else self.pointers.hear(features, memory))

    def follow(
        self, heard: Heard, tokens: Tensor, told: Told, past: Sequence[KeysValues] | None, first: int
    ) -> tuple[Tensor, list[KeysValues]]:
        """-> (B, S, V) logits of what follows each token, and the keys and values of those that it saw.

        tokens   (B, S): those from place `first` on; `past` has what came of those before
        told     up to each
        """
        output = self.output
        frame = (output.border_frames + told.step / output.steps_per_frame).long().clamp(max=output.num_frames - 1)
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
        if self.from_frame is not None:
            states = states + self.from_frame(rows(heard.memory, frame))
        logits: Tensor = self.say(states)
        if self.pointers is not None:
            logits = self.pointers(logits, states, heard.pointed, told, frame)
        return logits, seen


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


def _steps(output: Tokens) -> Tensor:
    """(V,) int64"""
    steps = torch.zeros(output.vocabulary.num_tokens, dtype=torch.int64)
    for kind in (TIME, SHIFT):
        if kind in output.vocabulary:
            first, own = output.vocabulary.first[kind], output.vocabulary.ranges[kind]
            steps[first : first + own.size] = torch.arange(own.lowest, own.lowest + own.size)
    return steps.clamp(max=output.last_step)
