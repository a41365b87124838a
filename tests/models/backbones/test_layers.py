"""The grammar of backbone=layers, and what each of its options does."""

from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from configs import CONF
from ricercar.errors import InputError
from ricercar.models.backbones.layers import Layers
from ricercar.models.spectrogram import Spectrogram

SPECTROGRAM = Spectrogram(num_channels=2, num_bins=30, num_frames=40)


def build(layers: str = "c2-p2-c2-p2-r1-d1", spectrogram: Spectrogram = SPECTROGRAM, **options: Any) -> Layers:
    torch.manual_seed(0)
    config = OmegaConf.merge(OmegaConf.load(CONF / "backbone" / "layers.yaml"), {"width": 12, "channels": 4})
    return instantiate(config, _partial_=True, _convert_="all")(spectrogram=spectrogram, layers=layers, **options)


def spectrograms(batch: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, 2, 30, 40, generator=generator)


def kinds(net: Layers) -> list[str]:
    """The layers in their order, by the names of their classes, norms and dropout apart."""
    order = [type(module).__name__ for module in (*net.on_spectrogram.modules(), *net.on_frames.modules())]
    return [name for name in order if name in ("Conv2d", "Conv1d", "MaxPool2d", "AvgPool2d", "LSTM", "GRU")]


@pytest.mark.parametrize(
    ("layers", "built"),
    [
        ("c2-p2-c2-p2-r1-d1", ["Conv2d", "MaxPool2d", "Conv2d", "MaxPool2d", "LSTM", "Conv1d"]),
        ("c2-c2-p2-d1-d1", ["Conv2d", "Conv2d", "MaxPool2d", "Conv1d", "Conv1d"]),
        ("c1-c1-r1", ["Conv1d", "Conv1d", "LSTM"]),
        ("p2-c2-c1", ["MaxPool2d", "Conv2d", "Conv1d"]),
        ("d1-r1-d1", ["Conv1d", "LSTM", "Conv1d"]),
        ("d1", ["Conv1d"]),
    ],
)
def test_builds_what_is_written(layers: str, built: list[str]) -> None:
    net = build(layers)
    assert kinds(net) == built
    assert net(spectrograms()).shape == (3, 40, 1, 12)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("c2-x2-d1", r"layers='c2-x2-d1': symbol 2 is 'x2'; expected symbols joined by '-': first c2 "),
        ("c3-d1", r"symbol 1 is 'c3'; expected"),
        ("c2-p1-d1", r"symbol 2 is 'p1'; expected"),
        ("c2--d1", r"symbol 2 is ''; expected"),
        ("c2-d1-", r"symbol 3 is ''; expected"),
        ("c2 - d1", r"symbol 1 is 'c2 '; expected"),
        ("C2-D1", r"symbol 1 is 'C2'; expected"),
        ("c2-r1-c2", r"symbol 3, c2, follows r1; expected"),
        ("c2-d1-p2-d1", r"symbol 3, p2, follows d1; expected"),
        ("c1-c2-d1", r"symbol 2, c2, follows c1; expected"),
        ("d1-c1", r"symbol 2, c1, follows d1; expected"),
        ("c2-p2", r"layers='c2-p2': ends in p2; expected .* at least one c1, r1 or d1"),
        ("", r"layers='': expected symbols"),
        (2, r"layers=2: expected symbols"),
    ],
)
def test_a_wrong_string_is_refused_with_the_place(layers: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(layers)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": 4}, "kernel=4: must be odd"),
        ({"kernel": 0}, "kernel=0: must be a whole number"),
        ({"pool_size": 0}, "pool_size=0: must be a whole number"),
        ({"pool": "mean"}, "pool='mean': choose one of max, average"),
        ({"norm": "layer"}, "norm='layer': choose one of batch, none"),
        ({"cell": "rnn"}, "cell='rnn': choose one of lstm, gru"),
        ({"frozen": "no"}, "frozen='no': choose one of true, false"),
        ({"width": 9}, "width=9: must be even"),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(**options)


@pytest.mark.parametrize(
    ("layers", "options", "before", "after"),
    [
        ("d1-d1", {}, 0, 0),
        ("c2-c2-d1", {}, 2, 2),
        ("c2-p2-d1", {"kernel": 7, "pool_size": 4}, 3, 3),
        ("c1-c1-d1", {"kernel": 5}, 4, 4),
        ("r1", {"bidirectional": False}, 20, 0),
        ("r1", {"bidirectional": False, "cell": "gru"}, 20, 0),
        ("r1", {"bidirectional": True}, 20, 19),
    ],
)
def test_hears_the_frames_that_it_should(layers: str, options: dict[str, Any], before: int, after: int) -> None:
    net = build(layers, **options).eval().double()
    spectrogram = spectrograms(1).double().requires_grad_()
    net(spectrogram)[0, 20].square().sum().backward()
    assert spectrogram.grad is not None
    heard = spectrogram.grad.abs().amax(dim=(0, 1, 2)).nonzero().flatten()
    assert (int(heard[0]), int(heard[-1])) == (20 - before, 20 + after)


@pytest.mark.parametrize(("pool", "kind"), [("max", Tensor.amax), ("average", Tensor.mean)])
@torch.no_grad()
def test_pools_neighbouring_bins(pool: str, kind: Any) -> None:
    """The last bin of 7 is a pool of its own."""
    spectrogram = Spectrogram(2, 7, 40)
    net = build("p2-d1", spectrogram, pool=pool, pool_size=3).eval()
    bins = spectrograms()[:, :, :7]
    expected = torch.stack([kind(bins[:, :, at : at + 3], dim=2) for at in (0, 3, 6)], dim=2)
    torch.testing.assert_close(net.on_spectrogram(bins), expected)


@pytest.mark.parametrize(("pool_size", "num_bins"), [(1, 30), (2, 8), (4, 2), (64, 1)])
def test_pooling_leaves_a_bin_at_least(pool_size: int, num_bins: int) -> None:
    net = build("c2-p2-c2-p2-d1", pool_size=pool_size)
    assert net.on_spectrogram(spectrograms()).shape == (3, 4, num_bins, 40)
    assert net(spectrograms()).shape == (3, 40, 1, 12)


@torch.no_grad()
def test_convolution_over_frequency_moves_with_the_spectrogram() -> None:
    net = build("c2-c2-d1", input_norm="none").eval()
    features, moved = net.on_spectrogram(spectrograms()), net.on_spectrogram(spectrograms().roll(5, dims=2))
    torch.testing.assert_close(moved[:, :, 7:28], features[:, :, 2:23])


@pytest.mark.parametrize(("norm", "norms", "biases"), [("batch", 3, 0), ("none", 0, 3)])
def test_norm_takes_the_place_of_the_bias(norm: str, norms: int, biases: int) -> None:
    net = build("c2-c1-d1", norm=norm, input_norm="none")
    modules = list(net.modules())
    assert sum(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) for module in modules) == norms
    convs = [module for module in modules if isinstance(module, nn.Conv1d | nn.Conv2d)]
    assert sum(conv.bias is not None for conv in convs) == biases


