"""A network as one graph: audio of a window in, logits out, with its frontend inside.

What a frontend does by Fourier transforms and in blocks is written as convolutions and matrix products here, which
every engine has: the same sums, in another order.
"""

import copy
import math
from collections.abc import Callable
from types import MethodType

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, pad

from ricercar.errors import InputError
from ricercar.models.encoders.encoder import Encoder
from ricercar.models.frontends.chroma import Chroma
from ricercar.models.frontends.constant_q import CosineKernels, FixedCQT
from ricercar.models.frontends.frontend import Frontend, magnitude
from ricercar.models.frontends.stft import FFTSTFT, STFT
from ricercar.models.net import Net


class Graph(nn.Module):
    """(B, N) audio of a window, and where an output is clip-level (B, T) valid frames -> the logits of each head."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        if net.sequences:
            raise InputError(
                "head=tokens says one token after the other, which is no graph: export a run with head=frames, or pass "
                "the run on as it is: ricercar package RUN FOLDER."
            )
        if isinstance(net.frontend, Encoder):
            raise InputError(
                "the frontend is a pretrained encoder, which is not exported: pass the run on as it is, which names "
                "the encoder: ricercar package RUN FOLDER."
            )
        self.frontend = unrolled(net.frontend)
        self.compression, self.normalisation = net.compression, net.normalisation
        self.net = net

    def forward(self, audio: Tensor, valid: Tensor | None = None) -> tuple[Tensor, ...]:
        spectrogram = self.normalisation(self.compression(self.frontend(audio)))
        return tuple(self.net.body(spectrogram, valid).values())


def unrolled(frontend: Frontend) -> Frontend:
    """A frontend that gives the same, without Fourier transforms. One of the user's own is taken as it is."""
    found = copy.deepcopy(frontend)
    for module in found.modules():
        for name, child in module.named_children():
            if isinstance(child, FixedCQT):
                setattr(module, name, Correlations(kernels=module.kernels, hop_length=child.parts[0].hop_length))  # type: ignore[arg-type]
            elif isinstance(child, FFTSTFT):
                setattr(module, name, Fourier(child))
    if isinstance(found, STFT):
        found._magnitudes = MethodType(_from_first_bin, found)  # type: ignore[method-assign]
    for module in (found, found.cqt) if isinstance(found, Chroma) else (found,):
        analyse = type(module).analyse
        module.analyse = MethodType(getattr(analyse, "__wrapped__", analyse), module)  # type: ignore[method-assign]  # without switching autocast
    return found


def _from_first_bin(frontend: STFT, spectrum: Tensor, out: Tensor | None) -> Tensor:
    """ONNX has no slices of complex numbers."""
    return magnitude(spectrum)[..., frontend.first_bin :, :]


