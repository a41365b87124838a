"""Beats, or a tempo, by librosa."""

import librosa
import numpy as np


def load(task, start_bpm, tightness):
    """-> transcribe(recording, file to write)."""

    def transcribe(recording, output):
        audio, rate = librosa.load(recording, sr=22050)
        tempo, beats_s = librosa.beat.beat_track(
            y=audio, sr=rate, start_bpm=start_bpm, tightness=tightness, units="time"
        )
        with open(output, "w") as file:
            if task == "tempo":
                file.write(f"{float(np.ravel(tempo)[0]):.3f}\n")
            else:
                file.writelines(f"{time_s:.4f}\n" for time_s in beats_s)

    return transcribe
