"""Scores of notes: mir_eval's numbers, and two of our own."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mir_eval
import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.errors import InputError
from ricercar.tasks import matching
from ricercar.tasks.marks import Mark
from ricercar.tasks.multipitch_scoring import multipitch_scores
from ricercar.tasks.multipitch_targets import sounding
from ricercar.tasks.note_marks import MarkedNotes, note_marks, octaves
from ricercar.tasks.protocol import check_protocol

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NOTE_NAMES = ("Precision", "Recall", "F-measure", "Average_Overlap_Ratio")

PROTOCOL = {
    "onset_tolerance_s": None,
    "pitch_tolerance_cents": None,
    "offset_ratio": None,
    "offset_min_tolerance_s": None,
    "velocity_tolerance": None,
    "multipitch_hop_s": None,
    "pedal": ("extend", "ignore"),
    "empty": ("mir_eval", "one", "exclude"),
    "averaging": ("tracks", "groups"),
}


@dataclass(frozen=True)
class Pitched:
    """What is scored: notes without drums, as mir_eval takes them."""

    intervals: Floats
    pitch: Ints
    velocity: Ints

    @property
    def sides(self) -> tuple[Floats, Floats]:
        return self.intervals, mir_eval.util.midi_to_hz(self.pitch)

    def __len__(self) -> int:
        return len(self.pitch)


class NoteScoring:
    """(reference, estimate) -> {module/metric: score}, by mir_eval's names with _ for a space.

    transcription/...            notes; _no_offset, Onset_... and Offset_... as in mir_eval.transcription
    transcription_velocity/...   as in mir_eval.transcription_velocity
    multipitch/...               frames every multipitch_hop_s; a note sounds where onset <= t < offset
    multipitch/F-measure         ours: harmonic mean of multipitch's precision and recall
    velocity/mean_absolute_error ours: MIDI steps between notes matched by onset and pitch; mir_eval fits a line to the
                                 velocities first, which also hides inverted ones. NaN where no note is matched

    Drums are left out on both sides. Reference notes beyond the network's pitches are counted as missed.
    Where reference and estimate are both empty, protocol.empty decides: mir_eval 0, one 1 (errors 0), exclude NaN.
    """

    def __init__(self, protocol: Mapping[str, Any]) -> None:
        check_protocol("notes", protocol, PROTOCOL)
        if not 0.001 <= protocol["multipitch_hop_s"] <= 1:
            raise InputError(
                f"task.protocol.multipitch_hop_s={protocol['multipitch_hop_s']} must be from 0.001 to 1: "
                "seconds between frames."
            )
        self.protocol = protocol

    def __call__(self, reference: Notes, estimate: Notes) -> dict[str, float]:
        a, b = self.pitched(reference), self.pitched(estimate)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".* are (all )?empty", category=UserWarning)
            scores = self._notes(a, b) | self._multipitch(a, b)
        if not len(a) and not len(b) and self.protocol["empty"] != "mir_eval":
            best = {name: 0.0 if name.endswith("Error") else 1.0 for name in scores}
            nothing = dict.fromkeys(scores, np.nan)
            scores = (best if self.protocol["empty"] == "one" else nothing) | {"velocity/mean_absolute_error": np.nan}
        return scores

    def marks(self, reference: Notes, estimate: Notes) -> list[Mark]:
        a, b = self.pitched(reference), self.pitched(estimate)
        ours, theirs = (MarkedNotes(side.intervals, side.pitch, [""] * len(side)) for side in (a, b))
        near, exact = (self.hits(a, b, offsets=offsets) for offsets in (False, True))
        less = {"octave": octaves(ours, theirs, self.protocol["onset_tolerance_s"])}
        return note_marks(ours, theirs, near, exact, less)

    def pitched(self, notes: Notes) -> Pitched:
        kept = notes.program != DRUMS
        intervals = np.stack([notes.onset_s, self.offset_s(notes)], axis=1)
        return Pitched(intervals[kept], notes.pitch[kept], notes.velocity[kept])

    def offset_s(self, notes: Notes) -> Floats:
        """The ends of notes by protocol.pedal: the sound is damped (extend), or the key is released (ignore)."""
        return notes.pedalled_offset_s if self.protocol["pedal"] == "extend" else notes.offset_s

    def f_measure(self, a: Pitched, b: Pitched, *, offsets: bool) -> float:
        """transcription/F-measure or F-measure_no_offset alone, which takes a hundredth of the time."""
        if not len(a) or not len(b):
            return 0.0
        number = matching.count(self.hits(a, b, offsets=offsets))
        return float(mir_eval.util.f_measure(number / len(b), number / len(a)))

    def hits(self, a: Pitched, b: Pitched, *, offsets: bool) -> matching.Hits:
        hits = matching.note_hits(
            a.sides, b.sides, self.protocol["onset_tolerance_s"], self.protocol["pitch_tolerance_cents"]
        )
        return matching.with_offsets(hits, a.intervals, b.intervals, self._offset_tolerance(a)) if offsets else hits

    def _offset_tolerance(self, a: Pitched) -> Floats:
        return matching.offset_tolerance(
            a.intervals, self.protocol["offset_ratio"], self.protocol["offset_min_tolerance_s"]
        )

    def _notes(self, a: Pitched, b: Pitched) -> dict[str, float]:
        mir_eval.transcription.validate(*a.sides, *b.sides)
        plain: dict[str, float] = {}
        velocity: dict[str, float] = {}
        error = np.nan
        for suffix in ("", "_no_offset"):
            pairs = matching.pairs(self.hits(a, b, offsets=not suffix))
            plain |= _ratios("transcription", suffix, pairs, a, b)
            velocity |= _ratios("transcription_velocity", suffix, self._same_velocity(pairs, a, b), a, b)
        if pairs:  # by onset and pitch
            i, j = np.array(pairs).T
            error = float(np.abs(a.velocity[i] - b.velocity[j]).mean())
        onset_tolerance_s = np.full(len(a), self.protocol["onset_tolerance_s"])
        for name, column, tolerance_s in (
            ("Onset", 0, onset_tolerance_s),
            ("Offset", 1, self._offset_tolerance(a)),
        ):
            number = matching.count(matching.time_hits(a.intervals[:, column], b.intervals[:, column], tolerance_s))
            values = _precision_recall_f(number, a, b)
            plain |= {f"transcription/{name}_{key}": value for key, value in zip(_NOTE_NAMES, values, strict=False)}
        return plain | velocity | {"velocity/mean_absolute_error": error}

    def _same_velocity(self, pairs: list[tuple[int, int]], a: Pitched, b: Pitched) -> list[tuple[int, int]]:
        """mir_eval.transcription_velocity.match_notes, from the pairs on."""
        if not pairs:
            return []
        lowest, highest = int(a.velocity.min()), int(a.velocity.max())
        i, j = np.array(pairs).T
        reference = ((a.velocity - lowest) / float(max(1, highest - lowest)))[i]
        estimate = b.velocity[j]
        slope, intercept = np.linalg.lstsq(np.vstack([estimate, np.ones(len(estimate))]).T, reference, rcond=None)[0]
        near = np.abs(slope * estimate + intercept - reference) < self.protocol["velocity_tolerance"]
        return [pair for pair, kept in zip(pairs, near.tolist(), strict=True) if kept]

    def _multipitch(self, a: Pitched, b: Pitched) -> dict[str, float]:
        hop_s = self.protocol["multipitch_hop_s"]
        last_s = max([0.0, *a.intervals[:, 1].tolist(), *b.intervals[:, 1].tolist()])
        times = np.arange(int(last_s / hop_s) + 1) * hop_s
        rolls = [
            sounding(side.intervals[:, 0], side.intervals[:, 1], side.pitch, times, 128).astype(np.int64)
            for side in (a, b)
        ]
        octaves = [np.pad(roll, ((0, 0), (0, 4))).reshape(len(times), 11, 12).sum(axis=1) for roll in rolls]
        # Notes have whole semitones: mir_eval's window of half a semitone finds equal pitches, and nothing else.
        correct, chroma_correct = (np.minimum(*both).sum(axis=1) for both in (rolls, octaves))
        return multipitch_scores(correct, chroma_correct, *(roll.sum(axis=1) for roll in rolls))


def _precision_recall_f(number: int, a: Pitched, b: Pitched) -> tuple[float, float, float]:
    if not len(a) or not len(b):
        return 0.0, 0.0, 0.0
    precision, recall = number / len(b), number / len(a)
    return precision, recall, float(mir_eval.util.f_measure(precision, recall))


def _ratios(module: str, suffix: str, pairs: list[tuple[int, int]], a: Pitched, b: Pitched) -> dict[str, float]:
    overlap = float(mir_eval.transcription.average_overlap_ratio(a.intervals, b.intervals, pairs))
    values = (*_precision_recall_f(len(pairs), a, b), overlap)
    return {f"{module}/{name}{suffix}": value for name, value in zip(_NOTE_NAMES, values, strict=True)}
