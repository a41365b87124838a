"""What the frontends give equals the definition in float64, up to rounding and to the last frame; and its scale."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import get_window
from torch import Tensor

from frontend_examples import Array, configured, make, noise, relative_error, sinusoid

SHORT = {"freq_min_hz": 220.0, "num_bins": 60}  # a CQT with short kernels: quick to evaluate directly


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
    spectrogram = make(name)(sinusoid(centre_hz(name, place)))[0, channel, :, 75]
    assert spectrogram.argmax() == place
    assert spectrogram[place] == pytest.approx(level, abs=0.1 if name == "mel" else 2e-3)


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
    alpha = 2 ** (1 / cfg["bins_per_octave"]) - 1
    starts = np.arange(1 + len(audio) // hop_length) * hop_length

    def rows() -> Iterator[Array]:
        for k in range(cfg["num_bins"]):
            freq_hz = cfg["freq_min_hz"] * 2 ** (k / cfg["bins_per_octave"])
            length = math.ceil(cfg["filter_scale"] / alpha * sample_rate / (freq_hz + cfg.get("gamma_hz", 0) / alpha))
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
        {"num_bins": 55, "bins_per_octave": 31, "freq_min_hz": 500.0, "hop_length": 333},
        {"num_bins": 60, "bins_per_octave": 24, "freq_min_hz": 1200.0, "hop_length": 512, "sample_rate": 22050},
    ],
    ids=str,
)
@pytest.mark.parametrize("num_samples", [1, 300, 12345])
def test_cqt_is_exact(options: dict[str, Any], num_samples: int) -> None:
    audio = noise(num_samples)
    assert relative_error(make("cqt", **options)(audio[None])[0, 0], direct_cqt(audio, "cqt", **options)) < 1e-4


@pytest.mark.parametrize(("name", "channel"), [("hcqt", 1), ("vqt", 0)])
def test_default_is_exact(name: str, channel: int) -> None:
    audio = noise(24000)
    spectrogram = make(name)(audio[None])
    assert relative_error(spectrogram[0, channel], direct_cqt(audio, name)) < 1e-4


@pytest.mark.parametrize(
    "options",
    [
        {"gamma_hz": 0.0},
        {"gamma_hz": 20.0, "hop_length": 441},
        {"gamma_hz": 3.7, "bins_per_octave": 12, "num_bins": 48, "hop_length": 160, "window": "blackman"},
        {"gamma_hz": 2000.0, "hop_length": 333},  # kernels of 8 samples
    ],
    ids=str,
)
@pytest.mark.parametrize("num_samples", [1, 300, 12345])
def test_vqt_is_exact(options: dict[str, Any], num_samples: int) -> None:
    audio, options = noise(num_samples), SHORT | options
    assert relative_error(make("vqt", **options)(audio[None])[0, 0], direct_cqt(audio, "vqt", **options)) < 1e-4


def test_vqt_without_gamma_is_the_cqt() -> None:
    audio = noise(2, 8000)
    assert torch.equal(make("vqt", gamma_hz=0)(audio), make("cqt")(audio))


@pytest.mark.parametrize("gamma_hz", [0.0, 4.45, 30.0])
@pytest.mark.parametrize("bins_per_octave", [12, 36])
def test_vqt_kernels_are_as_long_as_librosas(bins_per_octave: int, gamma_hz: float) -> None:
    from librosa.filters import wavelet_lengths

    vqt = make("vqt", bins_per_octave=bins_per_octave, num_bins=96, gamma_hz=gamma_hz)
    step = 2 ** (1 / bins_per_octave)
    # Ours and nnAudio's alpha; librosa's own is 2 to 3 % smaller.
    lengths, _ = wavelet_lengths(freqs=27.5 * step ** np.arange(96), sr=16000, gamma=gamma_hz, alpha=step - 1)
    np.testing.assert_allclose(vqt.kernels.length, np.ceil(lengths), atol=1e-6)  # type: ignore[arg-type]


def test_cqt_of_a_long_track_is_cut_into_blocks() -> None:
    frontend, audio = make("cqt", **SHORT), noise(2, 40000)
    whole = frontend(audio)
    blocked = make("cqt", **SHORT)
    blocked.transform.parts[0].block_frames = 20  # type: ignore[union-attr]
    torch.testing.assert_close(blocked(audio), whole, rtol=1e-3, atol=1e-5)
    assert len(blocked.transform.parts[0].plans) == 1  # type: ignore[union-attr, arg-type]


def test_cqt_keeps_few_plans() -> None:
    frontend = make("cqt", **SHORT)
    first = frontend(noise(1, 2000))
    for num_samples in range(4000, 40000, 4000):
        frontend(noise(1, num_samples))
    assert len(frontend.transform.parts[0].plans) == 4  # type: ignore[union-attr, arg-type]
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


@pytest.mark.parametrize("window", ["hann", "hamming", "blackman", "nuttall", "blackmanharris", "boxcar"])
@pytest.mark.parametrize(
    ("n_fft", "win_length", "hop_length"), [(512, 512, 160), (1024, 441, 441), (510, 333, 333), (128, 127, 11)]
)
def test_stft_is_exact(n_fft: int, win_length: int, hop_length: int, window: str) -> None:
    frontend = make("stft", n_fft=n_fft, win_length=win_length, hop_length=hop_length, window=window)
    for audio in (noise(1), noise(300), noise(12345)):
        expected = direct_stft(audio, n_fft, win_length, hop_length, window)
        assert relative_error(frontend(audio[None])[0, 0], expected) < 1e-5, len(audio)


# The signal is zero beyond its ends


@pytest.mark.parametrize("hop_length", [160, 333, 441])
@pytest.mark.parametrize("num_samples", [37, 5000])
@pytest.mark.parametrize("name", ["stft", "cqt", "vqt"])
def test_edges_are_exact(name: str, num_samples: int, hop_length: int) -> None:
    """Nothing but a click on the first and on the last sample."""
    audio = torch.zeros(num_samples)
    audio[[0, -1]] = 1.0
    options: dict[str, Any] = {"hop_length": hop_length}
    if name == "stft":
        options |= {"n_fft": 512, "win_length": 512, "window": "hann"}
        expected = direct_stft(audio, **options)
    else:
        options |= SHORT
        expected = direct_cqt(audio, name, **options)
    spectrogram = make(name, **options)(audio[None])[0, 0]
    assert relative_error(spectrogram, expected) < (1e-5 if name == "stft" else 1e-4)


@pytest.mark.parametrize("trainable", [False, True])
def test_stft_is_cropped(trainable: bool) -> None:
    audio = noise(1, 4000)
    options = {"n_fft": 1000, "win_length": 1000, "trainable": trainable}
    whole = make("stft", **options)(audio)
    part = make("stft", freq_min_hz=100, freq_max_hz=1610, **options)
    assert part.num_bins == 94  # 7 * 16 = 112 Hz to 100 * 16 = 1600 Hz
    torch.testing.assert_close(part(audio), whole[:, :, 7:101], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("formula", "norm", "power"),  # every pair
    [("htk", "none", 1), ("htk", "slaney", 2), ("slaney", "none", 2), ("slaney", "slaney", 1)],
)
def test_mel_is_librosas(formula: str, norm: str, power: int) -> None:
    from librosa.filters import mel

    audio = noise(20000)
    filters = mel(
        sr=16000,
        n_fft=2048,
        n_mels=100,
        fmin=50,
        fmax=7000,
        htk=formula == "htk",
        norm="slaney" if norm == "slaney" else None,
    )
    expected = (filters @ direct_stft(audio, 2048, 1024, 33, "hamming") ** power) ** (1 / power)
    options = {"num_bins": 100, "freq_min_hz": 50, "freq_max_hz": 7000, "win_length": 1024, "window": "hamming"}
    options["hop_length"] = 33  # enough frames for more than one block
    spectrogram = make("mel", formula=formula, norm=norm, power=power, **options)(audio[None])[0, 0]
    # The scale is our own: one factor for the whole spectrogram.
    scale = float(np.linalg.norm(expected)) / float(spectrogram.norm())
    assert relative_error(scale * spectrogram, expected) < 1e-5


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
    spectrogram = make("cqt", filter_scale=(step - 1) * (step**2 + 1) / (step**2 - 1), **options)(audio[None])[0, 0]
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
    assert relative_error(spectrogram, expected * 2 / np.sqrt(lengths)[:, None]) < 0.02
