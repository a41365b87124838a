"""The constant-Q and the variable-Q transform with fixed kernels: by Fourier transforms and by products with frames."""

import math
from collections import OrderedDict
from copy import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from ricercar.models.frontends.frontend import COSINES, magnitude


class CosineKernels:
    """Windowed complex exponentials, and their spectra at any frequency.

    Bin k is at f = freq_min_hz * 2 ** (k / bins_per_octave), with the bandwidth B = alpha f + gamma_hz, where
    alpha = 2 ** (1 / bins_per_octave) - 1. Its kernel has ceil(filter_scale * sample_rate / B) samples, is centred on
    its sample ceil(length / 2), and is scaled so that a sinusoid of amplitude 1 at its frequency gives 1.
    This is nnAudio's convention (at gamma_hz = 0 and 12 bins per octave Q = 1 / alpha = 16.82; librosa's has been
    17.33 since 0.10).
    """

    def __init__(
        self,
        *,
        sample_rate: int,
        freq_min_hz: float,
        bins_per_octave: int,
        num_bins: int,
        gamma_hz: float,
        filter_scale: float,
        window: str,
    ) -> None:
        self.sample_rate, self.freq_min_hz, self.num_bins = sample_rate, freq_min_hz, num_bins
        self.bins_per_octave, self.filter_scale, self.window = bins_per_octave, filter_scale, window
        alpha = 2 ** (1 / bins_per_octave) - 1
        freq_hz = freq_min_hz * 2 ** (torch.arange(num_bins, dtype=torch.float64) / bins_per_octave)
        self.length = torch.ceil(filter_scale / alpha * sample_rate / (freq_hz + gamma_hz / alpha))  # samples
        self.frequency = freq_hz / sample_rate  # cycles per sample
        self._cosines = COSINES[window]

    def part(self, bins: slice) -> "CosineKernels":
        """Those of `bins` alone."""
        part = copy(self)
        part.length, part.frequency = self.length[bins], self.frequency[bins]
        part.freq_min_hz, part.num_bins = float(part.frequency[0]) * self.sample_rate, len(part.length)
        return part

    def samples(self, place: Tensor) -> Tensor:
        """The F kernels at W places, in samples from the centre: (F, W) complex128, zero beyond their ends."""
        length = self.length[:, None]
        since = place + torch.ceil(length / 2)
        order = torch.arange(len(self._cosines), dtype=torch.float64)
        turns = torch.cos(2 * math.pi * order[:, None, None] * (since / length))
        window = torch.tensor(self._cosines, dtype=torch.float64) @ turns.flatten(1)
        # The 2: a real sinusoid has half its amplitude at its positive frequency.
        inside = ((since >= 0) & (since < length)) * 2 / (self._cosines[0] * length)
        return torch.polar(inside * window.reshape_as(since), 2 * math.pi * self.frequency[:, None] * place)

    def spectrum(self, bins: slice, frequency: Tensor) -> Tensor:
        """Fourier transform of the K kernels of `bins` at M frequencies in cycles per sample: (K, M) complex128.

        The window's cosines split a kernel into exponentials, each of which sums to a Dirichlet kernel.
        """
        length = self.length[bins, None]
        # Detuned by 1e-7 / length, which changes nothing within float32, no quotient is 0 / 0.
        angle = math.pi * (self.frequency[bins, None] - frequency + 1e-7 / length)
        total = (self._cosines[0] / torch.sin(angle)).to(torch.complex128)
        for q, coefficient in enumerate(self._cosines[1:], start=1):
            step = math.pi * q / length
            turn = torch.polar(torch.ones_like(step), step)
            total += coefficient / 2 * (turn.conj() / torch.sin(angle + step) + turn / torch.sin(angle - step))
        centre = (length - 1) / 2 - torch.ceil(length / 2)
        # The 2: a real sinusoid has half its amplitude at its positive frequency.
        gain = 2 / (self._cosines[0] * length)
        return total * torch.polar(gain * torch.sin(length * angle), 2 * centre * angle)

    def bandwidth(self, tolerance: float) -> Tensor:
        """(F,) cycles per sample around a kernel's frequency, beyond which lie tolerance ** 2 of its energy."""
        lobes = torch.arange(0, 100, 0.05, dtype=torch.float64)  # in units of 1 / length
        response = sum(
            (-1) ** q * coefficient / 2 * (torch.sinc(lobes + q) + torch.sinc(lobes - q))
            for q, coefficient in enumerate(self._cosines)
        )
        assert isinstance(response, Tensor)
        beyond = response.square().flip(0).cumsum(0).flip(0)
        return lobes[beyond > tolerance**2 * beyond[0]].max() / self.length


