"""Networks written as strings, such as c2-p2-c2-p2-r1-d1."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from ricercar.checks import check_choice, check_flag, check_whole
from ricercar.errors import InputError
from ricercar.models.backbones.backbone import Backbone, InputNorm, fitted_width
from ricercar.models.spectrogram import Spectrogram

# Symbol -> what it may not come before: a symbol with a lower rank.
_RANKS = {"c2": 0, "p2": 0, "c1": 1, "r1": 2, "d1": 2}
_GRAMMAR = (
    "symbols joined by '-': first c2 (convolution over frequency and time) and p2 (pooling along frequency), "
    "then c1 (convolution along time), then r1 (recurrent) and d1 (dense); at least one c1, r1 or d1"
)
_CELLS = {"lstm": nn.LSTM, "gru": nn.GRU}


class Layers(Backbone):
    """(B, C, F, T) spectrogram -> (B, T, 1, D): a layer for each symbol of a string. D = width.

    The symbols are those of Choi, Fazekas, Cho, Sandler 2017, A Tutorial on Deep Learning for Music Information
    Retrieval: a kind of layer, and the number of its dimensions.

    c2   kernel x kernel convolution over frequency and time, `channels` of them, norm, ReLU
    p2   pooling by `pool_size`, along frequency only: every frame is kept
    c1   convolution along time, `kernel` frames, that sees all of frequency at once, norm, ReLU, dropout
    r1   recurrent layer over the frames, dropout
    d1   dense layer on each frame, norm, ReLU, dropout

    c2 and p2 come before c1, and all of them before r1 and d1. The head follows, and is not part of the string.
    Raises InputError for a string that is no network, with the place.

    norm     batch: batch normalisation of each c2, c1 and d1; none: a bias in its place
    frozen   c2 and c1 keep their random weights, and their batch normalisation learns statistics only: no scale and
             offset, which alone can teach random convolutions a lot (Frankle, Schwab, Morcos 2021)
    """

    def __init__(
        self,
        *,
        spectrogram: Spectrogram,
        layers: str,
        num_params: int,
        width: int | None,
        channels: int,
        kernel: int,
        pool_size: int,
        pool: str,
        norm: str,
        cell: str,
        bidirectional: bool,
        frozen: bool,
        dropout: float,
        input_norm: str,
    ) -> None:
        super().__init__()
        check_whole(channels=channels, kernel=kernel, pool_size=pool_size)
        check_choice(("max", "average"), pool=pool)
        check_choice(("batch", "none"), norm=norm)
        check_choice(tuple(_CELLS), cell=cell)
        check_flag(bidirectional=bidirectional, frozen=frozen)
        if kernel % 2 == 0:
            raise InputError(f"kernel={kernel}: must be odd, so that it is centred on a frame")
        symbols = _parsed(layers)
        if width is None:
            width = fitted_width(Layers, locals(), step=8)
        check_whole(width=width)
        if bidirectional and "r1" in symbols and width % 2:
            raise InputError(f"width={width}: must be even, half of it for each direction")
        self.dim = width
        self.input_norm = InputNorm(spectrogram, input_norm)

        on_spectrogram: list[nn.Module] = []
        size, num_bins = spectrogram.num_channels, spectrogram.num_bins
        while symbols[0] in ("c2", "p2"):
            if symbols.pop(0) == "p2":
                on_spectrogram.append(_pool(pool, pool_size))
                num_bins = -(-num_bins // pool_size)
            else:
                conv = nn.Conv2d(size, channels, kernel, padding=kernel // 2, bias=norm == "none")
                conv.weight.data = conv.weight.data.contiguous(memory_format=torch.channels_last)
                size = channels
                on_spectrogram.append(_activated(conv, nn.BatchNorm2d(size) if norm == "batch" else None, frozen))
        self.on_spectrogram = nn.Sequential(*on_spectrogram)

        on_frames: list[nn.Module] = []
        size *= num_bins
        for symbol in symbols:
            if symbol == "r1":
                on_frames.append(_Recurrent(cell, size, width, bidirectional))
            else:
                seen = kernel if symbol == "c1" else 1  # a dense layer is a convolution that sees one frame
                dense = nn.Conv1d(size, width, seen, padding=seen // 2, bias=norm == "none")
                normed = nn.BatchNorm1d(width) if norm == "batch" else None
                on_frames.append(_activated(dense, normed, frozen and symbol == "c1"))
            on_frames.append(nn.Dropout(dropout))
            size = width
        self.on_frames = nn.Sequential(*on_frames)

    def forward(self, spectrogram: Tensor) -> Tensor:
        features: Tensor = self.on_frames(self.on_spectrogram(self.input_norm(spectrogram)).flatten(1, 2))
        return features.transpose(1, 2).unsqueeze(2)


class _Recurrent(nn.Module):
    """(B, size, T) -> (B, width, T), from a zero state; half the width from each direction where bidirectional."""

    def __init__(self, cell: str, size: int, width: int, bidirectional: bool) -> None:
        super().__init__()
        units = width // 2 if bidirectional else width
        self.cells = _CELLS[cell](size, units, batch_first=True, bidirectional=bidirectional)

    def forward(self, features: Tensor) -> Tensor:
        states: Tensor = self.cells(features.transpose(1, 2))[0]
        return states.transpose(1, 2)


def _activated(conv: nn.Module, norm: nn.Module | None, frozen: bool) -> nn.Module:
    """conv, norm, ReLU."""
    stages = [conv] if norm is None else [conv, norm]
    return nn.Sequential(*stages).requires_grad_(not frozen).append(nn.ReLU(inplace=True))


def _pool(pool: str, size: int) -> nn.Module:
    """(B, C, F, T) -> (B, C, ceil(F / size), T)"""
    kind = nn.MaxPool2d if pool == "max" else nn.AvgPool2d
    return kind((size, 1), ceil_mode=True)


def _parsed(layers: str) -> list[str]:
    """The symbols of a string. InputError names the first that cannot stand where it does."""
    if not isinstance(layers, str) or not layers:
        raise InputError(f"layers={layers!r}: expected {_GRAMMAR}")
    symbols = layers.split("-")
    for place, symbol in enumerate(symbols, 1):
        if symbol not in _RANKS:
            raise InputError(f"layers={layers!r}: symbol {place} is {symbol!r}; expected {_GRAMMAR}")
    for place, (before, symbol) in enumerate(pairwise(symbols), 2):
        if _RANKS[symbol] < _RANKS[before]:
            raise InputError(f"layers={layers!r}: symbol {place}, {symbol}, follows {before}; expected {_GRAMMAR}")
    if not _RANKS[symbols[-1]]:
        raise InputError(f"layers={layers!r}: ends in {symbols[-1]}; expected {_GRAMMAR}")
    return symbols
