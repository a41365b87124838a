"""What every frontend is, and what several use: windows, magnitudes, float32."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ricercar.checks import check_choice, check_whole
from ricercar.errors import InputError
from ricercar.models.spectrogram import Spectrogram


class Frontend(nn.Module, ABC):
    """(B, N) audio in [-1, 1] -> (B, C, F, T) magnitudes >= 0, with T = 1 + N // hop_length.

    Frame t is centred on sample t * hop_length; the signal is zero beyond its ends.
    Magnitudes are linear and scaled so that a full-scale sinusoid at the centre of a bin gives about 1:
    compression and normalisation are stages of their own, after this one.
    Fixed filters are non-persistent buffers (never in a checkpoint); trained ones are parameters.
    Runs in float32, outside autocast.

    reach     samples to either side of a frame's centre that its values depend on
    at_once   samples that are analysed together where a frame depends on all of them; None: any number
    signed    whether there are negative values: then it is no magnitudes that are given (see models/encoders)
    kept_as   how numpy calls the numbers that an analysis is kept in
    sources   the code that determines an analysis, besides its options
    """

    num_channels: int
    num_bins: int
    reach: int
    at_once: int | None = None
    signed: bool = False
    kept_as: str = "<f4"
    sources: tuple[str, ...] = ("models/frontends",)
    bins_per_semitone: int | None = None
    lowest_pitch: int | None = None

    def forward(self, audio: Tensor) -> Tensor:
        return self.arrange(self.analyse(audio))

    @abstractmethod
    def analyse(self, audio: Tensor) -> Tensor:
        """(B, N) audio -> (B, C', F', T): all that costs time, and what is worth keeping. To be marked @in_float32."""

    def arrange(self, analysis: Tensor) -> Tensor:
        """(B, C', F', T) -> (B, C, F, T): cheap, and each frame by itself, so that it may follow a cut in time."""
        return analysis

    def determining(self, options: dict[str, Any]) -> dict[str, Any]:
        """Of the options of its yaml, what determines an analysis."""
        return options

    @property
    def trained(self) -> bool:
        """Whether there is anything to train."""
        return any(True for _ in self.parameters())

    def spectrogram(self, num_frames: int) -> Spectrogram:
        """The axes of the spectrogram of a window of `num_frames` frames."""
        return Spectrogram(self.num_channels, self.num_bins, num_frames, self.bins_per_semitone, self.lowest_pitch)


# w[j] = sum_q a_q cos(2 pi q j / length), periodic: the windows of scipy.signal.get_window (Harris 1978; Nuttall 1981).
COSINES = {
    "hann": (0.5, -0.5),
    "hamming": (0.54, -0.46),
    "blackman": (0.42, -0.5, 0.08),
    "nuttall": (0.3635819, -0.4891775, 0.1365995, -0.0106411),
    "blackmanharris": (0.35875, -0.48829, 0.14128, -0.01168),
    "boxcar": (1.0,),
}
# Those whose spectrum falls off fast enough for a filter that is cut off outside a band.
BAND_LIMITED = ("hann", "blackman", "nuttall", "blackmanharris")


def cosine_window(name: str, length: int) -> Tensor:
    """(length,) float64 samples of one period."""
    phase = 2 * math.pi / length * torch.arange(length, dtype=torch.float64)
    order = torch.arange(len(COSINES[name]), dtype=torch.float64)
    return torch.tensor(COSINES[name], dtype=torch.float64) @ torch.cos(order[:, None] * phase)


# -160 dB of a full-scale sinusoid: far below any recording, and enough for a gradient that is finite at 0.
FLOOR = 1e-8


def energy(spectrum: Tensor, out: Tensor | None = None) -> Tensor:
    """(..., T, F) complex -> (..., F, T) squared magnitudes, FLOOR ** 2 at least. The spectrum is overwritten.

    Faster than the square of the absolute value, whose gradient is undefined at 0; and straight into `out` it takes
    half as long as with a transposition of its own.
    """
    squares = torch.view_as_real(spectrum).square_().add_(FLOOR**2 / 2).transpose(-3, -2)
    return torch.add(squares[..., 0], squares[..., 1], out=out)


def magnitude(spectrum: Tensor, out: Tensor | None = None) -> Tensor:
    """(..., T, F) complex -> (..., F, T) magnitudes, FLOOR at least. The spectrum is overwritten."""
    return energy(spectrum, out).sqrt_()


Owner = TypeVar("Owner")
# What torch.set_float32_matmul_precision lowers, on a GPU and on a CPU.
PRODUCTS = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)  # type: ignore[attr-defined]
# Lowered on a GPU unless the user forbids it.
CONVOLUTIONS = (torch.backends.cudnn.conv, torch.backends.mkldnn.conv)  # type: ignore[attr-defined]


def in_float32(analyse: Callable[[Owner, Tensor], Tensor]) -> Callable[[Owner, Tensor], Tensor]:
    """Makes a method widen half-precision audio, and switches autocast and lowered matrix products off.

    It is left out of compiled graphs: these gain nothing on Fourier transforms, and would not keep what is switched.
    """

    @wraps(analyse)
    def wide(self: Owner, audio: Tensor) -> Tensor:
        if torch.compiler.is_compiling():
            eager: Callable[[Owner, Tensor], Tensor] = torch.compiler.disable(wide)  # type: ignore[no-untyped-call]
            return eager(self, audio)
        with torch.autocast(audio.device.type, enabled=False), full_precision(*PRODUCTS):
            return analyse(self, audio.float() if audio.dtype in (torch.float16, torch.bfloat16) else audio)

    return wide


@contextmanager
def full_precision(*operations: Any) -> Iterator[None]:
    """No TF32 and no bfloat16 inside these operations; afterwards as before."""
    lowered = {operation: operation.fp32_precision for operation in operations}
    lowered = {operation: precision for operation, precision in lowered.items() if precision not in ("none", "ieee")}
    for operation in lowered:
        operation.fp32_precision = "ieee"
    try:
        yield
    finally:
        for operation, precision in lowered.items():
            operation.fp32_precision = precision


def check_frames(*, sample_rate: int, hop_length: int, n_fft: int, win_length: int, window: str) -> None:
    """The frames of a short-time Fourier transform."""
    check_whole(sample_rate=sample_rate, hop_length=hop_length, n_fft=n_fft, win_length=win_length)
    check_choice(COSINES, window=window)
    if n_fft % 2:
        raise InputError(f"n_fft={n_fft}: must be even, so that frame t is centred on sample t * hop_length")
    if n_fft < win_length:
        raise InputError(f"n_fft={n_fft}: must not be below win_length={win_length}")


def check_band(*, freq_min_hz: float, freq_max_hz: float, sample_rate: int) -> None:
    for name, value in {"freq_min_hz": freq_min_hz, "freq_max_hz": freq_max_hz}.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= sample_rate / 2:
            raise InputError(
                f"{name}={value!r}: must be a number from 0 to half of sample_rate={sample_rate}, {sample_rate / 2} Hz"
            )
    if freq_min_hz >= freq_max_hz:
        raise InputError(f"freq_min_hz={freq_min_hz}: must be below freq_max_hz={freq_max_hz}")
