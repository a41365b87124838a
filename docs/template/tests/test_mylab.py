"""Each yaml makes what it says, for a spectrogram of any size."""

from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from ricercar.models.spectrogram import Spectrogram

CONF = Path(__file__).parents[1] / "mylab" / "conf"


@pytest.mark.parametrize("path", sorted(CONF.glob("backbone/*.yaml")), ids=lambda path: path.stem)
def test_backbone(path: Path) -> None:
    spectrogram = Spectrogram(num_channels=2, num_bins=30, num_frames=50)
    # In two steps: Hydra would turn the spectrogram into a plain dict.
    backbone = instantiate(OmegaConf.load(path), _convert_="all", _partial_=True)(spectrogram=spectrogram)
    features = backbone(torch.randn(3, 2, 30, 50))
    assert features.shape == (3, 50, backbone.num_pitches, backbone.dim)
    features.sum().backward()
    assert all(parameter.grad is not None for parameter in backbone.parameters())
