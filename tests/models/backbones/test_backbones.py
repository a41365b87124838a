"""What every backbone in conf/backbone promises, and what some promise beyond that."""

import io
import subprocess
import sys
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from configs import CONF, choices
from ricercar.errors import InputError
from ricercar.models.backbones.backbone import Backbone, InputNorm, fitted_width
from ricercar.models.spectrogram import Spectrogram

# Two octaves, three bins per semitone: every backbone takes it.
SPECTROGRAM = Spectrogram(num_channels=2, num_bins=72, num_frames=40, bins_per_semitone=3, lowest_pitch=21)
SPECTROGRAMS = {
    "stft1025": Spectrogram(1, 1025, 200),
    "stft513": Spectrogram(1, 513, 200),
    "mel": Spectrogram(1, 229, 200),
    "cqt": Spectrogram(1, 288, 200, 3, 21),
    "hcqt": Spectrogram(8, 288, 200, 3, 21),
    "chroma": Spectrogram(1, 12, 200),
}
BACKBONES = choices("backbone")
SIZED, NORMED = (
    [name for name in BACKBONES if option in OmegaConf.load(CONF / "backbone" / f"{name}.yaml")]
    for option in ("num_params", "input_norm")
)

every_backbone = pytest.mark.parametrize("name", BACKBONES)
every_sized_backbone = pytest.mark.parametrize("name", SIZED)


def build(name: str, spectrogram: Spectrogram = SPECTROGRAM, seed: int = 0, **options: Any) -> Backbone:
    torch.manual_seed(seed)
    config = OmegaConf.load(CONF / "backbone" / f"{name}.yaml")
    backbone: Backbone = instantiate(config, _partial_=True, _convert_="all")(spectrogram=spectrogram, **options)
    return backbone


def log_magnitudes(batch: int = 3, spectrogram: Spectrogram = SPECTROGRAM, seed: int = 0) -> Tensor:
    """(B, C, F, T), about -7 to 0."""
    generator = torch.Generator().manual_seed(seed)
    return -7 * torch.rand(
        batch, spectrogram.num_channels, spectrogram.num_bins, spectrogram.num_frames, generator=generator
    )


@torch.no_grad()
def test_vit_takes_other_lengths() -> None:
    """Its positions are interpolated: the same sound, played on, is heard much the same where it began."""
    vit, spectrogram = build("vit").eval(), log_magnitudes()
    for num_frames in (8, 37, 40, 63):
        longer = spectrogram.repeat(1, 1, 1, 2)[..., :num_frames]
        assert vit(longer).shape == (3, num_frames, 1, vit.dim)
    torch.testing.assert_close(vit(spectrogram)[:, :8], vit(spectrogram[..., :36])[:, :8], rtol=0.2, atol=0.1)


@every_backbone
@pytest.mark.parametrize("autocast", [False, True])
def test_every_parameter_gets_a_finite_gradient(name: str, autocast: bool) -> None:
    """And features of the promised shape come out."""
    backbone = build(name)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        features = backbone(log_magnitudes())
    assert features.shape == (3, 40, backbone.num_pitches, backbone.dim)
    assert (backbone.lowest_pitch is not None) == (backbone.num_pitches > 1)
    weights = torch.randn(features.shape, generator=torch.Generator().manual_seed(0))
    pooled = backbone.pooled(features, torch.arange(40)[None] < torch.tensor([[40], [9], [1]]))
    torch.autograd.backward((features.float() * weights).sum() + pooled.float().square().sum())
    gradients = {key: parameter.grad for key, parameter in backbone.named_parameters() if parameter.requires_grad}
    assert [key for key, grad in gradients.items() if grad is None or not grad.isfinite().all()] == []


@every_backbone
def test_bfloat16_is_near_float32(name: str) -> None:
    backbone = build(name).eval()
    with torch.no_grad():
        exact = backbone(log_magnitudes())
        with torch.autocast("cpu", torch.bfloat16):
            rounded = backbone(log_magnitudes()).float()
    assert (rounded - exact).norm() < 0.05 * exact.norm()


@every_backbone
@torch.no_grad()
def test_evaluation_of_a_clip_does_not_depend_on_the_batch(name: str) -> None:
    backbone = build(name).eval()
    spectrogram = log_magnitudes()
    together = backbone(spectrogram)
    torch.testing.assert_close(backbone(spectrogram), together, rtol=0, atol=0)
    torch.testing.assert_close(backbone(spectrogram[1:2]), together[1:2], rtol=1e-4, atol=1e-5)


