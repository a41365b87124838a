"""Windows that are sums of cosines."""

import math

import torch
from torch import Tensor

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