class Fourier(nn.Module):
    """As FFTSTFT, as two stages of matrix products (Cooley and Tukey 1965): a transform of n = first * second points is
    `second` transforms of `first` points, and then `first` transforms of `second` points.
    """

    def __init__(self, transform: FFTSTFT) -> None:
        super().__init__()
        self.hop_length, self.n_fft, self.num_freqs = transform.hop_length, transform.n_fft, transform.num_freqs
        self.first = max(each for each in range(1, math.isqrt(self.n_fft) + 1) if self.n_fft % each == 0)
        self.second = self.n_fft // self.first
        self.kept = min(self.second, math.ceil(self.num_freqs / self.first))  # of the second stage's points
        fast, slow = (torch.arange(each, dtype=torch.float64) for each in (self.first, self.second))
        inner = _turns(fast[:, None] * fast / self.first)  # (n1, k1, 2)
        kept = torch.arange(self.kept, dtype=torch.float64)
        angle = slow[:, None] * (fast[:, None, None] / self.n_fft + kept / self.second)
        cos, sin = _turns(angle).unbind(-1)  # (k1, n2, k2)
        outer = torch.stack([torch.cat([cos, sin], dim=2), torch.cat([-sin, cos], dim=2)], dim=2)  # (k1, n2, 2, 2 k2)
        self.window: Tensor
        self.inner: Tensor
        self.outer: Tensor
        self.register_buffer("window", transform.window.cpu().clone(), persistent=False)
        self.register_buffer("inner", inner.flatten(1).float(), persistent=False)
        self.register_buffer("outer", outer.flatten(1, 2).float(), persistent=False)

    def forward(self, audio: Tensor, rows: Callable[[Tensor, Tensor | None], Tensor], num_bins: int) -> Tensor:
        frames = _frames(pad(audio, (self.n_fft // 2, self.n_fft // 2)), self.n_fft, self.hop_length) * self.window
        num_frames = frames.shape[1]
        columns = frames.reshape(-1, num_frames, self.first, self.second).transpose(2, 3)  # (B, T, n2, n1)
        parts = (columns @ self.inner).reshape(-1, num_frames, self.second, self.first, 2)  # (B, T, n2, k1, 2)
        stacked = parts.permute(3, 0, 1, 2, 4).flatten(3).flatten(1, 2)  # (k1, B T, 2 n2)
        found = (stacked @ self.outer).reshape(self.first, -1, 2, self.kept)  # (k1, B T, 2, k2)
        ordered = found.permute(1, 3, 0, 2).flatten(1, 2)[:, : self.num_freqs]  # (B T, k2 k1, 2): k = k1 + first * k2
        return rows(torch.view_as_complex(ordered.reshape(-1, num_frames, self.num_freqs, 2)), None)


def _turns(angle: Tensor) -> Tensor:
    """(...) in turns -> (..., 2) real and imaginary part of exp(-2 pi i angle)."""
    return torch.stack([(2 * torch.pi * angle).cos(), -(2 * torch.pi * angle).sin()], dim=-1)


def _frames(audio: Tensor, width: int, hop_length: int) -> Tensor:
    """(B, N) -> (B, T, width), T = 1 + (N - width) // hop_length: put together from pieces one hop long."""
    num_frames = 1 + (audio.shape[1] - width) // hop_length
    pieces = math.ceil(width / hop_length)
    audio = pad(audio, (0, max(0, (num_frames + pieces - 1) * hop_length - audio.shape[1])))
    hops = audio[:, : (num_frames + pieces - 1) * hop_length].reshape(audio.shape[0], -1, hop_length)
    return torch.cat([hops[:, piece : piece + num_frames] for piece in range(pieces)], dim=2)[..., :width]


class Correlations(nn.Module):
    """As FixedCQT, with kernels of about one length in each convolution."""

    def __init__(self, *, kernels: CosineKernels, hop_length: int) -> None:
        super().__init__()
        self.hop_length = hop_length
        self.lefts: list[int] = []
        self.widths: list[int] = []
        first = 0
        while first < len(kernels.length):
            after = int((kernels.length > kernels.length[first] / 2).sum())
            part = kernels.part(slice(first, after))
            left = int(torch.ceil(part.length / 2).max())
            waves = part.samples(torch.arange(-left, int(part.length.max()) - left + 1))
            filters = torch.view_as_real(waves).transpose(1, 2).flatten(0, 1)[:, None].float()  # (2 F, 1, W)
            self.register_buffer(f"filters{len(self.lefts)}", filters.contiguous(), persistent=False)
            self.lefts.append(left)
            self.widths.append(filters.shape[-1])
            first = after

    def forward(self, audio: Tensor) -> Tensor:
        parts = []
        for number, (left, width) in enumerate(zip(self.lefts, self.widths, strict=True)):
            padded = pad(audio, (left, width - left))[:, None]
            parts.append(conv1d(padded, getattr(self, f"filters{number}"), stride=self.hop_length))
        return magnitude(_complex(torch.cat(parts, dim=1)))


def _complex(parts: Tensor) -> Tensor:
    """(B, 2 F, T) -> (B, T, F) complex"""
    pairs = parts.reshape(parts.shape[0], -1, 2, parts.shape[2]).permute(0, 3, 1, 2)
    return torch.view_as_complex(pairs.contiguous())
