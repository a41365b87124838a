"""The kernels of a constant-Q transform, in closed form."""

import math

import torch
from torch import Tensor

from ricercar.models.frontends.windows import COSINES


class CosineKernels:
    """Windowed complex exponentials, and their spectra at any frequency.

    Bin k is at freq_min_hz * 2 ** (k / bins_per_octave). Its kernel has ceil(Q * sample_rate / frequency) samples with
    Q = filter_scale / (2 ** (1 / bins_per_octave) - 1), is centred on its sample ceil(length / 2), and is scaled so
    that a sinusoid of amplitude 1 at its frequency gives 1. This is nnAudio's convention (Q = 16.82 at 12 bins per
    octave; librosa's has been 17.33 since 0.10).
    """

    def __init__(
        self,
        *,
        sample_rate: int,
        freq_min_hz: float,
        bins_per_octave: int,
        num_bins: int,
        filter_scale: float,
        window: str,
    ) -> None:
        self.sample_rate, self.freq_min_hz, self.num_bins = sample_rate, freq_min_hz, num_bins
        self.bins_per_octave, self.filter_scale, self.window = bins_per_octave, filter_scale, window
        quality = filter_scale / (2 ** (1 / bins_per_octave) - 1)
        freq_hz = freq_min_hz * 2 ** (torch.arange(num_bins, dtype=torch.float64) / bins_per_octave)
        self.length = torch.ceil(quality * sample_rate / freq_hz)  # samples
        self.frequency = freq_hz / sample_rate  # cycles per sample
        self._cosines = COSINES[window]

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
