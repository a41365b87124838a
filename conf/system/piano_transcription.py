"""Notes and pedals of a piano by Kong et al.'s network."""

import librosa
import torch
from piano_transcription_inference import PianoTranscription, sample_rate


def load(task):
    """-> transcribe(recording, MIDI file to write)."""
    model = PianoTranscription(device="cuda" if torch.cuda.is_available() else "cpu")

    def transcribe(recording, output):
        model.transcribe(librosa.load(recording, sr=sample_rate)[0], output)

    return transcribe
