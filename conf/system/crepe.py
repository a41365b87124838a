"""The pitch of one voice by CREPE: rows of time and frequency, which is negative where nothing sounds."""

import importlib
import sys
from types import ModuleType

import soundfile
import soxr
import torch

sys.modules["torchaudio"] = ModuleType("torchaudio")  # which only reads files

torchcrepe = importlib.import_module("torchcrepe")


def load(task, model, decoder, threshold, hop_s):
    """-> transcribe(recording, csv file to write)."""
    rate = torchcrepe.SAMPLE_RATE
    hop = round(hop_s * rate)
    decode = getattr(torchcrepe.decode, decoder)

    def transcribe(recording, output):
        samples, own_rate = soundfile.read(recording, dtype="float32", always_2d=True)
        audio = torch.from_numpy(soxr.resample(samples.mean(axis=1), own_rate, rate))[None]
        pitch, periodicity = torchcrepe.predict(
            audio, rate, hop, 50.0, 2006.0, model, decode, batch_size=512, return_periodicity=True
        )
        voiced = torchcrepe.filter.median(periodicity, 3) >= threshold
        with open(output, "w") as file:
            for frame, (freq_hz, sounds) in enumerate(zip(pitch[0].tolist(), voiced[0].tolist(), strict=True)):
                file.write(f"{frame * hop / rate:.4f},{freq_hz if sounds else -freq_hz:.3f}\n")

    return transcribe
