"""Decibels."""

import torch
from torch import Tensor, nn

from ricercar.checks import check_choice, check_positive

REFERENCES = ("full_scale", "clip")


class DB(nn.Module):
    """(B, C, F, T) magnitudes -> decibels, 20 log10(max(x, floor)), cut off top_db below the clip's maximum.

    reference   full_scale: 0 dB is a full-scale sinusoid.   clip: 0 dB is the maximum of each clip
    top_db      None: nothing is cut off
    The values run down to -100 or so: a backbone without a normalisation at its entrance wants whitening or instance.
    """

    of_magnitudes = True

    def __init__(self, *, num_bins: int, reference: str, floor: float, top_db: float | None) -> None:
        super().__init__()
        check_choice(REFERENCES, reference=reference)
        check_positive(floor=floor)
        if top_db is not None:
            check_positive(top_db=top_db)
        self.reference, self.floor, self.top_db = reference, floor, top_db

    def forward(self, spectrogram: Tensor) -> Tensor:
        level = 20 * torch.log10(spectrogram.clamp(min=self.floor))
        loudest = level.amax(dim=(1, 2, 3), keepdim=True)
        if self.top_db is not None:
            level = torch.maximum(level, loudest - self.top_db)
        return level - loudest if self.reference == "clip" else level
