"""Scores of notes with instruments: mir_eval's numbers, over groups of programs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mir_eval
import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.notes import Notes
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
    "grouping": ("flat", "families", "full", "yourmt3"),
    "pedal": ("extend", "ignore"),
    "empty": ("mir_eval", "one", "exclude"),
}

_NAMES = ("Precision", "Recall", "F-measure")
_FAMILIES = tuple(name.replace(" ", "_") for name in FAMILIES)
_UNKNOWN, _LEFT_OUT = -1, -2  # in place of a group
# Of YourMT3, config/vocabulary.py: GM_INSTR_CLASS, where the ensembles are strings and what follows the pads is left
# out, and GM_DRUM_NOTES: drum sounds that are one; the others are left out.
_YOURMT3 = (0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10, *[_LEFT_OUT] * 4)
_YOURMT3_DRUMS = (
    (36, 35), (37, 2), (38, 40), (42, 44, 22), (46, 26), (56,), (43,), (41,), (45,), (47,), (48,), (50,), (58,), (51,),
    (53,), (59,), (52,), (49, 57), (55,),
)  # fmt: skip


def _groups(grouping: str) -> tuple[tuple[str, ...], Ints]:
    """-> names, and the group of each program."""
    family = np.arange(128) // 8
    if grouping == "yourmt3":
        return tuple(name for name in _FAMILIES[:12] if name != "ensemble"), np.array(_YOURMT3)[family]
    if grouping == "families":
        return _FAMILIES, family
    if grouping == "full":
        return tuple(f"program_{program}" for program in range(128)), np.arange(128)
    return ("pitched",), np.zeros(128, dtype=np.int64)


@dataclass(frozen=True)
class Sounds:
    """What is scored. intervals: (n, 2). pitch, group: (n,); drums are the last group, unknown programs -1, and those
    that do not count -2.
    """

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
                        full: every program, and drums. yourmt3: 11 families as YourMT3 has them, where ensembles are
                        strings and programs from 96 on count on neither side (but in transcription), and drum sounds,
                        of which some are one (open hi-hats), and those that it does not name count on neither side
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
        self.groups, of_program = _groups(protocol["grouping"])
        self.drums = len(self.groups)
        unknown = 0 if protocol["grouping"] == "flat" else _UNKNOWN
        self._group_of = np.concatenate([[unknown], of_program, [self.drums]])  # of programs -1 to 128
        self._sound: Floats | None = None  # of each drum's pitch
        if protocol["grouping"] == "yourmt3":
            self._sound = np.full(128, float(_LEFT_OUT))
            for alike in _YOURMT3_DRUMS:
                self._sound[list(alike)] = alike[0]

    def __call__(self, reference: Notes, estimate: Notes) -> dict[str, float]:
        (every_a, a), (every_b, b) = self._heard(reference), self._heard(estimate)
        hits = self.hits(a, b)
        exact = self.with_offsets(hits, a, b)
        scores = self._ratios("multi_instrument/{}_onset", hits, a, b)
        scores |= self._ratios("multi_instrument/{}_onset_offset", exact, a, b)
        drums = self._group(self.drums, hits, a, b)
        scores |= {f"drums/{name}": value for name, value in zip(_NAMES, drums, strict=True)}
        pitched = every_a.of(every_a.group != self.drums), every_b.of(every_b.group != self.drums)
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
        """Those that count."""
        return self._heard(notes)[1]

    def _heard(self, notes: Notes) -> tuple[Sounds, Sounds]:
        """-> all within the limits of pitch, and those that count."""
        intervals = np.stack([notes.onset_s, ends_s(notes, self.protocol["pedal"])], axis=1)
        sounds, counts = self.sounds_of(intervals, notes.pitch, notes.program)
        inside = self._inside(notes.pitch)
        return sounds.of(inside), sounds.of(counts)

    def sounds_of(self, intervals: Floats, pitch: Floats, program: Ints) -> tuple[Sounds, NDArray[np.bool_]]:
        """-> all, and which of them count."""
        group = self._group_of[program + 1]
        counts = self._inside(pitch) & (group != _LEFT_OUT)
        if self._sound is not None:
            sound = self._sound[np.clip(np.rint(pitch).astype(np.int64), 0, 127)]
            pitch = np.where(group == self.drums, sound, pitch)
            counts &= pitch != _LEFT_OUT
        return Sounds(intervals, pitch, group), counts

    def _inside(self, pitch: Floats) -> NDArray[np.bool_]:
        """The limits reach half a semitone further."""
        lowest, highest = self.protocol["lowest_pitch"] - 0.5, self.protocol["highest_pitch"] + 0.5
        found: NDArray[np.bool_] = (pitch >= lowest) & (pitch < highest)
        return found

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
