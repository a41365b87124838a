"""Every frontend keeps the contract; trained filters start equal to the fixed ones."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from frontend_examples import FRONTENDS, TRAINABLE, configured, make, noise, relative_error
from ricercar.errors import InputError
from ricercar.models.frontends.frontend import CONVOLUTIONS, PRODUCTS, Frontend, in_float32

VARIANTS = [(name, False) for name in FRONTENDS] + [(name, True) for name in TRAINABLE]


def variant(name: str, trainable: bool) -> Frontend:
    return make(name, trainable=True) if trainable else make(name)


def at_rate(name: str, sample_rate: int, hop_length: int) -> Frontend:
    """With longer windows, where a frontend has such options: the lowest filters need them at high rates."""
    own = configured(name)
    longer = {key: times * own[key] for key, times in {"n_fft": 4, "win_length": 2}.items() if own.get(key)}
    return make(name, sample_rate=sample_rate, hop_length=hop_length, **longer)


@pytest.mark.parametrize("num_samples", [1, 440, 441, 5000])
@pytest.mark.parametrize(("sample_rate", "hop_length"), [(16000, 160), (16000, 320), (22050, 441), (44100, 441)])
@pytest.mark.parametrize("name", FRONTENDS)
def test_shape(name: str, sample_rate: int, hop_length: int, num_samples: int) -> None:
    frontend = at_rate(name, sample_rate, hop_length)
    spectrogram = frontend(noise(2, num_samples))
    assert spectrogram.shape == (2, frontend.num_channels, frontend.num_bins, 1 + num_samples // hop_length)
    assert spectrogram.dtype == torch.float32
    assert spectrogram.isfinite().all()
    assert (spectrogram >= 0).all()
    assert frontend.spectrogram(7).num_frames == 7


@pytest.mark.parametrize("gain", [0.0, 1e4])
@pytest.mark.parametrize(("name", "trainable"), VARIANTS)
def test_gradients_are_finite(name: str, gain: float, trainable: bool) -> None:
    frontend = variant(name, trainable)
    audio = (gain * noise(1, 2000)).requires_grad_()
    spectrogram = frontend(audio)
    assert spectrogram.isfinite().all()
    spectrogram.sum().backward()
    assert audio.grad is not None
    gradients = [audio.grad, *(parameter.grad for parameter in frontend.parameters())]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


def test_gradients_are_finite_where_training_has_closed_a_filter() -> None:
    mel = make("mel", trainable=True)
    with torch.no_grad():
        mel.filters[:10] = -1.0  # type: ignore[index]
    mel(noise(1, 2000)).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in mel.parameters())


@pytest.mark.parametrize("name", FRONTENDS)
def test_silence_is_silent(name: str) -> None:
    assert make(name)(torch.zeros(1, 2000)).max() < 1e-6


@pytest.mark.parametrize("name", FRONTENDS)
def test_is_linear_in_level_and_the_same_every_time(name: str) -> None:
    frontend, audio = make(name), noise(2, 8000)
    spectrogram = frontend(audio)
    assert torch.equal(frontend(audio), spectrogram)
    torch.testing.assert_close(frontend(0.25 * audio), 0.25 * spectrogram, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(frontend(audio[1:]), spectrogram[1:], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("name", "trainable"), VARIANTS)
def test_stays_in_float32_under_autocast(name: str, trainable: bool) -> None:
    frontend, audio = variant(name, trainable), noise(1, 4000)
    with torch.no_grad():
        outside = frontend(audio)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            inside = frontend(audio)
            half = frontend(audio.bfloat16())
    assert inside.dtype == half.dtype == torch.float32
    torch.testing.assert_close(inside, outside)


@pytest.mark.parametrize("name", FRONTENDS)
def test_fixed_filters_are_no_part_of_a_checkpoint(name: str) -> None:
    frontend = make(name)
    frontend(noise(1, 1000))
    assert not frontend.state_dict()
    assert not list(frontend.parameters())


@pytest.mark.parametrize("name", FRONTENDS)
def test_follows_the_precision_of_the_audio(name: str) -> None:
    frontend, audio = make(name), noise(1, 4000, dtype=torch.float64)
    single = frontend(audio.float())
    double = frontend.double()(audio)
    assert double.dtype == torch.float64
    assert relative_error(double, single) < 1e-5


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", FRONTENDS)
def test_is_the_same_on_a_gpu(name: str) -> None:
    frontend, audio = make(name), noise(4, 64000)
    on_cpu = frontend(audio)
    assert relative_error(frontend.cuda()(audio.cuda()).cpu(), on_cpu) < 1e-4


@pytest.mark.parametrize("frame", [0, 7, 20])
@pytest.mark.parametrize("name", FRONTENDS)
def test_frame_is_centred_on_its_sample(name: str, frame: int) -> None:
    audio = torch.zeros(1, 6401)
    audio[0, 320 * frame] = 1.0
    energy = make(name)(audio).square().sum(dim=(0, 1, 2))
    assert energy.shape == (21,)
    assert energy.argmax() == frame


@pytest.mark.parametrize("num_samples", [1, 5000])
@pytest.mark.parametrize("name", TRAINABLE)
def test_trained_filters_start_as_the_fixed_ones(name: str, num_samples: int) -> None:
    audio = noise(2, num_samples)
    with torch.no_grad():
        assert relative_error(make(name, trainable=True)(audio), make(name, trainable=False)(audio)) < 1e-4


@pytest.mark.parametrize("name", TRAINABLE)
def test_trained_filters_learn_and_are_kept(name: str) -> None:
    frontend = make(name, trainable=True)
    frontend(noise(1, 4000)).sum().backward()
    parameters = dict(frontend.named_parameters())
    assert parameters
    assert set(frontend.state_dict()) == set(parameters)
    assert all(
        parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any()
        for parameter in parameters.values()
    )


# Two steps: an analysis to keep, and its arrangement


@pytest.mark.parametrize("name", FRONTENDS)
def test_arrangement_follows_a_cut_in_time(name: str) -> None:
    frontend, audio = make(name), noise(2, 8000)
    analysis = frontend.analyse(audio)
    assert torch.equal(frontend.arrange(analysis[..., 5:16]), frontend(audio)[..., 5:16])


@pytest.mark.parametrize("name", FRONTENDS)
def test_frame_depends_on_what_is_within_reach(name: str) -> None:
    frontend, audio = make(name), noise(1, 64001)
    centre, reach = 32000, frontend.reach
    near = torch.zeros_like(audio)
    near[:, centre - reach : centre + reach + 1] = audio[:, centre - reach : centre + reach + 1]
    assert relative_error(frontend(near)[..., 100], frontend(audio)[..., 100]) < 1e-4


@pytest.mark.parametrize(
    ("name", "options", "reach"),
    [
        ("stft", {}, 1024),
        ("mel", {"n_fft": 4096}, 2048),
        ("cqt", {}, 14964),  # 1 / (2 ** (1 / 36) - 1) periods of 27.5 Hz
        ("hcqt", {}, 7482),
        ("vqt", {}, 1605),  # 16000 / (0.0194 * 27.5 + 4.45) / 2
        ("chroma", {}, 12584),
    ],
)
def test_reach(name: str, options: dict[str, Any], reach: int) -> None:
    assert make(name, **options).reach == reach


def test_copies_of_harmonics_are_not_worth_keeping() -> None:
    assert make("hcqt").analyse(noise(2, 8000)).shape == (2, 1, 288, 26)


@pytest.mark.parametrize(("name", "trainable"), VARIANTS)
def test_says_whether_it_is_trained(name: str, trainable: bool) -> None:
    assert variant(name, trainable).trained == trainable


# Precision, gradients and compilation


@pytest.fixture
def lowered(request: pytest.FixtureRequest) -> Iterator[str]:
    """float32 products set to this precision, for as long as the test takes."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(request.param)
    yield request.param
    torch.set_float32_matmul_precision(before)


