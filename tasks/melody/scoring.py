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
    "gaps": ("unvoiced", "hold"),
    "empty": ("mir_eval", "exclude"),
}

Floats = NDArray[np.float64]

_CENTS_FROM_HZ = 10.0  # where mir_eval counts its cents from
GAP = 2.5  # usual steps between two rows, from which on there is a gap, as in contours of JAMS
_ROUNDING_S = 1e-6  # to which times are written
_LEAST_STEP_S = 0.001


class MelodyScoring:
    """(reference, estimate) -> {melody/metric: score}, by mir_eval's names with _ for a space.

    melody/Voicing_Recall        share of the frames with a melody in which the estimate has one
    melody/Voicing_False_Alarm   share of the frames without a melody in which the estimate has one (lower is better)
    melody/Raw_Pitch_Accuracy    share of the frames with a melody in which the pitch is right, sounding or not
    melody/Raw_Chroma_Accuracy   the same, in any octave
    melody/Overall_Accuracy      share of all frames that are right: silent in both, or sounding at the right pitch

    Frames are the reference's rows (hop_s 0), or every hop_s seconds. Where the reference has no frames of the kind
    that a metric is a share of, `empty` decides: mir_eval's 0 (1 for the recall), or exclude (NaN).

    gaps   what is between two rows that are further apart than GAP usual steps, before a first row that is so late, and
           from an estimate's last row to the end of the reference: unvoiced (nothing sounds there; a reference has
           frames there, too), or hold (the row before it goes on, before the first row that one: mir_eval)
    """

    def __init__(self, protocol: Mapping[str, Any]) -> None:
        check_protocol("melody", protocol, PROTOCOL)
        self.protocol = protocol

    def __call__(self, reference: Melody, estimate: Melody) -> dict[str, float]:
        frames = self._frames(reference, estimate)
        if len(reference):
            self._tell_of_gaps(reference, "reference")
            self._tell_of_gaps(estimate, "estimate", float(reference.time_s[-1]))
        tolerance = self.protocol["cent_tolerance"]
        reference_voicing, estimate_voicing = frames[0], frames[2]
        metrics = mir_eval.melody
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
        return float(mir_eval.melody.overall_accuracy(*frames, cent_tolerance=self.protocol["cent_tolerance"]))

    def _frames(self, reference: Melody, estimate: Melody) -> tuple[Floats, Floats, Floats, Floats]:
        """-> reference's voicing and cents, estimate's voicing and cents, at the same instants."""
        if len(reference) == 0:
            nothing = np.zeros(0)
            return nothing, nothing, nothing, nothing
        if len(estimate) == 0:
            estimate = Melody(np.zeros(1), np.zeros(1))
        if self.protocol["gaps"] == "unvoiced":
            estimate = with_silent_edges(estimate, float(reference.time_s[-1]))
            reference = with_silent_rows(reference)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Non-uniform timescale")  # _tell_of_gaps says where that matters
            warnings.filterwarnings("ignore", message="Mean of empty|invalid value")  # the mean step of a single row
            frames: tuple[Floats, Floats, Floats, Floats] = mir_eval.melody.to_cent_voicing(
                reference.time_s,
                reference.frequency_hz,
                estimate.time_s,
                estimate.frequency_hz,
                hop=self.protocol["hop_s"] or None,
                kind=self.protocol["interpolation"],
            )
        return frames

    def _tell_of_gaps(self, melody: Melody, side: str, until_s: float | None = None) -> None:
        """Warns where a melody that sounds is followed by a gap: whether it goes on is a matter of the protocol."""
        if not len(melody):
            return
        start_s, end_s = gaps(melody, until_s)
        before = np.searchsorted(melody.time_s, start_s, side="right") - 1
        sounding = (before < 0) | (melody.frequency_hz[before] > 0)
        if sounding.any():
            what = "counts as unvoiced" if self.protocol["gaps"] == "unvoiced" else "is held over"
            warnings.warn(
                f"The {side}'s melody {what} in {sounding.sum()} gaps between rows, in all "
                f"{(end_s - start_s)[sounding].sum():.2f} s (task.protocol.gaps={self.protocol['gaps']})",
                stacklevel=2,
            )

    def _time_s(self, reference: Melody, num_frames: int) -> Floats:
        """(num_frames,) of the frames that are compared: mir_eval begins at 0."""
        hop_s: float = self.protocol["hop_s"]
        if hop_s:
            return np.arange(num_frames, dtype=np.float64) * hop_s
        if self.protocol["gaps"] == "unvoiced" and len(reference):
            reference = with_silent_rows(reference)
        return np.pad(reference.time_s, (num_frames - len(reference), 0))


def gaps(melody: Melody, until_s: float | None = None) -> tuple[Floats, Floats]:
    """-> (g,) start and (g,) end of the gaps between rows, in seconds, each from the row before it (or 0) on.

    until_s: a last row that is so long before it is followed by a gap, too.
    """
    ends = [melody.time_s] if until_s is None else [melody.time_s, [max(until_s, float(melody.time_s[-1]))]]
    edge_s = np.concatenate([np.zeros(1), *ends])
    usual_s = melody.usual_step_s
    (found,) = np.nonzero(np.diff(edge_s) > GAP * usual_s + _ROUNDING_S) if np.isfinite(usual_s) else ([],)
    found = np.asarray(found, dtype=np.int64)
    return edge_s[found], edge_s[found + 1]


def with_silent_edges(melody: Melody, until_s: float) -> Melody:
    """With a row of 0 Hz a usual step after the beginning of each gap, or at 0 before a late first row."""
    start_s, _ = gaps(melody, until_s)
    usual_s = melody.usual_step_s
    return _with_silence(melody, np.where(start_s < melody.time_s[0], 0.0, start_s + usual_s))


def with_silent_rows(melody: Melody) -> Melody:
    """With rows of 0 Hz in the gaps, the usual step apart (but a millisecond at least)."""
    start_s, end_s = gaps(melody)
    step_s = max(melody.usual_step_s, _LEAST_STEP_S)
    rows = [
        first + step_s * np.arange(0 if first < melody.time_s[0] else 1, max(1, np.ceil((end - first) / step_s - 0.5)))
        for first, end in zip(start_s.tolist(), end_s.tolist(), strict=True)
    ]
    return _with_silence(melody, np.concatenate([np.zeros(0), *rows]))


def _with_silence(melody: Melody, silent_s: Floats) -> Melody:
    if not len(silent_s):
        return melody
    time_s = np.concatenate([melody.time_s, np.round(silent_s, 9)])
    order = np.argsort(time_s, kind="stable")
    return Melody(time_s[order], np.concatenate([melody.frequency_hz, np.zeros(len(silent_s))])[order])
