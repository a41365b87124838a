"""Chords and keys by templates over chroma."""

import librosa
import numpy as np

TONICS = ["C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B"]
# Krumhansl and Kessler's ratings of the twelve pitch classes.
MAJOR = [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88]
MINOR = [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17]
HOP = 2048


def load(task, stay):
    """-> transcribe(recording, file to write)."""

    def transcribe(recording, output):
        audio, rate = librosa.load(recording, sr=22050)
        chroma = librosa.feature.chroma_cqt(y=librosa.effects.harmonic(audio), sr=rate, hop_length=HOP)
        with open(output, "w") as file:
            if task == "key":
                file.write(key_of(chroma) + "\n")
            else:
                file.writelines(chord_rows(chroma, rate, stay, len(audio) / rate))

    return transcribe


def key_of(chroma):
    """-> "Eb minor": the key whose profile goes best with the sum of all frames."""
    total = chroma.sum(axis=1)
    fits = [
        (np.corrcoef(np.roll(profile, tonic), total)[0, 1], f"{TONICS[tonic]} {mode}")
        for mode, profile in (("major", MAJOR), ("minor", MINOR))
        for tonic in range(12)
    ]
    return max((fit if np.isfinite(fit) else -1.0, name) for fit, name in fits)[1]


def chord_rows(chroma, rate, stay, duration_s):
    """-> rows `start end label`."""
    triads = [
        np.bincount([root, (root + third) % 12, (root + 7) % 12], minlength=12)
        for third in (4, 3)
        for root in range(12)
    ]
    labels = [f"{tonic}:{mode}" for mode in ("maj", "min") for tonic in TONICS] + ["N"]
    templates = np.array(triads, dtype=float) / np.sqrt(3.0)
    norm = np.linalg.norm(chroma, axis=0)
    likely = np.exp(10.0 * templates @ (chroma / np.maximum(norm, 1e-9)))
    silent = np.where(norm < 1e-3, 1e6, 1e-6)  # no chord where nothing sounds, and nowhere else
    likely = np.concatenate([likely, silent[None]])
    transition = librosa.sequence.transition_loop(len(labels), stay)
    path = librosa.sequence.viterbi_discriminative(likely / likely.sum(axis=0), transition)
    starts = [0, *(np.flatnonzero(np.diff(path)) + 1)]
    times_s = [start * HOP / rate for start in starts] + [duration_s]
    for start, begin_s, end_s in zip(starts, times_s, times_s[1:], strict=False):
        if end_s > begin_s:
            yield f"{begin_s:.4f}\t{end_s:.4f}\t{labels[path[start]]}\n"