@every_backbone
@torch.no_grad()
def test_weights_survive_a_checkpoint(name: str) -> None:
    trained = build(name)
    trained(log_magnitudes())  # moves the running statistics
    file = io.BytesIO()
    torch.save(trained.state_dict(), file)
    file.seek(0)
    restored = build(name, seed=1)
    restored.load_state_dict(torch.load(file, weights_only=True))
    torch.testing.assert_close(restored.eval()(log_magnitudes()), trained.eval()(log_magnitudes()), rtol=0, atol=0)


@every_backbone
@pytest.mark.parametrize(("training", "level"), [(True, 0.0), (False, -7.0)])
def test_silence_is_finite(name: str, training: bool, level: float) -> None:
    backbone = build(name).train(training)
    features = backbone(torch.full((2, 2, 72, 40), level))
    features.square().mean().backward()
    assert features.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in backbone.parameters() if parameter.grad is not None)


@every_backbone
def test_learns_which_pitches_are_loud(name: str) -> None:
    spectrogram = log_magnitudes(batch=2)
    loud = (spectrogram[:, 0, ::3] > -2).float().transpose(1, 2)  # (B, T, 24)
    backbone = build(name, **({"num_params": 300_000} if name in SIZED and name != "vit" else {}))
    head = nn.Linear(backbone.dim, 24 // backbone.num_pitches)
    optimizer = torch.optim.AdamW([*backbone.parameters(), *head.parameters()], lr=5e-3)
    losses = []
    for _ in range(40):
        logits = head(backbone(spectrogram)).flatten(2)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, loud)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    # Knowing only how many are loud gives 0.6.
    assert losses[-1] < 0.45, losses


@every_sized_backbone
@pytest.mark.parametrize("spectrogram", SPECTROGRAMS.values(), ids=SPECTROGRAMS)
def test_has_as_many_parameters_as_asked_for(name: str, spectrogram: Spectrogram) -> None:
    backbone = build(name, spectrogram)
    assert sum(parameter.numel() for parameter in backbone.parameters()) == pytest.approx(1_000_000, rel=0.1)


@every_sized_backbone
def test_finding_the_width_spends_no_random_numbers(name: str) -> None:
    found = build(name)
    given = build(name, width=getattr(found, "width", found.dim))
    torch.testing.assert_close(given.state_dict(), found.state_dict(), rtol=0, atol=0)


@every_sized_backbone
def test_an_impossible_size_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"num_params=100: the nearest size .* is [\d,]+ \(width="):
        build(name, num_params=100)


class _Line(nn.Linear):
    """A linear map 1 -> width: 2 * width parameters."""

    def __init__(self, *, num_params: int, width: int) -> None:
        super().__init__(1, width)


@pytest.mark.parametrize(
    ("num_params", "step", "width"), [(160, 8, 80), (167, 8, 80), (169, 8, 88), (1001, 1, 500), (2, 1, 1), (16, 8, 8)]
)
def test_width_is_the_nearest_multiple(num_params: int, step: int, width: int) -> None:
    assert fitted_width(_Line, {"num_params": num_params}, step) == width