def test_batch_norm_whitens_what_enters_the_relu() -> None:
    normed = build("c2-d1").on_spectrogram[0][:2](100 + 30 * spectrograms())
    torch.testing.assert_close(normed.mean((0, 2, 3)), torch.zeros(4), rtol=0, atol=1e-3)
    torch.testing.assert_close(normed.std((0, 2, 3), correction=0), torch.ones(4), rtol=0, atol=1e-3)


def step(net: Layers) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parameters before and after a step of training."""
    before = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
    optimizer = torch.optim.AdamW([each for each in net.parameters() if each.requires_grad], lr=0.1, weight_decay=0.1)
    net(spectrograms()).square().sum().backward()
    optimizer.step()
    return before, {name: parameter.detach() for name, parameter in net.named_parameters()}


@pytest.mark.parametrize(("frozen", "still"), [(False, 0), (True, 9)])
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_frozen_convolutions_stay_as_they_are(norm: str, frozen: bool, still: int) -> None:
    """Two c2 and a c1, each with a kernel, and a scale and an offset, or a bias."""
    net = build("c2-c2-c1-r1-d1", norm=norm, frozen=frozen)
    before, after = step(net)
    unchanged = [name for name in before if torch.equal(before[name], after[name])]
    assert len(unchanged) == (still if norm == "batch" else 2 * still // 3)
    assert all(name.startswith(("on_spectrogram", "on_frames.0.")) for name in unchanged)


def test_frozen_convolutions_learn_their_statistics() -> None:
    net = build("c2-d1", frozen=True)
    net(spectrograms())
    assert net.on_spectrogram[0][1].running_mean.abs().max() > 0


def test_freezing_changes_neither_weights_nor_width() -> None:
    trained, frozen = (build(frozen=frozen, width=None, num_params=50_000) for frozen in (False, True))
    torch.testing.assert_close(frozen.state_dict(), trained.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("layers", ["c2-p2-c2-p2-r1-d1", "c1-d1", "r1", "d1-d1-d1", "c2-c2-p2-c2-c2-p2-d1-d1"])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_the_width_fits_the_number_of_parameters(layers: str, bidirectional: bool) -> None:
    net = build(layers, width=None, num_params=100_000, bidirectional=bidirectional)
    assert sum(parameter.numel() for parameter in net.parameters()) == pytest.approx(100_000, rel=0.1)
