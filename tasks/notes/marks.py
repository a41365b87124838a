"""Marks of notes: each note of the estimate, and those of the reference that it misses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ricercar.metrics.transcription import time_hits
from ricercar.metrics.util import Hits, match_hits
from ricercar.tasks.marks import MISSED, RIGHT, SPURIOUS, Mark

Pairs = Mapping[int, int]


@dataclass(frozen=True)
class MarkedNotes:
    """One side. intervals: (n, 2) seconds. pitch: (n,) MIDI numbers with fractions. label: n instruments."""

    intervals: NDArray[np.float64]
    pitch: NDArray[np.float64]
    label: Sequence[str]

    def mark(self, number: int, kind: str) -> Mark:
        start_s, end_s = self.intervals[number].tolist()
        return Mark(start_s, end_s, kind, float(self.pitch[number]), self.label[number])


def note_marks(
    reference: MarkedNotes,
    estimate: MarkedNotes,
    near: Hits,
    exact: Hits,
    less: Mapping[str, Hits],
) -> list[Mark]:
    """right: in a largest matching with offsets; offset: in one without, beside these; the rest in no pair.

    near, exact   pairs that agree without and with their offsets; the numbers of right, and of right and offset
                  together, are those that precision and recall with and without offsets are made of
    less          {kind: pairs that agree in less}, the nearer kinds first: those of them that are in no pair yet give
                  the estimate that kind instead of spurious. The reference's note is missed all the same
    """
    right = dict(match_hits(exact))
    found = extended(right, dict(match_hits(near)))
    kinds = np.full(len(estimate.pitch), SPURIOUS, dtype=object)
    kinds[list(found.values())] = "offset"
    kinds[list(right.values())] = RIGHT
    alone = np.ones(len(reference.pitch), dtype=bool)
    alone[list(found)] = False
    free = alone.copy()
    for kind, (i, j) in less.items():
        both = free[i] & (kinds[j] == SPURIOUS)
        pairs = dict(match_hits((i[both], j[both])))
        kinds[list(pairs.values())] = kind
        free[list(pairs)] = False
    marks = [estimate.mark(number, str(kind)) for number, kind in enumerate(kinds)]
    marks += [reference.mark(number, MISSED) for number in np.flatnonzero(alone).tolist()]
    return sorted(marks, key=lambda mark: (mark.start_s, mark.pitch, mark.kind, mark.label, mark.end_s))


def octaves(
    reference: MarkedNotes, estimate: MarkedNotes, onset_tolerance_s: float, pitch_tolerance_cents: float
) -> Hits:
    """Pairs with one onset and label, and pitches that agree when moved by one octave or more."""
    onset_s = reference.intervals[:, 0]
    i, j = time_hits(onset_s, estimate.intervals[:, 0], onset_tolerance_s)
    apart = reference.pitch[i] - estimate.pitch[j]
    same = np.array([reference.label[a] == estimate.label[b] for a, b in zip(i, j, strict=True)], dtype=bool)
    moved = np.rint(apart / 12)
    kept = same & (moved != 0) & (100 * np.abs(apart - 12 * moved) <= pitch_tolerance_cents)
    return i[kept], j[kept]


def extended(some: Pairs, more: Pairs) -> dict[int, int]:
    """`some` pairs of a matching, made as many as `more`, a largest one: what `some` holds on either side stays in.

    Where both differ they make up chains. One that begins with a note of the estimate that only `more` holds, and ends
    with a note of the reference that only `more` holds, has one pair more in `more`: along it, `more` is taken.
    """
    found = dict(some)
    partner = {j: i for i, j in more.items()}
    for end in sorted(set(more.values()) - set(some.values())):
        chain = [end]
        while partner[chain[-1]] in some and some[partner[chain[-1]]] in partner:
            chain.append(some[partner[chain[-1]]])
        if partner[chain[-1]] not in some:
            found |= {partner[j]: j for j in chain}
    return found
