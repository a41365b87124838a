"""Chroma: the constant-Q transform folded into one octave."""

import math

import torch
from torch import Tensor

from ricercar.checks import check_choice, check_positive, check_whole
from ricercar.errors import InputError
from ricercar.models.frontends.cqt import CQT
from ricercar.models.frontends.frontend import Frontend, in_float32

C0_HZ = 440 * 2 ** (-57 / 12)


class Chroma(Frontend):
    """(B, N) audio -> (B, 1, num_chroma, T) magnitudes of the pitch classes from C upwards, over all octaves.

    A class gathers the CQT bins nearest to it in every octave.
    fold    sum (a sinusoid of amplitude 1 gives about 2 at filter_scale 1, for its neighbours sound with it) or max
    norm    of each frame: none, max or l2; frames with less than epsilon are divided by epsilon
    The other options are those of the CQT, which see.
    """

    num_channels = 1

    def __init__(
        self,
        *,
        sample_rate: int,
        hop_length: int,
        freq_min_hz: float,
        bins_per_octave: int,
        num_octaves: int,
        filter_scale: float,
        window: str,
        num_chroma: int,
        fold: str,
        norm: str,
        epsilon: float,
        trainable: bool,
    ) -> None:
        super().__init__()
        check_whole(bins_per_octave=bins_per_octave, num_octaves=num_octaves, num_chroma=num_chroma)
        check_choice(("sum", "max"), fold=fold)
        check_choice(("none", "max", "l2"), norm=norm)
        check_positive(epsilon=epsilon)
        if bins_per_octave % num_chroma:
            raise InputError(
                f"num_chroma={num_chroma}: must divide bins_per_octave={bins_per_octave}; "
                f"choose bins_per_octave={num_chroma * max(1, round(bins_per_octave / num_chroma))}, say"
            )
        self.cqt = CQT(
            sample_rate=sample_rate,
            hop_length=hop_length,
            freq_min_hz=freq_min_hz,
            bins_per_octave=bins_per_octave,
            num_bins=num_octaves * bins_per_octave,
            filter_scale=filter_scale,
            window=window,
            harmonics=[1],
            trainable=trainable,
        )
        self.num_bins = num_chroma
        self.reach = self.cqt.reach
        self.fold, self.norm, self.epsilon = fold, norm, epsilon
        # Bins of the CQT, first those of class 0 in each octave, and so on: whole octaves fill every class equally.
        above_c = round(bins_per_octave * math.log2(freq_min_hz / C0_HZ))
        share = bins_per_octave // num_chroma
        classes = (torch.arange(num_octaves * bins_per_octave) + above_c + share // 2) // share % num_chroma
        self.members: Tensor
        self.register_buffer("members", classes.argsort(stable=True), persistent=False)

    @in_float32
    def analyse(self, audio: Tensor) -> Tensor:
        bins = self.cqt.analyse(audio)[:, 0, self.members]
        members = bins.reshape(len(bins), 1, self.num_bins, -1, bins.shape[2])
        chroma = members.sum(dim=3) if self.fold == "sum" else members.amax(dim=3)
        if self.norm == "none":
            return chroma
        order = 2.0 if self.norm == "l2" else math.inf
        size = torch.linalg.vector_norm(chroma, ord=order, dim=2, keepdim=True)
        normed: Tensor = chroma / size.clamp(min=self.epsilon)
        return normed
