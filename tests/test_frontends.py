"""Every frontend keeps the contract; fixed filters equal the definition, trained ones start equal to the fixed."""

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from scipy.signal import get_window
from torch import Tensor

from configs import choices, composed
from ricercar.errors import InputError
from ricercar.models.frontends.frontend import Frontend

FRONTENDS = choices("frontend")
TRAINABLE = [name for name in FRONTENDS if "trainable" in composed(f"frontend={name}").frontend]
SHORT = {"freq_min_hz": 220.0, "num_bins": 60}  # a CQT with short kernels: quick to evaluate directly
Array = npt.NDArray[np.float64]


@cache
def configured(name: str) -> DictConfig:
    cfg = composed(f"frontend={name}").frontend
    assert isinstance(cfg, DictConfig)
    return cfg


def make(name: str, **options: Any) -> Frontend:
    frontend = instantiate(configured(name), _convert_="all", **options)
    assert isinstance(frontend, Frontend)
    return frontend


def at_rate(name: str, sample_rate: int, hop_length: int) -> Frontend:
    options: dict[str, Any] = {"sample_rate": sample_rate, "hop_length": hop_length}
    if "n_fft" in configured(name):
        options |= {"n_fft": 8192, "win_length": 4096}
    return make(name, **options)


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return (0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)).to(dtype)


def sinusoid(freq_hz: float, sample_rate: int = 16000, num_samples: int = 48000) -> Tensor:
    return torch.sin(2 * math.pi * freq_hz / sample_rate * torch.arange(num_samples, dtype=torch.float64)).float()[None]


def relative_error(estimate: Tensor | Array, reference: Tensor | Array) -> float:
    estimate, reference = (np.asarray(torch.as_tensor(values).detach(), np.float64) for values in (estimate, reference))
    return float(np.linalg.norm(estimate - reference) / np.linalg.norm(reference))


# The contract


