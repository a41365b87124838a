"""The likeliest sequences that a grammar allows, token by token."""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ricercar.models.tokens.pointers import Told
from ricercar.models.tokens.vocabulary import PAD

if TYPE_CHECKING:
    from ricercar.models.tokens.decoder import Heard, TokenDecoder


@torch.no_grad()
def search(decoder: "TokenDecoder", heard: "Heard", batch: int) -> Tensor:
    """-> (B, S) tokens of B windows, padding after the end of each; S is that of the longest there can be.

    Of several beams the one with the largest mean of its tokens' log-probabilities is taken. Windows know nothing of
    each other: any note may be tied.
    """
    num_beams, output = decoder.num_beams, decoder.output
    heard = heard.repeated(num_beams)
    device = heard.memory.device
    rows = batch * num_beams
    state = decoder.grammar.start(torch.full((rows,), output.last_step, device=device))
    said = torch.full((rows, output.max_tokens), PAD, device=device)
    token = torch.full((rows,), PAD, device=device)
    step = torch.zeros_like(token)
    # The first beam of each window alone: all are the same at the start.
    score = torch.full((batch, num_beams), -math.inf, device=device)
    score[:, 0] = 0.0
    length = torch.zeros(rows, device=device)
    past = None
    for place in range(output.max_tokens):
        told = Told(step[:, None], state.of_each(lambda each: each[:, None]))
        logits, past = decoder.follow(heard, token[:, None], told, past, place)
        ended = state.done
        logits = logits[:, 0].float().masked_fill(~decoder.grammar.allowed(state), -math.inf)
        if num_beams == 1:
            token = logits.argmax(dim=-1)
        else:
            log_p = logits.log_softmax(dim=-1).masked_fill(ended[:, None], -math.inf)
            log_p[:, PAD] = torch.where(ended, 0.0, log_p[:, PAD])
            total = (score.flatten()[:, None] + log_p).view(batch, -1)
            score, best = total.topk(num_beams)
            beam = best // logits.shape[1] + torch.arange(batch, device=device)[:, None] * num_beams
            index, token = beam.flatten(), (best % logits.shape[1]).flatten()
            # What has no likelihood is no sequence: it says what the grammar lets it say.
            token = torch.where(score.flatten().isinf(), logits[index].argmax(dim=-1), token)
            state, said, step, length, ended = state.take(index), said[index], step[index], length[index], ended[index]
            past = [(keys[index], values[index]) for keys, values in past]
        said[:, place] = token
        length += ~ended
        state = decoder.grammar.advance(state, token)
        step = torch.maximum(step, decoder.step_of[token])
        if bool(state.done.all()):
            break
    if num_beams == 1:
        return said
    mean = score / length.view(batch, num_beams).clamp(min=1)
    best = mean.argmax(dim=1) + torch.arange(batch, device=device) * num_beams
    return said[best]
