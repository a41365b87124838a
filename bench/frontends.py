"""Frontends beside nnAudio's, librosa's and torch's own floor, on the same audio and options.

    python bench/frontends.py [--quick]

8 clips of 10 s of noise at 22,050 Hz, hop 512: CPU time with one thread, elapsed time with two, and on a GPU where
there is one; then relative L2 errors against the definition in float64 (on 3 s, up to one factor, for those with the
same kernels) and the growth with the length. librosa takes clip by clip. The floor is what has to be computed at
least, by the plainest torch, from audio that is already cut into frames: for the STFT the real FFT of all frames, for
mel that and the dense product with all filters, for the others the real FFT of the whole signal.
--quick leaves out the slow peers and the growth.
"""

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from nnAudio.features.cqt import CQT1992v2
from nnAudio.features.mel import MelSpectrogram
from nnAudio.features.stft import STFT
from nnAudio.features.vqt import VQT
from numpy.typing import NDArray
from rows import Clock, Row, Spread, Work, interleaved, text
from scipy.signal import get_window
from threadpoolctl import threadpool_limits
from torch import Tensor

from ricercar.models.frontends.frontend import Frontend

CONF = Path(__file__).parents[1] / "conf"
SAMPLE_RATE, HOP, BATCH, SECONDS = 22_050, 512, 8, 10
GPU_BATCH = 64
GROWTH_S = (5, 10, 20, 40)
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Subject:
    """A frontend with options. targets: of CPU time with one thread; elapsed_targets: of elapsed time with two."""

    name: str
    options: tuple[str, ...]
    repeats: int
    targets: dict[str, float] = field(default_factory=dict)
    elapsed_targets: dict[str, float] = field(default_factory=dict)
    most_error: float | None = None

    @property
    def cfg(self) -> Any:
        choice, *options = self.options
        shared = [f"sample_rate={SAMPLE_RATE}", f"hop_length={HOP}", f"frontend={choice}"]
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return compose("config", overrides=[*shared, *(f"frontend.{option}" for option in options)]).frontend

    @property
    def frontend(self) -> Frontend:
        made: Frontend = instantiate(self.cfg, _convert_="all")
        return made


FLOOR = 1 / 1.3
CQT_84 = ("cqt", "bins_per_octave=12", "num_bins=84", "freq_min_hz=32.7032")
QUICK = (
    Subject("STFT 2048", ("stft",), 7, {"nnAudio": 8, "librosa": 1.4, "floor": FLOOR}, most_error=1e-5),
    Subject("mel-229", ("mel",), 7, {"nnAudio": 8, "librosa": 2.5, "floor": FLOOR}, most_error=1e-5),
    Subject("CQT-84", CQT_84, 7, {}, {"nnAudio": 8, "librosa": 10}, 1e-4),
)
SLOW = (
    Subject("CQT-264", ("cqt", "num_bins=264"), 3, {}, {"nnAudio": 50, "librosa": 15}, 1e-4),
    Subject("HCQT 8 x 288", ("hcqt",), 3, most_error=1e-4),
    Subject("VQT-288", ("vqt",), 3, most_error=1e-4),
    Subject("chroma", ("chroma",), 3),
)


def nnaudio(cfg: Any, device: torch.device) -> Callable[[Tensor], Tensor] | None:
    """The layer with the same filters; of the HCQT the CQT that it is made from. There is none for chroma."""
    shared = {"sr": cfg.sample_rate, "hop_length": cfg.hop_length, "pad_mode": "constant", "verbose": False}
    name = cfg._target_.rpartition(".")[2]
    if name == "Chroma":
        return None
    if name == "STFT":
        return STFT(n_fft=cfg.n_fft, output_format="Magnitude", **shared).to(device)
    if name == "Mel":
        mel = {"n_mels": cfg.num_bins, "htk": True, "norm": None, "fmin": cfg.freq_min_hz, "fmax": cfg.freq_max_hz}
        return MelSpectrogram(n_fft=cfg.n_fft, **mel, **shared).to(device)
    bins = {"n_bins": cfg.num_bins, "bins_per_octave": cfg.bins_per_octave, "filter_scale": cfg.filter_scale}
    gamma = {"gamma": cfg.gamma_hz} if name == "VQT" else {}
    layer = (VQT if gamma else CQT1992v2)(fmin=cfg.freq_min_hz, **bins, **gamma, **shared).to(device)
    return partial(layer, normalization_type="wrap")