@pytest.mark.parametrize("num_samples", [1, 440, 441, 5000])
@pytest.mark.parametrize(("sample_rate", "hop_length"), [(16000, 160), (16000, 320), (22050, 441), (44100, 441)])
@pytest.mark.parametrize("name", FRONTENDS)
def test_shape(name: str, sample_rate: int, hop_length: int, num_samples: int) -> None:
    frontend = at_rate(name, sample_rate, hop_length)
    picture = frontend(noise(2, num_samples))
    assert picture.shape == (2, frontend.num_channels, frontend.num_bins, 1 + num_samples // hop_length)
    assert picture.dtype == torch.float32
    assert picture.isfinite().all()
    assert (picture >= 0).all()
    assert frontend.picture(7).num_frames == 7


@pytest.mark.parametrize("trainable", [False, True])
@pytest.mark.parametrize("gain", [0.0, 1e4])
@pytest.mark.parametrize("name", TRAINABLE)
def test_gradients_are_finite(name: str, gain: float, trainable: bool) -> None:
    frontend = make(name, trainable=trainable)
    audio = (gain * noise(1, 2000)).requires_grad_()
    picture = frontend(audio)
    assert picture.isfinite().all()
    picture.sum().backward()
    assert audio.grad is not None
    gradients = [audio.grad, *(parameter.grad for parameter in frontend.parameters())]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("name", FRONTENDS)
def test_silence_is_silent(name: str) -> None:
    assert make(name)(torch.zeros(1, 2000)).max() < 1e-6


@pytest.mark.parametrize("name", FRONTENDS)
def test_is_linear_in_level_and_the_same_every_time(name: str) -> None:
    frontend, audio = make(name), noise(2, 8000)
    picture = frontend(audio)
    assert torch.equal(frontend(audio), picture)
    torch.testing.assert_close(frontend(0.25 * audio), 0.25 * picture, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(frontend(audio[1:]), picture[1:], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("trainable", [False, True])
@pytest.mark.parametrize("name", TRAINABLE)
def test_stays_in_float32_under_autocast(name: str, trainable: bool) -> None:
    frontend, audio = make(name, trainable=trainable), noise(1, 4000)
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


# Scale: a sinusoid of amplitude 1 at the centre of a bin


def centre_hz(name: str, place: int) -> float:
    if name == "stft":
        return place * 16000 / 2048
    low, high = (2595 * math.log10(1 + hz / 700) for hz in (30, 8000))
    if name == "mel":
        return 700 * (10 ** ((low + (place + 1) * (high - low) / 230) / 2595) - 1)
    return 27.5 * 2 ** (place / 36)


@pytest.mark.parametrize(
    ("name", "channel", "place", "level"),
    [
        ("stft", 0, 1, 1.0),
        ("stft", 0, 500, 1.0),
        ("cqt", 0, 36, 1.0),
        ("cqt", 0, 250, 1.0),
        ("hcqt", 1, 100, 1.0),
        ("mel", 0, 0, 0.8),
        ("mel", 0, 100, 0.9),
        ("mel", 0, 220, 1.0),
    ],
)
def test_full_scale(name: str, channel: int, place: int, level: float) -> None:
    picture = make(name)(sinusoid(centre_hz(name, place)))[0, channel, :, 75]
    assert picture.argmax() == place
    assert picture[place] == pytest.approx(level, abs=0.1 if name == "mel" else 2e-3)


@pytest.mark.parametrize("norm", ["none", "slaney"])
@pytest.mark.parametrize("power", [1, 2])
def test_full_scale_of_mel(power: int, norm: str) -> None:
    frontend = make("mel", power=power, norm=norm, num_bins=40)
    assert frontend(sinusoid(1000.0)).amax() == pytest.approx(1.0 if norm == "none" else 0.35, abs=0.35)


@pytest.mark.parametrize(("fold", "level"), [("max", 1.0), ("sum", 2.0)])
@pytest.mark.parametrize(("freq_hz", "pitch_class"), [(440.0, 9), (261.6256, 0), (1975.533, 11)])
def test_full_scale_of_chroma(fold: str, level: float, freq_hz: float, pitch_class: int) -> None:
    chroma = make("chroma", fold=fold)(sinusoid(freq_hz))[0, 0, :, 75]
    assert chroma.argmax() == pitch_class
    assert chroma[pitch_class] == pytest.approx(level, abs=0.03)


# Against the definitions, in float64


def direct_cqt(audio: Tensor, frontend: str, **options: Any) -> Array:
    """(N,) audio -> (F, T): each frame by a sum over its samples."""
    cfg = {str(key): value for key, value in configured(frontend).items()} | options
    hop_length, sample_rate = cfg["hop_length"], cfg["sample_rate"]
    quality = cfg["filter_scale"] / (2 ** (1 / cfg["bins_per_octave"]) - 1)
    starts = np.arange(1 + len(audio) // hop_length) * hop_length

    def rows() -> Iterator[Array]:
        for k in range(cfg["num_bins"]):
            freq_hz = cfg["freq_min_hz"] * 2 ** (k / cfg["bins_per_octave"])
            length = math.ceil(quality * sample_rate / freq_hz)
            centre = math.ceil(length / 2)
            window = get_window(cfg["window"], length)
            kernel = window * np.exp(-2j * np.pi * freq_hz / sample_rate * (np.arange(length) - centre))
            padded = np.pad(audio.numpy().astype(np.float64), (centre, length))
            frames = np.lib.stride_tricks.sliding_window_view(padded, length)[starts]
            yield np.abs(frames @ kernel) * 2 / window.sum()

    return np.stack(list(rows()))


@pytest.mark.parametrize(
    "options",
    [
        {**SHORT},
        {**SHORT, "filter_scale": 0.5, "hop_length": 160},
        {**SHORT, "window": "blackmanharris", "hop_length": 441, "sample_rate": 22050},
        {**SHORT, "filter_scale": 0.05, "hop_length": 331},
        {"num_bins": 80, "bins_per_octave": 12, "freq_min_hz": 61.7, "window": "nuttall"},
        {"num_bins": 36, "freq_min_hz": 3900.0, "filter_scale": 0.1, "window": "blackman"},
    ],
    ids=str,
)
@pytest.mark.parametrize("num_samples", [1, 300, 12345])
def test_cqt_is_exact(options: dict[str, Any], num_samples: int) -> None:
    audio = noise(num_samples)
    assert relative_error(make("cqt", **options)(audio[None])[0, 0], direct_cqt(audio, "cqt", **options)) < 1e-4


def test_default_hcqt_is_exact() -> None:
    audio = noise(64000)
    picture = make("hcqt")(audio[None])
    assert relative_error(picture[0, 1], direct_cqt(audio, "hcqt")) < 1e-4


def test_cqt_of_a_long_track_is_cut_into_blocks() -> None:
    frontend, audio = make("cqt", **SHORT), noise(2, 40000)
    whole = frontend(audio)
    blocked = make("cqt", **SHORT)
    blocked.transform.block_frames = 20  # type: ignore[union-attr]
    torch.testing.assert_close(blocked(audio), whole, rtol=1e-3, atol=1e-5)
    assert len(blocked.transform.plans) == 1  # type: ignore[union-attr, arg-type]


def test_cqt_keeps_few_plans() -> None:
    frontend = make("cqt", **SHORT)
    first = frontend(noise(1, 2000))
    for num_samples in range(4000, 40000, 4000):
        frontend(noise(1, num_samples))
    assert len(frontend.transform.plans) == 4  # type: ignore[union-attr, arg-type]
    assert torch.equal(frontend(noise(1, 2000)), first)


def test_cqt_plan_made_in_inference_serves_training() -> None:
    frontend = make("cqt", **SHORT)
    with torch.inference_mode():
        frontend(noise(1, 2000))
    audio = noise(1, 2000).requires_grad_()
    frontend(audio).sum().backward()
    assert audio.grad is not None


@pytest.mark.parametrize(
    ("harmonic", "shift"), [(0, -36), (1, 0), (2, 36), (3, 57), (4, 72), (5, 84), (6, 93), (7, 101)]
)
def test_harmonics_meet_at_the_fundamental(harmonic: int, shift: int) -> None:
    audio = noise(1, 4000)
    plain, harmonics = make("hcqt", harmonics=[1])(audio)[0, 0], make("hcqt")(audio)[0]
    places = np.arange(288) + shift
    inside = (places >= 0) & (places < 288)
    assert torch.equal(harmonics[harmonic, inside], plain[places[inside]])
    assert not harmonics[harmonic, ~inside].any()


@pytest.mark.parametrize("num_chroma", [12, 36])
@pytest.mark.parametrize("norm", ["none", "max", "l2"])
@pytest.mark.parametrize("fold", ["sum", "max"])
def test_chroma_folds_the_cqt(fold: str, norm: str, num_chroma: int) -> None:
    audio = noise(1, 4000)
    cqt = make("cqt", freq_min_hz=32.7032, num_bins=252)(audio)[0, 0].numpy()
    nearest = [round(k * num_chroma / 36) % num_chroma for k in range(252)]
    members = [cqt[np.equal(nearest, c)] for c in range(num_chroma)]
    expected = np.stack([bins.sum(axis=0) if fold == "sum" else bins.max(axis=0) for bins in members])
    size = {"none": 1.0, "max": expected.max(axis=0), "l2": np.linalg.norm(expected, axis=0)}[norm]
    chroma = make("chroma", fold=fold, norm=norm, num_chroma=num_chroma)(audio)[0, 0]
    np.testing.assert_allclose(chroma, expected / size, rtol=1e-4)


def test_chroma_starts_at_c_wherever_the_cqt_starts() -> None:
    chroma = make("chroma", freq_min_hz=55.0)(sinusoid(440.0))[0, 0, :, 75]
    assert chroma.argmax() == 9


def direct_stft(audio: Tensor, n_fft: int, win_length: int, hop_length: int, window: str) -> Array:
    """(N,) audio -> (F, T) magnitudes."""
    samples = np.zeros(n_fft)
    left = (n_fft - win_length) // 2
    samples[left : left + win_length] = get_window(window, win_length)
    padded = np.pad(audio.numpy().astype(np.float64), n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop_length][: 1 + len(audio) // hop_length]
    magnitudes: Array = np.abs(np.fft.rfft(frames * samples)).T * 2 / samples.sum()
    return magnitudes


@pytest.mark.parametrize("num_samples", [1, 300, 12345])
@pytest.mark.parametrize("window", ["hann", "hamming", "blackman", "nuttall", "blackmanharris", "boxcar"])
@pytest.mark.parametrize(("n_fft", "win_length", "hop_length"), [(512, 512, 160), (1024, 441, 441)])
def test_stft_is_exact(n_fft: int, win_length: int, hop_length: int, window: str, num_samples: int) -> None:
    audio = noise(num_samples)
    frontend = make("stft", n_fft=n_fft, win_length=win_length, hop_length=hop_length, window=window)
    expected = direct_stft(audio, n_fft, win_length, hop_length, window)
    assert relative_error(frontend(audio[None])[0, 0], expected) < 1e-5


@pytest.mark.parametrize("trainable", [False, True])
def test_stft_is_cropped(trainable: bool) -> None:
    audio = noise(1, 4000)
    options = {"n_fft": 1000, "win_length": 1000, "trainable": trainable}
    whole = make("stft", **options)(audio)
    part = make("stft", freq_min_hz=100, freq_max_hz=1610, **options)
    assert part.num_bins == 94  # 7 * 16 = 112 Hz to 100 * 16 = 1600 Hz
    torch.testing.assert_close(part(audio), whole[:, :, 7:101], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("norm", ["none", "slaney"])
@pytest.mark.parametrize("formula", ["htk", "slaney"])
def test_mel_is_librosas(formula: str, norm: str, power: int) -> None:
    from librosa.filters import mel

    audio = noise(8000)
    filters = mel(
        sr=16000,
        n_fft=2048,
        n_mels=100,
        fmin=50,
        fmax=7000,
        htk=formula == "htk",
        norm="slaney" if norm == "slaney" else None,
    )
    expected = (filters @ direct_stft(audio, 2048, 1024, 320, "hamming") ** power) ** (1 / power)
    options = {"num_bins": 100, "freq_min_hz": 50, "freq_max_hz": 7000, "win_length": 1024, "window": "hamming"}
    picture = make("mel", formula=formula, norm=norm, power=power, **options)(audio[None])[0, 0]
    # The scale is our own: one factor for the whole picture.
    scale = float(np.linalg.norm(expected)) / float(picture.norm())
    assert relative_error(scale * picture, expected) < 1e-5


@pytest.mark.slow
def test_agrees_with_librosa() -> None:
    import librosa

    audio = noise(16000)
    options: dict[str, Any] = {"n_fft": 1024, "hop_length": 256, "win_length": 800}
    expected = np.abs(librosa.stft(audio.numpy(), **options, pad_mode="constant")) * 2 / 400
    assert relative_error(make("stft", **options)(audio[None])[0, 0], expected) < 1e-5

    # librosa's Q is (2 ** (2 / b) + 1) / (2 ** (2 / b) - 1) at b bins per octave, and its kernels have unit energy
    # rather than unit gain: up to a constant, gain sqrt(length) / 2.
    step = 2 ** (1 / 12)
    lengths, _ = librosa.filters.wavelet_lengths(freqs=110.0 * step ** np.arange(48), sr=16000)
    options = {"bins_per_octave": 12, "freq_min_hz": 110.0, "num_bins": 48, "hop_length": 256}
    picture = make("cqt", filter_scale=(step - 1) * (step**2 + 1) / (step**2 - 1), **options)(audio[None])[0, 0]
    expected = np.abs(
        librosa.cqt(
            audio.numpy(),
            sr=16000,
            hop_length=256,
            fmin=110.0,
            n_bins=48,
            bins_per_octave=12,
            pad_mode="constant",
            scale=True,
        )
    )
    assert relative_error(picture, expected * 2 / np.sqrt(lengths)[:, None]) < 0.02


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
    picture = make("cqt", **options).picture(200)
    assert (picture.bins_per_semitone, picture.lowest_pitch) == (bins_per_semitone, lowest_pitch)


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
