"""Beats with downbeats, tempo, onsets, key or chords by madmom."""

from madmom.features import beats, chords, downbeats, key, onsets, tempo

FPS = 100


def load(task):
    """-> transcribe(recording, file to write)."""
    activations, decoder, rows = {
        "beat": (
            downbeats.RNNDownBeatProcessor,
            lambda: downbeats.DBNDownBeatTrackingProcessor(beats_per_bar=[3, 4], fps=FPS),
            lambda found: [f"{time_s:.4f}\t{int(number)}" for time_s, number in found],
        ),
        "tempo": (beats.RNNBeatProcessor, lambda: tempo.TempoEstimationProcessor(fps=FPS), tempo_row),
        "onset": (
            onsets.CNNOnsetProcessor,
            lambda: onsets.OnsetPeakPickingProcessor(threshold=0.54, smooth=0.05, fps=FPS),  # as its CNNOnsetDetector
            lambda found: [f"{time_s:.4f}" for time_s in found],
        ),
        "key": (key.CNNKeyRecognitionProcessor, lambda: key.key_prediction_to_label, lambda found: [found]),
        "chord": (
            chords.CNNChordFeatureProcessor,
            chords.CRFChordRecognitionProcessor,
            lambda found: [f"{start:.4f}\t{end:.4f}\t{label}" for start, end, label in found],
        ),
    }[task]
    network, decode = activations(), decoder()

    def transcribe(recording, output):
        with open(output, "w") as file:
            file.writelines(f"{row}\n" for row in rows(decode(network(recording))))

    return transcribe


def tempo_row(found):
    """-> the two strongest tempi, the slower one first, and the share of that; one alone where there is one."""
    if len(found) < 2:
        return [f"{found[0][0]:.3f}"]
    (slow, slow_strength), (fast, fast_strength) = sorted(found[:2].tolist())
    return [f"{slow:.3f} {fast:.3f} {slow_strength / (slow_strength + fast_strength):.4f}"]