def in_librosa(cfg: Any) -> Callable[[NDArray[np.float32]], Array]:
    name = cfg._target_.rpartition(".")[2]
    frames = {"hop_length": cfg.hop_length, "pad_mode": "constant"}
    if name == "STFT":
        return lambda clip: np.abs(librosa.stft(clip, n_fft=cfg.n_fft, **frames))
    if name == "Mel":
        mel = {"n_mels": cfg.num_bins, "htk": True, "norm": None, "fmin": cfg.freq_min_hz, "fmax": cfg.freq_max_hz}
        mel |= {"n_fft": cfg.n_fft, "sr": cfg.sample_rate}
        return lambda clip: librosa.feature.melspectrogram(y=clip, **mel, **frames)
    bins = {"sr": cfg.sample_rate, "fmin": cfg.freq_min_hz, "bins_per_octave": cfg.bins_per_octave}
    if name == "Chroma":
        octaves = {"n_octaves": cfg.num_octaves, "n_chroma": cfg.num_chroma, "norm": None, "tuning": 0.0}
        return lambda clip: librosa.feature.chroma_cqt(y=clip, hop_length=cfg.hop_length, **octaves, **bins)
    bins |= {"n_bins": cfg.num_bins, "filter_scale": cfg.filter_scale}
    if name == "VQT":
        return lambda clip: np.abs(librosa.vqt(clip, gamma=cfg.gamma_hz, **bins, **frames))
    return lambda clip: np.abs(librosa.cqt(clip, **bins, **frames))


