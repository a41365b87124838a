"""What happens when: the instants of an annotation, and which of two sides may be the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ricercar.data.annotations.annotation import Annotation
from ricercar.data.annotations.beats import Beats
from ricercar.data.annotations.notes import Notes
from ricercar.data.annotations.onsets import Onsets
from ricercar.metrics.transcription import time_hits
from ricercar.metrics.util import Hits, match_hits
from ricercar.tasks.scoring import Scoring

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

OF_EVENTS: tuple[type[Annotation], ...] = (Notes, Onsets, Beats)  # kinds of annotations that can be audited
_SEMITONES = 0.5  # how far pitches of one note are apart at most


@dataclass(frozen=True, eq=False)
class Events:
    """Onsets of notes, drum hits, onsets, or beats, in the order of time.

    time_s   (n,)
    pitch    (n,) MIDI number; NaN where it has none
    label    (n,) texts: drum, instrument, beat or downbeat; "" where there is one kind only
    """

    time_s: Floats
    pitch: Floats
    label: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.time_s)

    def taken(self, which: Bools | NDArray[np.intp]) -> "Events":
        return Events(self.time_s[which], self.pitch[which], self.label[which])

    def earlier(self, by_s: Floats) -> "Events":
        """Each moved by its own seconds, in the same order, whether that is still the order of time or not."""
        return Events(self.time_s - by_s, self.pitch, self.label)


def events_of(scoring: Scoring, annotation: Annotation) -> Events:
    """All that scoring makes marks of, with pitch and label as marks have them."""
    marks = sorted(scoring.reference_marks(annotation), key=lambda mark: (mark.start_s, mark.pitch or 0.0, mark.label))
    return events([m.start_s for m in marks], [np.nan if m.pitch is None else m.pitch for m in marks],
                  [m.label for m in marks])  # fmt: skip


def events(time_s: Sequence[float], pitch: Sequence[float], label: Sequence[str]) -> Events:
    labels = np.empty(len(label), dtype=object)
    labels[:] = label
    return Events(np.asarray(time_s, dtype=np.float64), np.asarray(pitch, dtype=np.float64), labels)


def alike(a: Events, b: Events, window_s: float) -> Hits:
    """Indices (i, j) of what has one label and pitch, and times at most `window_s` apart."""
    order_a, order_b = (np.argsort(side.time_s, kind="stable") for side in (a, b))
    i, j = time_hits(a.time_s[order_a], b.time_s[order_b], window_s)
    i, j = order_a[i], order_b[j]
    apart = np.abs(a.pitch[i] - b.pitch[j])
    same = (a.label[i] == b.label[j]) & ~(apart > _SEMITONES)  # NaN, without a pitch, is not apart
    return i[same], j[same]


def paired(a: Events, b: Events, window_s: float) -> Hits:
    """Of `alike` a largest matching: each event once."""
    pairs = np.array(match_hits(alike(a, b, window_s)), dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]
