"""The kernels of a constant-Q transform, in closed form."""

import math
from copy import copy

import torch
from torch import Tensor

from ricercar.models.frontends.windows import COSINES


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
