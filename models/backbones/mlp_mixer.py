"""MLPs over the frames and over the features in turn."""

from torch import Tensor, nn

from ricercar.checks import check_positive, check_whole
from ricercar.errors import InputError
from ricercar.models.backbones.backbone import Backbone, InputNorm, fitted_width
from ricercar.models.backbones.timm_parts import LayerNorm, MixerBlock
from ricercar.models.spectrogram import Spectrogram


class MLPMixer(Backbone):
    """(B, C, F, T) spectrogram -> (B, T, 1, D): timm's mixer blocks (Tolstikhin et al. 2021), with frames as tokens.

    D = width. T is exactly the window's: the weights of the token mixing belong to positions in the window.
    """

    def __init__(
        self,
        *,
        spectrogram: Spectrogram,
        num_params: int,
        width: int | None,
        depth: int,
        token_ratio: float,
        channel_ratio: float,
        dropout: float,
        drop_path: float,
        input_norm: str,
    ) -> None:
        super().__init__()
        check_whole(depth=depth)
        check_positive(token_ratio=token_ratio, channel_ratio=channel_ratio)
        if width is None:
            width = fitted_width(MLPMixer, locals(), step=8)
        check_whole(width=width)
        self.dim = width
        self.num_frames = spectrogram.num_frames
        self.input_norm = InputNorm(spectrogram, input_norm)
        self.project = nn.Linear(spectrogram.num_channels * spectrogram.num_bins, width)
        self.blocks = nn.Sequential(
            *(
                MixerBlock(
                    width,
                    spectrogram.num_frames,
                    (token_ratio, channel_ratio),
                    drop=dropout,
                    drop_path=drop_path * index / max(1, depth - 1),
                )
                for index in range(depth)
            )
        )
        self.norm = LayerNorm(width)

    def forward(self, spectrogram: Tensor) -> Tensor:
        if spectrogram.shape[-1] != self.num_frames:
            raise InputError(
                f"mlp_mixer mixes exactly {self.num_frames} frames; this spectrogram has {spectrogram.shape[-1]}: "
                "predict with the window that it was trained on"
            )
        frames = self.input_norm(spectrogram).flatten(1, 2).transpose(1, 2)
        features: Tensor = self.norm(self.blocks(self.project(frames)))
        return features.unsqueeze(2)
