"""Power law of a spectrogram."""

from torch import Tensor, nn

from ricercar.checks import check_positive

# -160 dB of a full-scale sinusoid. At 0 itself a root has no finite slope.
FLOOR = 1e-8


class Power(nn.Module):
    """(B, C, F, T) magnitudes -> x ** exponent. 0.5 is a square root; 0.3 is near the loudness that is heard."""

    of_magnitudes = True

    def __init__(self, *, num_bins: int, exponent: float) -> None:
        super().__init__()
        check_positive(exponent=exponent)
        self.exponent = exponent

    def forward(self, spectrogram: Tensor) -> Tensor:
        return spectrogram.clamp(min=FLOOR) ** self.exponent