# Share of a kernel (as the root of its energy) that is cut off outside its band: the relative error, about.
TOLERANCE = 5e-5
# Plans kept: training windows, prediction windows, and two to spare. A plan of 4 s at 288 bins is some 8 MB.
NUM_PLANS = 4
# Longer signals are cut into overlapping blocks of this length, so that a whole track needs no plan of its own.
BLOCK_S = 20.0
BLOCKS_AT_ONCE = 8  # few enough for the cache, enough to use the plan while it is there


@dataclass(frozen=True)
class _Band:
    """Neighbouring bins K, and the stretch of the spectrum that their kernels see: J * M Fourier bins from `first` on.

    weights   (M, J, K) complex: the kernels' conjugate spectra
    """

    first: int
    weights: Tensor


class FFTCQT(nn.Module):
    """(B, N) audio -> (B, F, T) magnitudes of the correlations with the kernels at the multiples of hop_length.

    The signal's spectrum is multiplied by a kernel's, which is band-limited, and transformed back. Only every
    hop_length-th sample of the result is wanted: in the spectrum this decimation folds the J stretches of M bins
    onto each other, which is a matrix product of B x J by J x K for each of the M residues; the inverse transform
    then has M points for each bin instead of N. (A fold that starts elsewhere than at 0 turns the phase of the
    frames, which the magnitude drops.) Exact up to TOLERANCE; all in the precision of the audio.
    """

    def __init__(self, *, kernels: CosineKernels, hop_length: int) -> None:
        super().__init__()
        self.kernels = kernels
        self.hop_length = hop_length
        self.margin = math.ceil(float(kernels.length.max()) / 2 / hop_length) + 1  # frames that a kernel reaches over
        # The 1: signals last whole multiples of BLOCK_S more often than a frame less.
        self.block_frames = 1 + round(BLOCK_S * kernels.sample_rate / hop_length)
        self.plans: OrderedDict[tuple[int, torch.dtype, torch.device], list[_Band]] = OrderedDict()

    def forward(self, audio: Tensor) -> Tensor:
        num_frames = 1 + audio.shape[-1] // self.hop_length
        if num_frames <= self.block_frames + 2 * self.margin:
            return self._transform(audio, num_frames)
        step, around = self.block_frames * self.hop_length, self.margin * self.hop_length
        num_blocks = math.ceil(num_frames / self.block_frames)
        padded = pad(audio, (around, num_blocks * step + around - audio.shape[-1]))
        blocks = padded.unfold(1, step + 2 * around, step).flatten(0, 1)
        num_transformed = self.margin + self.block_frames
        frames = torch.cat([self._transform(some, num_transformed) for some in torch.split(blocks, BLOCKS_AT_ONCE)])
        frames = frames[..., self.margin :]
        by_track = frames.reshape(-1, num_blocks, *frames.shape[1:])
        return by_track.transpose(1, 2).flatten(2)[..., :num_frames].contiguous()

    def _transform(self, audio: Tensor, num_frames: int) -> Tensor:
        # A circle on which the zeros after the end are also those before the start.
        num_points = _quick_even(math.ceil(audio.shape[-1] / self.hop_length) + self.margin)
        size = num_points * self.hop_length
        bands = self._plan(num_points, audio)
        lowest = min(band.first for band in bands)
        highest = max(band.first + band.weights.shape[1] * num_points for band in bands)
        # Tracks last: then no product has to copy its part.
        columns = _stretch(torch.fft.rfft(audio, n=size), lowest, highest).T.contiguous()
        folded = []
        for band in bands:
            J = band.weights.shape[1]
            part = columns[band.first - lowest :][: J * num_points].reshape(J, num_points, -1)
            folded.append(torch.bmm(part.permute(1, 2, 0), band.weights))
        frames = torch.fft.ifft(torch.cat(folded, dim=2), dim=0)[:num_frames]
        return magnitude(frames.transpose(0, 1)).contiguous()

    def _plan(self, num_points: int, audio: Tensor) -> list[_Band]:
        key = (num_points, audio.dtype, audio.device)
        if key not in self.plans:
            size = num_points * self.hop_length
            width = self.kernels.bandwidth(TOLERANCE)
            low = torch.floor((self.kernels.frequency - width).clamp(min=-0.5) * size).long().tolist()
            high = torch.ceil((self.kernels.frequency + width).clamp(max=1.0) * size).long().tolist()
            folds = _Folds(low, high, num_points, self.hop_length)
            with torch.inference_mode(False):
                self.plans[key] = [self._band(bins, folds, audio) for bins in folds.groups()]
            if len(self.plans) > NUM_PLANS:
                self.plans.popitem(last=False)
        self.plans.move_to_end(key)
        return self.plans[key]

    def _band(self, bins: slice, folds: "_Folds", audio: Tensor) -> _Band:
        J, M = folds.number(bins), folds.num_points
        size = M * self.hop_length
        first = min(*folds.low[bins], size - J * M)
        points = torch.arange(first, first + J * M, dtype=torch.float64)
        weights = self.kernels.spectrum(bins, points / size).conj() / self.hop_length
        weights = weights.to(audio.dtype.to_complex()).reshape(-1, J, M).permute(2, 1, 0)
        return _Band(first, weights.to(audio.device).contiguous())


