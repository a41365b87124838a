"""Scores of notes with instruments: mir_eval's numbers, over groups of programs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mir_eval
import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.notes import DRUMS, Notes
from ricercar.data.sources.synth.truth import FAMILIES
from ricercar.errors import InputError
from ricercar.metrics import transcription
from ricercar.metrics.util import Hits, num_matched, precision_recall_f1
from ricercar.tasks.marks import Mark
from ricercar.tasks.notes.marks import MarkedNotes, note_marks, octaves
from ricercar.tasks.protocol import EMPTY, check_protocol, ends_s

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PROTOCOL = {
    "onset_tolerance_s": None,
    "pitch_tolerance_cents": None,
    "offset_ratio": None,
    "offset_min_tolerance_s": None,
    "lowest_pitch": None,
    "highest_pitch": None,
    "grouping": ("flat", "families", "full"),
    "pedal": ("extend", "ignore"),
    "empty": ("mir_eval", "one", "exclude"),
}

_NAMES = ("Precision", "Recall", "F-measure")
# programs of one group
_SIZES = {"flat": 128, "families": 8, "full": 1}


@dataclass(frozen=True)
class Sounds:
    """What is scored. intervals: (n, 2). pitch, group: (n,); drums are the last group, unknown programs -1."""

    intervals: Floats
    pitch: Floats
    group: Ints

    def __len__(self) -> int:
        return len(self.pitch)

    def of(self, kept: NDArray[np.bool_]) -> "Sounds":
        return Sounds(self.intervals[kept], self.pitch[kept], self.group[kept])

    @property
    def sides(self) -> tuple[Floats, Floats]:
        return self.intervals, mir_eval.util.midi_to_hz(self.pitch)


class InstrumentScoring:
    """(reference, estimate) -> {module/metric: score}. _onset: onset and pitch agree; _onset_offset: the offset too.

    multi_instrument/Precision, Recall, F-measure _onset and _onset_offset
        A note is right where an estimate of the same group matches it. Precision is right estimates of all groups by
        all estimates, recall right notes of all groups by all notes: a group counts as much as it has notes. Drums
        are a group, whose offsets do not matter. This is how MT3's published code (Gardner et al. 2022,
        program_aware_note_scores of mt3/metrics.py) scores "onset + offset + program F1", which some papers call
        multi-instrument F1. _onset is the same without offsets
    instrument/F-measure_onset_<group>
        of one group; NaN where neither side has it
    instrument/detection_Precision, _Recall, _F-measure
        of the groups themselves, drums included: one is right where both sides have a note of it
    instrument/leakage_ratio
        as many groups as the estimate has by as many as there are: above 1, notes of one instrument are spread over
        several (both from Tan et al. 2024, MR-MT3); all NaN where there are none
    drums/Precision, Recall, F-measure
        onset and drum sound (pitch); NaN where neither side has drums
    transcription/Precision, Recall, F-measure, with and without _no_offset
        as in mir_eval.transcription, of all notes but drums whatever their instrument

    protocol.grouping   MT3's granularities. flat: pitched or drums. families: the 16 of General MIDI, and drums.
                        full: every program, and drums
    Notes below protocol.lowest_pitch or above highest_pitch (by half a semitone or more) count on neither side; MT3
    scores 21 to 108.
    An estimate of unknown program is wrong, except under flat.
    Where neither side has a note, protocol.empty decides: mir_eval 0, one 1, exclude NaN.
    """

    def __init__(self, protocol: Mapping[str, Any]) -> None:
        check_protocol("instruments", protocol, PROTOCOL)
        if protocol["lowest_pitch"] > protocol["highest_pitch"]:
            raise InputError(
                f"task.protocol.lowest_pitch={protocol['lowest_pitch']} is above "
                f"highest_pitch={protocol['highest_pitch']}."
            )
        self.protocol = protocol
        self.size = _SIZES[protocol["grouping"]]
        self.drums = 128 // self.size
        self.groups = {
            "flat": ("pitched",),
            "families": tuple(name.replace(" ", "_") for name in FAMILIES),
            "full": tuple(f"program_{program}" for program in range(128)),
        }[protocol["grouping"]]

    def __call__(self, reference: Notes, estimate: Notes) -> dict[str, float]:
        a, b = self.sounds(reference), self.sounds(estimate)
        hits = self.hits(a, b)
        exact = self.with_offsets(hits, a, b)
        scores = self._ratios("multi_instrument/{}_onset", hits, a, b)
        scores |= self._ratios("multi_instrument/{}_onset_offset", exact, a, b)
        drums = self._group(self.drums, hits, a, b)
        scores |= {f"drums/{name}": value for name, value in zip(_NAMES, drums, strict=True)}
        pitched = a.of(a.group != self.drums), b.of(b.group != self.drums)
        any_hits = self._hits(*pitched)
        scores |= self._ratios("transcription/{}_no_offset", any_hits, *pitched)
        scores |= self._ratios("transcription/{}", self.with_offsets(any_hits, *pitched), *pitched)
        for group, name in enumerate(self.groups):
            scores[f"instrument/F-measure_onset_{name}"] = self._group(group, hits, a, b)[2]
        there, found = set(a.group.tolist()), set(b.group.tolist())
        detected = precision_recall_f1(len(there & found), len(there), len(found)) if there | found else (np.nan,) * 3
        scores |= {f"instrument/detection_{name}": value for name, value in zip(_NAMES, detected, strict=True)}
        scores["instrument/leakage_ratio"] = len(found) / len(there) if there else np.nan
        return scores

    def marks(self, reference: Notes, estimate: Notes) -> list[Mark]:
        """Labelled with the group. label: a note without a pair, with onset and pitch of one of another group."""
        a, b = self.sounds(reference), self.sounds(estimate)
        names = [*self.groups, "drums", "unknown"]  # the last for group -1
        ours, theirs = (
            MarkedNotes(side.intervals, side.pitch, [names[each] for each in side.group]) for side in (a, b)
        )
        near = self.hits(a, b)
        i, j = octaves(ours, theirs, self.protocol["onset_tolerance_s"], self.protocol["pitch_tolerance_cents"])
        pitched = a.group[i] != self.drums
        less = {"label": self._hits(a, b), "octave": (i[pitched], j[pitched])}
        return note_marks(ours, theirs, near, self.with_offsets(near, a, b), less)

    def sounds(self, notes: Notes) -> Sounds:
        intervals = np.stack([notes.onset_s, ends_s(notes, self.protocol["pedal"])], axis=1)
        sounds = Sounds(intervals, notes.pitch, self.group_of(notes.program))
        return sounds.of(self.inside(notes.pitch))

    def inside(self, pitch: Floats | Ints) -> NDArray[np.bool_]:
        """(n,) -> (n,) whether notes of the pitch are scored: the limits reach half a semitone further."""
        lowest, highest = self.protocol["lowest_pitch"] - 0.5, self.protocol["highest_pitch"] + 0.5
        found: NDArray[np.bool_] = (pitch >= lowest) & (pitch < highest)
        return found

    def group_of(self, program: Ints) -> Ints:
        pitched = program // self.size
        if self.size == 128:
            pitched = np.maximum(pitched, 0)
        group: Ints = np.where(program == DRUMS, self.drums, pitched)
        return group

    def hits(self, a: Sounds, b: Sounds) -> Hits:
        """Pairs of the same group that agree in onset and pitch."""
        i, j = self._hits(a, b)
        same = a.group[i] == b.group[j]
        return i[same], j[same]

    def with_offsets(self, hits: Hits, a: Sounds, b: Sounds) -> Hits:
        """Those that also agree in offset, and drums."""
        tolerance_s = transcription.offset_tolerances(
            a.intervals, self.protocol["offset_ratio"], self.protocol["offset_min_tolerance_s"]
        )
        tolerance_s[a.group == self.drums] = np.inf
        return transcription.with_offsets(hits, a.intervals, b.intervals, tolerance_s)

    def f_measure(self, a: Sounds, b: Sounds, *, offsets: bool) -> float:
        """multi_instrument/F-measure_onset or _onset_offset alone; 0 where neither side has a note."""
        hits = self.hits(a, b)
        number = num_matched(self.with_offsets(hits, a, b) if offsets else hits)
        return precision_recall_f1(number, len(a), len(b))[2]

    def _hits(self, a: Sounds, b: Sounds) -> Hits:
        return transcription.note_hits(
            *a.sides, *b.sides, self.protocol["onset_tolerance_s"], self.protocol["pitch_tolerance_cents"]
        )

    def _group(self, group: int, hits: Hits, a: Sounds, b: Sounds) -> tuple[float, float, float]:
        num_reference, num_estimate = int((a.group == group).sum()), int((b.group == group).sum())
        if not num_reference and not num_estimate:
            return np.nan, np.nan, np.nan
        own = a.group[hits[0]] == group
        return precision_recall_f1(num_matched((hits[0][own], hits[1][own])), num_reference, num_estimate)

    def _ratios(self, name: str, hits: Hits, a: Sounds, b: Sounds) -> dict[str, float]:
        values = precision_recall_f1(num_matched(hits), len(a), len(b))
        if not len(a) and not len(b):
            values = (EMPTY[self.protocol["empty"]],) * 3
        return {name.format(each): value for each, value in zip(_NAMES, values, strict=True)}