class Spy(Frontend):
    """Notes the precisions it runs in."""

    def __init__(self, error: type[Exception] | None) -> None:
        super().__init__()
        self.error = error
        self.seen: list[str] = []

    @in_float32
    def analyse(self, audio: Tensor) -> Tensor:
        self.seen += [operation.fp32_precision for operation in PRODUCTS]
        if self.error:
            raise self.error
        return audio


@pytest.mark.parametrize("error", [None, RuntimeError])
@pytest.mark.parametrize("lowered", ["high", "medium"], indirect=True)
def test_matrix_products_are_full_inside_and_as_before_outside(lowered: str, error: type[Exception] | None) -> None:
    before = [operation.fp32_precision for operation in PRODUCTS]
    spy = Spy(error)
    with pytest.raises(error) if error else nullcontext():
        spy(noise(1, 10))
    assert "ieee" not in before
    assert spy.seen == ["ieee", "ieee"]
    assert [operation.fp32_precision for operation in PRODUCTS] == before
    assert torch.get_float32_matmul_precision() == lowered


@pytest.mark.parametrize("name", TRAINABLE)
def test_trained_convolutions_are_full(name: str) -> None:
    assert CONVOLUTIONS[0].fp32_precision == "tf32"  # unless told otherwise
    frontend, seen = make(name, trainable=True), []
    layers = [module for module in frontend.modules() if type(module).__module__.startswith("nnAudio")]
    for layer in layers:
        layer.register_forward_pre_hook(lambda *_: seen.append(CONVOLUTIONS[0].fp32_precision))
    frontend(noise(1, 1000))
    assert seen == ["ieee"]
    assert CONVOLUTIONS[0].fp32_precision == "tf32"


