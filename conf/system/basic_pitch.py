"""Notes by Basic Pitch, with the model for ONNX."""

from pathlib import Path

import scipy.signal

if not hasattr(scipy.signal, "gaussian"):  # which it asks for where older versions had it
    scipy.signal.gaussian = scipy.signal.windows.gaussian

import basic_pitch
from basic_pitch.inference import Model, predict


def load(task, **options):
    """-> transcribe(recording, MIDI file to write)."""
    model = Model(Path(basic_pitch.__file__).parent / "saved_models" / "icassp_2022" / "nmp.onnx")

    def transcribe(recording, output):
        _, midi, _ = predict(recording, model, **options)
        midi.write(output)

    return transcribe
