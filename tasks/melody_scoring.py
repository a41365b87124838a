"""Scores of melodies: mir_eval's numbers."""

import warnings
from collections.abc import Mapping
from typing import Any

import mir_eval
import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.frequencies import hz_to_midi
from ricercar.data.annotations.melody import Melody
from ricercar.tasks.marks import MISSED, RIGHT, SPURIOUS, Mark, frame_runs
from ricercar.tasks.protocol import check_protocol

PROTOCOL = {
    "cent_tolerance": None,
    "hop_s": None,
    "interpolation": ("linear", "nearest", "zero"),
    "empty": ("mir_eval", "exclude"),
    "averaging": ("tracks", "groups"),
}

Floats = NDArray[np.float64]

_CENTS_FROM_HZ = 10.0  # where mir_eval counts its cents from


class MelodyScoring:
    """(reference, estimate) -> {melody/metric: score}, by mir_eval's names with _ for a space.

    melody/Voicing_Recall        share of the frames with a melody in which the estimate has one
    melody/Voicing_False_Alarm   share of the frames without a melody in which the estimate has one (lower is better)
    melody/Raw_Pitch_Accuracy    share of the frames with a melody in which the pitch is right, sounding or not
    melody/Raw_Chroma_Accuracy   the same, in any octave
    melody/Overall_Accuracy      share of all frames that are right: silent in both, or sounding at the right pitch

    Frames are the reference's rows (hop_s 0), or every hop_s seconds. Where the reference has no frames of the kind
    that a metric is a share of, `empty` decides: mir_eval's 0 (1 for the recall), or exclude (NaN).
    """

    def __init__(self, protocol: Mapping[str, Any]) -> None:
        check_protocol("melody", protocol, PROTOCOL)
        self.protocol = protocol

    def __call__(self, reference: Melody, estimate: Melody) -> dict[str, float]:
        frames = self._frames(reference, estimate)
        tolerance = self.protocol["cent_tolerance"]
        reference_voicing, estimate_voicing = frames[0], frames[2]
        metrics = mir_eval.melody
        with warnings.catch_warnings():
            _ignore_what_is_handled()
            scores = {
                "Voicing_Recall": metrics.voicing_recall(reference_voicing, estimate_voicing),
                "Voicing_False_Alarm": metrics.voicing_false_alarm(reference_voicing, estimate_voicing),
                "Raw_Pitch_Accuracy": metrics.raw_pitch_accuracy(*frames, cent_tolerance=tolerance),
                "Raw_Chroma_Accuracy": metrics.raw_chroma_accuracy(*frames, cent_tolerance=tolerance),
                "Overall_Accuracy": metrics.overall_accuracy(*frames, cent_tolerance=tolerance),
            }
        if self.protocol["empty"] == "exclude":
            sounding, silent = bool((reference_voicing > 0).any()), bool((reference_voicing == 0).any())
            there = {"Voicing_False_Alarm": silent, "Overall_Accuracy": sounding or silent}
            scores = {name: score if there.get(name, sounding) else np.nan for name, score in scores.items()}
        return {f"melody/{name}": float(score) for name, score in scores.items()}

    def marks(self, reference: Melody, estimate: Melody) -> list[Mark]:
        """Of the frames in which either side has a melody; pitch: of another pitch class than the reference's."""
        voicing, cents, estimated_voicing, estimated_cents = self._frames(reference, estimate)
        error = np.abs(cents - estimated_cents)
        pitched = (cents != 0) & (estimated_cents != 0)
        tolerance = self.protocol["cent_tolerance"]
        near = pitched & (error < tolerance)
        same_chroma = pitched & (np.abs(error - 1200 * np.floor(error / 1200 + 0.5)) < tolerance)
        wanted, given = voicing > 0, estimated_voicing > 0
        kind = np.select(
            [wanted & given & near, wanted & given & same_chroma, wanted & given, wanted],
            [RIGHT, "octave", "pitch", MISSED],
            SPURIOUS,
        )
        (row,) = np.nonzero(wanted | given)
        pitch = hz_to_midi(_CENTS_FROM_HZ * 2.0 ** (np.where(given, estimated_cents, cents) / 1200))
        return frame_runs(self._time_s(reference, len(kind)), row, pitch[row], kind[row])

    def overall_accuracy(self, reference: Melody, estimate: Melody) -> float:
        """melody/Overall_Accuracy alone."""
        frames = self._frames(reference, estimate)
        with warnings.catch_warnings():
            _ignore_what_is_handled()
            return float(mir_eval.melody.overall_accuracy(*frames, cent_tolerance=self.protocol["cent_tolerance"]))

    def _frames(self, reference: Melody, estimate: Melody) -> tuple[Floats, Floats, Floats, Floats]:
        """-> reference's voicing and cents, estimate's voicing and cents, at the same instants."""
        if len(reference) == 0:
            nothing = np.zeros(0)
            return nothing, nothing, nothing, nothing
        time_s, frequency_hz = estimate.time_s, estimate.frequency_hz
        if len(estimate) == 0:
            time_s, frequency_hz = np.zeros(1), np.zeros(1)
        with warnings.catch_warnings():
            _ignore_what_is_handled()
            frames: tuple[Floats, Floats, Floats, Floats] = mir_eval.melody.to_cent_voicing(
                reference.time_s,
                reference.frequency_hz,
                time_s,
                frequency_hz,
                hop=self.protocol["hop_s"] or None,
                kind=self.protocol["interpolation"],
            )
        return frames

    def _time_s(self, reference: Melody, num_frames: int) -> Floats:
        """(num_frames,) of the frames that are compared: mir_eval begins at 0."""
        hop_s: float = self.protocol["hop_s"]
        if hop_s:
            return np.arange(num_frames, dtype=np.float64) * hop_s
        return np.pad(reference.time_s, (num_frames - len(reference), 0))


def _ignore_what_is_handled() -> None:
    """What mir_eval says about nothing to score, uneven times, and the mean step of a single row."""
    handled = (".* (array is empty|has no voiced frames)", "Non-uniform timescale", "Mean of empty", "invalid value")
    for message in handled:
        warnings.filterwarnings("ignore", message=message)
