"""What an estimate got right and wrong, piece by piece, to be looked at and listened to."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

REFERENCE, RIGHT, MISSED, SPURIOUS, UNSCORED = "reference", "right", "missed", "spurious", "unscored"
FOUND = "found"
LACKING, UNFOUND = "lacking", "unfound"

# Every kind of mark, in the words of a legend.
KINDS = {
    REFERENCE: "what there is to find",
    RIGHT: "right",
    "offset": "right onset and pitch, wrong end",
    "octave": "right but for the octave",
    "pitch": "wrong pitch",
    "label": "right onset and pitch, wrong instrument",
    "root": "right root, wrong quality",
    "relative": "relative major or minor",
    "parallel": "parallel major or minor",
    "fifth": "a fifth away",
    "wrong": "wrong",
    MISSED: "missed",
    SPURIOUS: "not in the reference",
    UNSCORED: "not scored",
    FOUND: "found, where there is no reference",
    # of a label audit (leaderboard.py audit)
    LACKING: "found by all systems, not in the labels",
    UNFOUND: "in the labels, found by no system",
}
# An estimated pitch stays one mark while it is nearest to the same step of this size.
_STEPS_PER_SEMITONE = 2


@dataclass(frozen=True)
class Mark:
    """A stretch of time, or with equal ends an instant, of an estimate; of the reference where it was missed.

    end_s   infinity: a mark of the whole track, as long as that is
    kind    one of KINDS
    pitch   MIDI number, with a fraction where it is a frequency; None where there is none
    label   chord, drum, tag ..., of the side that the mark is of; it also names the lane of an instant
    """

    start_s: float
    end_s: float
    kind: str
    pitch: float | None = None
    label: str = ""

    def __post_init__(self) -> None:
        assert self.kind in KINDS
        assert self.end_s >= self.start_s

    @property
    def is_error(self) -> bool:
        return self.kind not in (REFERENCE, RIGHT, UNSCORED, FOUND)


def of_track(kind: str, label: str) -> Mark:
    """A mark of a whole track, such as its key."""
    return Mark(0.0, math.inf, kind, label=label)


def instants(time_s: Iterable[float], kind: str, label: str = "") -> list[Mark]:
    return [Mark(float(time), float(time), kind, label=label) for time in time_s]


def joined(marks: Iterable[Mark]) -> list[Mark]:
    """Marks in the order of time, where neighbours that touch and say the same are one."""
    found: list[Mark] = []
    for mark in marks:
        if found and mark == replace(found[-1], start_s=found[-1].end_s, end_s=mark.end_s):
            found[-1] = replace(found[-1], end_s=mark.end_s)
        else:
            found.append(mark)
    return found


def frame_runs(
    time_s: NDArray[np.float64], row: NDArray[np.int64], pitch: NDArray[np.float64], kind: Iterable[str]
) -> list[Mark]:
    """Pitches in frames -> a mark for each run of neighbouring frames with one kind and nearly one pitch.

    time_s   (T,) of the frames; each lasts until the next one
    row      (n,) the frame of each pitch;  pitch, kind: n of each
    """
    if not len(row):
        return []
    end_s = np.append(time_s[1:], time_s[-1] + (float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.0))
    names, number = np.unique(list(kind), return_inverse=True)
    step = np.rint(pitch * _STEPS_PER_SEMITONE).astype(np.int64)
    order = np.lexsort((row, step, number))
    row, pitch, step, number = row[order], pitch[order], step[order], number[order]
    new = (np.diff(row) != 1) | (np.diff(step) != 0) | (np.diff(number) != 0)
    first = np.flatnonzero(np.append(True, new))
    last = np.append(first[1:], len(row)) - 1
    means = np.add.reduceat(pitch, first) / (last - first + 1)
    found = [
        Mark(float(time_s[row[a]]), float(end_s[row[b]]), str(names[number[a]]), round(float(mean), 2))
        for a, b, mean in zip(first, last, means, strict=True)
    ]
    return sorted(found, key=lambda mark: (mark.start_s, mark.pitch, mark.kind))
