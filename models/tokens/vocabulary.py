"""What tokens there are: kinds of event with ranges of values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

PAD, EOS, UNK = 0, 1, 2  # of every vocabulary, as in T5
_SPECIAL = ("pad", "eos", "unk")

# Kinds of event.
SHIFT = "shift"  # steps since the segment's start; those in a row are added up
TIME = "time"  # steps since the segment's start
PITCH = "pitch"  # begins or ends, as the velocity before it says
ON = "on"
OFF = "off"
DURATION = "duration"  # steps until the end of the note before it; 0: longer than the segment
VELOCITY = "velocity"
PROGRAM = "program"
DRUM = "drum"
TIE = "tie"  # the end of the list of notes that sound at the segment's start


class Event(NamedTuple):
    """What a token says."""

    kind: str
    value: int


@dataclass(frozen=True)
class Range:
    """`size` tokens of one kind, with values from `lowest` on."""

    kind: str
    size: int
    lowest: int = 0


class Vocabulary:
    """id <-> (kind, value). Ids are PAD 0, EOS 1, UNK 2, the ranges in their order, and ids that mean nothing.

    num_tokens   all of them: what an embedding has rows for, a multiple of `multiple_of`
    num_events   of the ranges
    ranges       {kind: Range}
    first        {kind: id of its lowest value}
    kinds        names; kind (num_tokens,) int64 has their indices
    value        (num_tokens,) int64; 0 where there is none
    """

    def __init__(self, ranges: Sequence[Range], num_extra: int = 0, multiple_of: int = 1) -> None:
        kept = [each for each in ranges if each.size > 0]
        self.ranges = {each.kind: each for each in kept}
        assert len(self.ranges) == len(kept)
        self.num_events = sum(each.size for each in kept)
        used = UNK + 1 + self.num_events
        self.num_tokens = -(-(used + num_extra) // multiple_of) * multiple_of
        self.kinds = (*_SPECIAL, *self.ranges)
        self.kind = np.full(self.num_tokens, UNK, dtype=np.int64)
        self.kind[: UNK + 1] = PAD, EOS, UNK
        self.value = np.zeros(self.num_tokens, dtype=np.int64)
        self.first: dict[str, int] = {}
        start = UNK + 1
        for number, each in enumerate(kept, start=UNK + 1):
            self.first[each.kind] = start
            self.kind[start : start + each.size] = number
            self.value[start : start + each.size] = each.lowest + np.arange(each.size)
            start += each.size
        self._events = [
            Event(self.kinds[kind], value) for kind, value in zip(self.kind.tolist(), self.value.tolist(), strict=True)
        ]

    def __contains__(self, kind: str) -> bool:
        return kind in self.ranges

    def id(self, kind: str, value: int = 0) -> int:
        """LookupError where there is no such event."""
        if kind in _SPECIAL:
            return _SPECIAL.index(kind)
        found = self.ranges[kind]
        if not 0 <= value - found.lowest < found.size:
            raise LookupError(f"{kind} {value}: values are {found.lowest} to {found.lowest + found.size - 1}.")
        return self.first[kind] + value - found.lowest

    def ids(self, kind: str, values: Ints) -> Ints:
        """(...) values, all of them within the range -> (...) ids"""
        return values + (self.first[kind] - self.ranges[kind].lowest)

    def event(self, token: int) -> Event:
        """Any number; what is no event is pad, eos or unk."""
        return self._events[token] if 0 <= token < self.num_tokens else self._events[UNK]

    def words(self, tokens: Iterable[int]) -> str:
        """As one reads them: `time 12, on 60, off 55, eos`."""
        events = [self.event(int(token)) for token in tokens]
        named = [each.kind in self.ranges and each.kind != TIE for each in events]
        return ", ".join(
            f"{each.kind} {each.value}" if name else each.kind for each, name in zip(events, named, strict=True)
        )