@dataclass(frozen=True)
class _Folds:
    """Which Fourier bins, low to high, each kernel sees, and how they fold onto num_points."""

    low: list[int]
    high: list[int]
    num_points: int
    hop_length: int

    def number(self, bins: slice) -> int:
        """J of a band of these bins; the whole circle is hop_length folds."""
        width = max(self.high[bins]) - min(self.low[bins]) + 1
        return min(self.hop_length, math.ceil(width / self.num_points))

    def groups(self) -> list[slice]:
        """Neighbours share a band as long as the union of their bands wastes little: fewer and larger products."""
        groups = [slice(0, 1)]
        alone = self.number(groups[0])
        for k in range(1, len(self.low)):
            own = self.number(slice(k, k + 1))
            union = slice(groups[-1].start, k + 1)
            if self.number(union) * (k + 1 - union.start) <= 1.25 * (alone + own) + 32:
                groups[-1] = union
                alone += own
            else:
                groups.append(slice(k, k + 1))
                alone = own
        return groups


def _stretch(spectrum: Tensor, lowest: int, highest: int) -> Tensor:
    """Fourier bins lowest ... highest - 1 of a real signal, out of its bins 0 ... last = half its length."""
    last = spectrum.shape[1] - 1
    parts = [spectrum[:, max(lowest, 0) : highest]]
    if lowest < 0:
        parts.insert(0, spectrum[:, 1 : 1 - lowest].conj().flip(1))
    if highest > last + 1:
        parts.append(spectrum[:, 2 * last + 1 - highest : last].conj().flip(1))
    return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]


def _quick_even(least: int) -> int:
    """The least even number from `least` on without a prime factor above 5: quick to transform."""
    number = least + least % 2
    while _rest(number) > 1:
        number += 2
    return number


def _rest(number: int) -> int:
    for prime in (2, 3, 5):
        while number % prime == 0:
            number //= prime
    return number


class FrameCQT(nn.Module):
    """(B, N) audio -> (B, F, T) magnitudes of the correlations with the kernels at the multiples of hop_length."""

    def __init__(self, *, kernels: CosineKernels, hop_length: int) -> None:
        super().__init__()
        self.hop_length = hop_length
        self.left = int(torch.ceil(kernels.length / 2).max())  # samples before the one that a frame is centred on
        weights = kernels.samples(torch.arange(-self.left, int(kernels.length.max()) - self.left + 1))
        self.weights: Tensor  # (W, F, 2)
        self.register_buffer("weights", torch.view_as_real(weights.T.contiguous()).float(), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        width = len(self.weights)
        frames = pad(audio, (self.left, width - self.left)).unfold(1, width, self.hop_length)
        parts = frames @ self.weights.flatten(1)
        return magnitude(torch.view_as_complex(parts.reshape(*parts.shape[:2], -1, 2)))


class FixedCQT(nn.Module):
    """(B, N) audio -> (B, F, T) magnitudes of the correlations with the kernels at the multiples of hop_length.

    A kernel takes a product with the frame its length in multiplications, and the Fourier transform of the whole
    signal its bandwidth in folds: each takes the way that is shorter for it.
    """

    def __init__(self, *, kernels: CosineKernels, hop_length: int) -> None:
        super().__init__()
        # 8: where both took as long, for bins and hops of all sizes.
        long = kernels.length > 8 * hop_length * kernels.bandwidth(TOLERANCE)
        num_long, num_bins = int(long.sum()), len(kernels.length)
        self.parts = nn.ModuleList()
        if num_long:
            self.parts.append(FFTCQT(kernels=kernels.part(slice(0, num_long)), hop_length=hop_length))
        first = num_long
        while first < num_bins:
            # Of about one length: all of a product's kernels are filled up to the longest.
            after = int((kernels.length > kernels.length[first] / 2).sum())
            self.parts.append(FrameCQT(kernels=kernels.part(slice(first, after)), hop_length=hop_length))
            first = after

    def forward(self, audio: Tensor) -> Tensor:
        return torch.cat([part(audio) for part in self.parts], dim=1)