@pytest.mark.parametrize("name", FRONTENDS)
def test_is_the_same_with_gradients(name: str) -> None:
    frontend, audio = make(name, hop_length=7), noise(2, 6000)
    with torch.no_grad():
        without = frontend(audio)
    assert relative_error(frontend(audio.requires_grad_()), without) < 1e-6


@pytest.mark.parametrize("name", FRONTENDS)
def test_gradient_is_the_slope(name: str) -> None:
    frontend, audio, step = make(name).double(), *noise(2, 1, 2000, dtype=torch.float64)
    audio.requires_grad_()
    frontend(audio).sum().backward()
    assert audio.grad is not None
    ahead, behind = (frontend(audio.detach() + sign * 1e-5 * step).sum() for sign in (1, -1))
    assert float((audio.grad * step).sum()) == pytest.approx(float(ahead - behind) / 2e-5, rel=1e-5)


@pytest.mark.parametrize("name", FRONTENDS)
def test_is_the_same_in_a_compiled_network(name: str) -> None:
    torch.compiler.reset()
    net, audio = nn.Sequential(nn.Hardtanh(), make(name), nn.Softsign()), noise(2, 2000)
    compiled = torch.compile(net, backend="aot_eager")
    with torch.no_grad():
        first = compiled(audio)
        with torch._dynamo.config.patch(error_on_recompile=True):
            again = compiled(audio)
        assert torch.equal(first, net(audio))
        assert torch.equal(again, first)


# Options