def floor(cfg: Any, audio: Tensor) -> Work:
    if "n_fft" not in cfg:
        return lambda: torch.fft.rfft(audio)
    padded = torch.nn.functional.pad(audio, (cfg.n_fft // 2, cfg.n_fft // 2))
    frames = padded.unfold(1, cfg.n_fft, cfg.hop_length).contiguous()
    if "num_bins" not in cfg:
        return lambda: torch.fft.rfft(frames)
    filters = torch.rand(cfg.n_fft // 2 + 1, cfg.num_bins, device=audio.device)
    return lambda: torch.fft.rfft(frames).abs() @ filters


def noise(batch: int, seconds: float) -> Tensor:
    return 0.1 * torch.randn(batch, round(seconds * SAMPLE_RATE), generator=torch.Generator().manual_seed(0))


def works(subject: Subject, audio: Tensor) -> dict[str, Work]:
    """{who: work}; librosa on the CPU alone."""
    frontend, lib = subject.frontend.to(audio.device), in_librosa(subject.cfg)
    found: dict[str, Work] = {"ricercar": lambda: frontend(audio)}
    layer = nnaudio(subject.cfg, audio.device)
    if layer is not None:
        found["nnAudio"] = partial(layer, audio)
    if not audio.is_cuda:
        clips = audio.numpy()
        found["librosa"] = lambda: [lib(clip) for clip in clips]
    return found | {"floor": floor(subject.cfg, audio)}


@contextmanager
def threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    with threadpool_limits(number):
        yield
    torch.set_num_threads(before)


def speed_rows(subject: Subject, repeats: int) -> Iterator[Row]:
    todo = works(subject, noise(BATCH, SECONDS))
    what = f"{subject.name}, {BATCH} x {SECONDS} s"
    for number, clock, unit, targets in (
        (1, time.process_time, "ms CPU, one thread", subject.targets),
        (2, time.perf_counter, "ms elapsed, two threads", subject.elapsed_targets),
    ):
        with threads(number):
            yield Row("frontends", what, unit, interleaved(todo, repeats, clock), targets)


# Errors


def definition(cfg: Any, clip: Array) -> Array:
    """(N,) -> (F, T) magnitudes, each by a sum over its samples."""
    if "n_fft" in cfg:
        window = get_window(cfg.window, cfg.n_fft)
        frames = framed(clip, cfg.n_fft // 2, cfg.n_fft)
        spectrum: Array = np.abs(np.fft.rfft(frames * window)).T
        if "num_bins" not in cfg:
            return spectrum
        mel = {"n_mels": cfg.num_bins, "fmin": cfg.freq_min_hz, "fmax": cfg.freq_max_hz, "htk": True, "norm": None}
        filters = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=cfg.n_fft, dtype=np.float64, **mel)
        return np.sqrt(filters @ spectrum**2)
    freq_hz = cfg.freq_min_hz * 2 ** (np.arange(cfg.num_bins) / cfg.bins_per_octave)
    alpha = 2 ** (1 / cfg.bins_per_octave) - 1
    lengths = np.ceil(cfg.filter_scale / alpha * SAMPLE_RATE / (freq_hz + cfg.get("gamma_hz", 0) / alpha)).astype(int)
    return np.stack([row(clip, freq, length, cfg.window) for freq, length in zip(freq_hz, lengths, strict=True)])


def row(clip: Array, freq_hz: float, length: int, window: str) -> Array:
    centre, samples = math.ceil(length / 2), get_window(window, length)
    phase = 2 * np.pi * freq_hz / SAMPLE_RATE * (np.arange(length) - centre)
    frames = framed(clip, centre, length)
    real, imaginary = frames @ (samples * np.cos(phase)), frames @ (samples * np.sin(phase))
    return np.hypot(real, imaginary) / samples.sum()


def framed(clip: Array, left: int, length: int) -> Array:
    padded = np.pad(clip, (left, length))
    frames: Array = np.lib.stride_tricks.sliding_window_view(padded, length)[::HOP][: 1 + len(clip) // HOP]
    return frames


def error_row(subject: Subject) -> Row:
    cfg, audio = subject.cfg, noise(1, 3)
    expected = definition(cfg, audio[0].numpy().astype(np.float64))
    mel = "formula" in cfg  # nnAudio and librosa give energies
    found = {"ricercar": subject.frontend.analyse(audio)[0, 0].numpy()}
    layer = nnaudio(cfg, audio.device)
    assert layer is not None
    found["nnAudio"] = np.sqrt(layer(audio)[0].numpy()) if mel else layer(audio)[0].numpy()
    if "n_fft" in cfg:  # librosa's kernels are others
        spectrogram = in_librosa(cfg)(audio[0].numpy())
        found["librosa"] = np.sqrt(spectrogram) if mel else spectrogram
    errors = {who: Spread.of([1e6 * error(spectrogram, expected)]) for who, spectrogram in found.items()}
    assert subject.most_error is not None
    return Row("frontends", f"{subject.name}, relative error", "millionths", errors, at_most=1e6 * subject.most_error)


def error(spectrogram: Array, expected: Array) -> float:
    spectrogram = spectrogram.astype(np.float64)
    factor = np.vdot(spectrogram, expected) / np.vdot(spectrogram, spectrogram)
    return float(np.linalg.norm(factor * spectrogram - expected) / np.linalg.norm(expected))


def growth_rows(subject: Subject) -> Iterator[Row]:
    frontend = subject.frontend
    for seconds in GROWTH_S:
        audio = noise(BATCH, seconds)
        with threads(1):
            took = interleaved({"ricercar": partial(frontend, audio)}, 5, time.process_time)
        per_second = {who: spread.per(BATCH * seconds).per(0.001) for who, spread in took.items()}
        yield Row(
            "frontends", f"{subject.name}, a second of audio, {BATCH} x {seconds} s", "us CPU, one thread", per_second
        )


# On a GPU


def device_clock() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()


def gpu_rows(subject: Subject) -> Iterator[Row]:
    """Beside the peers, and beside a copy of as many bytes as have to pass through memory around the FFT."""
    audio = noise(GPU_BATCH, SECONDS).cuda()
    todo = works(subject, audio)
    moved = torch.empty(traffic(subject.cfg, audio) // 2, dtype=torch.uint8, device="cuda")  # read and written
    todo["copy"] = moved.clone
    clock: Clock = device_clock
    figures = interleaved(todo, 20, clock)
    yield Row("frontends", f"{subject.name}, {GPU_BATCH} x {SECONDS} s", "ms, GPU", figures, {"copy": 0.5})


def traffic(cfg: Any, audio: Tensor) -> int:
    """Bytes: audio and spectrogram once, what goes into an FFT or comes out of one twice."""
    num_frames = len(audio) * (1 + audio.shape[1] // cfg.hop_length)
    frontend: Frontend = instantiate(cfg, _convert_="all")
    spectrogram = num_frames * frontend.num_channels * frontend.num_bins
    if "n_fft" in cfg:
        inside = num_frames * (cfg.n_fft + 2 * (cfg.n_fft // 2 + 1))
    else:
        bins = cfg.num_octaves * cfg.bins_per_octave if "num_octaves" in cfg else cfg.num_bins
        inside = audio.numel() + 2 * 2 * num_frames * bins  # the spectrum; folded, and transformed back
    return 4 * (audio.numel() + spectrogram + 2 * inside)


@torch.no_grad()
def measure(quick: bool) -> list[Row]:
    subjects = QUICK if quick else (*QUICK, *SLOW)
    rows = [row for subject in subjects for row in speed_rows(subject, 2 if quick else subject.repeats)]
    rows += [error_row(subject) for subject in subjects if subject.most_error is not None]
    if not quick:
        rows += [row for subject in QUICK for row in growth_rows(subject)]
    if torch.cuda.is_available():
        rows += [row for subject in subjects for row in gpu_rows(subject)]
    return rows


if __name__ == "__main__":
    print(text(measure(quick="--quick" in sys.argv[1:])))
