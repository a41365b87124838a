"""The pitch of one voice by pYIN: rows of time and frequency, which is 0 where nothing sounds."""

import librosa
import numpy as np


def load(task, fmin, fmax):
    """-> transcribe(recording, csv file to write)."""

    def transcribe(recording, output):
        audio, rate = librosa.load(recording, sr=22050)
        pitch, _, _ = librosa.pyin(audio, fmin=fmin, fmax=fmax, sr=rate)
        rows = zip(librosa.times_like(pitch, sr=rate), np.nan_to_num(pitch), strict=True)
        with open(output, "w") as file:
            file.writelines(f"{time_s:.4f},{freq_hz:.3f}\n" for time_s, freq_hz in rows)

    return transcribe
