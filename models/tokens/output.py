"""What a task asks of a token decoder."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ricercar.errors import InputError
from ricercar.models.backbones.backbone import Backbone
from ricercar.models.tokens.grammar import Grammar
from ricercar.models.tokens.vocabulary import Vocabulary


@dataclass(frozen=True)
class Tokens:
    """An output of the network that is a sequence: (B, S, V) logits, of what is said (B, S), or (B, S) tokens.

    A window tells of its frames but `border_frames` at both ends, which are there to be listened to.

    vocabulary       what tokens mean, V = vocabulary.num_tokens
    grammar          which may follow
    max_tokens       S
    num_frames       T of a window
    steps_per_frame  how many steps of time tokens a frame lasts
    last_step        the latest that a window can tell
    decoder          makes the module
    """

    vocabulary: Vocabulary
    grammar: Grammar
    max_tokens: int
    num_frames: int
    border_frames: int
    steps_per_frame: float
    last_step: int
    decoder: Callable[..., nn.Module]
    clip_level = False
    sequence = True

    def head(self, backbone: Backbone) -> nn.Module:
        """InputError where the decoder's options do not fit."""
        try:
            return self.decoder(output=self, backbone=backbone)
        except InputError as error:
            raise InputError(f"head.decoder: {error}") from error

    def nothing(self, num_frames: int) -> NDArray[np.int64]:
        """The target of a window that has no labels: padding."""
        return np.zeros(self.max_tokens, dtype=np.int64)
