"""Every normalisation keeps shape and finiteness, also behind every frontend and compression."""

from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor, nn

from configs import choices, composed, frontends
from ricercar.errors import InputError

NORMALISATIONS = choices("normalisation")


@cache
def configured(group: str, name: str) -> DictConfig:
    cfg = composed(f"{group}={name}")[group]
    assert isinstance(cfg, DictConfig)
    return cfg


def make(name: str, num_channels: int = 2, num_bins: int = 5, **options: Any) -> nn.Module:
    cfg = configured("normalisation", name)
    normalisation = instantiate(cfg, _convert_="all", num_channels=num_channels, num_bins=num_bins, **options)
    assert isinstance(normalisation, nn.Module)
    return normalisation


def fitted(normalisation: nn.Module, spectrograms: list[Tensor]) -> nn.Module:
    fit = getattr(normalisation, "fit", None)
    if fit is not None:
        fit(spectrograms)
    return normalisation


def spectrograms(*shape: int, seed: int = 0) -> Tensor:
    """Bins of very different means and deviations."""
    spectrogram = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return spectrogram * torch.linspace(0.01, 3, shape[2])[:, None] + torch.linspace(-7, 100, shape[2])[:, None]


@pytest.mark.parametrize(
    ("frontend", "compression", "normalisation"),
    list(product(frontends(), choices("compression"), NORMALISATIONS)),
)
def test_every_spectrogram_is_finite(frontend: str, compression: str, normalisation: str) -> None:
    usual = STAGES.compressed(frontend, compression, "noise")
    num_channels, num_bins = usual.shape[1:3]
    stage = fitted(make(normalisation, num_channels, num_bins), [usual])
    for audio in ("noise", "silence", "loud", "short"):
        normalised = stage(STAGES.compressed(frontend, compression, audio))
        assert normalised.shape == (2, num_channels, num_bins, 1 + STAGES.audio(audio).shape[1] // 320), audio
        assert normalised.dtype == torch.float32
        assert normalised.isfinite().all(), audio


class Stages:
    """Spectrograms, computed once each: the product of all choices only tests how they meet."""

    def __init__(self) -> None:
        self.spectrograms: dict[tuple[str, str, str], Tensor] = {}
        self.frontends: dict[str, nn.Module] = {}

    def audio(self, kind: str) -> Tensor:
        noise = 0.1 * torch.randn(2, 3000, generator=torch.Generator().manual_seed(0))
        return {"noise": noise, "silence": 0 * noise, "loud": 1e4 * noise, "short": noise[:, :1]}[kind]

    def compressed(self, frontend: str, compression: str, kind: str) -> Tensor:
        key = (frontend, compression, kind)
        if key not in self.spectrograms:
            if frontend not in self.frontends:
                self.frontends[frontend] = instantiate(configured("frontend", frontend), _convert_="all")
            cfg = configured("compression", compression)
            stage = instantiate(cfg, _convert_="all", num_bins=self.frontends[frontend].num_bins)
            self.spectrograms[key] = stage(self.frontends[frontend](self.audio(kind)))
        return self.spectrograms[key]


STAGES = Stages()


@pytest.mark.parametrize("name", NORMALISATIONS)
def test_gradients_are_finite_on_a_constant_spectrogram(name: str) -> None:
    spectrogram = torch.full((1, 2, 5, 7), -6.9).requires_grad_()
    normalised = fitted(make(name), [spectrogram.detach()])(spectrogram)
    (normalised * torch.arange(7)).sum().backward()
    assert spectrogram.grad is not None
    assert spectrogram.grad.isfinite().all()


def test_whitening_standardises_each_bin_over_all_spectrograms() -> None:
    parts = [spectrograms(3, 2, 5, 11, seed=1), spectrograms(1, 2, 5, 30, seed=2)]
    whitening = fitted(make("whitening"), parts)
    white = torch.cat([whitening(part).permute(1, 2, 0, 3).flatten(2) for part in parts], dim=2)
    torch.testing.assert_close(white.mean(dim=2), torch.zeros(2, 5), rtol=0, atol=1e-4)
    torch.testing.assert_close(white.std(dim=2, correction=0), torch.ones(2, 5), rtol=1e-3, atol=0)


def test_whitening_by_hand() -> None:
    whitening = fitted(make("whitening", 1, 1), [torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([[[[5.0, 7.0]]]])])
    expected = (torch.tensor([[[[4.0, 9.0]]]]) - 4) / 5**0.5
    torch.testing.assert_close(whitening(torch.tensor([[[[4.0, 9.0]]]])), expected)


def test_whitening_leaves_a_silent_bin_alone() -> None:
    spectrogram = spectrograms(1, 2, 5, 11)
    spectrogram[:, 1, 3] = -6.9
    assert fitted(make("whitening"), [spectrogram])(spectrogram)[:, 1, 3].abs().max() < 1e-2


def test_whitening_is_kept_in_the_checkpoint(tmp_path: Path) -> None:
    spectrogram = spectrograms(2, 2, 5, 11)
    whitening = fitted(make("whitening"), [spectrogram])
    torch.save(whitening.state_dict(), tmp_path / "state.pt")
    loaded = make("whitening")
    loaded.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(loaded(spectrogram), whitening(spectrogram))


def test_whitening_must_be_fitted() -> None:
    with pytest.raises(AssertionError, match="before it was fitted"):
        make("whitening")(spectrograms(2, 2, 5, 11))


def test_whitening_must_be_fitted_on_something() -> None:
    with pytest.raises(AssertionError, match="0 frames"):
        fitted(make("whitening"), [])


def test_instance_standardises_each_channel_of_each_clip() -> None:
    spectrogram = spectrograms(3, 2, 5, 11) * torch.tensor([1.0, 10.0])[:, None, None]
    normalised = make("instance")(spectrogram)
    torch.testing.assert_close(normalised.mean(dim=(2, 3)), torch.zeros(3, 2), rtol=0, atol=1e-5)
    torch.testing.assert_close(normalised.std(dim=(2, 3), correction=0), torch.ones(3, 2), rtol=1e-4, atol=0)
    torch.testing.assert_close(make("instance")(spectrogram[1:2]), normalised[1:2])


@pytest.mark.parametrize("name", ["instance", "whitening"])
def test_impossible_options(name: str) -> None:
    cfg = configured("normalisation", name)
    with pytest.raises(InputError, match="epsilon=0: must be a number above 0"):
        instantiate(cfg, _partial_=True, num_channels=2, num_bins=5)(epsilon=0)
