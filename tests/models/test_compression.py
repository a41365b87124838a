"""Every compression keeps shape and finiteness; the formulas are checked against numbers and librosa."""

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor, nn

from configs import choices, composed
from ricercar.errors import InputError

COMPRESSIONS = choices("compression")
SHAPE = (2, 3, 5, 40)


@cache
def configured(name: str) -> DictConfig:
    cfg = composed(f"compression={name}").compression
    assert isinstance(cfg, DictConfig)
    return cfg


def make(name: str, num_bins: int = 5, **options: Any) -> nn.Module:
    compression = instantiate(configured(name), _convert_="all", num_bins=num_bins, **options)
    assert isinstance(compression, nn.Module)
    return compression


def magnitudes(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)) ** 4


@pytest.mark.parametrize("num_frames", [1, 40, 600])
@pytest.mark.parametrize("level", [0.0, 1e-8, 1.0, 1e4])
@pytest.mark.parametrize("name", COMPRESSIONS)
def test_keeps_shape_and_finiteness(name: str, level: float, num_frames: int) -> None:
    spectrogram = (level * magnitudes(2, 3, 5, num_frames)).requires_grad_()
    compressed = make(name)(spectrogram)
    assert compressed.shape == spectrogram.shape
    assert compressed.dtype == torch.float32
    assert compressed.isfinite().all()
    compressed.sum().backward()
    assert spectrogram.grad is not None
    assert spectrogram.grad.isfinite().all()


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_is_fixed_unless_trained(name: str) -> None:
    compression = make(name)
    assert not compression.state_dict()
    assert not list(compression.parameters())


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_louder_is_more(name: str) -> None:
    """A bin that grows from frame to frame grows in the compressed spectrogram too."""
    compressed = make(name)(torch.logspace(-3, 0, 40).expand(1, 1, 5, 40))
    assert (compressed.diff(dim=-1) > 0).all()


@pytest.mark.parametrize(
    ("name", "options", "magnitude", "expected"),
    [
        ("none", {}, 0.3, 0.3),
        ("log", {"offset": 1e-3}, 0.0, math.log(1e-3)),
        ("log", {"offset": 0.5}, 0.5, 0.0),
        ("power", {"exponent": 0.5}, 0.09, 0.3),
        ("power", {"exponent": 3}, 0.5, 0.125),
        ("power", {"exponent": 0.5}, 0.0, 1e-4),
        ("db", {}, 1.0, 0.0),
        ("db", {}, 0.1, -20.0),
        ("db", {"floor": 1e-4}, 0.0, -80.0),
    ],
)
def test_value(name: str, options: dict[str, Any], magnitude: float, expected: float) -> None:
    compressed = make(name, **options)(torch.full(SHAPE, magnitude))
    torch.testing.assert_close(compressed, torch.full(SHAPE, expected))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [[-20.0, -60.0], [-40.0, -100.0]]),
        ({"top_db": 30}, [[-20.0, -50.0], [-40.0, -70.0]]),
        ({"reference": "clip"}, [[0.0, -40.0], [0.0, -60.0]]),
        ({"reference": "clip", "top_db": 30}, [[0.0, -30.0], [0.0, -30.0]]),
    ],
)
def test_decibels_are_below_the_reference(options: dict[str, Any], expected: list[list[float]]) -> None:
    spectrogram = torch.tensor([[0.1, 0.001], [0.01, 0.0]])[:, None, None, :]
    torch.testing.assert_close(make("db", **options)(spectrogram)[:, 0, 0], torch.tensor(expected))


def test_pcen_is_librosas() -> None:
    from librosa import pcen
    from scipy.signal import lfilter_zi

    # Some 2.4 blocks of frames; loud and quiet bins.
    spectrogram = magnitudes(1, 1, 4, 600) * torch.tensor([1.0, 1e-1, 1e-2, 1e-4])[:, None]
    frames = 0.4 * 16000 / 320
    smoothing = (math.sqrt(1 + 4 * frames**2) - 1) / (2 * frames**2)
    expected = pcen(
        spectrogram[0, 0].double().numpy(),
        b=smoothing,
        gain=0.98,
        bias=2,
        power=0.5,
        eps=1e-6,
        zi=lfilter_zi([smoothing], [1, smoothing - 1]) * spectrogram[0, 0, :, :1].double().numpy(),
    )
    np.testing.assert_allclose(make("pcen", num_bins=4)(spectrogram)[0, 0], expected, rtol=2e-4)


def test_pcen_takes_out_loudness() -> None:
    spectrogram = magnitudes(*SHAPE) + 0.01
    loud, quiet = make("pcen")(spectrogram), make("pcen")(0.1 * spectrogram)
    torch.testing.assert_close(quiet, loud, rtol=0.06, atol=0.0)


def test_pcen_smooths_the_same_at_any_frame_rate() -> None:
    """A step is forgotten after the time constant, to the same degree."""
    step = torch.ones(1, 1, 1, 800)
    step[..., :400] = 0.01
    coarse, fine = make("pcen", num_bins=1), make("pcen", num_bins=1, hop_length=160)
    torch.testing.assert_close(coarse(step)[..., 420], fine(step)[..., 440], rtol=0.03, atol=0.0)


def test_trained_pcen_starts_as_the_fixed_one_and_learns_per_bin() -> None:
    spectrogram = magnitudes(*SHAPE)
    trained = make("pcen", trainable=True)
    compressed = trained(spectrogram)
    torch.testing.assert_close(compressed, make("pcen")(spectrogram))
    compressed.sum().backward()
    (parameter,) = trained.parameters()
    assert parameter.shape == (3, 5, 1)
    assert parameter.grad is not None
    assert parameter.grad.isfinite().all()
    assert parameter.grad.abs().min() > 0
    assert set(trained.state_dict()) == {"logarithms"}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("log", {"offset": 0}, "offset=0: must be a number above 0"),
        ("power", {"exponent": "half"}, "exponent='half': must be a number above 0"),
        ("db", {"reference": "max"}, "reference='max': choose one of full_scale, clip"),
        ("db", {"floor": 0.0}, "floor=0.0: must be a number above 0"),
        ("db", {"top_db": -80}, "top_db=-80: must be a number above 0"),
        ("pcen", {"gain": -0.98}, "gain=-0.98: must be a number above 0"),
        ("pcen", {"time_constant_s": 0}, "time_constant_s=0: must be a number above 0"),
        ("pcen", {"trainable": 1}, "trainable=1: choose one of true, false"),
    ],
)
def test_impossible_options(name: str, options: dict[str, Any], message: str) -> None:
    target = instantiate(configured(name), _convert_="all", _partial_=True, num_bins=5)
    with pytest.raises(InputError, match=message):
        target(**options)
