"""The pitch of one voice by PESTO: rows of time and frequency, which is negative where nothing sounds."""

import importlib
import sys
from types import ModuleType

import soundfile
import torch

sys.modules["torchaudio"] = ModuleType("torchaudio")  # which only reads files

pesto = importlib.import_module("pesto")


def load(task, model, threshold, hop_s):
    """-> transcribe(recording, csv file to write)."""

    loaded = {}  # a model for each sample rate

    def transcribe(recording, output):
        samples, rate = soundfile.read(recording, dtype="float32", always_2d=True)
        if rate not in loaded:
            loaded[rate] = pesto.load_model(model, step_size=1000.0 * hop_s, sampling_rate=rate).eval()
        with torch.inference_mode():
            audio = torch.from_numpy(samples.mean(axis=1))
            pitch, confidence, *_ = loaded[rate](audio, sr=rate, convert_to_freq=True, return_activations=False)
        with open(output, "w") as file:
            for frame, (freq_hz, sure) in enumerate(zip(pitch.tolist(), confidence.tolist(), strict=True)):
                file.write(f"{frame * hop_s:.4f},{freq_hz if sure >= threshold else -freq_hz:.3f}\n")

    return transcribe
