"""Scores of notes: mir_eval's numbers, and two of our own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mir_eval
import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.frequencies import hz_to_midi, midi_to_hz
from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.errors import InputError
from ricercar.metrics import transcription, transcription_velocity
from ricercar.metrics.multipitch import Pitches, num_true_positives
from ricercar.metrics.util import Hits, Pairs, match_hits, num_matched, precision_recall_f1
from ricercar.tasks.marks import Mark
from ricercar.tasks.multipitch.scoring import multipitch_scores
from ricercar.tasks.multipitch.targets import roll, sounding
from ricercar.tasks.notes.marks import MarkedNotes, note_marks, octaves
from ricercar.tasks.protocol import check_protocol, ends_s, of_nothing

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_WINDOW_SEMITONES = 0.5  # mir_eval's
_NUM_PITCHES = 128
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
}


@dataclass(frozen=True)
class Pitched:
    """What is scored: notes without drums, as mir_eval takes them."""

    intervals: Floats
    pitch: Floats
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
        scores = self._notes(a, b) | self._multipitch(a, b)
        if not len(a) and not len(b):
            scores = of_nothing(scores, self.protocol["empty"]) | {"velocity/mean_absolute_error": np.nan}
        return scores

    def marks(self, reference: Notes, estimate: Notes) -> list[Mark]:
        a, b = self.pitched(reference), self.pitched(estimate)
        ours, theirs = (MarkedNotes(side.intervals, side.pitch, [""] * len(side)) for side in (a, b))
        near, exact = self.hits(a, b)
        less = {
            "octave": octaves(ours, theirs, self.protocol["onset_tolerance_s"], self.protocol["pitch_tolerance_cents"])
        }
        return note_marks(ours, theirs, near, exact, less)

    def pitched(self, notes: Notes) -> Pitched:
        kept = notes.program != DRUMS
        intervals = np.stack([notes.onset_s, ends_s(notes, self.protocol["pedal"])], axis=1)
        return Pitched(intervals[kept], notes.pitch[kept], notes.velocity[kept])

    def f_measure(self, a: Pitched, b: Pitched, *, offsets: bool) -> float:
        """transcription/F-measure or F-measure_no_offset alone, which takes a hundredth of the time."""
        near, exact = self.hits(a, b)
        return precision_recall_f1(num_matched(exact if offsets else near), len(a), len(b))[2]

    def hits(self, a: Pitched, b: Pitched) -> tuple[Hits, Hits]:
        """Pairs that agree in onset and pitch, and those of them that agree in offset, too."""
        protocol = self.protocol
        near = transcription.note_hits(
            *a.sides, *b.sides, protocol["onset_tolerance_s"], protocol["pitch_tolerance_cents"]
        )
        tolerances_s = transcription.offset_tolerances(
            a.intervals, protocol["offset_ratio"], protocol["offset_min_tolerance_s"]
        )
        return near, transcription.with_offsets(near, a.intervals, b.intervals, tolerances_s)

    def _notes(self, a: Pitched, b: Pitched) -> dict[str, float]:
        protocol, sides = self.protocol, (a.intervals, b.intervals)
        mir_eval.transcription.validate(*a.sides, *b.sides)
        near, exact = map(match_hits, self.hits(a, b))
        matchings = {"": exact, "_no_offset": near}
        onset = transcription.onset_precision_recall_f1(*sides, protocol["onset_tolerance_s"])
        offset = transcription.offset_precision_recall_f1(
            *sides, protocol["offset_ratio"], protocol["offset_min_tolerance_s"]
        )
        scores: dict[str, float] = {}
        for suffix, pairs in matchings.items():
            scores |= _ratios("transcription", suffix, pairs, a, b)
        for kind, values in (("Onset", onset), ("Offset", offset)):
            scores |= {f"transcription/{kind}_{name}": x for name, x in zip(_NOTE_NAMES, values, strict=False)}
        for suffix, pairs in matchings.items():
            same = transcription_velocity.with_velocities(pairs, a.velocity, b.velocity, protocol["velocity_tolerance"])
            scores |= _ratios("transcription_velocity", suffix, same, a, b)
        i, j = np.array(near, dtype=np.int64).reshape(-1, 2).T
        apart = np.abs(a.velocity[i] - b.velocity[j])
        return scores | {"velocity/mean_absolute_error": float(apart.mean()) if len(near) else np.nan}

    def _multipitch(self, a: Pitched, b: Pitched) -> dict[str, float]:
        hop_s = self.protocol["multipitch_hop_s"]
        last_s = max([0.0, *a.intervals[:, 1].tolist(), *b.intervals[:, 1].tolist()])
        times = np.arange(int(last_s / hop_s) + 1) * hop_s
        if all(np.array_equal(side.pitch, np.rint(side.pitch)) for side in (a, b)):
            # Near enough are then equal pitches, and nothing else: a tenth of the time.
            rolls = [
                roll(side.intervals[:, 0], side.intervals[:, 1], side.pitch.astype(np.int64), times, _NUM_PITCHES)
                for side in (a, b)
            ]
            counts, *classes = map(_pitch_classes, (rolls[0] & rolls[1], *rolls))
            return multipitch_scores(*(number.sum(axis=1) for number in (counts, np.minimum(*classes), *classes)))
        ours, theirs = (_frames(side, times) for side in (a, b))
        correct, chroma_correct = (
            num_true_positives(ours, theirs, _WINDOW_SEMITONES, chroma) for chroma in (False, True)
        )
        return multipitch_scores(correct, chroma_correct, ours.count, theirs.count)


def _frames(side: Pitched, times: Floats) -> Pitches:
    """The pitches that sound at the times, as mir_eval has them from their frequencies."""
    row, pitch = sounding(side.intervals[:, 0], side.intervals[:, 1], side.pitch, times)
    return Pitches(hz_to_midi(midi_to_hz(pitch)), np.bincount(row, minlength=len(times)))


def _pitch_classes(sounds: NDArray[np.bool_]) -> Ints:
    """(T, 128) what sounds -> (T, 12) in how many octaves."""
    frame, pitch = np.divmod(np.flatnonzero(sounds), _NUM_PITCHES)
    return np.bincount(12 * frame + pitch % 12, minlength=12 * len(sounds)).reshape(-1, 12)


def _ratios(module: str, suffix: str, pairs: Pairs, a: Pitched, b: Pitched) -> dict[str, float]:
    overlap = float(transcription.average_overlap_ratio(a.intervals, b.intervals, pairs))
    values = (*precision_recall_f1(len(pairs), len(a), len(b)), overlap)
    return {f"{module}/{name}{suffix}": value for name, value in zip(_NOTE_NAMES, values, strict=True)}