@pytest.mark.parametrize("over", ["bins", "channels"])
def test_input_norm_whitens(over: str) -> None:
    tilt = torch.linspace(-5, 5, 72)[:, None] if over == "bins" else torch.tensor([-5.0, 5.0])[:, None, None]
    normed = InputNorm(SPECTROGRAM, over)(3 * log_magnitudes() + tilt)
    axes = (0, 3) if over == "bins" else (0, 2, 3)
    torch.testing.assert_close(normed.mean(axes), torch.zeros_like(normed.mean(axes)), rtol=0, atol=1e-4)
    torch.testing.assert_close(normed.std(axes, correction=0), torch.ones_like(normed.mean(axes)), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", NORMED)
def test_unknown_input_norm_lists_the_choices(name: str) -> None:
    with pytest.raises(InputError, match=r"input_norm='layer': choose one of .*channels, none"):
        build(name, input_norm="layer")


@pytest.mark.parametrize("spectrogram", [SPECTROGRAMS["mel"], SPECTROGRAMS["stft513"]], ids=["mel", "stft"])
def test_harmonic_cnn_needs_log_frequency(spectrogram: Spectrogram) -> None:
    with pytest.raises(InputError, match=f"needs a log-frequency spectrogram.* {spectrogram.num_bins} bins"):
        build("harmonic_cnn", spectrogram)


@pytest.mark.parametrize("bins_per_semitone", [1, 2, 3, 5])
@torch.no_grad()
def test_harmonic_cnn_moves_with_the_pitch(bins_per_semitone: int) -> None:
    spectrogram = Spectrogram(2, 60 * bins_per_semitone, 10, bins_per_semitone, 21)
    backbone = build("harmonic_cnn", spectrogram, intervals=[-12, 12], ensemble=False).eval()
    low = log_magnitudes(spectrogram=spectrogram)
    features, higher = backbone(low), backbone(low.roll(bins_per_semitone, dims=2))
    # Position 20 to 38, of 60: nothing there sees the ends, where the shift brings in something new.
    torch.testing.assert_close(higher[:, :, 21:40], features[:, :, 20:39], rtol=1e-5, atol=1e-5)
    assert (features[:, :, 21:40] - features[:, :, 20:39]).abs().max() > 0.01


@pytest.mark.parametrize(("offset", "heard"), [(-13, False), (-12, True), (0, True), (12, True), (13, False)])
@torch.no_grad()
def test_harmonic_cnn_is_centred_on_the_pitch(offset: int, heard: bool) -> None:
    backbone = build("harmonic_cnn", intervals=[], ensemble=False).eval()
    for parameter in backbone.parameters():
        parameter.abs_()
    silence = torch.zeros(1, 2, 72, 40)
    sound = silence.clone()
    sound[:, :, 3 * 12 + offset, 20] = 1e3
    assert ((backbone(sound) - backbone(silence))[0, 20, 12].abs().max() > 0) == heard


@pytest.mark.parametrize(("num_bins", "num_pitches"), [(264, 88), (265, 88), (266, 88), (267, 89)])
@torch.no_grad()
def test_harmonic_cnn_gives_whole_semitones(num_bins: int, num_pitches: int) -> None:
    spectrogram = Spectrogram(1, num_bins, 5, 3, 21)
    backbone = build("harmonic_cnn", spectrogram)
    assert backbone.num_pitches == num_pitches
    assert backbone(log_magnitudes(spectrogram=spectrogram)).shape[2] == num_pitches


@pytest.mark.parametrize("num_frames", [39, 41])
def test_mlp_mixer_needs_its_own_window(num_frames: int) -> None:
    with pytest.raises(InputError, match=f"exactly 40 frames; this spectrogram has {num_frames}"):
        build("mlp_mixer")(torch.zeros(1, 2, 72, num_frames))


@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_transformer_needs_a_position_per_frame(positions: str) -> None:
    backbone = build("transformer", positions=positions)
    assert backbone(torch.zeros(1, 2, 72, 39)).shape[1] == 39
    with pytest.raises(InputError, match="windows of 40 frames; this one has 41"):
        backbone(torch.zeros(1, 2, 72, 41))


def test_transformer_positions_lists_the_choices() -> None:
    with pytest.raises(InputError, match="positions='rotary': choose one of learned, sinusoidal"):
        build("transformer", positions="rotary")


def test_transformer_width_fits_the_heads() -> None:
    with pytest.raises(InputError, match="width=100: must be a multiple of 2 \\* num_heads, 8"):
        build("transformer", width=100)
    assert build("transformer", num_heads=8, num_params=1_000_000).dim % 16 == 0


HEARD = [
    ("dense", {"context": 0}, 0, 0),
    ("dense", {"context": 2}, 2, 2),
    ("cnn", {}, 3, 3),
    ("harmonic_cnn", {"ensemble": False, "time_dilations": [2]}, 6, 6),
    ("lstm", {"bidirectional": False}, 20, 0),
    ("lstm", {"bidirectional": True}, 20, 19),
    ("crnn", {}, 20, 19),
    ("cqt_lstm", {}, 20, 0),
    ("transformer", {}, 20, 19),
    ("mlp_mixer", {}, 20, 19),
]


@pytest.mark.parametrize(("name", "options", "before", "after"), HEARD)
def test_hears_the_frames_that_it_should(name: str, options: dict[str, Any], before: int, after: int) -> None:
    backbone = build(name, **options).eval().double()
    spectrogram = log_magnitudes(1).double().requires_grad_()
    backbone(spectrogram)[0, 20].square().sum().backward()
    assert spectrogram.grad is not None
    heard = spectrogram.grad.abs().amax(dim=(0, 1, 2)).nonzero().flatten()
    assert (int(heard[0]), int(heard[-1])) == (20 - before, 20 + after)


def test_only_timm_users_pay_for_timm() -> None:
    command = "import sys, ricercar.models.backbones.dense; sys.exit('timm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0