@pytest.mark.parametrize(
    ("options", "bins_per_semitone", "lowest_pitch"),
    [
        ({}, 3, 21),
        ({"freq_min_hz": 32.703, "num_bins": 252}, 3, 24),
        ({"bins_per_octave": 12, "num_bins": 84}, 1, 21),
        ({"bins_per_octave": 31, "num_bins": 200}, None, None),
        ({"freq_min_hz": 28.0}, None, None),
    ],
)
def test_cqt_says_where_the_pitches_are(
    options: dict[str, Any], bins_per_semitone: int | None, lowest_pitch: int | None
) -> None:
    spectrogram = make("cqt", **options).spectrogram(200)
    assert (spectrogram.bins_per_semitone, spectrogram.lowest_pitch) == (bins_per_semitone, lowest_pitch)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("stft", {"window": "han"}, "window='han': choose one of hann, hamming"),
        ("stft", {"n_fft": 1024}, "n_fft=1024: must not be below win_length=2048"),
        ("stft", {"n_fft": 2049}, "n_fft=2049: must be even"),
        ("stft", {"hop_length": 0}, "hop_length=0: must be a whole number, at least 1"),
        ("stft", {"hop_length": 10.5}, "hop_length=10.5: must be a whole number"),
        (
            "stft",
            {"freq_max_hz": 9000},
            "freq_max_hz=9000: must be a number from 0 to half of sample_rate=16000, 8000.0 Hz",
        ),
        ("stft", {"freq_min_hz": 500, "freq_max_hz": 400}, "freq_min_hz=500: must be below freq_max_hz=400"),
        ("stft", {"freq_min_hz": 1, "freq_max_hz": 2}, "no Fourier bin lies between"),
        ("stft", {"trainable": "yes"}, "trainable='yes': choose one of true, false"),
        ("mel", {"formula": "mels"}, "formula='mels': choose one of htk, slaney"),
        ("mel", {"norm": "l2"}, "norm='l2': choose one of none, slaney"),
        ("mel", {"power": 3}, "power=3: choose one of 1, 2"),
        ("mel", {"num_bins": -5}, "num_bins=-5: must be a whole number, at least 1"),
        ("mel", {"num_bins": 600}, r"num_bins=600: \d+ mel filters hold no Fourier bin .*choose n_fft=4096"),
        ("mel", {"sample_rate": 44100}, r"mel filters hold no Fourier bin .*choose n_fft=4096"),
        ("mel", {"sample_rate": 8000}, "freq_max_hz=8000: .* 4000.0 Hz"),
        ("cqt", {"num_bins": 400}, r"num_bins=400: .* 59669.0 Hz, .* choose at most 295 bins"),
        ("cqt", {"window": "hamming"}, "window='hamming': choose one of hann, blackman"),
        ("cqt", {"freq_min_hz": 0}, "freq_min_hz=0: must be a number above 0"),
        ("cqt", {"freq_min_hz": 9000.0}, "choose at most 0 bins"),
        ("cqt", {"filter_scale": -1}, "filter_scale=-1: must be a number above 0"),
        ("cqt", {"harmonics": []}, "harmonics"),
        ("cqt", {"harmonics": [1, -2]}, r"harmonics\[1\]=-2: must be a number above 0"),
        ("cqt", {"harmonics": [1, 1000]}, "harmonics: 1000 lies 359 bins away"),
        ("vqt", {"gamma_hz": -1}, "gamma_hz=-1: must be a number of 0 or more"),
        ("chroma", {"num_chroma": 24}, "num_chroma=24: must divide bins_per_octave=36; choose bins_per_octave=48"),
        ("chroma", {"fold": "mean"}, "fold='mean': choose one of sum, max"),
        ("chroma", {"norm": "l1"}, "norm='l1': choose one of none, max, l2"),
        ("chroma", {"num_octaves": 9}, "num_bins=324: .* choose at most"),
        ("chroma", {"epsilon": 0}, "epsilon=0: must be a number above 0"),
    ],
)
def test_impossible_options(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_raising(name, options)


def make_raising(name: str, options: dict[str, Any]) -> None:
    """Hydra wraps what a constructor raises."""
    target = instantiate(configured(name), _convert_="all", _partial_=True)
    target(**options)


@pytest.mark.parametrize("num_bins", [229, 300])
def test_suggested_n_fft_is_enough(num_bins: int) -> None:
    assert make("mel", sample_rate=44100, num_bins=num_bins, n_fft=8192).num_bins == num_bins
