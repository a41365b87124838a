"""What the options of several frontends must fulfil."""

from ricercar.checks import check_choice, check_whole
from ricercar.errors import InputError
from ricercar.models.frontends.windows import COSINES


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
