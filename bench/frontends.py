"""Speed of the fixed frontends, side by side with nnAudio and librosa on the same audio and options.

    python bench/frontends.py [--seconds 4] [--batch 8] [--sample-rate 16000] [--hop-length 320] [--threads 1]
                              [--device cpu]

Prints, for each frontend, the median milliseconds for one batch of noise, and how many times longer the others take.
librosa runs on the CPU, clip by clip.
"""

import argparse
import statistics
import time
from collections.abc import Callable
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
from tabulate import tabulate
from torch import Tensor

CONF = Path(__file__).parents[1] / "conf"
REPEATS = 7
Peer = Callable[[Tensor], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--sample-rate", type=int, default=16000)
    parser.add_argument("--hop-length", type=int, default=320)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    audio = 0.1 * torch.randn(args.batch, round(args.seconds * args.sample_rate))
    rows = []
    for name in ("stft", "mel", "cqt", "hcqt", "chroma"):
        with initialize_config_dir(str(CONF), version_base="1.3"):
            shared = [f"sample_rate={args.sample_rate}", f"hop_length={args.hop_length}"]
            cfg = compose("config", overrides=[f"frontend={name}", *shared]).frontend
        ours = instantiate(cfg, _convert_="all").to(args.device)
        peers = [ours, nnaudio(name, cfg).to(args.device), in_librosa(name, cfg)]
        inputs = [audio.to(args.device), audio.to(args.device), audio]
        own_ms, nnaudio_ms, librosa_ms = map(median_ms, peers, inputs)
        rows.append([name, own_ms, nnaudio_ms, librosa_ms, nnaudio_ms / own_ms, librosa_ms / own_ms])
    where = torch.cuda.get_device_name() if args.device.startswith("cuda") else f"{args.threads} thread(s)"
    print(f"{args.batch} x {args.seconds:g} s at {args.sample_rate} Hz, hop {args.hop_length}, {args.device}, {where}")
    headers = ["frontend", "ours ms", "nnAudio ms", "librosa ms", "nnAudio / ours", "librosa / ours"]
    print(tabulate(rows, headers, floatfmt=".1f"))


def nnaudio(name: str, cfg: Any) -> torch.nn.Module:
    """nnAudio's layer with the same filters. For hcqt and chroma the CQT alone, which they are made from."""
    layer: torch.nn.Module
    if name == "stft":
        layer = STFT(
            n_fft=cfg.n_fft,
            hop_length=cfg.hop_length,
            pad_mode="constant",
            output_format="Magnitude",
            sr=cfg.sample_rate,
            verbose=False,
        )
    elif name == "mel":
        layer = MelSpectrogram(
            sr=cfg.sample_rate,
            n_fft=cfg.n_fft,
            n_mels=cfg.num_bins,
            hop_length=cfg.hop_length,
            pad_mode="constant",
            htk=cfg.formula == "htk",
            fmin=cfg.freq_min_hz,
            fmax=cfg.freq_max_hz,
            verbose=False,
        )
    else:
        layer = CQT1992v2(
            sr=cfg.sample_rate,
            hop_length=cfg.hop_length,
            fmin=cfg.freq_min_hz,
            n_bins=num_bins(cfg),
            bins_per_octave=cfg.bins_per_octave,
            filter_scale=cfg.filter_scale,
            pad_mode="constant",
            verbose=False,
        )
    return layer


def in_librosa(name: str, cfg: Any) -> Peer:
    frames = {"hop_length": cfg.hop_length, "pad_mode": "constant"}

    def one(clip: np.ndarray) -> object:
        if name == "stft":
            return np.abs(librosa.stft(clip, n_fft=cfg.n_fft, **frames))
        if name == "mel":
            mel = {"n_mels": cfg.num_bins, "fmin": cfg.freq_min_hz, "fmax": cfg.freq_max_hz}
            return librosa.feature.melspectrogram(y=clip, sr=cfg.sample_rate, n_fft=cfg.n_fft, **mel, **frames)
        constant_q = librosa.cqt(
            clip,
            sr=cfg.sample_rate,
            fmin=cfg.freq_min_hz,
            n_bins=num_bins(cfg),
            bins_per_octave=cfg.bins_per_octave,
            filter_scale=cfg.filter_scale,
            **frames,
        )
        return np.abs(constant_q)

    return lambda audio: [one(clip) for clip in audio.numpy()]


def num_bins(cfg: Any) -> int:
    return int(cfg.num_octaves * cfg.bins_per_octave if "num_octaves" in cfg else cfg.num_bins)


@torch.no_grad()
def median_ms(peer: Peer, audio: Tensor) -> float:
    """One after the other rather than in turn: what a peer leaves behind in caches and allocator slows the next."""
    taken = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        peer(audio)
        if audio.is_cuda:
            torch.cuda.synchronize()
        taken.append(1000 * (time.perf_counter() - start))
    return statistics.median(taken[1:])  # the first call builds plans and compiles


if __name__ == "__main__":
    main()
